/** Ranges of cells: copying, filling and clearing them. What counts is what the cells show, texts that could not be read too. */
import type { Grid } from "./grid.ts";
import type { GridEntry, Range } from "./model.ts";

/** The range as tab-separated text. */
export function copyOf({ entry, range: { top, left, bottom, right } }: Grid): string {
  return writeBlock(
    Array.from({ length: bottom - top + 1 }, (_, i) => Array.from({ length: right - left + 1 }, (_, j) => entry.text(top + i, left + j))),
  );
}

/** The cells of a range that can be typed in and do not say `text` already, each with its text. */
export function entriesOf(grid: Grid, range: Range, text: (row: number, column: number) => string): GridEntry[] {
  const entries: GridEntry[] = [];
  for (let column = range.left; column <= range.right; column++) {
    if (grid.isReadOnly(column)) continue;
    for (let row = range.top; row <= range.bottom; row++) {
      const wanted = text(row, column);
      if (wanted !== grid.entry.text(row, column)) entries.push({ row, column, text: wanted });
    }
  }
  return entries;
}

/** The top row of a range, or what is above a single row, on to the rows below it. A text that could not be read fills nothing. */
export function fillDown(grid: Grid): GridEntry[] {
  const { range } = grid;
  const from = range.top === range.bottom ? range.top - 1 : range.top;
  if (from < 0) return [];
  return entriesOf(grid, { ...range, top: from + 1 }, (_, column) => grid.entry.text(from, column));
}

/** Write a block; fields that would be read differently go into quotes. */
export function writeBlock(rows: readonly (readonly string[])[]): string {
  const field = (text: string) => (/[\t\r\n]|^"/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  return rows.map((row) => row.map(field).join("\t")).join("\n");
}
