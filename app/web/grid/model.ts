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
  /** A column's head: a title, a second line, whether its cells can be typed in, and a small picture (an SVG element's markup made by us). */
  columnHead(column: number): ColumnHead;
  cell(row: number, column: number): GridCell;
  /** A cell's name for those who hear it: "Ana García, Quiz 3, out of 20". */
  cellName(row: number, column: number): string;
  /**
   * Take texts that were typed, pasted, filled or undone, as one step that undo takes back whole. The model reads them; what it
   * cannot read it answers with a sentence, and the grid keeps the text in its cell, marked, until it is mended or escaped.
   */
  enter(entries: readonly GridEntry[]): readonly GridVerdict[];
  /** What is put into the clipboard and into the input of a cell. */
  text(row: number, column: number): string;
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

export type Mark = "none" | "storing" | "queued" | "rejected" | "conflict" | "theirs";

export interface GridEntry { readonly row: number; readonly column: number; readonly text: string }
export type GridVerdict = { readonly isTaken: true } | { readonly isTaken: false; readonly sentence: string };
