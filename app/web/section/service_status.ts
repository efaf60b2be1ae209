/** What the service says of itself in public: maintenance that is announced or going on. Asked seldom, and only by who looks. */
import { watched } from "./watched.ts";

const EVERY_MS = 10 * 60_000;

/** Until when maintenance goes on; milliseconds since 1970, null for none. */
export const maintenanceUntil = watched<number | null>(null);

let timer: ReturnType<typeof setTimeout> | undefined;

export function watchService(): void {
  if (timer === undefined) void look();
}

async function look(): Promise<void> {
  timer = setTimeout(() => void look(), EVERY_MS * (0.75 + Math.random() / 2));
  if (document.hidden) return;
  try {
    const answer = await fetch("/statusz", { cache: "no-store", credentials: "omit" });
    const { maintenance } = (await answer.json()) as { readonly maintenance?: { readonly until: string } | null };
    maintenanceUntil.value = maintenance ? Date.parse(maintenance.until) : null;
  } catch {
    // Unknown: what was announced before still holds.
  }
}
