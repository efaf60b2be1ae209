/**
 * Work that is in the memory of a page and nowhere else, where the browser cannot store it. While there is some the page holds a
 * lock, which ends with the page, however that ends: so it is known in another tab, where somebody wants to sign out.
 */

import type { OutboxStatus } from "@inkfast/outbox";

/** Whether that is so of what an outbox says of itself. */
export const hasNowhere = ({ storage, oldestUnsent }: OutboxStatus): boolean => storage === "memory" && oldestUnsent !== null;

export const nowhereLock = (user: number): string => `inkfast-nowhere-${user}`;

let letGo: (() => void) | undefined;

/** Say whether this page has such work. A browser without locks does not tell the other tabs. */
export function holdNowhere(user: number, isNowhere: boolean): void {
  if (!isNowhere) {
    letGo?.();
    letGo = undefined;
  } else if (letGo === undefined) {
    const isOver = new Promise<void>((resolve) => (letGo = resolve));
    navigator.locks?.request(nowhereLock(user), { mode: "shared" }, () => isOver).catch(() => undefined);
  }
}
