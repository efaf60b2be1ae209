/** What is done after changes: once for all that happened together, before the next paint. */

let isDue = false;
const listeners: Set<() => void> = new Set();

/** Something has changed: everything that listens is called soon. */
export function drawSoon(): void {
  if (isDue) return;
  isDue = true;
  queueMicrotask(() => {
    isDue = false;
    for (const listener of listeners) listener();
  });
}

/** Called after changes until the returned function is called; in the order in which they came. */
export function afterChange(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
