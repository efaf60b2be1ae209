/** An outbox without a disk or a network, for tests: the test says what the server answers. */
import type { CellName, Change, EditState, Head, KeptEdit, Outbox, OutboxEvents, OutboxStatus } from "@inkfast/outbox";

type Listeners = { [K in keyof OutboxEvents]: Set<(detail: OutboxEvents[K]) => void> };

export class FakeOutbox implements Pick<Outbox, "put" | "kept" | "newest" | "isStoring" | "open" | "on"> {
  /** Where it keeps what is put. */
  storage: OutboxStatus["storage"] = "persistent";
  edits: KeptEdit[] = [];
  storing: Set<string> = new Set();
  private made = 0;
  private seq = 0;
  private readonly listeners: Listeners = { cells: new Set(), refused: new Set(), recorded: new Set(), acknowledged: new Set(), status: new Set() };

  async put(section: number, changes: readonly Change[]): Promise<readonly KeptEdit[]> {
    const kept = changes.map((change) => this.keep(section, change));
    this.say(section, kept);
    await Promise.resolve();
    for (const { edit_id } of kept) this.storing.delete(edit_id);
    this.say(section, kept);
    return kept;
  }

  private keep(section: number, change: Change): KeptEdit {
    this.made += 1;
    const before = this.newest(section, change);
    const unsent = before !== undefined && before.seq === undefined ? before : undefined;
    const base = unsent !== undefined ? unsent.base : (before !== undefined && change.base === before.edit_id ? before.edit_id : change.base);
    const edit: KeptEdit = { ...change, base, section, edit_id: `mine-${this.made}`, entered_at: "2026-11-06T22:00:00.000Z", state: "queued" };
    this.edits = this.edits.filter((one) => one !== unsent).concat(edit);
    this.storing.add(edit.edit_id);
    return edit;
  }

  kept(section: number): readonly KeptEdit[] {
    return this.edits.filter((edit) => edit.section === section);
  }

  newest(section: number, cell: CellName): KeptEdit | undefined {
    return this.kept(section).filter((edit) => isSame(edit, cell)).pop();
  }

  isStoring(section: number, cell: CellName): boolean {
    return this.storing.has(this.newest(section, cell)?.edit_id ?? "");
  }

  status(): Pick<OutboxStatus, "storage"> {
    return { storage: this.storage };
  }

  async open(): Promise<void> {}

  on<K extends keyof OutboxEvents>(event: K, listener: (detail: OutboxEvents[K]) => void): () => void {
    this.listeners[event].add(listener as never);
    return () => this.listeners[event].delete(listener as never);
  }

  /** The server has answered: an edit is drafted, a conflict, … */
  answer(edit_id: string, state: EditState, more: { readonly cell_version?: number; readonly head?: Head | null } = {}): void {
    this.edits = this.edits.map((edit) => (edit.edit_id === edit_id ? { ...edit, state, seq: edit.seq ?? ++this.seq, ...more } : edit));
    const edit = this.edits.find((one) => one.edit_id === edit_id)!;
    if (state === "conflict" || state === "rejected" || state === "quarantined") this.tell("refused", { edit });
    this.say(edit.section, [edit]);
  }

  /** An edit is recorded, or a person has seen what became of it: it leaves the outbox. */
  leave(edit_id: string): void {
    const edit = this.edits.find((one) => one.edit_id === edit_id)!;
    this.edits = this.edits.filter((one) => one.edit_id !== edit_id);
    if (edit.state === "drafted") this.tell("recorded", { section: edit.section, edits: [{ ...edit, state: "recorded" }] });
    this.say(edit.section, [edit]);
  }

  private say(section: number, cells: readonly CellName[]): void {
    this.tell("cells", { section, cells: cells.map(({ kind, item, student }) => ({ kind, item, student })) });
  }

  private tell<K extends keyof OutboxEvents>(event: K, detail: OutboxEvents[K]): void {
    for (const listener of this.listeners[event]) listener(detail);
  }
}

function isSame(one: CellName, other: CellName): boolean {
  return one.kind === other.kind && one.item === other.item && one.student === other.student;
}
