export type * from "./types.ts";
export { openOutbox } from "./outbox.ts";
