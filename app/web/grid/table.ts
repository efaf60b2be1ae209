/** The table that is drawn: a window of rows and columns of the model, recycled as it moves. */
import { type Span, edgesOf, slide, spanOf } from "./geometry.ts";
import type { ColumnHead, GridCell, GridModel, GridWords } from "./model.ts";

/** Rows and columns that are drawn beyond what is seen: enough for one turn of a wheel before the next frame. */
const SPARE_ROWS = 4;
const SPARE_COLUMNS = 2;
/** Up to here everything is drawn, and the browser's own search and a reader's table commands find it. */
const WHOLE_ROWS_MAX = 40;
const WHOLE_COLUMNS_MAX = 30;

interface Slot { readonly box: HTMLElement; readonly text: Text; dress: string; width: number; before: number }
interface Line { readonly box: HTMLElement; readonly head: HTMLElement; readonly name: Text; readonly note: HTMLElement; readonly cells: Slot[]; row: number }

export function element(name: string, role?: string, className?: string): HTMLElement {
  const made = document.createElement(name);
  if (role) made.setAttribute("role", role);
  if (className) made.className = className;
  return made;
}

function attribute(on: Element, name: string, value: string | false | undefined): void {
  if (value) on.setAttribute(name, value);
  else on.removeAttribute(name);
}

/** How a cell looks beside its text, as a class; its flags' letters are an attribute, which the style sheet draws. */
export function classOf(cell: GridCell): string {
  const { flags, mark } = cell;
  const tone = ["bad", "warn", "plain"].find((one) => flags.some((flag) => flag.tone === one));
  return `${mark === "none" ? "" : ` is-${mark}`}${tone ? ` flag-${tone}` : ""}${cell.hasComment ? " has-comment" : ""}${cell.isMuted ? " is-muted" : ""}`;
}

/** A cell's state in words: its flags, its comment, where its value is. */
export function saysOf(cell: GridCell, words: GridWords): string {
  return [...cell.flags.map((flag) => flag.words), cell.hasComment && words.comment, cell.says].filter(Boolean).join(", ");
}

export function dress(box: HTMLElement, cell: GridCell, className: string): void {
  box.className = className + classOf(cell);
  attribute(box, "data-flags", cell.flags.map((flag) => flag.letter).join(""));
}

/** Leave room before the first of a row's cells. A custom property of the table would have the style of every cell worked out anew. */
function setBack(slots: readonly Slot[], skipped: number): void {
  slots.forEach((slot, i) => {
    const before = i ? 0 : skipped;
    if (slot.before !== before) slot.box.style.marginLeft = `${(slot.before = before)}px`;
  });
}

export class GridTable {
  readonly box = element("table", "grid", "grid-table");
  /** Where rows and columns begin, in px, counted from the first. */
  rowEdges: number[] = [0];
  edges: number[] = [0];
  heads: ColumnHead[] = [];
  isWhole = false;
  readonly #head = element("thead", "rowgroup");
  readonly #body = element("tbody", "rowgroup");
  readonly #above = element("tr", "presentation", "grid-space");
  readonly #below = element("tr", "presentation", "grid-space");
  readonly #top = element("tr", "row");
  readonly #headSlots: Slot[] = [];
  readonly #lines: Line[] = [];
  #rows: Span = { first: 0, last: 0 };
  #columns: Span = { first: 0, last: 0 };
  readonly #model: GridModel;
  readonly #words: GridWords;
  readonly #look: (row: number, column: number) => GridCell;

