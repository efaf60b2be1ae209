/** The grid: a table of a model's cells, and one input that is laid over the active one. Knows nothing of what the cells mean. */
import { copyOf, entriesOf, fillDown } from "./blocks.ts";
import { listenToClipboard } from "./clipboard.ts";
import { Entry } from "./entry.ts";
import { indexAt, scrollTo, scrollWithin } from "./geometry.ts";
import { onKey } from "./keys.ts";
import { type GridCell, type GridEntry, type GridEvent, type GridModel, type GridVerdict, type GridWords, type Range, keyOf, whereIs } from "./model.ts";
import { type On, listenToPointer } from "./pointer.ts";
import { GridTable, dress, element, saysOf } from "./table.ts";
import { type OtherStep, UndoStack } from "./undo.ts";

const ROW_PX = 30;
const TOUCH_ROW_PX = 44;
const HEAD_PX = 58;
const NAME_PX = 210;
/** The names may take this part of a narrow window. */
const NAME_SHARE_MAX = 0.42;
const HEADS_AFTER_MS = 500;
/** The room that a cell's sentence may need beside it. */
const SAYS_PX = 260;

export class Grid {
  readonly model: GridModel;
  readonly entry: Entry;
  readonly table: GridTable;
  readonly #host: HTMLElement;
  readonly #words: GridWords;
  readonly #sheet = element("div", undefined, "grid-sheet");
  readonly #rangeBox = element("div", undefined, "grid-range");
  readonly #undo: UndoStack;
  readonly #tell: (event: GridEvent) => void;
  readonly #stops: (() => void)[] = [];
  /** The other corner of the range; the active cell where there is none. */
  #end = { row: 0, column: 0, rowKey: "", columnKey: "" };
  #scroll = { top: 0, left: 0 };
  #view = { height: 0, width: 0 };
  #name = NAME_PX;
  #head = HEAD_PX;
  #changes = 0;
  readonly #staleHeads = new Set<number>();
  #headTimer: ReturnType<typeof setTimeout> | undefined;

