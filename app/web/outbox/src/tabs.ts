/** What tabs of one browser have between them. Neither is needed for being right: IndexedDB is the only truth. */

/**
 * Do this under a lock that no other tab holds; false where one does and `isForced` is not set: a frozen tab keeps its locks.
 * Without the Web Locks API there is no lock, and two tabs may send the same twice, which has no second effect.
 */
export async function alone(name: string, isForced: boolean, work: () => Promise<void>): Promise<boolean> {
  const locks = globalThis.navigator?.locks;
  let isDone = false;
  const once = async () => {
    isDone = true;
    await work();
  };
  try {
    await locks?.request(name, { ifAvailable: true }, async (lock) => {
      if (lock || isForced) await once();
    });
    if (!locks) await once();
  } catch {
    if (!isDone) await once(); // refused where a page has no storage at all
  }
  return isDone;
}

/** Tell the other tabs that something has changed on disk ("rows"), or that the person has signed in ("in"). */
export function channel(name: string, heard: (word: string) => void): { tell(word: string): void; close(): void } {
  const wire = typeof BroadcastChannel === "function" ? new BroadcastChannel(name) : undefined;
  if (wire) wire.onmessage = (event) => heard(event.data);
  return {
    tell: (word) => wire?.postMessage(word),
    close: () => wire?.close(),
  };
}
