/**
 * What an outbox keeps, in IndexedDB: the only truth, with a mirror in memory for reading at once.
 *
 * Every change is a step over the state. Steps that come while a transaction runs are collected, and the next one takes all
 * of them (group commit), with `durability: "strict"`: a promise of `run` resolves when its step is on disk. The state of
 * another tab's last transaction is read anew first. Without a usable disk everything goes on in memory, `isMemory` says so,
 * and the disk is tried again from time to time.
 */
import { wrap } from "idb";
import type { IDBPDatabase } from "idb";
import { copy, empty, renumber, sort } from "./edits.ts";
import type { Position, Row, State } from "./edits.ts";
import type { Acknowledgement, CellName } from "./types.ts";
import { uuid7 } from "./ids.ts";

const ACKS_MAX = 50;
const OPEN_MS_MAX = 5_000;
const COMMIT_MS_MAX = 15_000;
const TRY_AGAIN_MS = 30_000;
const STORES = ["edits", "sections", "acks"];

type Step<T> = (state: State) => T;
export type Place = CellName & { readonly section: number };
interface Job {
  readonly step: Step<unknown>;
  /** Cells that look different from the call on, before they are on disk. */
  readonly storing: readonly Place[] | undefined;
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

export interface Disk {
  run<T>(step: Step<T>, storing?: Job["storing"]): Promise<T>;
  /** What is kept, as of the last transaction. */
  kept(): State;
  /** The same, and what is not on disk yet. */
  view(): State;
  storing(): Place[];
  isMemory(): boolean;
  acks(): Promise<Acknowledgement[]>;
  close(): Promise<void>;
}

export function openDisk(
  name: string, factory: IDBFactory | undefined, now: () => number, makeRoom: (() => Promise<unknown>) | undefined,
  changed: (old: State, next: State) => void,
): Disk {
  let db: IDBPDatabase | undefined;
  let onDisk = empty();
  let mirror = onDisk; // the same object while the disk works
  let isFresh = true; // numbers that were given before this opening do not count
  let attempts = 0;
  let failedAt = -TRY_AGAIN_MS;
  let isMemory = false;
  let memoryAcks: Acknowledgement[] = [];
  let waiting: Job[] = [];
  let group: Job[] = [];
  let running: Promise<void> | undefined;
  let shown: State | undefined;

  async function open(): Promise<IDBPDatabase> {
    const request = factory!.open(name, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("edits", { keyPath: "edit_id" });
      request.result.createObjectStore("sections", { keyPath: "section" });
      request.result.createObjectStore("acks", { autoIncrement: true });
    };
    const opened = (await within(wrap(request), OPEN_MS_MAX)) as IDBPDatabase;
    // The browser has ended it (Safari does), or another page wants to delete or upgrade it: it is opened again when needed.
    opened.onclose = opened.onversionchange = letGo;
    return opened;
  }

  function letGo(): void {
    db?.close();
    db = undefined;
  }

  /** What lies on disk; rows that have not changed stay the same objects. */
  async function read(tx: ReturnType<IDBPDatabase["transaction"]>, meta: State | undefined): Promise<State> {
    if (meta && meta.rev === onDisk.rev && meta.born === onDisk.born) return onDisk;
    const [rows, positions] = (await Promise.all([tx.objectStore("edits").getAll(), tx.objectStore("sections").getAll()])) as [Row[], Position[]];
    const state = { ...empty(), born: meta?.born ?? uuid7(now()), rev: meta?.rev ?? 0 };
    for (const row of rows) {
      const was = onDisk.rows.get(row.edit_id);
      state.rows.set(row.edit_id, was && JSON.stringify(was) === JSON.stringify(row) ? was : row);
    }
    for (const position of positions) if (position.section) state.positions.set(position.section, position);
    sort(state);
    return state;
  }

  /** What this tab did while there was no disk, or all that it knows where the database was deleted, laid over what is there. */
  function merged(there: State): State {
    const state = copy(there);
    const from = onDisk.born === there.born || !onDisk.born ? onDisk : empty();
    for (const [id, row] of mirror.rows) if (from.rows.get(id) !== row) state.rows.set(id, row);
    for (const id of from.rows.keys()) if (!mirror.rows.has(id)) state.rows.delete(id);
    if (from !== mirror) sort(state);
    if (isFresh || (from !== onDisk)) renumber(state);
    state.acks = memoryAcks;
    return state;
  }

  const results = (jobs: Job[], state: State): (() => void)[] =>
    jobs.map((job) => {
      try {
        const result = job.step(state) as never;
        return () => job.resolve(result);
      } catch (error) {
        return () => job.reject(error);
      }
    });

  function finish(next: State, tell: (() => void)[]): void {
    const old = mirror;
    mirror = next;
    group = [];
    shown = undefined;
    changed(old, next);
    for (const one of tell) one();
  }

  async function commit(attempt: number): Promise<void> {
    const jobs = group;
    db ??= await open();
    const tx = db.transaction(STORES, "readwrite", { durability: "strict" });
    tx.done.catch(() => {}); // awaited below
    const store = (of: string) => tx.objectStore(of);
    const meta = (await store("sections").get!(0)) as State | undefined;
    const there = await read(tx, meta);
    if (attempt !== attempts) return tx.abort(); // it went on without
    const next = merged(there);
    const tell = results(jobs, next);
    const { acks } = next;
    const writes = write(store("edits"), there.rows, next.rows) + write(store("sections"), there.positions, next.positions) + acks.length;
    for (const ack of acks) store("acks").add!(ack).catch(() => {});
    if (acks.length) for (const key of (await store("acks").getAllKeys()).slice(0, -ACKS_MAX)) store("acks").delete!(key);
    if (writes || !meta) store("sections").put!({ section: 0, born: next.born, rev: ++next.rev }).catch(() => {});
    await tx.done;
    if (attempt !== attempts) return;
    onDisk = next;
    memoryAcks = [];
    isFresh = isMemory = false;
    finish(next, tell);
  }

  async function keep(): Promise<void> {
    const isDue = factory && !(isMemory && now() - failedAt < TRY_AGAIN_MS);
    for (let tries = isDue ? (isMemory ? 1 : 3) : 0; tries > 0; tries--) {
      try {
        return await within(commit(++attempts), COMMIT_MS_MAX);
      } catch (error) {
        attempts++;
        letGo();
        const { name: kind } = error as Error;
        if (/Quota|Abort/.test(kind) && makeRoom) await makeRoom().catch(() => {});
        if (kind === "TimeoutError") break;
      }
    }
    if (isDue) failedAt = now();
    const next = copy(mirror);
    if (!isMemory) renumber(next); // other tabs may go on with the numbers that are on disk
    isMemory = isFresh = true;
    const tell = results(group, next);
    memoryAcks = [...memoryAcks, ...next.acks].slice(-ACKS_MAX);
    finish(next, tell);
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
      new Promise((resolve, reject) => {
        waiting.push({ step, storing, resolve, reject });
        shown = undefined;
        running ??= work();
      }),
    kept: () => mirror,
    view: () => {
      if (shown) return shown;
      const jobs = eager();
      shown = jobs.length ? copy(mirror) : mirror;
      for (const job of jobs) job.step(shown);
      return shown;
    },
    storing: () => eager().flatMap((job) => job.storing!),
    isMemory: () => isMemory,
    acks: async () => {
      if (isMemory || !db) return [...memoryAcks].reverse();
      return ((await db.getAll("acks")) as Acknowledgement[]).reverse();
    },
    close: async () => {
      await running;
      letGo();
    },
  };
}

interface Writable {
  put?(value: unknown): Promise<unknown>;
  delete?(key: never): Promise<unknown>;
}

/** Write what differs; returns how much that was. A failed request fails its transaction, which is awaited. */
function write<K, V>(store: Writable, old: Map<K, V>, next: Map<K, V>): number {
  const asked: Promise<unknown>[] = [];
  for (const [key, value] of next) if (old.get(key) !== value) asked.push(store.put!(value));
  for (const key of old.keys()) if (!next.has(key)) asked.push(store.delete!(key as never));
  for (const one of asked) one.catch(() => {});
  return asked.length;
}

/** Rejects with a TimeoutError where it takes longer; what it does goes on, and is harmless. */
function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new DOMException("", "TimeoutError")), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