  /** `look` says how a cell looks now: the model's word, but for texts that were refused. */
  constructor(model: GridModel, words: GridWords, look: (row: number, column: number) => GridCell) {
    this.#model = model;
    this.#words = words;
    this.#look = look;
    const corner = element("th", "columnheader", "grid-corner");
    corner.textContent = words.rowHeads;
    corner.setAttribute("aria-colindex", "1");
    this.#top.setAttribute("aria-rowindex", "1");
    this.#top.append(corner);
    this.#head.append(this.#top);
    this.#body.append(this.#above, this.#below);
    this.box.append(this.#head, this.#body);
    this.box.setAttribute("aria-label", words.table);
  }

  /** Ask the model for everything again: rows, columns, widths. Nothing is drawn until `show`. */
  measure(rowHeight: number, scale: number): void {
    const model = this.#model;
    const rows = model.rows();
    this.heads = Array.from({ length: model.columns() }, (_, column) => model.columnHead(column));
    this.edges = edgesOf(this.heads.map((head) => Math.round(head.width * scale)));
    this.rowEdges = Array.from({ length: rows + 1 }, (_, row) => row * rowHeight);
    this.isWhole = rows <= WHOLE_ROWS_MAX && this.heads.length <= WHOLE_COLUMNS_MAX;
    this.box.setAttribute("aria-rowcount", String(rows + 1));
    this.box.setAttribute("aria-colcount", String(this.heads.length + 1));
  }

  /** Draw what is seen at this scroll position; `everything` also what is not, for paper. */
  show(top: number, left: number, height: number, width: number, everything = this.isWhole): void {
    const last = { rows: this.rowEdges.length - 1, columns: this.edges.length - 1 };
    const rows = everything ? { first: 0, last: last.rows } : spanOf(this.rowEdges, top, height, SPARE_ROWS);
    const columns = everything ? { first: 0, last: last.columns } : spanOf(this.edges, left, width, SPARE_COLUMNS);
    if (columns.first !== this.#columns.first || columns.last !== this.#columns.last) this.#slideColumns(columns);
    if (rows.first !== this.#rows.first || rows.last !== this.#rows.last) this.#slideRows(rows);
    this.#keepPlace();
  }

  /** What is not drawn takes its place all the same. */
  #keepPlace(): void {
    const rows = this.rowEdges;
    const columns = this.edges;
    const above = `${rows[this.#rows.first]}px`;
    const below = `${(rows[rows.length - 1] as number) - (rows[this.#rows.last] as number)}px`;
    const skipped = columns[this.#columns.first] as number;
    this.#above.style.height = above;
    this.#below.style.height = below;
    this.box.style.setProperty("--grid-width", `${columns[columns.length - 1]}px`);
    setBack(this.#headSlots, skipped);
    for (const line of this.#lines) setBack(line.cells, skipped);
  }

  /** Draw everything that is shown anew. */
  redraw(): void {
    const columns = this.#columns;
    this.#headSlots.forEach((slot, i) => this.#fillHead(slot, columns.first + i));
    for (const line of this.#lines) this.#fillLine(line, line.row);
  }

  /** Ask the model for a column's head again; its width stays until `measure`. */
  redrawHead(column: number): void {
    const slot = this.#headSlots[column - this.#columns.first];
    this.heads[column] = this.#model.columnHead(column);
    if (slot) this.#fillHead(slot, column);
  }

  /** Draw a cell anew, where it is shown. */
  redrawCell(row: number, column: number): void {
    const slot = this.#lines[row - this.#rows.first]?.cells[column - this.#columns.first];
    if (slot) this.#fillCell(slot, row, column);
  }

  #slideRows(to: Span): void {
    slide(this.#lines, this.#rows.first, to, {
      make: () => this.#makeLine(),
      fill: (line, row) => this.#fillLine(line, row),
      place: (line, next) => this.#body.insertBefore(line.box, next ? next.box : this.#below),
      drop: (line) => line.box.remove(),
    });
    this.#rows = to;
  }

  #slideColumns(to: Span): void {
    const from = this.#columns.first;
    const move = (slots: Slot[], parent: HTMLElement, make: () => Slot, fill: (slot: Slot, column: number) => void) =>
      slide(slots, from, to, {
        make,
        fill,
        place: (slot, next) => parent.insertBefore(slot.box, next ? next.box : null),
        drop: (slot) => slot.box.remove(),
      });
    move(this.#headSlots, this.#top, makeHead, (slot, column) => this.#fillHead(slot, column));
    for (const line of this.#lines) {
      move(line.cells, line.box, makeCell, (slot, column) => {
        this.#placeCell(slot, column);
        this.#fillCell(slot, line.row, column);
      });
    }
    this.#columns = to;
  }

  #makeLine(): Line {
    const box = element("tr", "row");
    const head = element("th", "rowheader", "grid-name");
    const name = document.createTextNode("");
    const note = element("small");
    head.setAttribute("scope", "row");
    head.setAttribute("aria-colindex", "1");
    head.append(name, note);
    box.append(head);
    const line: Line = { box, head, name, note, cells: [], row: -1 };
    const { first, last } = this.#columns;
    for (let column = first; column < last; column++) {
      const slot = makeCell();
      this.#placeCell(slot, column);
      line.cells.push(slot);
      box.append(slot.box);
    }
    return line;
  }

  #fillLine(line: Line, row: number): void {
    if (row >= this.rowEdges.length - 1) return;
    const { text, note = "", isMuted } = this.#model.rowHead(row);
    if (line.row !== row) line.box.setAttribute("aria-rowindex", String(row + 2));
    line.row = row;
    if (line.name.data !== text) line.name.data = text;
    if (line.note.textContent !== note) line.note.textContent = note;
    const className = isMuted ? "grid-name is-muted" : "grid-name";
    if (line.head.className !== className) line.head.className = className;
    const first = this.#columns.first;
    for (let i = 0; i < line.cells.length; i++) this.#fillCell(line.cells[i] as Slot, row, first + i);
  }

  #placeCell(slot: Slot, column: number): void {
    slot.box.setAttribute("aria-colindex", String(column + 2));
    this.#widen(slot, column);
  }

  #widen(slot: Slot, column: number): void {
    const width = (this.edges[column + 1] as number) - (this.edges[column] as number);
    if (slot.width !== width) slot.box.style.width = `${(slot.width = width)}px`;
  }

