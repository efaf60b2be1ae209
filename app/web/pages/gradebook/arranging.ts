/** Finding, filtering and sorting of students. Fetched when it is first asked for: a section begins with everybody by name. */
import type { LineItem, ShownCell, Student } from "../../section/types.ts";
import { byName, nameOf, numberOf, type Arrangement } from "./arrangement.ts";
import { isEmpty, scoreOf, type GradebookWords } from "./score.ts";

/** What arranging has to ask about a cell of kind `score`. */
export type Ask = (item: number, student: number) => ShownCell;

/** Letters without accents and case, so that "garcia" finds García. */
export function plain(text: string): string {
  return text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
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
  const compare = byName(words);
  const { sortBy } = how;
  if (sortBy === "name") return [...students].sort((a, b) => turn * compare(a, b));
  if (sortBy === "given_name") {
    return [...students].sort((a, b) => turn * words.compare(a.given_name, b.given_name) || compare(a, b));
  }
  const scores = new Map(students.map(({ student_id }) => [student_id, numberOf(ask(sortBy, student_id).value)]));
  return [...students].sort((a, b) => {
    const [one, other] = [scores.get(a.student_id), scores.get(b.student_id)];
    // Who has no score comes last either way.
    if (one === undefined || other === undefined) return Number(one === undefined) - Number(other === undefined) || compare(a, b);
    return turn * (one - other) || compare(a, b);
  });
}
