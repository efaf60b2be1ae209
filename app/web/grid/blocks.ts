/** Ranges of cells: copying, pasting, filling and clearing them. */
import { type GridEntry, type GridModel, type GridVerdict, type PastePreview, type PreviewCell, keyOf, whereIs } from "./model.ts";
import { readBlock, writeBlock } from "./tsv.ts";

/** Up to here a paste in which nothing is doubtful is entered at once: a column of the largest class. */
const PASTE_AT_ONCE_CELLS_MAX = 250;

/** Corners are inside; `top` and `left` are the smaller numbers. */
export interface Range { readonly top: number; readonly left: number; readonly bottom: number; readonly right: number }

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

/**
 * What pasting `text` over `range` would do: one value fills the range, a block begins at its corner. Nothing is wrapped round, and a line
 * that is shorter than the others leaves its last cells alone.
 */
export function planPaste(
  model: GridModel,
  range: Range,
  text: string,
  enter: (entries: readonly GridEntry[]) => readonly GridVerdict[],
): { readonly preview: PastePreview; readonly isDoubtful: boolean } {
  const block = readBlock(text);
  const columns = Math.max(...block.map((row) => row.length));
  const isOne = block.length === 1 && columns === 1;
  const { top, left } = range;
  const bottom = isOne ? range.bottom : Math.min(top + block.length, model.rows()) - 1;
  const right = isOne ? range.right : Math.min(left + columns, model.columns()) - 1;
  const cells: PreviewCell[] = [];
  let readOnly = 0;
  let isDoubtful = false;
  for (let column = left; column <= right; column++) {
    const isReadOnly = model.columnHead(column).isReadOnly;
    for (let row = top; row <= bottom; row++) {
      const wanted = (isOne ? block[0]?.[0] : block[row - top]?.[column - left])?.trim();
      if (wanted === undefined) continue;
      if (isReadOnly) {
        readOnly++;
        continue;
      }
      const old = model.text(row, column);
      const verdict = model.judge({ row, column, text: wanted });
      isDoubtful ||= !verdict.isTaken || verdict.warning !== undefined || (!wanted && !!old && !isOne);
      cells.push({ ...keyOf(model, row, column), name: model.cellName(row, column), old, text: wanted, verdict });
    }
  }
  const rowsCut = isOne ? 0 : block.length - (bottom - top + 1);
  const columnsCut = isOne ? 0 : columns - (right - left + 1);
  const preview: PastePreview = {
    cells, rows: block.length, columns, rowsCut, columnsCut, readOnly,
    confirm: () => confirm(model, cells, enter),
  };
  return { preview, isDoubtful: isDoubtful || rowsCut + columnsCut + readOnly > 0 || cells.length > PASTE_AT_ONCE_CELLS_MAX };
}

function confirm(model: GridModel, cells: readonly PreviewCell[], enter: (entries: readonly GridEntry[]) => readonly GridVerdict[]) {
  const wanted = cells.filter(({ verdict }) => verdict.isTaken).map((cell) => ({ ...whereIs(model, cell), text: cell.text }));
  const shown = wanted.filter(({ row }) => row >= 0);
  const taken = enter(shown.filter(({ row, column, text }) => model.text(row, column) !== text)).filter((verdict) => verdict.isTaken);
  return { cells: taken.length, hidden: wanted.length - shown.length };
}
