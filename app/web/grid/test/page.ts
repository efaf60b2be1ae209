/** A bare page for the browser tests of the grid: a model that is a plain array, and a clock from a key to its paint. */
import { Grid } from "../grid.ts";
import type { GridCell, GridEntry, GridEvent, GridModel, GridVerdict, Mark, PastePreview } from "../model.ts";
import { planPaste } from "../paste.ts";

const PLAIN: GridCell = { text: "", mark: "none", flags: [], hasComment: false, says: "" };
const LATE = { letter: "L", words: "late", tone: "warn" } as const;
const MISSING = { letter: "M", words: "missing", tone: "bad" } as const;
const EXEMPT = { letter: "E", words: "exempt", tone: "plain" } as const;

/** Rows and columns are known by their first places; `order` says where they are now. Reads numbers, `ex`, and nothing. */
export class PlainModel implements GridModel {
  readonly texts: string[][];
  readonly dressed = new Map<string, Partial<GridCell>>();
  order: number[];
  entered = 0;
  #listener: (cells: readonly { row: number; column: number }[] | undefined) => void = () => undefined;
  #columns: number;

  constructor(rows: number, columns: number, isFilled = true) {
    this.#columns = columns;
    this.order = Array.from({ length: rows }, (_, row) => row);
    this.texts = this.order.map((row) => Array.from({ length: columns }, (_, column) => (isFilled ? String((row * 7 + column) % 100) : "")));
  }

  rows = () => this.order.length;
  columns = () => this.#columns;
  rowKey = (row: number) => `r${this.order[row]}`;
  columnKey = (column: number) => `c${column}`;
  rowOf = (key: string) => this.order.indexOf(Number(key.slice(1)));
  columnOf = (key: string) => (Number(key.slice(1)) < this.#columns ? Number(key.slice(1)) : -1);
  rowHead = (row: number) => ({ text: `Student ${this.order[row]}` });
  columnHead = (column: number) => ({
    title: `Quiz ${column}`,
    detail: "100 · Oct 2",
    width: 72 + (column % 3) * 12,
    isReadOnly: column % 10 === 9,
    picture: { bars: [1, 3, 5, 2], label: "distribution" },
  });
  text = (row: number, column: number) => this.texts[this.order[row] as number]?.[column] as string;
  seen = (row: number, column: number) => this.text(row, column);
  cellName = (row: number, column: number) => `Student ${this.order[row]}, Quiz ${column}, out of 100`;
  cell(row: number, column: number): GridCell {
    const text = this.text(row, column);
    return this.dressed.size ? { ...PLAIN, text, ...this.dressed.get(`${this.rowKey(row)} ${column}`) } : { ...PLAIN, text };
  }

  judge({ text }: GridEntry): GridVerdict {
    if (!/^(\d*\.?\d*|ex)$/.test(text)) return { isTaken: false, sentence: `This column takes numbers; ${text} is none.` };
    return Number(text) > 100 ? { isTaken: true, warning: "above the maximum" } : { isTaken: true };
  }

  enter(entries: readonly GridEntry[]): readonly GridVerdict[] {
    this.entered++;
    const verdicts = entries.map((entry) => this.judge(entry));
    const taken = entries.filter((_, i) => verdicts[i]?.isTaken);
    for (const { row, column, text, key } of taken) {
      const [inRow, inColumn] = key ? [key.rowKey, key.columnKey].map((name) => Number(name.slice(1))) : [this.order[row], column];
      (this.texts[inRow as number] as string[])[inColumn as number] = text;
    }
    this.#listener(taken.filter(({ key }) => !key));
    return verdicts;
  }

  /** Somebody else's value. */
  arrive(row: number, column: number, text: string): void {
    (this.texts[this.order[row] as number] as string[])[column] = text;
    this.#listener([{ row, column }]);
  }

  dress(row: number, column: number, look: Partial<GridCell>): void {
    this.dressed.set(`${this.rowKey(row)} ${column}`, look);
    this.#listener([{ row, column }]);
  }

  /** Sort, filter. */
  reorder(order: number[]): void {
    this.order = order;
    this.#listener(undefined);
  }

  /** Hide the last columns. */
  narrow(columns: number): void {
    this.#columns = columns;
    this.#listener(undefined);
  }

  onChange(listener: (cells: readonly { row: number; column: number }[] | undefined) => void): () => void {
    this.#listener = listener;
    return () => undefined;
  }
}

/** The browser's own, also where a test has stopped the clock. */
const nextFrame = requestAnimationFrame.bind(window);
const painted = () =>
  new Promise<number>((done) =>
    nextFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => done(performance.now());
      port2.postMessage(0);
    }),
  );

