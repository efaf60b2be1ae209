/** The words of the outbox, as in docs/protocol.md. */

/** A cell of one section. `student` or `item` 0: the whole section. */
export interface CellName {
  readonly kind: string;
  readonly item: number;
  readonly student: number;
}

/** What somebody wants a cell to hold. */
export interface Change extends CellName {
  readonly value: unknown;
  /**
   * The `edit_id` that was seen in the cell; null for an empty one. Where the outbox itself holds a newer edit of the cell,
   * that edit takes its place: a person sees their own last entry.
   */
  readonly base: string | null;
  /** Open conflicts of the same cell that this change decides. */
  readonly resolves?: readonly string[];
}

/** What stands in a cell on the server, where an edit of ours lost. Missing fields are not known. */
export interface Head {
  readonly edit_id: string;
  readonly value: unknown;
  readonly author_id: number;
  readonly author_name?: string;
  readonly entered_at: string;
  readonly cell_version?: number;
}

/**
 * Where an edit is. `queued`: on this computer's disk. `sending`: on its way. `drafted`: the server holds it. `recorded`: it
 * is in the database, and leaves the outbox. `conflict`, `rejected`, `quarantined`: it ended so, and waits for a person.
 */
export type EditState = "queued" | "sending" | "drafted" | "recorded" | "conflict" | "rejected" | "quarantined";

/** An edit that the outbox keeps. */
export interface KeptEdit extends Change {
  readonly edit_id: string;
  readonly section: number;
  readonly entered_at: string;
  readonly state: EditState;
  /** Set once it has been sent for the first time; from then on the edit never changes. */
  readonly seq?: number;
  /** For rejected and quarantined: why. */
  readonly code?: string;
  readonly params?: Readonly<Record<string, string>>;
  /** For a conflict: what stands; null where the server could not say. */
  readonly head?: Head | null;
  readonly cell_version?: number;
}

/** A server's acknowledgement, kept as proof: the last 50. */
export interface Acknowledgement {
  /** When it came, by the server's clock where that is known; milliseconds since 1970. */
  readonly at: number;
  readonly section: number;
  /** `shortForm` of `@inkfast/outbox/receipt` makes what can be read over the telephone. */
  readonly receipt: string;
  readonly edits: readonly {
    readonly edit_id: string; readonly kind: string; readonly item: number; readonly student: number;
    readonly value: unknown; readonly outcome: string;
  }[];
}

/** Where new edits end up: on disk; on a disk that the browser may clear when it is short of room; nowhere but in memory. */
export type Storage = "persistent" | "best-effort" | "memory";

/** How things stand, for one sentence on the screen. Counts are of edits in all sections, unless asked for one. */
export interface OutboxStatus {
  /** Not yet on disk. */
  readonly storing: number;
  readonly queued: number;
  readonly sending: number;
  /** Acknowledged, not yet recorded. */
  readonly drafted: number;
  readonly conflicts: number;
  readonly rejected: number;
  readonly quarantined: number;
  /** When the oldest edit that no server holds was typed; null for none. Milliseconds since 1970. */
  readonly oldestUnsent: number | null;
  /** When a server last acknowledged something; by its clock. */
  readonly lastAcknowledged: number | null;
  readonly lastRecorded: number | null;
  /** Since when no answer has come; null while the last request was answered. */
  readonly offlineSince: number | null;
  /** When the next attempt is due after a failure; null otherwise. */
  readonly retryAt: number | null;
  readonly signInRequired: boolean;
  /** A request was refused as malformed: nothing more is sent until the page is loaded anew. The rescue file has it all. */
  readonly stuck: { readonly status: number; readonly code: string } | null;
  readonly storage: Storage;
}

/** What is said to listeners. */
export interface OutboxEvents {
  /** These cells of this section look different now. */
  cells: { readonly section: number; readonly cells: readonly CellName[] };
  /** An edit ended otherwise than its author meant; `edit.state` says how. */
  refused: { readonly edit: KeptEdit };
  /**
   * These edits are recorded, and have left the outbox: what is shown of their cells comes from the page's own snapshot from
   * now on, so take their values (and `edit_id`, the next base) into it, unless it has a newer `cell_version`. Where theirs is
   * missing, read the section again: somebody may have written over them. `state` is the last one that this tab had heard of.
   * Said before `cells` is, in every tab.
   */
  recorded: { readonly section: number; readonly edits: readonly KeptEdit[] };
  /** An answer with a receipt has come, in the tab that asked. */
  acknowledged: Acknowledgement;
  status: OutboxStatus;
}

