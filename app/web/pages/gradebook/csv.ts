/** The gradebook as a file for a spreadsheet: everybody and every column, hidden ones too, as it stands on this screen. */
import { nameOf } from "./arrangement.ts";
import type { Desk } from "./desk.ts";
import type { GradebookModel } from "./model.ts";
import { commentOf } from "./score.ts";

/** RFC 4180, and nothing that a spreadsheet would take for a formula. */
export function csvField(text: string): string {
  const isFormula = /^[=+@\t\r]/.test(text) || /^-(?![\d.]+$)/.test(text);
  const safe = isFormula ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}

export function csvOf(model: GradebookModel): string {
  const { view, words } = model;
  const students = [...view.students].sort((a, b) => words.compare(nameOf(a), nameOf(b)));
  const head = [words.say("student"), "ID", ...view.lineItems.flatMap(({ title }) => [title, `${title}: ${words.say("tool.comment")}`])];
  const rows = students.map((student) => {
    const cells = view.lineItems.flatMap(({ line_item_id: item }) => {
      const name = { item, student: student.student_id };
      return [model.written(item, student.student_id), commentOf(view.cell({ kind: "comment", ...name }).value)];
    });
    return [nameOf(student), student.identifier ?? "", ...cells];
  });
  const isCommented = head.map((_, column) => column < 2 || column % 2 === 0 || rows.some((row) => row[column] !== ""));
  return [head, ...rows].map((row) => row.filter((_, column) => isCommented[column]).map(csvField).join(",")).join("\r\n") + "\r\n";
}

export function downloadCsv(desk: Desk): void {
  desk.grid?.commit();
  const { title, today } = desk.view.facts;
  const link = document.createElement("a");
  // With the mark of byte order, spreadsheets read accents right.
  const url = URL.createObjectURL(new Blob(["\ufeff", csvOf(desk.model)], { type: "text/csv;charset=utf-8" }));
  link.href = url;
  link.download = `${title} ${today}.csv`.replace(/[\\/:*?"<>|]/g, "-");
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
