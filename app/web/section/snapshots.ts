/**
 * The last snapshots of a person's sections, on this computer's disk: what a page shows before, or without, the network. They
 * are a convenience, and never the only copy of anything: whatever goes wrong here is as if nothing had been kept. Each person
 * has a database of their own, apart from the outbox's.
 */
import { type DBSchema, type IDBPDatabase, deleteDB, openDB } from "idb";
import { type Learnt, type ListedSection, keyOf } from "./types.ts";

export interface KeptSnapshot {
  readonly section: number;
  readonly etag: string;
  /** The answer as it came: parsed quicker than an object is copied. */
  readonly text: string;
}

export interface KeptList {
  readonly sections: readonly ListedSection[];
  readonly as_of: string;
  readonly records_are_away: boolean;
}

interface Schema extends DBSchema {
  snapshots: { key: number; value: KeptSnapshot };
  /** What was learnt of a cell since its section's snapshot was read. */
  learnt: { key: [number, string]; value: { readonly section: number; readonly cell: string; readonly learnt: Learnt } };
  list: { key: string; value: KeptList };
}

interface Written {
  readonly kept?: KeptSnapshot;
  readonly learnt?: readonly Learnt[];
  /** Keys of cells. */
  readonly forgotten?: readonly string[];
}

const OPEN_MS_MAX = 5_000;
const nameOf = (user: number): string => `inkfast-sections-${user}`;

export class Snapshots {
  readonly #user: number;
  #isClosed = false;
  #opened: Promise<IDBPDatabase<Schema>> | undefined;

  constructor(user: number) {
    this.#user = user;
  }

  async read(section: number): Promise<{ readonly kept: KeptSnapshot | undefined; readonly learnt: readonly Learnt[] }> {
    const found = await this.#try(async (database) => {
      const transaction = database.transaction(["snapshots", "learnt"]);
      const range = IDBKeyRange.bound([section], [section, []]);
      const [kept, learnt] = await Promise.all([
        transaction.objectStore("snapshots").get(section),
        transaction.objectStore("learnt").getAll(range),
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
    const write = async (database: IDBPDatabase<Schema>): Promise<void> => {
      const transaction = database.transaction(["snapshots", "learnt"], "readwrite");
      const cells = transaction.objectStore("learnt");
      await Promise.all([
        ...learnt.map((one) => cells.put({ section, cell: keyOf(one), learnt: one })),
        ...forgotten.map((cell) => cells.delete([section, cell])),
        kept && transaction.objectStore("snapshots").put(kept),
        transaction.done,
      ]);
    };
    await this.#try((database) =>
      write(database).catch(async (error: unknown) => {
        if ((error as Error | null)?.name !== "QuotaExceededError") throw error;
        await database.clear("snapshots");
        await write(database);
      }),
    );
  }

  /** The disk is full, and edits come first: every snapshot goes. */
  async makeRoom(): Promise<void> {
    await this.#try((database) => database.clear("snapshots"));
  }

  readList(): Promise<KeptList | undefined> {
    return this.#try((database) => database.get("list", "mine"));
  }

  async keepList(list: KeptList): Promise<void> {
    await this.#try((database) => database.put("list", list, "mine"));
  }

  /** For good: an answer that was under way when somebody signed out brings nothing back. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const opened = this.#opened;
    this.#opened = undefined;
    (await opened?.catch(() => undefined))?.close();
  }

  /** Once more with a fresh connection if the first one has gone, as Safari does to tabs in the background. */
  async #try<T>(work: (database: IDBPDatabase<Schema>) => Promise<T>): Promise<T | undefined> {
    for (let turn = 0; turn < 2 && !this.#isClosed; turn += 1) {
      try {
        this.#opened ??= this.#open();
        return await work(await this.#opened);
      } catch {
        this.#opened = undefined;
      }
    }
    return undefined;
  }

  #open(): Promise<IDBPDatabase<Schema>> {
    const database = openDB<Schema>(nameOf(this.#user), 1, {
      upgrade(made) {
        made.createObjectStore("snapshots", { keyPath: "section" });
        made.createObjectStore("learnt", { keyPath: ["section", "cell"] });
        made.createObjectStore("list");
      },
      blocking: () => void this.close(), // another tab signs out
      terminated: () => {
        this.#opened = undefined;
      },
    });
    const limit = new Promise<never>((_, reject) => setTimeout(() => reject(new Error("the disk does not answer")), OPEN_MS_MAX));
    return Promise.race([database, limit]);
  }
}

/** Remove everything that is kept of a person's sections from this computer. */
export async function forgetSnapshots(user: number): Promise<void> {
  try {
    await deleteDB(nameOf(user));
  } catch {
    // There was nothing, or this browser keeps nothing.
  }
}
