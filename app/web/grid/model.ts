/**
 * What the grid asks of what it shows. The grid knows nothing of grades, of a network or of a server: rows, columns, texts.
 * Rows and columns are numbered from 0 as they are shown now; a model that sorts or filters maps them itself.
 */
export interface GridModel {
  rows(): number;
  columns(): number;
  /**
   * What a row and a column are, however they are sorted, filtered or hidden now. Whatever outlives a moment (undo, the active
   * cell, a preview, refused text) remembers these, never a number: a grade must not land on another student after a sort.
   */
  rowKey(row: number): string;
  columnKey(column: number): string;
  /** Where they are now; -1 while they are not shown. */
  rowOf(key: string): number;
  columnOf(key: string): number;
  /** The fixed first column: a person's name; `note` is shown small beside it. */
  rowHead(row: number): { readonly text: string; readonly note?: string; readonly isMuted?: boolean };
  /**
   * A column's head: a title, a second line, whether its cells can be typed in, and a small picture. All heads are asked for at the start,
   * and that of a column whose cells have changed half a second later; `picture` is looked at only in those that are drawn, so
   * a getter may work it out then.
   */
  columnHead(column: number): ColumnHead;
  cell(row: number, column: number): GridCell;
  /** A cell's name for those who hear it: "Ana García, Quiz 3, out of 20". */
  cellName(row: number, column: number): string;
  /**
   * Take texts that were typed, pasted, filled or undone, as one step that undo takes back whole. The model reads them; what it
   * cannot read it answers with a sentence, and the grid keeps the text in its cell, marked, until it is mended or escaped.
   */
  enter(entries: readonly GridEntry[]): readonly GridVerdict[];
  /** What `enter` would say to this text; takes nothing. For the preview of a paste. */
  judge(entry: GridEntry): GridVerdict;
  /**
   * What is put into the clipboard and into the input of a cell. `enter` reads it back to the same value, flags included ("17 la"):
   * undo enters what this said before, and leaves a cell alone where this does not say any more what it said after.
   */
  text(row: number, column: number): string;
  /**
   * What stands in the cell: the edit that is shown. The grid asks when somebody begins to type, and hands it back as
   * `GridEntry.seen`, so that a colleague's value that arrived meanwhile is not taken for one that was seen. It asks again when it has
   * entered, at once: only what still stands then is taken back.
   */
  seen?(row: number, column: number): unknown;
  /** Called with the cells that look different now; `undefined`: everything, rows and columns too. Returns how to stop. */
  onChange(listener: (cells: readonly { row: number; column: number }[] | undefined) => void): () => void;
}

export interface ColumnHead {
  readonly title: string;
  readonly detail?: string;
  readonly isReadOnly?: boolean;
  /** Width in px; the grid measures nothing. */
  readonly width: number;
  readonly picture?: { readonly bars: readonly number[]; readonly label: string };
  readonly sort?: "ascending" | "descending";
}

/** What a cell shows. `mark` is drawn by shape and colour, and said by `says`. */
export interface GridCell {
  readonly text: string;
  readonly mark: Mark;
  /** Short flags beside the text, such as "late": shown as letters in a box, with the words for those who hear it. */
  readonly flags: readonly { readonly letter: string; readonly words: string; readonly tone: "plain" | "warn" | "bad" }[];
  readonly hasComment: boolean;
  /** The state in words, for the cell's accessible description; empty for an ordinary cell. */
  readonly says: string;
  readonly isMuted?: boolean;
}

/** `refused` is the grid's own: a text that the model could not read. */
export type Mark = "none" | "storing" | "queued" | "rejected" | "conflict" | "theirs" | "refused";

export interface GridEntry {
  readonly row: number;
  readonly column: number;
  readonly text: string;
  /** What `GridModel.seen` said when the typing began; or a paste was planned; missing where that took no while (fill, undo). */
  readonly seen?: unknown;
  /** The cell, where it is not shown any more (`row` or `column` is -1): it went while somebody typed in it. */
  readonly key?: CellKey;
}

