/** What tabs of one browser have between them. None of it is needed for being right: IndexedDB is the only truth. */

/**
 * Do this under a lock that no other tab holds; false where one does and `isForced` is not set: a frozen tab keeps its locks.
 * Without the Web Locks API there is no lock, and two tabs may send the same twice, which has no second effect.
 */
export async function alone(name: string, isForced: boolean, work: () => Promise<void>): Promise<boolean> {
  let begun: Promise<void> | undefined;
  const begin = (lock: unknown) => (lock || isForced ? (begun = work()) : undefined);
  try {
    await navigator.locks.request(name, { ifAvailable: true }, begin);
  } catch {
    if (!begun) await begin(1); // there are none, or this page may not use them
  }
  return !!begun;
}

/** What other tabs say of what has changed on disk ("rows"), or that the person has signed in ("in"); undefined where they cannot. */
export function channel(name: string, heard: (word: string) => void): BroadcastChannel | undefined {
  if (typeof BroadcastChannel !== "function") return;
  const wire = new BroadcastChannel(name);
  wire.onmessage = (event) => heard(event.data);
  return wire;
}
