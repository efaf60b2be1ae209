/** What pages share about a section: the last snapshot, what others did since, and one's own outbox laid over both. */
import type { CellName, Head, KeptEdit } from "@inkfast/outbox";

export interface Student {
  readonly student_id: number;
  readonly given_name: string;
  readonly family_name: string;
  readonly identifier: string | null;
  readonly grades: string | null;
  readonly is_active: boolean;
}

/** A column, as the snapshot has it or as one's own edit of kind `line_item` defines it. */
export interface LineItem {
  readonly line_item_id: number;
  readonly title: string;
  readonly description: string | null;
  readonly category_id: number | null;
  readonly category_title: string | null;
  readonly grading_period: string | null;
  readonly assign_date: string | null;
  readonly due_date: string | null;
  readonly result_value_min: string;
  readonly result_value_max: string;
  readonly is_extra_credit: boolean;
  readonly position: number;
  readonly is_hidden: boolean;
}

export interface SectionFacts {
  readonly section_id: number;
  readonly title: string;
  readonly course_title: string;
  readonly class_code: string | null;
  readonly periods: string | null;
  readonly location: string | null;
  readonly org_name: string;
  readonly time_zone: string;
  /** The day at the school, `yyyy-mm-dd`. */
  readonly today: string;
  readonly school_year: number;
}

/** Where the value of a cell is. Drawn by shape, said in words. `settled`: at the district, drafted or recorded. */
export type Place = "settled" | "storing" | "queued" | "conflict" | "rejected" | "quarantined";

export interface ShownCell {
  /** What the cell shows: one's own newest kept entry, else what stands. null for an empty cell. */
  readonly value: unknown;
  readonly place: Place;
  /** The edit whose value is shown; the base of the next edit. null for an empty cell. */
  readonly edit_id: string | null;
  readonly author_id: number | null;
  readonly author_name: string | null;
  readonly entered_at: string | null;
  /** One's own edit that is shown, while the outbox keeps it. */
  readonly kept?: KeptEdit;
  /** For a conflict (one's own, or an open one of the section): what stands in the cell on the server. */
  readonly head?: Head | null;
  /** A colleague's newer value that has arrived while one's own is not settled. */
  readonly theirs?: Head;
}

/** What stands in a cell on the server, as far as is known here. */
export interface Standing {
  readonly edit_id: string;
  readonly value: unknown;
  readonly author_id: number;
  readonly entered_at: string;
  /** null while it is not known. */
  readonly version: number | null;
}

/** A standing that was learnt apart from a snapshot, and when, by this computer's clock. */
export interface Learnt extends Standing, CellName {
  readonly at: number;
}

/** Cells as columns of equal length, as snapshots and events have them. */
export interface CellColumns {
  readonly kind: readonly string[];
  readonly item: readonly number[];
  readonly student: readonly number[];
  readonly edit_id: readonly string[];
  readonly cell_version: readonly (number | null)[];
  readonly state: readonly string[];
  readonly value: readonly unknown[];
  readonly author_id: readonly number[];
  readonly entered_at: readonly string[];
}

/** An edit that lost against another one, and waits for a person. */
export interface OpenConflict extends CellName {
  readonly edit_id: string;
  readonly value: unknown;
  readonly author_id: number;
  readonly entered_at: string;
}

/** The answer to `GET /api/v1/sections/{section_id}`. */
export interface Snapshot {
  readonly section: SectionFacts;
  readonly students: readonly Student[];
  readonly line_items: readonly LineItem[];
  readonly reserved_line_item_ids: readonly number[];
  readonly cells: CellColumns;
  readonly conflicts: readonly OpenConflict[];
  readonly authors: Readonly<Record<string, string>>;
  readonly records_are_away: boolean;
  readonly as_of: string;
  readonly next_save_ms: number;
}

/** A section in the list of one's sections. */
export interface ListedSection {
  readonly section_id: number;
  readonly title: string;
  readonly course_title: string;
  readonly class_code: string | null;
  readonly periods: string | null;
  readonly org_name: string;
  readonly school_year: number;
  readonly students: number;
}

export interface Presence { readonly user_id: number; readonly name: string }

export interface SectionView {
  readonly id: number;
  readonly facts: SectionFacts;
  readonly students: readonly Student[];
  cell(name: CellName): ShownCell;
  /** Conflicts that are open: one's own, also from other computers, with both values. */
  conflicts(): readonly { readonly cell: CellName; readonly mine: KeptEdit | Head; readonly head: Head | null; readonly isOwn: boolean }[];
  /**
   * Type into cells: what is shown in each is the base, unless `base` says what was shown when the person began to type: a
   * colleague's change that arrived meanwhile has not been seen, and becomes a conflict. Resolves when it is on this
   * computer's disk; `onChange` is called before that (storing) and after (queued).
   */
  enter(
    changes: readonly (CellName & { readonly value: unknown; readonly resolves?: readonly string[]; readonly base?: string | null })[],
  ): Promise<readonly KeptEdit[]>;
  /** When the snapshot was made, by the server's clock; whether it came from this computer's disk; whether PostgreSQL is away. */
  readonly asOf: number;
  readonly isFromDisk: boolean;
  readonly recordsAreAway: boolean;
  readonly others: readonly Presence[];
  authorName(author_id: number): string | null;
  /** `undefined`: everything may look different (columns, students, presence, as of). */
  onChange(listener: (cells: readonly CellName[] | undefined) => void): () => void;
  /** Ask the server now, and lay the answer under what is here. */
  refresh(): Promise<void>;
}

/** A section with the columns of its gradebook. */
export interface GradebookView extends SectionView {
  /** In order of position; hidden ones too; one's own new columns among them at once. */
  readonly lineItems: readonly LineItem[];
  /** Ids for columns that can be made now, without asking anybody; each for one column. */
  reservedIds(): readonly number[];
}

/** The name of a cell alone, of what else has one. */
export function nameOf({ kind, item, student }: CellName): CellName {
  return { kind, item, student };
}

/** The key of a cell in maps. */
export function keyOf(cell: CellName): string {
  return `${cell.kind}/${cell.item}/${cell.student}`;
}