/** `warning`: it is taken, and the person should look twice (above the maximum of a column with extra credit). */
export type GridVerdict =
  | { readonly isTaken: true; readonly warning?: string }
  | { readonly isTaken: false; readonly sentence: string };

/** The grid's own words. All other sentences are the model's, or the page's, made from a GridEvent. */
export interface GridWords {
  /** The table's name for those who hear it. */
  readonly table: string;
  /** The head of the first column: "Student". */
  readonly rowHeads: string;
  /** Behind the name of a cell with a comment: "has a comment". */
  readonly comment: string;
}

/** A cell that is remembered for longer than a moment. */
export interface CellKey { readonly rowKey: string; readonly columnKey: string }

export function keyOf(model: GridModel, row: number, column: number): CellKey {
  return { rowKey: model.rowKey(row), columnKey: model.columnKey(column) };
}

/** The key of a cell in maps. */
export function nameOf({ rowKey, columnKey }: CellKey): string {
  return `${rowKey}\n${columnKey}`;
}

/** Where a cell is now; both numbers are -1 while it is not shown. */
export function whereIs(model: GridModel, { rowKey, columnKey }: CellKey): { readonly row: number; readonly column: number } {
  const row = model.rowOf(rowKey);
  const column = model.columnOf(columnKey);
  return row < 0 || column < 0 ? { row: -1, column: -1 } : { row, column };
}

/** Corners are inside; `top` and `left` are the smaller numbers. */
export interface Range { readonly top: number; readonly left: number; readonly bottom: number; readonly right: number }

/** What the page may want to say or show. */
export type GridEvent =
  | { readonly kind: "active"; readonly row: number; readonly column: number }
  /** More than one cell is chosen, or no longer. */
  | { readonly kind: "range"; readonly rows: number; readonly columns: number }
  /** A text was not understood; it stays in its cell. `isLeft`: the person has gone on (say it aloud), else they only paused. */
  | { readonly kind: "refused"; readonly row: number; readonly column: number; readonly sentence: string; readonly isLeft: boolean }
  | { readonly kind: "warned"; readonly row: number; readonly column: number; readonly sentence: string }
  /** A colleague's value has arrived in the cell that is being typed in; what is typed was left alone. */
  | { readonly kind: "theirs"; readonly row: number; readonly column: number }
  | { readonly kind: "readOnly"; readonly row: number; readonly column: number }
  | { readonly kind: "copied"; readonly cells: number }
  /** A text is to be put into this range: the page asks `planPaste` (paste.ts) what it would do. */
  | { readonly kind: "paste"; readonly text: string; readonly range: Range }
  /** `left`: cells that others have changed since, or that were refused; `hidden`: cells that are not shown now, which wait. Both stay as they are. */
  | { readonly kind: "undone" | "redone"; readonly cells: number; readonly left: number; readonly hidden: number }
  | { readonly kind: "nothingTo"; readonly what: "undo" | "redo" }
  | { readonly kind: "comment"; readonly row: number; readonly column: number }
  /** Where a menu of the cell may open, in px of the window. */
  | { readonly kind: "menu"; readonly row: number; readonly column: number; readonly x: number; readonly y: number }
  | { readonly kind: "head"; readonly column: number };

/** What a paste would do. Nothing has been entered yet. */
export interface PastePreview {
  readonly cells: readonly PreviewCell[];
  /** What the clipboard holds, and how much of it lies outside the grid: that is never wrapped round, it is left out. */
  readonly rows: number;
  readonly columns: number;
  readonly rowsCut: number;
  readonly columnsCut: number;
  /** Cells that cannot be typed in. */
  readonly readOnly: number;
  /** Enter what is readable, as one step for undo; returns how many cells, and how many are not shown any more. */
  confirm(): { readonly cells: number; readonly hidden: number };
}

export interface PreviewCell extends CellKey {
  readonly name: string;
  readonly old: string;
  readonly text: string;
  readonly verdict: GridVerdict;
  /** What stood in the cell when the paste was planned: what comes while its preview is read has not been seen. */
  readonly seen?: unknown;
}
