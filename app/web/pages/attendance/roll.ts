/**
 * The roll of a section on a day. Who has no mark is shown as present, and nothing is written about them until the teacher says
 * that the roll is taken: then everybody gets a mark, and the roll its own entry, in one step. Reading a roll never changes it.
 */
import type { SectionView, ShownCell, Student } from "../../section/types.ts";
import { itemOf } from "./day.ts";

/** In the order of the keys 1 to 6. */
export const CATEGORIES = ["present", "unexcused_absence", "tardy", "excused_absence", "early_departure", "partial"] as const;
export type Category = (typeof CATEGORIES)[number];

/** A mark as docs/protocol.md has it; no category: nobody has said anything, or it was taken back. */
export interface Mark {
  readonly category: Category | null;
  readonly arrival_time?: string;
  readonly note?: string;
}

export interface Row {
  readonly student: Student;
  readonly cell: ShownCell;
  readonly mark: Mark;
  /** What is shown: the mark's category, or present for who has none. */
  readonly category: Category;
  /** Nobody has said so: present because there is no mark. */
  readonly isDefault: boolean;
  /** Entered after the roll was taken. */
  readonly isChangedSince: boolean;
}

export interface Roll {
  readonly day: string;
  readonly item: number;
  readonly rows: readonly Row[];
  /** What says that the roll was taken; undefined while nobody has said so. */
  readonly taken: ShownCell | undefined;
  /** The entry of the whole roll, taken or not: it can be refused, or have two values. */
  readonly takenCell: ShownCell;
  readonly counts: ReadonlyMap<Category, number>;
  /** Students of today's section without a mark. */
  readonly unmarked: number;
  readonly changesSince: number;
  /** Marks that were not accepted: the roll cannot be complete with them. */
  readonly refused: readonly Row[];
}

export type RollChange = Parameters<SectionView["enter"]>[0][number];

const NO_MARK: Mark = { category: null };

/** A mark out of a value as it came: what is not understood is no mark. */
export function readMark(value: unknown): Mark {
  if (typeof value !== "object" || value === null) return NO_MARK;
  const { category, arrival_time, note } = value as Record<string, unknown>;
  return normal(
    CATEGORIES.find((known) => known === category) ?? null,
    typeof arrival_time === "string" ? arrival_time : "",
    typeof note === "string" ? note : "",
  );
}

/** The one form in which a mark is stored: a time of arrival belongs to tardy or partial, and nothing empty is kept. */
export function normal(category: Category | null, arrival_time: string, note: string): Mark {
  const hasTime = (category === "tardy" || category === "partial") && arrival_time !== "";
  return { category, ...(hasTime ? { arrival_time } : {}), ...(note === "" ? {} : { note }) };
}

/** The roll of this day, its rows in the order of `students`. Who left the section is in it only with a mark of that day. */
export function readRoll(view: Pick<SectionView, "cell">, students: readonly Student[], day: string): Roll {
  const item = itemOf(day);
  const takenCell = view.cell({ kind: "roll_taken", item, student: 0 });
  // What was not accepted says nothing of the roll; its card does.
  const taken = isTaken(takenCell.value) && isKept(takenCell) ? takenCell : undefined;
  const rows: Row[] = [];
  for (const student of students) {
    const cell = view.cell({ kind: "attendance", item, student: student.student_id });
    const mark = readMark(cell.value);
    const isDefault = mark.category === null;
    if (!student.is_active && isDefault && cell.place === "settled") continue;
    const isChangedSince = taken !== undefined && !isDefault && isLater(cell, taken);
    rows.push({ student, cell, mark, category: mark.category ?? "present", isDefault, isChangedSince });
  }
  return {
    day,
    item,
    rows,
    taken,
    takenCell,
    counts: countsOf(rows),
    unmarked: rows.filter(({ student, isDefault }) => isDefault && student.is_active).length,
    changesSince: rows.filter((row) => row.isChangedSince).length,
    refused: rows.filter(({ cell }) => !isKept(cell)),
  };
}

export function isTaken(value: unknown): boolean {
  return (value as { taken?: unknown } | null)?.taken === true;
}

function isLater(cell: ShownCell, taken: ShownCell): boolean {
  return Date.parse(cell.entered_at ?? "") > Date.parse(taken.entered_at ?? "");
}

function countsOf(rows: readonly Row[]): ReadonlyMap<Category, number> {
  const counts = new Map<Category, number>();
  for (const category of CATEGORIES) {
    const count = rows.filter((row) => row.category === category && (row.student.is_active || !row.isDefault)).length;
    if (count > 0 || category === "present") counts.set(category, count);
  }
  return counts;
}

/**
 * What choosing a category for a student changes; undefined if that is what stands already. Who comes late today came now,
 * unless a time is there: `now` is the school's clock, `hh:mm`, or undefined for a day that is over.
 */
export function choose(row: Row, category: Category, item: number, now: string | undefined): RollChange | undefined {
  if (row.mark.category === category && isKept(row.cell)) return undefined;
  const arrived = category === "tardy" ? (row.mark.arrival_time ?? now ?? "") : (row.mark.arrival_time ?? "");
  return changeOf(row, normal(category, arrived, row.mark.note ?? ""), item);
}

/** Not refused: a refused mark can be entered again as it is. */
export function isKept({ place }: ShownCell): boolean {
  return place !== "rejected" && place !== "quarantined";
}

function changeOf({ student }: Row, value: Mark, item: number): RollChange {
  return { kind: "attendance", item, student: student.student_id, value };
}

/** "The roll is taken": a mark for everybody in the section who has none, and then the roll's own entry, in one step. */
export function take({ rows, item, taken }: Roll): readonly RollChange[] {
  const missing = rows.filter(({ isDefault, student }) => isDefault && student.is_active);
  const marks = missing.map((row) => changeOf(row, normal("present", "", row.mark.note ?? ""), item));
  return taken !== undefined && marks.length === 0 ? [] : [...marks, { kind: "roll_taken", item, student: 0, value: { taken: true } }];
}