  /** Take over `host`, which scrolls, and must have a height. */
  constructor(host: HTMLElement, model: GridModel, words: GridWords, tell: (event: GridEvent) => void) {
    this.#host = host;
    this.model = model;
    this.#words = words;
    this.#tell = tell;
    this.#undo = new UndoStack(model);
    this.table = new GridTable(model, words, (row, column) => this.look(row, column));
    this.entry = new Entry(model, this.#undo, tell, (row, column) => this.#redrawCell(row, column));
    host.classList.add("grid");
    this.#measure();
    this.#rangeBox.hidden = true;
    this.#sheet.append(this.table.box, this.#rangeBox, this.entry.box);
    this.#show();
    host.append(this.#sheet);
    const first = this.table.heads.findIndex((head) => !head.isReadOnly);
    this.#arrive(0, Math.max(0, first));
    this.#listen();
  }

  /** How a cell looks: the model's word, but for a text that was refused. */
  look(row: number, column: number): GridCell {
    const cell = this.model.cell(row, column);
    const refusal = this.entry.refusal(row, column);
    return refusal ? { ...cell, text: refusal.text, mark: "refused", says: refusal.sentence } : cell;
  }

  get active(): { readonly row: number; readonly column: number } {
    return this.entry;
  }

  get range(): Range {
    const { row, column } = this.entry;
    const { row: endRow, column: endColumn } = this.#end;
    return { top: Math.min(row, endRow), bottom: Math.max(row, endRow), left: Math.min(column, endColumn), right: Math.max(column, endColumn) };
  }

  get isRange(): boolean {
    return this.#end.row !== this.entry.row || this.#end.column !== this.entry.column;
  }

  /** The corner of the range that Shift and the arrows move. */
  get end(): { readonly row: number; readonly column: number } {
    return this.#end;
  }

  /** How many rows are seen at once. */
  get rowsSeen(): number {
    return Math.max(1, Math.floor((this.#view.height - this.#head) / (this.table.rowEdges[1] ?? ROW_PX)) - 1);
  }

  get lastRow(): number {
    return this.table.rowEdges.length - 2;
  }

  get lastColumn(): number {
    return this.table.heads.length - 1;
  }

  isReadOnly(column: number): boolean {
    return this.table.heads[column]?.isReadOnly === true;
  }

  /** Go to a cell, entering what was typed in the one that is left; with `extend` only the range's other corner goes. */
  go(row: number, column: number, extend = false): void {
    if (this.entry.box.hidden) return;
    row = Math.min(Math.max(0, row), this.lastRow);
    column = Math.min(Math.max(0, column), this.lastColumn);
    // First the scrolling, while nothing waits for layout; then everything that is written.
    this.#reveal(row, column);
    const { model, entry } = this;
    const key = keyOf(model, row, column);
    const changes = this.#changes;
    entry.commit(true);
    if (changes !== this.#changes) ({ row, column } = whereIs(model, key));
    if (row < 0) return;
    if (extend) this.#stretch({ row, column });
    else this.#arrive(row, column);
    this.focus();
  }

  /** Choose a block; its top left cell is the active one. */
  choose({ top, left, bottom, right }: Range): void {
    if (bottom < top || right < left) return;
    this.entry.commit(true);
    this.#arrive(top, left, { row: bottom, column: right });
    this.focus();
  }

  /** Ask the page for a menu of the active cell, at this point or below the cell. */
  openMenu(x?: number, y?: number): void {
    const { row, column } = this.entry;
    this.entry.commit(true);
    const rect = this.rectOf(row, column);
    this.#tell({ kind: "menu", row, column, x: x ?? rect.left, y: y ?? rect.bottom });
  }

  focus(): void {
    const { input } = this.entry;
    if (document.activeElement !== input) input.focus({ preventScroll: true });
    if (this.entry.mode === "ready") input.select();
  }

  /** Where a cell is in the window, also while it is not drawn. */
  rectOf(row: number, column: number): DOMRect {
    const { left, top } = this.#sheet.getBoundingClientRect();
    const { x, y, width, height } = this.#boxOf({ top: row, bottom: row, left: column, right: column });
    return new DOMRect(left + x, top + y, width, height);
  }

  /** The cell under a point of the window; the nearest one outside of them. */
  cellAt(x: number, y: number): { row: number; column: number } {
    const { left, top } = this.#sheet.getBoundingClientRect();
    return { row: indexAt(this.table.rowEdges, y - top - this.#head), column: indexAt(this.table.edges, x - left - this.#name) };
  }

  /** Enter what is being typed now. */
  commit(): void {
    this.entry.commit(true);
  }

  /** Enter texts as one step for undo. */
  enter(entries: readonly GridEntry[]): readonly GridVerdict[] {
    const verdicts = this.#undo.enter(entries);
    entries.forEach(({ row, column }, i) => {
      if (!verdicts[i]?.isTaken) return;
      this.entry.mend(row, column);
      this.#redrawCell(row, column);
    });
    return verdicts;
  }

  /** Something was done beside the cells, and is the first to be taken back. */
  remember(step: OtherStep): void {
    this.#undo.add(step);
  }

  has(what: "undo" | "redo"): boolean {
    return this.#undo.has(what);
  }

  turn(what: "undo" | "redo"): void {
    this.entry.commit(true);
    const done = this.#undo.turn(what);
    if (!done) return this.#tell({ kind: "nothingTo", what });
    const { first, ...counts } = done;
    if (first) {
      const { row, column } = whereIs(this.model, first);
      if (row >= 0) this.go(row, column);
    }
    this.#tell({ kind: what === "undo" ? "undone" : "redone", ...counts });
  }

  /** Empty the range. */
  clear(): void {
    this.entry.drop();
    this.enter(entriesOf(this, this.range, () => ""));
  }

  fillDown(): void {
    this.entry.commit(true);
    this.enter(fillDown(this));
    this.focus();
  }

  /** The range as text for the clipboard. */
  copy(): string {
    const { top, left, bottom, right } = this.range;
    this.#tell({ kind: "copied", cells: (bottom - top + 1) * (right - left + 1) });
    return copyOf(this);
  }

  /** A text is to be put into the grid, from the active range on: what is doubtful is shown before it is entered. */
  paste(text: string): void {
    if (!text) return;
    this.entry.drop();
    this.#tell({ kind: "paste", text, range: this.range });
  }

  tell(event: GridEvent): void {
    this.#tell(event);
  }

  /** Give the host back as it was; what was typed is entered. */
  destroy(): void {
    this.entry.commit(true);
    this.entry.stop();
    clearTimeout(this.#headTimer);
    for (const stop of this.#stops) stop();
    this.#sheet.remove();
    this.#host.classList.remove("grid");
  }

  #arrive(row: number, column: number, end?: { readonly row: number; readonly column: number }): void {
    const { entry } = this;
    entry.box.hidden = this.lastRow < 0 || this.lastColumn < 0;
    if (entry.box.hidden) return;
    entry.arrive(row, column, this.isReadOnly(column));
    this.#stretch(end);
    this.#dressActive();
    this.#tell({ kind: "active", row, column });
  }

  #dressActive(): void {
    const { entry } = this;
    const cell = this.look(entry.row, entry.column);
    const hasTheirs = entry.box.classList.contains("has-theirs");
    const isLow = entry.row > 1 && entry.row > this.lastRow - 2;
    const isFar = this.#name + (this.table.edges[entry.column] as number) - this.#scroll.left + SAYS_PX > this.#view.width;
    dress(entry.box, cell, `grid-active${hasTheirs ? " has-theirs" : ""}${isLow ? " is-low" : ""}${isFar ? " is-far" : ""}`);
    entry.describe(saysOf(cell, this.#words), cell);
  }

  #redrawCell(row: number, column: number): void {
    this.table.redrawCell(row, column);
    if (row !== this.entry.row || column !== this.entry.column) return;
    this.entry.changed();
    this.#dressActive();
  }

  /** The range goes from the active cell to this corner; without one there is none. */
  #stretch({ row, column }: { readonly row: number; readonly column: number } = this.entry): void {
    const { entry } = this;
    const box = this.#rangeBox;
    this.#end = { row, column, ...keyOf(this.model, row, column) };
    this.#place(entry.box, { top: entry.row, bottom: entry.row, left: entry.column, right: entry.column });
    if (box.hidden && !this.isRange) return;
    box.hidden = !this.isRange;
    const { top, left, bottom, right } = this.range;
    this.#place(box, this.range);
    this.#tell({ kind: "range", rows: bottom - top + 1, columns: right - left + 1 });
  }

  #reveal(row: number, column: number): void {
    const { edges, rowEdges } = this.table;
    const { top, left } = this.#scroll;
    const y = scrollTo(top, this.#view.height - this.#head, rowEdges[row] as number, rowEdges[row + 1] as number);
    const x = scrollTo(left, this.#view.width - this.#name, edges[column] as number, edges[column + 1] as number);
    if (y !== top) this.#host.scrollTop = y;
    if (x !== left) this.#host.scrollLeft = x;
    if (y === top && x === left) return;
    this.#scroll = { top: y, left: x };
    this.#show();
  }

  /** What a head tells of its cells is worked out again when the typing has had its turn. */
  #redrawHeads(): void {
    this.#headTimer = undefined;
    for (const column of this.#staleHeads) if (column <= this.lastColumn) this.table.redrawHead(column);
    this.#staleHeads.clear();
  }

  #measure(): void {
    const host = this.#host;
    const scale = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16 || 1;
    const row = (matchMedia("(pointer: coarse)").matches ? TOUCH_ROW_PX : ROW_PX) * scale;
    this.#view = { height: host.clientHeight, width: host.clientWidth };
    this.#head = HEAD_PX * scale;
    this.#name = Math.round(Math.min(NAME_PX * scale, this.#view.width * NAME_SHARE_MAX || NAME_PX));
    this.table.measure(row, scale);
    const sizes = { "--grid-row": row, "--grid-head": this.#head, "--grid-name": this.#name };
    for (const [name, size] of Object.entries(sizes)) host.style.setProperty(name, `${size}px`);
  }

  #show(everything?: boolean): void {
    const { top, left } = this.#scroll;
    this.table.show(top, left, this.#view.height - this.#head, this.#view.width - this.#name, everything);
  }

  /** Rows and columns may be others now; the active cell and the range's other corner are found again by their keys, or there is no range. */
  #refresh(): void {
    const { entry, model } = this;
    this.#changes++;
    this.#measure();
    // Fewer rows or columns may leave less: the browser says so a frame later, in which nothing would be seen.
    this.#scroll = {
      top: scrollWithin(this.table.rowEdges, this.#scroll.top, this.#view.height - this.#head),
      left: scrollWithin(this.table.edges, this.#scroll.left, this.#view.width - this.#name),
    };
    this.#show();
    this.table.redraw();
    const { row, column } = whereIs(model, entry.key);
    const corner = whereIs(model, this.#end);
    const end = row < 0 || corner.row < 0 ? undefined : corner;
    if (row >= 0 && (entry.mode !== "ready" || entry.isDirty)) {
      Object.assign(entry, { row, column });
      this.#stretch(end);
      return this.#redrawCell(row, column);
    }
    const isTaken = row < 0 && entry.isDirty;
    if (row < 0) entry.commit(true);
    const nearest = (index: number, old: number, last: number) => (index >= 0 ? index : Math.max(0, Math.min(old, last)));
    this.#arrive(
      nearest(model.rowOf(entry.key.rowKey), entry.row, this.lastRow),
      nearest(model.columnOf(entry.key.columnKey), entry.column, this.lastColumn),
      end,
    );
    // The cell has gone from under somebody who types: the next keys are not for the one beside it.
    if (isTaken) entry.input.blur();
    if (document.activeElement === entry.input) entry.input.select();
  }

  /** Put a box over these cells. */
  #place({ style }: HTMLElement, range: Range): void {
    const { x, y, width, height } = this.#boxOf(range);
    style.transform = `translate(${x}px,${y}px)`;
    style.width = `${width}px`;
    style.height = `${height}px`;
  }

  #boxOf({ top, left, bottom, right }: Range): { x: number; y: number; width: number; height: number } {
    const { edges, rowEdges } = this.table;
    const [x = 0, y = 0] = [edges[left], rowEdges[top]];
    return { x: this.#name + x, y: this.#head + y, width: (edges[right + 1] ?? x) - x, height: (rowEdges[bottom + 1] ?? y) - y };
  }

  #listen(): void {
    const host = this.#host;
    const on: On = (target, type, listener, options) => {
      target.addEventListener(type, listener as EventListener, options);
      this.#stops.push(() => target.removeEventListener(type, listener as EventListener, options));
    };
    on(host, "scroll", () => {
      this.#scroll = { top: host.scrollTop, left: host.scrollLeft };
      this.#show();
    }, { passive: true });
    on(host, "keydown", (event: KeyboardEvent) => onKey(this, event));
    on(host, "input", (event: InputEvent) => this.entry.typed(event.isComposing));
    on(host, "compositionend", () => this.entry.typed(false));
    on(host, "focusin", () => this.focus());
    on(host, "focusout", () => {
      this.entry.commit(true);
      this.entry.isEntering = false;
    });
    on(window, "pagehide", () => this.commit());
    on(document, "visibilitychange", () => document.hidden && this.commit());
    on(window, "beforeprint", () => this.#show(true));
    on(window, "afterprint", () => this.#show());
    listenToClipboard(this, host, on);
    listenToPointer(this, host, on);
    const sizes = new ResizeObserver(() => {
      if (host.clientHeight === this.#view.height && host.clientWidth === this.#view.width) return;
      this.#refresh();
    });
    sizes.observe(host);
    this.#stops.push(() => sizes.disconnect());
    this.#stops.push(this.model.onChange((cells) => {
      if (!cells) return this.#refresh();
      for (const { row, column } of cells) {
        this.#redrawCell(row, column);
        this.#staleHeads.add(column);
      }
      this.#headTimer ||= setTimeout(() => this.#redrawHeads(), HEADS_AFTER_MS);
    }));
  }
}

export type { GridEvent, GridModel, GridWords, PastePreview, PreviewCell } from "./model.ts";
