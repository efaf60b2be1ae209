/**
 * What an outbox keeps, in IndexedDB: the only truth, with a mirror in memory for reading at once.
 *
 * Every change is a step over the state. Steps that come while a transaction runs are collected, and the next one takes all
 * of them (group commit), with `durability: "strict"`: a promise of `run` resolves when its step is on disk. What another
 * tab's transaction has left is read first. Without a usable disk everything goes on in memory, `isMemory` says so, and the
 * disk is tried again from time to time.
 */
import { wrap } from "idb";
import type { IDBPDatabase } from "idb";
import { copy, empty, renumber, sort } from "./edits.ts";
import type { Row, State } from "./edits.ts";
import type { Acknowledgement, CellName } from "./types.ts";
import { uuid7 } from "./ids.ts";

const ACKS_MAX = 50;
const OPEN_MS_MAX = 5_000;
const COMMIT_MS_MAX = 15_000;
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
interface Store {
  get(key: unknown): Promise<never>;
  getAll(): Promise<never[]>;
  getAllKeys(): Promise<never[]>;
  put(value: unknown): Promise<unknown>;
  delete(key: unknown): Promise<unknown>;
}

export interface Disk {
  run<T>(step: Step<T>, storing?: readonly Place[]): Promise<T>;
  /** What is kept, as of the last transaction. */
  kept(): State;
  /** The same, and what is not on disk yet. */
  view(): State;
  storing(): Place[];
  isMemory(): boolean;
  acks(): Promise<Acknowledgement[]>;
  close(): Promise<void>;
}

/** `changed` is told of every new state, and whether it was this tab that has written it. A step never throws. */
export function openDisk(
  name: string, factory: IDBFactory | undefined, now: () => number, makeRoom: (() => Promise<unknown>) | undefined,
  changed: (old: State, next: State, isOurs: boolean) => void,
): Disk {
  let db: IDBPDatabase | undefined;
  let mirror = empty();
  let onDisk = mirror; // another one while there is no disk
  let isMemory = false;
  let tryAgainAt = 0;
  let attempts = 0;
  let memoryAcks: Acknowledgement[] = [];
  let waiting: Job[] = [];
  let group: Job[] = [];
  let running: Promise<void> | undefined;
  let shown: State | undefined;

  async function open(): Promise<IDBPDatabase> {
    const request = factory!.open(name, 1);
    request.onupgradeneeded = () => {
      ["edit_id", "section", ""].map((keyPath, i) => request.result.createObjectStore(STORES[i]!, keyPath ? { keyPath } : { autoIncrement: true }));
    };
    const opened = (await within(wrap(request), OPEN_MS_MAX)) as IDBPDatabase;
    // The browser has ended it (Safari does), or another page wants to delete or upgrade it: it is opened again when needed.
    opened.onclose = opened.onversionchange = letGo;
    return opened;
  }

  function letGo(): void {
    if (db) db.close();
    db = undefined;
  }

  /**
   * What lies on disk, and what it is to become. Where this tab has not read this database before, everything goes on as a
   * fresh client: at the opening, after a time without a disk, or where the database was deleted under the page. What the tab
   * knows and the database does not is added. Too much is harmless: the server knows each edit by its id.
   */
  async function read(edits: Store, sections: Store): Promise<[State, State]> {
    const { rev, born } = ((await sections.get(0)) ?? { rev: "", born: uuid7(now()) }) as State;
    const isStrange = isMemory || born !== mirror.born;
    if (!isStrange && rev === mirror.rev) return [mirror, copy(mirror)];
    const there = { ...empty(), rev, born };
    for (const row of await edits.getAll()) there.rows.set((row as Row).edit_id, row);
    for (const position of await sections.getAll()) there.positions.set((position as Place).section, position);
    there.positions.delete(0);
    const next = copy(there);
    if (isStrange) {
      for (const [id, row] of mirror.rows) {
        const isGone = born === mirror.born && onDisk.rows.has(id) && !there.rows.has(id); // another tab has dealt with it
        if (!isGone) next.rows.set(id, row);
      }
      renumber(next);
      next.acks = memoryAcks;
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

  async function commit(attempt: number): Promise<void> {
    const jobs = group;
    const tx = (db ??= await open()).transaction(STORES, "readwrite", { durability: "strict" });
    const asked: Promise<unknown>[] = [tx.done];
    const [edits, sections, acks] = STORES.map((store) => tx.objectStore(store) as unknown as Store) as [Store, Store, Store];
    const write = <K, V>(store: Store, old: Map<K, V>, next: Map<K, V>) => {
      for (const [key, value] of next) if (old.get(key) !== value) asked.push(store.put(value));
      for (const key of old.keys()) if (!next.has(key)) asked.push(store.delete(key));
    };
    try {
      const [there, next] = await read(edits, sections);
      if (attempt !== attempts) return tx.abort(); // it went on without
      const results = jobs.map((job) => job.step(next));
      write(edits, there.rows, next.rows);
      write(sections, there.positions, next.positions);
      for (const ack of next.acks) asked.push(acks.put(ack));
      if (next.acks.length) for (const key of (await acks.getAllKeys()).slice(0, -ACKS_MAX)) asked.push(acks.delete(key));
      const isOurs = asked.length > 1;
      if (isOurs) asked.push(sections.put({ section: 0, rev: (next.rev = uuid7(now())), born: next.born }));
      await tx.done;
      if (attempt !== attempts) return;
      memoryAcks = [];
      isMemory = false;
      onDisk = next;
      finish(jobs, next, isOurs, results);
    } finally {
      for (const one of asked) one.catch(() => {}); // told by the transaction
    }
  }

  async function keep(): Promise<void> {
    if (factory && now() >= tryAgainAt) {
      for (let tries = 0; tries < TRIES_MAX; tries++) {
        try {
          return await within(commit(++attempts), COMMIT_MS_MAX);
        } catch (error) {
          attempts++;
          letGo();
          if (makeRoom && /Quota|Abort/.test((error as Error).name)) await makeRoom().catch(() => {});
          if ((error as Error).name === "TimeoutError") break;
        }
      }
      tryAgainAt = now() + TRY_AGAIN_MS;
    }
    const next = copy(mirror);
    if (!isMemory) renumber(next); // other tabs may go on with the numbers that are on disk
    isMemory = true;
    const results = group.map((job) => job.step(next));
    memoryAcks = [...memoryAcks, ...next.acks].slice(-ACKS_MAX);
    finish(group, next, false, results);
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

  const eager = () => [...group, ...waiting].filter((job) => job.storing);
  return {
    run: (step, storing) =>
      new Promise((resolve) => {
        waiting.push({ step, storing, resolve });
        shown = undefined;
        running ??= work();
      }),
    kept: () => mirror,
    view() {
      if (!shown) {
        shown = eager().length ? copy(mirror) : mirror;
        for (const job of eager()) job.step(shown);
      }
      return shown;
    },
    storing: () => eager().flatMap((job) => job.storing!),
    isMemory: () => isMemory,
    acks: async () => (isMemory || !db ? [...memoryAcks] : ((await db.getAll("acks")) as Acknowledgement[])).reverse(),
    async close() {
      await running;
      letGo();
    },
  };
}

/** Rejects with a TimeoutError where it takes longer; what it does goes on, and is harmless. */
function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new DOMException("", "TimeoutError")), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
