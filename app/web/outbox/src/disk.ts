/**
 * What an outbox keeps, in IndexedDB: the only truth, with a mirror in memory for reading at once.
 *
 * Every change is a step over the state. Steps that come while a transaction runs are collected, and the next one takes all
 * of them (group commit), with `durability: "strict"`: a promise of `run` resolves when its step is on disk. What another
 * tab's transaction has left is read first. Where the disk fails, or takes too long, everything goes on in memory, and
 * `isMemory` says so; what is in memory goes to the disk as soon as that is there: at once where it was only slow.
 */
import { wrap } from "idb";
import { copy, empty, renumber, sort } from "./edits.ts";
import type { Position, Row, State } from "./edits.ts";
import type { Acknowledgement, CellName } from "./types.ts";
import { uuid7 } from "./ids.ts";

const ACKS_MAX = 50;
const PATIENCE_MS = 10_000; // with the disk, before somebody is told that it is not there; doubled each time that it comes later
const TRY_AGAIN_MS = 30_000;
const TRIES_MAX = 3;
const STORES = ["edits", "sections", "acks"];

type Step<T> = (state: State) => T;
export type Place = CellName & { readonly section: number };
interface Job {
  readonly step: Step<unknown>;
  /** Cells that look different from the call on, before they are on disk. */
  readonly storing: readonly Place[] | undefined;
  readonly resolve: (result: never) => void;
}

export type Disk = ReturnType<typeof openDisk>;

