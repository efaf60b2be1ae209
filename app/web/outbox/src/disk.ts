/**
 * What an outbox keeps, in IndexedDB: the only truth, with a mirror in memory for reading at once.
 *
 * Every change is a step over the state. Steps that come while a transaction runs are collected, and the next one takes all
 * of them (group commit), with `durability: "strict"`: a promise of `run` resolves when its step is on disk. What another
 * tab's transaction has left is read first. Where the disk fails, or takes too long, everything goes on in memory, and
 * `isMemory` says so; what is in memory goes to the disk as soon as that is there: at once where it was only slow.
 */
import { copy, newestOf, renumber, sort } from "./edits.ts";
import type { Row, State } from "./edits.ts";
import { uuid7 } from "./ids.ts";
import { DISK_REST_MS, DISK_TRIES_MAX, PATIENCE_MS } from "./limits.ts";
import type { OutboxOptions } from "./types.ts";

/** The stores, each a map of the state, and what its entries are found by. */
const STORES = [["edits", "edit_id"], ["acks", "at"], ["sections", "section"]] as const;

/** What the name of the database ends with that is there for a moment only. */
const LOG = "-log";

interface Job {
  readonly step: (state: State) => unknown;
  /** What it does is seen from the call on, before it is on disk. */
  readonly isEager: boolean | undefined;
  readonly resolve: (result: never) => void;
  result?: unknown;
}

export type Disk = ReturnType<typeof openDisk>;

