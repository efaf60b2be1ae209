/** Which students and columns are shown, and in what order. Nothing moves unless the teacher asks: typing never sorts or filters anew. */
import type { LineItem, ShownCell, Student } from "../../section/types.ts";
import { isEmpty, scoreOf, type GradebookWords } from "./score.ts";

/** `name`: family name first; a number: by the scores of that line item. */
export type SortBy = "name" | "given_name" | number;
export type Filter = "all" | "missing" | "empty" | "flagged" | "attention";

export interface Arrangement {
  readonly sortBy: SortBy;
  readonly isDescending: boolean;
  readonly filter: Filter;
  /** The line item that `empty` means. */
  readonly filterItem: number | null;
  readonly find: string;
  readonly showsHidden: boolean;
  /** Quick entry: the one line item that is shown; null: all of them. */
  readonly only: number | null;
}

export const PLAIN: Arrangement = {
  sortBy: "name",
  isDescending: false,
  filter: "all",
  filterItem: null,
  find: "",
  showsHidden: false,
  only: null,
};

/** What arranging has to ask about a cell of kind `score`. */
export type Ask = (item: number, student: number) => ShownCell;

/** "García, Ana": what sorting by name compares, and what is shown. */
export function nameOf(student: Student): string {
  return [student.family_name, student.given_name].filter(Boolean).join(", ");
}

/** "Ana García": how a person is spoken of. */
export function spokenName(student: Student): string {
  return [student.given_name, student.family_name].filter(Boolean).join(" ");
}

/** Letters without accents and case, so that "garcia" finds García. */
export function plain(text: string): string {
  return text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
}

export function arrangedColumns(items: readonly LineItem[], how: Arrangement): readonly LineItem[] {
  if (how.only !== null) return items.filter(({ line_item_id }) => line_item_id === how.only);
  return how.showsHidden ? items : items.filter(({ is_hidden }) => !is_hidden);
}

/** The students that are shown; `columns` are those that a filter looks at. */
export function arrangedRows(
  students: readonly Student[],
  columns: readonly LineItem[],
  how: Arrangement,
  ask: Ask,
  words: GradebookWords,
): readonly Student[] {
  const wanted = plain(how.find).split(/[\s,]+/).filter(Boolean);
  const passes = passing(how, columns, ask);
  const found = students.filter((student) => {
    const name = plain(`${nameOf(student)} ${student.identifier ?? ""}`);
    return wanted.every((part) => name.includes(part)) && passes(student);
  });
  return sorted(found, how, ask, words);
}

function passing(how: Arrangement, columns: readonly LineItem[], ask: Ask): (student: Student) => boolean {
  const some = (test: (cell: ShownCell) => boolean) => (student: Student) =>
    columns.some(({ line_item_id }) => test(ask(line_item_id, student.student_id)));
  switch (how.filter) {
    case "all":
      return () => true;
    case "missing":
      return some(({ value }) => scoreOf(value).status?.includes("missing") ?? false);
    case "flagged":
      return some(({ value }) => (scoreOf(value).status?.length ?? 0) > 0);
    case "attention":
      return some(needsAttention);
    case "empty": {
      const item = how.filterItem;
      return item === null ? () => true : (student) => isEmpty(ask(item, student.student_id).value);
    }
  }
}

/** Two values, or a value that was not accepted. */
export function needsAttention({ place, theirs }: ShownCell): boolean {
  return place === "conflict" || place === "rejected" || place === "quarantined" || theirs !== undefined;
}

function sorted(students: readonly Student[], how: Arrangement, ask: Ask, words: GradebookWords): readonly Student[] {
  const turn = how.isDescending ? -1 : 1;
  const byName = (a: Student, b: Student): number => words.compare(nameOf(a), nameOf(b)) || a.student_id - b.student_id;
  const { sortBy } = how;
  if (sortBy === "name") return [...students].sort((a, b) => turn * byName(a, b));
  if (sortBy === "given_name") {
    return [...students].sort((a, b) => turn * words.compare(a.given_name, b.given_name) || byName(a, b));
  }
  const scores = new Map(students.map(({ student_id }) => [student_id, numberOf(ask(sortBy, student_id).value)]));
  return [...students].sort((a, b) => {
    const [one, other] = [scores.get(a.student_id), scores.get(b.student_id)];
    // Who has no score comes last either way.
    if (one === undefined || other === undefined) return Number(one === undefined) - Number(other === undefined) || byName(a, b);
    return turn * (one - other) || byName(a, b);
  });
}

/** A score as a number; undefined where there is none, or where the student is exempt from it. */
export function numberOf(value: unknown): number | undefined {
  const { score, status } = scoreOf(value);
  return score === undefined || status?.includes("exempt") ? undefined : Number(score);
}
