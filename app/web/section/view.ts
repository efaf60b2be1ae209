/**
 * A section as a page shows it: what stands on the server as far as is known here, with one's own outbox over it. Nothing here
 * waits for the network; `open_section.ts` brings snapshots, and `events.ts` what others do.
 */
import type { CellName, Head, KeptEdit, Outbox } from "@inkfast/outbox";
import { type CellLayers, headOf, showCell } from "./shown_cell.ts";
import { StandingCells, moment } from "./standing.ts";
import {
  type CellColumns,
  type Learnt,
  type OpenConflict,
  type Presence,
  type SectionFacts,
  type SectionView,
  type ShownCell,
  type Snapshot,
  type Student,
  keyOf,
  nameOf,
} from "./types.ts";

type Listener = (cells: readonly CellName[] | undefined) => void;
type Conflict = ReturnType<SectionView["conflicts"]>[number];

/** What a view needs from around it. */
export interface Surroundings {
  readonly outbox: Outbox;
  readonly me: { readonly user_id: number; readonly name: string };
  readonly refresh: () => Promise<void>;
  /** Within the next seconds, at a random moment. */
  readonly refreshSoon: () => void;
  /** What was learnt is to be remembered on disk; or forgotten. */
  readonly remember: (learnt: readonly Learnt[]) => void;
  readonly forget: (cells: readonly string[]) => void;
}

export class SectionOfPage implements SectionView {
  readonly id: number;
  asOf = 0;
  isFromDisk: boolean;
  recordsAreAway = false;
  others: readonly Presence[] = [];
  protected snapshot: Snapshot;
  readonly #around: Surroundings;
  readonly #standing = new StandingCells();
  #kept: Map<string, KeptEdit[]> = new Map();
  /** The outbox has no disk: what it keeps is nowhere but in this page. */
  #isNowhere = false;
  #elsewhere: readonly OpenConflict[] | undefined;
  /** Conflicts that an edit of mine has decided, and the snapshot still lists. */
  readonly #decided: Set<string> = new Set();
  readonly #listeners: Set<Listener> = new Set();