const result = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** `changed` is told of every new state, and whether it was this tab that has written it. A step never throws. */
export function openDisk(
  name: string, how: Pick<OutboxOptions, "indexedDB" | "makeRoom"> & { now: () => number }, changed: (old: State, next: State, isOurs: boolean) => void,
) {
  let db: IDBDatabase | undefined;
  let mirror = copy();
  let isMemory = false;
  let isResting = false; // the disk has failed, and is left alone for a while
  let timer: ReturnType<typeof setTimeout>;
  let attempts = 0;
  let last: IDBTransaction | undefined;
  let shown: Promise<undefined> | undefined; // the page is again, which the browser keeps for going back
  let patience = PATIENCE_MS;
  let waiting: Job[] = [];
  let group: Job[] = [];
  let running: Promise<void> | undefined;
  let seen: State | undefined;
  let newest: Map<string, Row> | undefined;

  /**
   * Chromium goes on in a log that ends in the middle of a record, if it was killed while it wrote that; at its next start
   * but one it finds the log damaged, and deletes all databases (github.com/google/leveldb/issues/1287). Where one is
   * deleted it begins a new log: so each page begins with that, in its first attempt, before anything is told to be on disk.
   */
  async function open(): Promise<IDBDatabase> {
    const databases = how.indexedDB ?? indexedDB; // there may be none, or it is forbidden
    if (attempts < 2) {
      (await result(databases.open(name + LOG))).close();
      await result(databases.deleteDatabase(name + LOG));
    }
    const request = databases.open(name, 1);
    request.onupgradeneeded = () => STORES.map(([store, keyPath]) => request.result.createObjectStore(store, { keyPath }));
    const opened = await result(request);
    // The browser has ended it (Safari does), or another page wants to delete or upgrade it: it is opened again when needed.
    opened.onclose = opened.onversionchange = () => {
      opened.close();
      letGo();
    };
    return opened;
  }

  function letGo(): void {
    db?.close();
    db = undefined;
  }

  /** Do what the group asks for, and remember what comes of it. */
  function play(next: State): void {
    for (const job of group) job.result = job.step(next);
  }

  function finish(next: State, isOurs: boolean): void {
    const old = mirror;
    const jobs = group;
    mirror = next;
    group = [];
    seen = newest = undefined;
    changed(old, next, isOurs);
    for (const job of jobs) job.resolve(job.result as never);
  }

  /**
   * Take the group to the disk. Where this tab has not read this database before, everything goes on as a fresh client: at
   * the opening, after a time without a disk, or where the database was deleted under the page. What the tab knows and the
   * database does not is added. Too much is harmless: the server knows each edit by its id.
   *
   * An attempt that has been given up meanwhile changes nothing here, whatever result of it on the disk.
   */
  async function commit(attempt: number): Promise<void> {
    let there = mirror;
    let isOurs = false;
    db ??= await open();
    const tx = last = db.transaction(STORES.map(([store]) => store), "readwrite", { durability: "strict" });
    const written = new Promise((resolve, reject) => {
      tx.oncomplete = resolve;
      tx.onabort = () => reject(tx.error);
    });
    written.catch(() => {}); // also where nobody waits for it yet
    const { rev, born = uuid7(how.now()) }: State = (await result(tx.objectStore("sections").get(0))) ?? {};
    const isStrange = isMemory || born !== mirror.born;
    if (isStrange || rev !== mirror.rev) {
      there = copy({ born, rev });
      for (const [store, key] of STORES) {
        for (const one of await result(tx.objectStore(store).getAll())) there[store].set(one[key] as never, one as never);
      }
      there.sections.delete(0);
    }
    if (attempt !== attempts) return tx.abort();
    const next = copy(there);
    if (isStrange) {
      for (const [id, row] of mirror.edits) next.edits.set(id, row);
      for (const [at, ack] of mirror.acks) next.acks.set(at, ack);
      renumber(next);
    }
    sort(next);
    play(next);
    for (const [store] of STORES) {
      const old = there[store] as Map<unknown, unknown>;
      const to = tx.objectStore(store);
      for (const [key, value] of next[store]) if (old.get(key) !== value) isOurs = !!to.put(value);
      for (const key of old.keys()) if (!next[store].has(key as never)) isOurs = !!to.delete(key as IDBValidKey);
    }
    if (isOurs) tx.objectStore("sections").put({ section: 0, rev: (next.rev = uuid7(how.now())), born });
    await written;
    if (attempt !== attempts) return;
    isMemory = false;
    finish(next, isOurs);
  }

  /** The disk may be there again. */
  function again(): void {
    isResting = false;
    void look();
  }

  /** Rejects with nothing where that takes too long. */
  const patiently = <T>(going: T) => Promise.race([going, new Promise<never>((_, reject) => setTimeout(reject, patience))]);

  async function keep(): Promise<void> {
    for (let tries = 0; !isResting && tries < DISK_TRIES_MAX; tries++) {
      shown = await shown;
      const going = commit(++attempts);
      try {
        // Where that takes too long, it goes on; what is thrown here then is nothing.
        return await patiently(going);
      } catch (error) {
        attempts++;
        letGo();
        if (error === undefined) {
          isMemory = false; // what it was for may come to be on the disk after all
          going.then(() => {
            patience *= 2;
            again();
          }, () => {});
          break;
        }
        // A transaction that the browser has ended has an error only where it says why.
        if (!shown && /Quota|Abort/.test((error as Error | null)?.name ?? "Abort")) try {
          await patiently(how.makeRoom?.());
        } catch {}
      }
    }
    const next = copy({ born: "", ...mirror });
    play(next);
    if (!isMemory) renumber(next); // from now on none of it is changed, and other tabs may go on with the numbers
    if (!isResting) timer = setTimeout(again, DISK_REST_MS);
    isResting = isMemory = true;
    finish(next, false);
  }

  async function work(): Promise<void> {
    await undefined; // what comes in one go is taken in one go
    while (waiting.length) {
      group = waiting;
      waiting = [];
      await keep();
    }
    running = undefined;
  }

  function run<T>(step: (state: State) => T, isEager?: boolean): Promise<T> {
    return new Promise((resolve) => {
      waiting.push({ step, isEager, resolve });
      seen = newest = undefined;
      running ??= work();
    });
  }

  const look = () => run(() => {});

  function peek(): State {
    if (!seen) {
      seen = copy(mirror);
      for (const job of [...group, ...waiting]) if (job.isEager) job.step(seen);
    }
    return seen;
  }

  return {
    run,
    /** Take in what other tabs have left on the disk. */
    look,
    /** What is kept, as of the last transaction. */
    kept: () => mirror,
    /** The same, and what is not on disk yet. */
    peek,
    /** Of that, the newest edit of each cell. */
    newest: () => (newest ??= newestOf(peek())),
    isStored: ({ edit_id }: { edit_id: string }): boolean => mirror.edits.has(edit_id),
    isMemory: () => isMemory,
    /**
     * The browser keeps the page for going back. WebKit keeps an open transaction with it, and every page that comes afterwards would
     * wait for that one: it is given up, and what it was for is done when the page is shown again.
     */
    rest(): void {
      shown = new Promise((resolve) => addEventListener("pageshow", () => resolve(undefined)));
      try {
        last!.abort();
      } catch {} // there is none, or it was done
    },
    async close(): Promise<void> {
      clearTimeout(timer);
      await running;
      letGo();
    },
  };
}
