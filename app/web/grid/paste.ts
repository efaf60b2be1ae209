/** What a paste would do, and doing it. Apart from the grid: whoever shows one fetches this when something is pasted. */
import { type GridEntry, type GridModel, type GridVerdict, type PastePreview, type PreviewCell, type Range, keyOf, whereIs } from "./model.ts";
import { readBlock } from "./tsv.ts";

/** Up to here a paste in which nothing is doubtful is entered at once: a column of the largest class. */
const PASTE_AT_ONCE_CELLS_MAX = 250;

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
      cells.push({ ...keyOf(model, row, column), name: model.cellName(row, column), old, text: wanted, verdict, seen: model.seen?.(row, column) });
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
  const wanted = cells.filter(({ verdict, old, text }) => verdict.isTaken && old !== text).map((cell) => ({ ...whereIs(model, cell), text: cell.text, seen: cell.seen }));
  const shown = wanted.filter(({ row }) => row >= 0);
  const taken = enter(shown.filter(({ row, column, text }) => model.text(row, column) !== text)).filter((verdict) => verdict.isTaken);
  return { cells: taken.length, hidden: wanted.length - shown.length };
}
