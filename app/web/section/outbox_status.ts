/** How things stand in the outbox, apart from it: what only says so does not load it. */
import type { OutboxStatus } from "@inkfast/outbox";
import { watched } from "./watched.ts";

/** Of all sections; null until the outbox is open. */
export const outboxStatus = watched<OutboxStatus | null>(null);