/** `changed` is told of every new state, and whether it was this tab that has written it. A step never throws. */
export function openDisk(
  name: string, factory: IDBFactory | undefined, now: () => number, makeRoom: (() => Promise<unknown>) | undefined,
  changed: (old: State, next: State, isOurs: boolean) => void,
) {
  let db: IDBDatabase | undefined;
  let mirror = empty();
  let isMemory = false;
  let isResting = !factory; // the disk has failed, and is left alone for a while
  let timer: ReturnType<typeof setTimeout>;
  let attempts = 0;
  let patience = PATIENCE_MS;
  let waiting: Job[] = [];
  let group: Job[] = [];
  let running: Promise<void> | undefined;
  let shown: State | undefined;

  async function open(): Promise<IDBDatabase> {
    const request = factory!.open(name, 1);
    request.onupgradeneeded = () => {
      ["edit_id", "section", ""].map((keyPath, i) => request.result.createObjectStore(STORES[i]!, keyPath ? { keyPath } : { autoIncrement: true }));
    };
    await wrap(request);
    const { result } = request;
    // The browser has ended it (Safari does), or another page wants to delete or upgrade it: it is opened again when needed.
    result.onclose = result.onversionchange = () => {
      result.close();
      letGo();
    };
    return result;
  }

  function letGo(): void {
    db?.close();
    db = undefined;
  }

  /**
   * What lies on disk, and what it is to become. Where this tab has not read this database before, everything goes on as a
   * fresh client: at the opening, after a time without a disk, or where the database was deleted under the page. What the tab
   * knows and the database does not is added. Too much is harmless: the server knows each edit by its id.
   */
  async function read(edits: IDBObjectStore, sections: IDBObjectStore): Promise<[State, State]> {
    const { rev, born } = ((await wrap(sections.get(0))) ?? { rev: "", born: uuid7(now()) }) as State;
    const isStrange = isMemory || born !== mirror.born;
    if (!isStrange && rev === mirror.rev) return [mirror, copy(mirror)];
    const there = { ...empty(), rev, born };
    for (const row of await wrap<Row[]>(edits.getAll())) there.rows.set(row.edit_id, row);
    for (const position of await wrap<Position[]>(sections.getAll())) there.positions.set(position.section, position);
    there.positions.delete(0);
    const next = copy(there);
    next.acks = mirror.acks;
    if (isStrange) {
      for (const [id, row] of mirror.rows) next.rows.set(id, row);
      renumber(next);
    }
    sort(next);
    return [there, next];
  }

  function finish(jobs: Job[], next: State, isOurs: boolean, results: unknown[]): void {
    const old = mirror;
    mirror = next;
    group = [];
    shown = undefined;
    changed(old, next, isOurs);
    jobs.map((job, i) => job.resolve(results[i] as never));
  }

  /** Take the group to the disk. One that has been given up meanwhile changes nothing here, whatever became of it there. */
  async function commit(attempt: number): Promise<void> {
    const jobs = group;
    let isOurs = false;
    db ??= await open();
    if (attempt !== attempts) return;
    const tx = db.transaction(STORES, "readwrite", { durability: "strict" });
    const { done } = wrap(tx);
    done.catch(() => {}); // also where nobody waits for it yet
    const [edits, sections, acks] = STORES.map((store) => tx.objectStore(store)) as [IDBObjectStore, IDBObjectStore, IDBObjectStore];
    const write = <K extends IDBValidKey, V>(store: IDBObjectStore, old: Map<K, V>, next: Map<K, V>) => {
      for (const [key, value] of next) if (old.get(key) !== value) isOurs = !!store.put(value);
      for (const key of old.keys()) if (!next.has(key)) isOurs = !!store.delete(key);
    };
    const [there, next] = await read(edits, sections);
    if (attempt !== attempts) return tx.abort();
    const results = jobs.map((job) => job.step(next));
    write(edits, there.rows, next.rows);
    write(sections, there.positions, next.positions);
    for (const ack of next.acks) {
      const request = acks.put(ack);
      request.onsuccess = () => acks.delete(IDBKeyRange.upperBound((request.result as number) - ACKS_MAX));
    }
    if (isOurs) sections.put({ section: 0, rev: (next.rev = uuid7(now())), born: next.born });
    await done;
    if (attempt !== attempts) return;
    isMemory = false;
    next.acks = [];
    finish(jobs, next, isOurs, results);
  }

  /** The disk may be there again. */
  function again(): void {
    isResting = false;
    void run(() => {});
  }

  async function keep(): Promise<void> {
    for (let tries = 0; !isResting && tries < TRIES_MAX; tries++) {
      const going = commit(++attempts);
      try {
        return await within(going, patience);
      } catch (error) {
        attempts++;
        letGo();
        const why = (error as Error).name;
        if (why === "TimeoutError") {
          going.then(() => {
            patience *= 2;
            again();
          }, () => {});
          break;
        }
        if (/Quota|Abort/.test(why)) await makeRoom?.().catch(() => {});
      }
    }
    if (!isResting) timer = setTimeout(again, TRY_AGAIN_MS);
    isResting = true;
    const next = copy(mirror);
    if (!isMemory) renumber(next); // other tabs may go on with the numbers that are on disk
    isMemory = true;
    finish(group, next, false, group.map((job) => job.step(next)));
    mirror.acks.splice(0, mirror.acks.length - ACKS_MAX);
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

  function run<T>(step: Step<T>, storing?: readonly Place[]): Promise<T> {
    return new Promise((resolve) => {
      waiting.push({ step, storing, resolve });
      shown = undefined;
      running ??= work();
    });
  }

  const eager = () => [...group, ...waiting].filter((job) => job.storing);
  return {
    run,
    /** What is kept, as of the last transaction. */
    kept: () => mirror,
    /** The same, and what is not on disk yet. */
    view(): State {
      if (!shown) {
        shown = eager().length ? copy(mirror) : mirror;
        for (const job of eager()) job.step(shown);
      }
      return shown;
    },
    storing: (): Place[] => eager().flatMap((job) => job.storing!),
    isMemory: () => isMemory,
    /** Newest first. */
    acks: async (): Promise<Acknowledgement[]> => [...(db ? await wrap(db.transaction("acks").objectStore("acks").getAll()) : []), ...mirror.acks].reverse(),
    async close(): Promise<void> {
      clearTimeout(timer);
      await running;
      letGo();
    },
  };
}

/** Rejects with a TimeoutError where it takes longer; what it does goes on. */
function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new DOMException("", "TimeoutError")), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
