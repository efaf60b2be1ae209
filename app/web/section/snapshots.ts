/**
 * The last snapshots of a person's sections, on this computer's disk: what a page shows before, or without, the network. They
 * are a convenience, and never the only copy of anything: whatever goes wrong here is as if nothing had been kept. Each person
 * has a database of their own, apart from the outbox's.
 */
import { type Learnt, keyOf } from "./types.ts";

export interface KeptSnapshot {
  readonly section: number;
  readonly etag: string;
  /** The answer as it came: parsed quicker than an object is copied. */
  readonly text: string;
}

/** What was learnt of a cell since its section's snapshot was read, as it lies in the store `learnt`. */
interface LearntRow {
  readonly section: number;
  readonly cell: string;
  readonly learnt: Learnt;
}

interface Written {
  readonly kept?: KeptSnapshot;
  readonly learnt?: readonly Learnt[];
  /** Keys of cells. */
  readonly forgotten?: readonly string[];
}

const OPEN_MS_MAX = 5_000;
const nameOf = (user: number): string => `inkfast-sections-${user}`;

export function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Resolves when everything of it is on the disk; rejects when nothing of it is. */
export function doneOf(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

export class Snapshots {
  readonly #user: number;
  #isClosed = false;
  #opened: Promise<IDBDatabase> | undefined;
  readonly #running: Set<IDBTransaction> = new Set();
  /** The page is again, which the browser keeps for going back. */
  #shown: Promise<unknown> | undefined;

  constructor(user: number) {
    this.#user = user;
    globalThis.addEventListener?.("pagehide", ({ persisted }) => persisted && this.#rest());
  }

  /** WebKit keeps an open transaction with such a page, and every page that comes afterwards would wait for it. */
  #rest(): void {
    this.#shown = new Promise((resolve) => addEventListener("pageshow", resolve, { once: true }));
    for (const transaction of this.#running) {
      try {
        transaction.abort();
      } catch {
        // It is done, and has not said so yet.
      }
    }
  }

  /** A transaction that ends before the browser puts the page aside. */
  begin(database: IDBDatabase, stores: string | string[], mode: IDBTransactionMode = "readonly"): IDBTransaction {
    const transaction = database.transaction(stores, mode);
    this.#running.add(transaction);
    for (const end of ["complete", "abort"]) transaction.addEventListener(end, () => this.#running.delete(transaction));
    return transaction;
  }

  /** No snapshots any more. */
  #clear(database: IDBDatabase): Promise<void> {
    const transaction = this.begin(database, "snapshots", "readwrite");
    transaction.objectStore("snapshots").clear();
    return doneOf(transaction);
  }

  async read(section: number): Promise<{ readonly kept: KeptSnapshot | undefined; readonly learnt: readonly Learnt[] }> {
    const found = await this.use(async (database) => {
      const transaction = this.begin(database, ["snapshots", "learnt"]);
      const range = IDBKeyRange.bound([section], [section, []]);
      const [kept, learnt] = await Promise.all([
        resultOf<KeptSnapshot | undefined>(transaction.objectStore("snapshots").get(section)),
        resultOf<LearntRow[]>(transaction.objectStore("learnt").getAll(range)),
      ]);
      return { kept, learnt: learnt.map((row) => row.learnt) };
    });
    return found ?? { kept: undefined, learnt: [] };
  }

  /**
   * Keep a snapshot, and what was learnt of cells: from an event, or from what the server said of one's own edits; forget what was
   * learnt of cells and is superfluous or wrong. Where the disk is full, the snapshots of other sections go first.
   */
  async write(section: number, { kept, learnt = [], forgotten = [] }: Written): Promise<void> {
    if (kept === undefined && learnt.length + forgotten.length === 0) return;
    const write = async (database: IDBDatabase): Promise<void> => {
      const transaction = this.begin(database, ["snapshots", "learnt"], "readwrite");
      const cells = transaction.objectStore("learnt");
      for (const one of learnt) cells.put({ section, cell: keyOf(one), learnt: one } satisfies LearntRow);
      for (const cell of forgotten) cells.delete([section, cell]);
      if (kept !== undefined) transaction.objectStore("snapshots").put(kept);
      await doneOf(transaction);
    };
    await this.use((database) =>
      write(database).catch(async (error: unknown) => {
        if ((error as Error | null)?.name !== "QuotaExceededError") throw error;
        await this.#clear(database);
        await write(database);
      }),
    );
  }

  /** The disk is full, and edits come first: every snapshot goes. */
  async makeRoom(): Promise<void> {
    await this.use((database) => this.#clear(database));
  }

  /** For good: an answer that was under way when somebody signed out brings nothing back. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const opened = this.#opened;
    this.#opened = undefined;
    (await opened?.catch(() => undefined))?.close();
  }

  /** Do something with the database; undefined where that cannot be. Once more with a fresh connection if the first one has gone, as Safari does to tabs in the background. */
  async use<T>(work: (database: IDBDatabase) => Promise<T>): Promise<T | undefined> {
    for (let turn = 0; turn < 2 && !this.#isClosed; turn += 1) {
      await this.#shown;
      try {
        this.#opened ??= this.#open();
        return await work(await this.#opened);
      } catch {
        this.#opened = undefined;
      }
    }
    return undefined;
  }

  async #open(): Promise<IDBDatabase> {
    const request = indexedDB.open(nameOf(this.#user), 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("snapshots", { keyPath: "section" });
      request.result.createObjectStore("learnt", { keyPath: ["section", "cell"] });
      request.result.createObjectStore("list");
    };
    const opened = resultOf(request).then((database) => {
      database.onversionchange = () => {
        database.close();
        void this.close(); // another tab signs out
      };
      database.onclose = () => {
        this.#opened = undefined;
      };
      return database;
    });
    const limit = new Promise<never>((_, reject) => setTimeout(reject, OPEN_MS_MAX));
    return Promise.race([opened, limit]);
  }
}

/** Remove everything that is kept of a person's sections from this computer. */
export async function forgetSnapshots(user: number): Promise<void> {
  try {
    await resultOf(indexedDB.deleteDatabase(nameOf(user)));
  } catch {
    // There was nothing, or this browser keeps nothing.
  }
}
