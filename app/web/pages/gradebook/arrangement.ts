/** Which students and columns are shown, and in what order. Nothing moves unless the teacher asks: typing never sorts or filters anew. */
import type { LineItem, GradebookView, Student } from "../../section/types.ts";
import { scoreOf, type GradebookWords } from "./score.ts";

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

/** "García, Ana": what sorting by name compares, and what is shown. */
export function nameOf(student: Student): string {
  return [student.family_name, student.given_name].filter(Boolean).join(", ");
}

/** "Ana García": how a person is spoken of. */
export function spokenName(student: Student): string {
  return [student.given_name, student.family_name].filter(Boolean).join(" ");
}

export function arrangedColumns(items: readonly LineItem[], how: Arrangement): readonly LineItem[] {
  if (how.only !== null) return items.filter(({ line_item_id }) => line_item_id === how.only);
  return how.showsHidden ? items : items.filter(({ is_hidden }) => !is_hidden);
}

/** The first column that is not complete, else the last. Who is missing or exempt has no score to come; what was not accepted is none. */
export function firstToDo(view: Pick<GradebookView, "lineItems" | "students" | "cell">): LineItem | undefined {
  const items = view.lineItems.filter(({ is_hidden }) => !is_hidden);
  const isDone = (item: number, student: number): boolean => {
    const { value, place } = view.cell({ kind: "score", item, student });
    return /sco|mis|exe/.test(JSON.stringify(value)) && !/rej|qua/.test(place);
  };
  const students = view.students.filter(({ is_active }) => is_active);
  return items.find(({ line_item_id }) => !students.every(({ student_id }) => isDone(line_item_id, student_id))) ?? items[items.length - 1];
}

/** By family name, as the language orders letters. */
export function byName(words: GradebookWords): (a: Student, b: Student) => number {
  return (a, b) => words.compare(nameOf(a), nameOf(b)) || a.student_id - b.student_id;
}

/** Whether this asks for more than everybody by name. */
export function isPlain({ sortBy, isDescending, filter, find }: Arrangement): boolean {
  return sortBy === "name" && !isDescending && filter === "all" && find === "";
}

/** A score as a number; undefined where there is none, or where the student is exempt from it. */
export function numberOf(value: unknown): number | undefined {
  const { score, status } = scoreOf(value);
  return score === undefined || status?.includes("exempt") ? undefined : Number(score);
}