  constructor(id: number, snapshot: Snapshot, learnt: readonly Learnt[], isFromDisk: boolean, around: Surroundings) {
    this.id = id;
    this.snapshot = snapshot;
    this.isFromDisk = isFromDisk;
    this.#around = around;
    this.#standing.replace(snapshot, 0);
    this.#standing.learn([...learnt].sort((a, b) => a.at - b.at));
    this.#readFacts(snapshot);
    this.#readKept();
    around.outbox.on("cells", ({ section, cells }) => section === id && this.#lookAgain(cells));
    around.outbox.on("recorded", ({ section, edits }) => section === id && this.#stand(edits));
    around.outbox.on("refused", ({ edit }) => edit.section === id && this.#withdraw(edit));
  }

  get facts(): SectionFacts {
    return this.snapshot.section;
  }

  get students(): readonly Student[] {
    return this.snapshot.students;
  }

  cell(name: CellName): ShownCell {
    return showCell(this.#layersOf(keyOf(name), name));
  }

  conflicts(): readonly Conflict[] {
    const found: Conflict[] = [];
    for (const [key, kept] of this.#kept) {
      const mine = kept[kept.length - 1];
      if (mine?.state === "conflict") found.push({ cell: nameOf(mine), mine, head: showCell(this.#layersOf(key, mine)).head ?? null, isOwn: true });
    }
    for (const conflict of this.#openElsewhere()) {
      const { kind, item, student, ...head } = conflict;
      const name = this.authorName(conflict.author_id);
      const mine: Head = { ...head, ...(name === null ? {} : { author_name: name }) };
      const standing = this.#standing.get(keyOf(conflict));
      const isOwn = conflict.author_id === this.#around.me.user_id;
      found.push({ cell: { kind, item, student }, mine, head: standing ? headOf(standing, { nameOf: (id) => this.authorName(id) }) : null, isOwn });
    }
    return found;
  }

  async enter(changes: Parameters<SectionView["enter"]>[0]): Promise<readonly KeptEdit[]> {
    const put = this.#around.outbox.put(
      this.id,
      changes.map((change) => ({ ...change, base: change.base === undefined ? this.cell(change).edit_id : change.base })),
    );
    const cells = changes.map(nameOf);
    this.#lookAgain(cells);
    try {
      return await put;
    } finally {
      this.#lookAgain(cells);
    }
  }

  authorName(author_id: number): string | null {
    if (author_id === this.#around.me.user_id) return this.#around.me.name;
    const known = this.snapshot.authors[String(author_id)];
    return known ?? this.others.find(({ user_id }) => user_id === author_id)?.name ?? null;
  }

  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  refresh(): Promise<void> {
    return this.#around.refresh();
  }

  /** A snapshot has come from the server, which was asked at `asked`. Returns the cells that need not be remembered any more. */
  take(snapshot: Snapshot, asked: number): readonly string[] {
    const before = this.snapshot;
    const wasFromDisk = this.isFromDisk;
    this.snapshot = snapshot;
    this.isFromDisk = false;
    this.#elsewhere = undefined;
    this.#readFacts(snapshot);
    const { changed, superfluous } = this.#standing.replace(snapshot, asked);
    const isNew = wasFromDisk || isDifferent(before, snapshot);
    if (isNew || changed.length > 0) this.tell(isNew ? undefined : changed);
    return superfluous;
  }

  /** The server says that the snapshot that is here still stands. */
  confirm(asked: number, asOf: number): readonly string[] {
    this.asOf = asOf;
    const wasFromDisk = this.isFromDisk;
    this.isFromDisk = false;
    const { changed, superfluous } = this.#standing.confirm(this.recordsAreAway, asked);
    if (wasFromDisk) this.tell(undefined);
    else if (changed.length > 0) this.tell(changed);
    return superfluous;
  }

  /** An event: these cells have new heads. */
  learn(columns: CellColumns, learnt: readonly Learnt[]): void {
    const news = this.#standing.learn(learnt);
    if (news.length === 0 && columns.kind.length > 0) return;
    this.#around.remember(news);
    const isSomebodyNew = news.some(({ author_id }) => author_id !== 0 && this.authorName(author_id) === null);
    this.tell(news.map(nameOf));
    if (isSomebodyNew) this.#around.refreshSoon();
  }

  /** Who else has the section open. */
  meet(users: readonly Presence[]): void {
    const others = users.filter(({ user_id }) => user_id !== this.#around.me.user_id);
    if (JSON.stringify(others) === JSON.stringify(this.others)) return;
    this.others = others;
    this.tell(undefined);
  }

  #readFacts(snapshot: Snapshot): void {
    this.recordsAreAway = snapshot.records_are_away;
    this.asOf = Date.parse(snapshot.as_of);
  }

  #readKept(): void {
    this.#kept = new Map();
    this.#elsewhere = undefined;
    this.#isNowhere = this.#around.outbox.status(this.id).storage === "memory";
    for (const edit of this.#around.outbox.kept(this.id)) {
      const key = keyOf(edit);
      const others = this.#kept.get(key);
      if (others === undefined) this.#kept.set(key, [edit]);
      else others.push(edit);
    }
  }

  /** The outbox has changed in these cells. */
  #lookAgain(cells: readonly CellName[]): void {
    this.#readKept();
    for (const name of cells) for (const edit of this.#kept.get(keyOf(name)) ?? []) this.#decide(edit);
    this.tell(cells);
  }

  #decide({ resolves }: KeptEdit): void {
    for (const id of resolves ?? []) this.#decided.add(id);
    this.#elsewhere = undefined;
  }

  /**
   * These edits of mine are recorded, and leave the outbox. They stand from now on, also if no snapshot has said so yet: otherwise
   * the cells would fall back to what they held before.
   */
  #stand(edits: readonly KeptEdit[]): void {
    for (const edit of edits) this.#decide(edit);
    this.#around.remember(this.#standing.learn(edits.map((edit) => learntOf(edit, this.#around.me.user_id))));
    // Without its version nobody here can say whether a colleague has changed the cell since.
    if (edits.some(({ cell_version }) => cell_version === undefined)) this.#around.refreshSoon();
  }

  #withdraw(edit: KeptEdit): void {
    if (this.#standing.withdraw(edit.edit_id, edit)) this.#around.forget([keyOf(edit)]);
    this.#lookAgain([nameOf(edit)]);
  }

  #layersOf(key: string, name: CellName): CellLayers {
    const kept = this.#kept.get(key) ?? [];
    return {
      standing: this.#standing.get(key),
      kept,
      isStoring: kept.length > 0 && (this.#isNowhere || this.#around.outbox.isStoring(this.id, name)),
      isFromDisk: this.isFromDisk,
      elsewhere: kept.length > 0 ? undefined : this.#openElsewhere().find((c) => keyOf(c) === key && c.author_id === this.#around.me.user_id),
      me: this.#around.me.user_id,
      nameOf: (author_id) => this.authorName(author_id),
    };
  }

  /** The open conflicts of the snapshot that the outbox does not know, and that no edit of mine has decided. */
  #openElsewhere(): readonly OpenConflict[] {
    this.#elsewhere ??= this.#findElsewhere();
    return this.#elsewhere;
  }

  #findElsewhere(): readonly OpenConflict[] {
    if (this.snapshot.conflicts.length === 0) return [];
    const kept = [...this.#kept.values()].flat();
    const known = new Set(kept.flatMap(({ edit_id, base, resolves }) => [edit_id, base, ...(resolves ?? [])]));
    return this.snapshot.conflicts.filter(({ edit_id }) => !known.has(edit_id) && !this.#decided.has(edit_id));
  }

  /** The cells that the snapshot does not know as they are by now: learnt from others, or one's own. */
  protected newer(): readonly CellName[] {
    return [...this.#standing.learnt(), ...[...this.#kept.values()].flat()];
  }

  protected tell(cells: readonly CellName[] | undefined): void {
    for (const listener of [...this.#listeners]) listener(cells);
  }
}

/** An edit of one's own that is recorded, as what stands. */
export function learntOf(edit: KeptEdit, me: number): Learnt {
  const { edit_id, value, entered_at, cell_version } = edit;
  return { ...nameOf(edit), edit_id, value, entered_at, author_id: me, version: cell_version ?? null, at: moment() };
}

/** Whether more than cells has changed. */
function isDifferent(one: Snapshot, other: Snapshot): boolean {
  const parts = (s: Snapshot): string =>
    JSON.stringify([s.section, s.students, s.line_items, s.reserved_line_item_ids, s.conflicts, s.authors, s.records_are_away]);
  return parts(one) !== parts(other);
}