  #fillCell(slot: Slot, row: number, column: number): void {
    if (column >= this.heads.length || row >= this.rowEdges.length - 1) return;
    const cell = this.#look(row, column);
    if (slot.text.data !== cell.text) slot.text.data = cell.text;
    this.#widen(slot, column);
    const isReadOnly = this.heads[column]?.isReadOnly === true;
    const says = saysOf(cell, this.#words);
    const worn = `${isReadOnly}${classOf(cell)}\n${says ? `${cell.text}, ${says}` : ""}`;
    if (slot.dress === worn) return;
    slot.dress = worn;
    dress(slot.box, cell, isReadOnly ? "is-read-only" : "");
    attribute(slot.box, "aria-label", says && `${cell.text}, ${says}`);
    attribute(slot.box, "aria-readonly", isReadOnly && "true");
  }

  #fillHead(slot: Slot, column: number): void {
    const head = this.heads[column];
    if (!head) return;
    this.#placeCell(slot, column);
    const { title, detail = "", picture, sort } = head;
    attribute(slot.box, "aria-sort", sort);
    attribute(slot.box, "title", title);
    if (slot.text.data !== title) slot.text.data = title;
    const key = `${detail}\n${picture?.label}\n${picture?.bars}`;
    if (slot.dress === key) return;
    slot.dress = key;
    const small = slot.box.lastElementChild as HTMLElement;
    small.textContent = detail;
    if (picture) small.append(pictureOf(picture));
  }
}

function makeCell(): Slot {
  const box = element("td", "gridcell");
  const text = document.createTextNode("");
  box.append(text);
  return { box, text, dress: "false\n", width: 0, before: 0 };
}

function makeHead(): Slot {
  const box = element("th", "columnheader");
  const title = element("span");
  const text = document.createTextNode("");
  box.setAttribute("scope", "col");
  title.append(text);
  box.append(title, element("small"));
  return { box, text, dress: "", width: 0, before: 0 };
}

/** A small bar chart, drawn as one path. */
function pictureOf({ bars, label }: NonNullable<ColumnHead["picture"]>): SVGElement {
  const highest = Math.max(1, ...bars);
  const path = bars.map((bar, i) => `M${i * 5} 12h4v${-Math.round((bar / highest) * 12)}h-4z`).join("");
  const box = element("div");
  box.innerHTML = `<svg role="img" width="${bars.length * 5}" height="12"><path d="${path}"/></svg>`;
  const picture = box.firstChild as SVGElement;
  picture.setAttribute("aria-label", label);
  return picture;
}