/** Every state that a cell can be in, down the first columns. */
function dressAll(model: PlainModel): void {
  const marks: Mark[] = ["none", "storing", "queued", "rejected", "conflict", "theirs"];
  marks.forEach((mark, row) => {
    const says = mark === "none" ? "" : mark;
    model.dress(row, 0, { mark, says });
    model.dress(row, 1, { mark, says, flags: [LATE] });
    model.dress(row, 2, { mark, says, flags: [MISSING] });
    model.dress(row, 3, { mark, says, flags: [EXEMPT], hasComment: true });
    model.dress(row, 4, { mark, says, isMuted: true });
  });
}

const bench = {
  events: [] as (GridEvent | { kind: "preview"; preview: PastePreview })[],
  times: [] as { key: string; ms: number }[],
  grid: undefined as Grid | undefined,
  model: undefined as PlainModel | undefined,

  /** Build a grid; ms until it is painted. */
  async build(rows: number, columns: number, isFilled = true): Promise<number> {
    this.grid?.destroy();
    this.events = [];
    const start = performance.now();
    this.model = new PlainModel(rows, columns, isFilled);
    const host = document.getElementById("host") as HTMLElement;
    const words = { table: "Scores", rowHeads: "Student", comment: "has a comment" };
    this.grid = new Grid(host, this.model, words, (event) => this.hear(event));
    this.grid.focus();
    return (await painted()) - start;
  },

  /** As a page does: a paste is planned, and its preview is one more event if anything in it is doubtful. */
  hear(event: GridEvent): void {
    this.events.push(event);
    if (event.kind !== "paste") return;
    const grid = this.grid as Grid;
    const { preview, isDoubtful } = planPaste(grid.model, event.range, event.text, (entries) => grid.enter(entries));
    if (isDoubtful) this.events.push({ kind: "preview", preview });
    else preview.confirm();
  },

  dressAll() {
    dressAll(this.model as PlainModel);
  },

  /** The floor: an input that moves over an empty page at Enter. */
  buildFloor(): void {
    this.grid?.destroy();
    this.grid = undefined;
    const host = document.getElementById("host") as HTMLElement;
    const input = document.createElement("input");
    input.style.cssText = "position:absolute;left:0;top:0;will-change:transform";
    host.append(input);
    let row = 0;
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      input.style.transform = `translate(300px,${(++row % 20) * 30}px)`;
      input.value = String(row);
      input.select();
    });
    input.focus();
  },

  /** Paste a block of this size with the preview confirmed; ms from the event until it is painted. */
  async paste(text: string): Promise<number> {
    const start = performance.now();
    this.events.length = 0;
    this.send(text);
    for (const event of this.events) if (event.kind === "preview") event.preview.confirm();
    return (await painted()) - start;
  },

  send(text: string): void {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    this.grid?.entry.input.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  },

  /** Wait until so many keys are painted. */
  async typed(count: number): Promise<void> {
    while (this.times.length < count) await painted();
  },

  /** Scroll, and wait until it is drawn. */
  async scroll(top: number, left: number): Promise<void> {
    document.getElementById("host")?.scrollTo(left, top);
    await painted();
    await painted();
  },

  /** What can be seen: every drawn cell with where its indexes say it is, the input, and where it lies. */
  look() {
    const { grid, model } = this as unknown as { grid: Grid; model: PlainModel };
    const host = document.getElementById("host") as HTMLElement;
    const rows = [...host.querySelectorAll("tbody tr[aria-rowindex]")].map((tr) => ({
      row: Number(tr.getAttribute("aria-rowindex")) - 2,
      top: tr.getBoundingClientRect().top,
      name: tr.querySelector("th")?.textContent,
      cells: [...tr.querySelectorAll("td")].map((td) => ({
        column: Number(td.getAttribute("aria-colindex")) - 2,
        text: td.textContent,
        left: td.getBoundingClientRect().left,
      })),
    }));
    const { input } = grid.entry;
    const box = input.getBoundingClientRect();
    const view = host.getBoundingClientRect();
    const clip = { top: view.top, left: view.left, bottom: view.top + host.clientHeight, right: view.left + host.clientWidth };
    return {
      rows,
      heads: [...host.querySelectorAll("thead th")].map((th) => ({ text: th.firstChild?.textContent, left: th.getBoundingClientRect().left })),
      nameLeft: host.querySelector("tbody th")?.getBoundingClientRect().left,
      headTop: host.querySelector("thead")?.getBoundingClientRect().top,
      texts: model.order.map((row) => model.texts[row]),
      order: model.order,
      active: { row: grid.active.row, column: grid.active.column },
      range: grid.range,
      input: { value: input.value, name: input.getAttribute("aria-label"), top: box.top, left: box.left },
      hasFocus: document.activeElement === input,
      counts: [grid.table.box.getAttribute("aria-rowcount"), grid.table.box.getAttribute("aria-colcount")],
      clip,
      entered: model.entered,
    };
  },
};

addEventListener("keydown", (event) => {
  const start = event.timeStamp;
  void painted().then((end) => bench.times.push({ key: event.key, ms: end - start }));
}, { capture: true });

declare global {
  interface Window { bench: typeof bench }
}
window.bench = bench;
