/** Ranges of cells: copying, filling and clearing them. */
import type { GridEntry, GridModel, Range } from "./model.ts";

/** The block as tab-separated text. */
export function copyOf(model: GridModel, { top, left, bottom, right }: Range): string {
  return writeBlock(
    Array.from({ length: bottom - top + 1 }, (_, i) => Array.from({ length: right - left + 1 }, (_, j) => model.text(top + i, left + j))),
  );
}

/** The cells of a range that can be typed in and do not say `text` already, each with its text. */
export function entriesOf(model: GridModel, range: Range, text: (row: number, column: number) => string): GridEntry[] {
  const entries: GridEntry[] = [];
  for (let column = range.left; column <= range.right; column++) {
    if (model.columnHead(column).isReadOnly) continue;
    for (let row = range.top; row <= range.bottom; row++) {
      const wanted = text(row, column);
      if (wanted !== model.text(row, column)) entries.push({ row, column, text: wanted });
    }
  }
  return entries;
}

/** The top row of a range, or what is above a single row, on to the rows below it. */
export function fillDown(model: GridModel, range: Range): GridEntry[] {
  const from = range.top === range.bottom ? range.top - 1 : range.top;
  if (from < 0) return [];
  return entriesOf(model, { ...range, top: from + 1 }, (_, column) => model.text(from, column));
}

/** Write a block; fields that would be read differently go into quotes. */
export function writeBlock(rows: readonly (readonly string[])[]): string {
  const field = (text: string) => (/[\t\r\n]|^"/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  return rows.map((row) => row.map(field).join("\t")).join("\n");
}