/** Everything that no server has recorded yet, as a file: see `@inkfast/outbox/rescue`. `inkfast rescue import` reads it too. */
export interface RescueFile {
  readonly format: "inkfast-rescue";
  readonly version: 1;
  readonly user: string;
  readonly made_at: string;
  readonly sections: readonly {
    readonly section: number;
    readonly edits: readonly {
      readonly edit_id: string; readonly kind: string; readonly item: number; readonly student: number;
      readonly base: string | null; readonly value: unknown; readonly entered_at: string; readonly resolves?: readonly string[];
      readonly state: EditState;
    }[];
  }[];
}

/** How to open an outbox. Everything but `user` has a default that suits a page of the same origin. */
export interface OutboxOptions {
  /** Whose it is: each user has a database of their own, which nobody else's login session opens. */
  readonly user: string | number;
  /** Where the server speaks the protocol; default `/api/v1`. */
  readonly url?: string;
  /** Headers of each request, asked for each time: a bearer token, for instance. Where it throws, nothing is sent, as without a network. */
  readonly headers?: () => Record<string, string>;
  readonly fetch?: typeof fetch;
  readonly indexedDB?: IDBFactory;
  /** Milliseconds since 1970, and a number from 0 to 1: replaced in tests. */
  readonly now?: () => number;
  readonly random?: () => number;
  /** Names the databases, locks and channels; default `inkfast`. */
  readonly name?: string;
  /** The disk is full: delete what can be had again (cached snapshots). Asked after each attempt, before the outbox goes on in memory. */
  readonly makeRoom?: () => Promise<unknown>;
}

/** An outbox: one opening of it, in one tab. */
export interface Outbox {
  /**
   * Keep these changes. Resolves when they are on disk (`durability: "strict"`), with the edits that stand for them now; where
   * the disk has failed, which `status().storage` says, when they are kept in memory. Rejects only where even that cannot
   * be. From the call on `kept` shows them, as `storing` in the status.
   */
  put(section: number, changes: readonly Change[]): Promise<readonly KeptEdit[]>;
  /** Every edit of a section that is kept here, oldest first; immediately. */
  kept(section: number): readonly KeptEdit[];
  /** The newest edit of a cell that is kept here; immediately. */
  newest(section: number, cell: CellName): KeptEdit | undefined;
  /** Whether a cell's newest edit is not on disk yet. */
  isStoring(section: number, cell: CellName): boolean;
  /**
   * Decide an open conflict: `mine` writes my value over the head, `theirs` accepts it. Resolves when that is on disk. `head` is
   * what was shown to the person, where that is newer than `KeptEdit.head` (null: nothing, for `mine`). Rejects with an Error where
   * the edit is no open conflict here, or `theirs` is chosen and nobody knows what that is.
   */
  settle(edit_id: string, choice: "mine" | "theirs", head?: Head | null): Promise<void>;
  /**
   * A person has seen what became of a refused edit: it leaves the outbox. Also right for a conflict that is not among the
   * open ones of a newer snapshot any more: it was decided on another computer.
   */
  dismiss(edit_id: string): Promise<void>;
  /**
   * The sections that are watched: their recorded position is polled, and their kept edits are loaded. `next_save_ms` is what the
   * server has just said beside a snapshot: it holds from now on, also for what is typed already. Five seconds until it is told.
   */
  open(section: number, next_save_ms?: number): Promise<void>;
  /**
   * Told from outside (an event stream): one's own edits of this client up to here are settled. The outbox asks at once how;
   * nothing leaves it on the word of an event, which cannot say what was refused.
   */
  recorded(section: number, client_id: string, recorded_seq: number): void;
  /** Whether this is a client id of this outbox, to tell one's own events from others'. */
  isOwn(client_id: string): boolean;
  /** Send what there is at once, unless the server has asked for patience; also where a sign-in was required. */
  flush(): void;
  /** A person has signed in again, or the grant was renewed: go on, in the other tabs too. */
  signedIn(): void;
  status(section?: number): OutboxStatus;
  on<K extends keyof OutboxEvents>(event: K, listener: (detail: OutboxEvents[K]) => void): () => void;
  /** The last 50 acknowledgements, newest first. */
  acknowledgements(): Promise<readonly Acknowledgement[]>;
  /** Whose it is. */
  readonly user: string;
  /** Look at the disk, and do this to what is kept, in one transaction: for other parts of this package. */
  run<T>(work: (kept: never) => T): Promise<T>;
  /** Milliseconds to add to this computer's clock to get the server's; 0 while unknown. */
  clockOffset(): number;
  /** Stop sending and let go of the disk; what is kept stays kept. */
  close(): Promise<void>;
}
