/** The gradebook as a table that a teacher takes along, made here, also offline. */
import { download } from "../../section/download.ts";
import type { LineItem, Place, GradebookView, ShownCell, Student } from "../../section/types.ts";
import { nameOf } from "./arrangement.ts";
import { commentOf } from "./score.ts";

/** What the words of the file's head are: of the person's language, and given by the page. */
export interface CsvWords {
  readonly student: string;
  readonly identifier: string;
  readonly outOf: (max: string) => string;
  /** What a cell says: its score with its flags, as the page shows it; and in words, where that is not what stands in the records. */
  readonly cell: (value: unknown, place: Place) => string;
  readonly comment: string;
}

/** The gradebook of a section: a line for each student, a column for each line item that is shown, and comments behind them. */
export function csvOf(view: GradebookView, words: CsvWords): string {
  const columns = view.lineItems.filter((column) => !column.is_hidden);
  const scoreOf = ({ line_item_id: item }: LineItem, { student_id: student }: Student): ShownCell => view.cell({ kind: "score", item, student });
  const commentAt = ({ line_item_id: item }: LineItem, { student_id: student }: Student): string =>
    commentOf(view.cell({ kind: "comment", item, student }).value);
  const commented = columns.filter((column) => view.students.some((student) => commentAt(column, student) !== ""));
  const head = [
    words.student,
    words.identifier,
    ...columns.map(({ title, result_value_max }) => `${title} (${words.outOf(result_value_max)})`),
    ...commented.map(({ title }) => `${title}: ${words.comment}`),
  ];
  const rows = view.students.filter(isWanted).map((student) => [
    nameOf(student),
    student.identifier ?? "",
    ...columns.map((column) => {
      const { edit_id, value, place } = scoreOf(column, student);
      return edit_id === null ? "" : words.cell(value, place);
    }),
    ...commented.map((column) => commentAt(column, student)),
  ]);
  // Spreadsheets take a file for Unicode only with this mark.
  return `\ufeff${[head, ...rows].map((row) => row.map(csvField).join(",")).join("\r\n")}\r\n`;

  /** Who has left is in the file if anything was entered for them. */
  function isWanted(student: Student): boolean {
    return student.is_active || columns.some((column) => scoreOf(column, student).edit_id !== null);
  }
}

export function downloadGradebook(view: GradebookView, words: CsvWords): void {
  download(`${fileNameOf(view.facts.title)} ${view.facts.today}.csv`, "text/csv;charset=utf-8", csvOf(view, words));
}

/**
 * A field of a table file. What begins like a formula would be run by a spreadsheet: an apostrophe in front makes it text. A
 * number, also a negative one, is none.
 */
export function csvField(text: string): string {
  const isNumber = /^-?\d+([.,]\d+)?$/.test(text);
  const guarded = !isNumber && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(guarded) ? `"${guarded.replace(/"/g, '""')}"` : guarded;
}

/** A title as the name of a file, on every system. */
export function fileNameOf(title: string): string {
  return title.replace(/[\\/:*?"<>|\u0000-\u001f]+/g, " ").replace(/\s+/g, " ").trim() || "gradebook";
}
