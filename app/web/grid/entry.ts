/** The one input, which lies over the active cell: what is typed, and when it is entered. */
import { type CellKey, type GridCell, type GridEntry, type GridEvent, type GridModel, keyOf, nameOf, whereIs } from "./model.ts";
import { element } from "./table.ts";
import type { UndoStack } from "./undo.ts";

/** Nothing that was typed waits longer than this for the person to go on. */
const PAUSE_MS = 2000;

/** `ready`: the whole text is chosen, and typing replaces it; `caret`: arrows move in the text. */
export type Mode = "ready" | "typing" | "caret";

/** `seen`: what stood in the cell when the typing began. */
interface Refusal { readonly text: string; readonly sentence: string; readonly seen: unknown; isTold: boolean }

let made = 0;

export class Entry {
  readonly box = element("div", undefined, "grid-active");
  readonly input = element("input", undefined, "grid-input") as HTMLInputElement;
  readonly #says = element("span", undefined, "grid-says");
  row = -1;
  column = -1;
  key: CellKey = { rowKey: "", columnKey: "" };
  mode: Mode = "ready";
  /** After the first typed key Tab goes to the right, until Escape. */
  isEntering = false;
  /** On a touch screen the keyboard opens at the second tap. */
  isWaitingForTap = false;
  /** What the input held when the person came, or when it was last entered. */
  #held = "";
  /** What the model said then; another text is somebody else's. */
  #known = "";
  #before = "";
  #seen: unknown;
  #hasEntered = false;
  #isBusy = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #refusals = new Map<string, Refusal>();
  readonly #model: GridModel;
  readonly #undo: UndoStack;
  readonly #tell: (event: GridEvent) => void;
  readonly #redraw: (row: number, column: number) => void;

  constructor(model: GridModel, undo: UndoStack, tell: (event: GridEvent) => void, redraw: (row: number, column: number) => void) {
    this.#model = model;
    this.#undo = undo;
    this.#tell = tell;
    this.#redraw = redraw;
    const { input } = this;
    this.#says.id = `grid-says-${++made}`;
    const facts = { type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false", enterkeyhint: "next", "aria-describedby": this.#says.id };
    for (const [name, value] of Object.entries(facts)) input.setAttribute(name, value);
    this.box.append(input, this.#says);
  }

  /** The text that could not be read, and why; undefined for an ordinary cell. */
  refusal(row: number, column: number): Refusal | undefined {
    if (!this.#refusals.size) return undefined;
    return this.#refusals.get(nameOf(keyOf(this.#model, row, column)));
  }

  /** What a cell shows: the text that could not be read, or the model's. */
  text(row: number, column: number): string {
    return this.refusal(row, column)?.text ?? this.#model.text(row, column);
  }

  /** How many texts wait to be mended. */
  get refusals(): number {
    return this.#refusals.size;
  }

  get isDirty(): boolean {
    return this.input.value !== this.#held;
  }

  /** Lie over this cell, with its text chosen. What was typed before must have been committed. */
  arrive(row: number, column: number, isReadOnly: boolean): void {
    const model = this.#model;
    this.row = row;
    this.column = column;
    this.key = keyOf(model, row, column);
    this.#hasEntered = false;
    this.#seen = this.refusal(row, column)?.seen;
    this.#before = model.text(row, column);
    this.input.readOnly = isReadOnly || this.isWaitingForTap;
    this.input.setAttribute("aria-label", model.cellName(row, column));
    this.#load();
  }

  #load(): void {
    const { row, column, input } = this;
    this.mode = "ready";
    this.#known = this.#model.text(row, column);
    this.#held = this.text(row, column);
    if (input.value !== this.#held) input.value = this.#held;
    this.box.classList.remove("has-theirs");
  }

  /** Say and show the state of the cell; `cell` is how it looks now. */
  describe(says: string, cell: GridCell): void {
    const isBad = cell.mark === "refused";
    if (this.#says.textContent !== says) this.#says.textContent = says;
    this.#says.hidden = !says;
    this.#says.classList.toggle("is-seen", isBad || cell.mark === "rejected");
    if (isBad) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
  }

  /** A key, a word of an input method, a dictated text has changed the input. What is still being composed is not entered. */
  typed(isComposing: boolean): void {
    if (this.mode === "ready") this.mode = "typing";
    this.isEntering = true;
    clearTimeout(this.#timer);
    if (!isComposing) this.#timer = setTimeout(() => this.commit(false), PAUSE_MS);
    if (this.#seen === undefined) this.#seen = this.#model.seen?.(this.row, this.column);
  }

  /** Arrows move in the text from now on. */
  caret(): void {
    if (this.input.readOnly || this.mode === "caret") return;
    this.mode = "caret";
    const { length } = this.input.value;
    this.input.setSelectionRange(length, length);
  }

  /** Enter what was typed. What cannot be read stays in its cell. `isLeft`: the person goes on. */
  commit(isLeft: boolean): void {
    clearTimeout(this.#timer);
    const { row, column, input } = this;
    const text = input.value;
    if (isLeft) this.mode = "ready";
    if (!this.isDirty) {
      if (isLeft) this.#tellRefusal(row, column);
      return;
    }
    const now = whereIs(this.#model, this.key);
    this.#held = text;
    const entry = { ...now, text, seen: this.#seen };
    // The cell may have gone while somebody typed in it: the text is its own all the same, without a step that could be taken back.
    const [verdict] = now.row < 0 ? this.#model.enter([{ ...entry, key: this.key }]) : this.#enter(entry);
    if (verdict && !verdict.isTaken) {
      this.#refusals.set(nameOf(this.key), { text, sentence: verdict.sentence, seen: this.#seen, isTold: false });
      this.#tellRefusal(now.row, now.column, isLeft);
    } else {
      this.#refusals.delete(nameOf(this.key));
      this.#hasEntered = true;
      // Who types on in the cell has seen what was entered just now, and nothing that comes later.
      this.#seen = isLeft ? undefined : this.#model.seen?.(now.row, now.column);
      if (verdict?.warning && now.row >= 0) this.#tell({ kind: "warned", ...now, sentence: verdict.warning });
    }
    this.#redraw(now.row, now.column);
  }

  /** Enter what was typed before the page is gone; true where that was just now, or where a text cannot be entered and goes with it. */
  leave(): boolean {
    const isLate = this.isDirty;
    this.commit(true);
    return isLate || this.refusals > 0;
  }

  #enter(entry: GridEntry) {
    this.#isBusy = true;
    try {
      return this.#undo.enter([entry], this.#hasEntered);
    } finally {
      this.#isBusy = false;
      const { row, column } = whereIs(this.#model, this.key);
      if (row >= 0) this.#known = this.#model.text(row, column);
    }
  }

  #tellRefusal(row: number, column: number, isLeft = true): void {
    const refusal = this.#refusals.get(nameOf(this.key));
    if (!refusal || refusal.isTold) return;
    refusal.isTold = isLeft;
    this.#tell({ kind: "refused", row, column, sentence: refusal.sentence, isLeft });
  }

  /** Everything as it was when the person came to the cell, also what a pause has entered, unless somebody else has entered over it. Tab leaves the grid again. */
  restore(): void {
    if (this.#hasEntered && this.#undo.isOwn(this.row, this.column)) this.#enter({ row: this.row, column: this.column, text: this.#before });
    this.drop();
  }

  /** Give up what is not entered yet, or could not be. */
  drop(): void {
    clearTimeout(this.#timer);
    this.isEntering = false;
    this.#seen = undefined;
    this.#refusals.delete(nameOf(this.key));
    this.#hasEntered = false;
    this.#load();
    this.input.select();
    this.#redraw(this.row, this.column);
  }

  /** The texts of these cells have been entered in another way: what was refused in them is mended. */
  mend(row: number, column: number): void {
    this.#refusals.delete(nameOf(keyOf(this.#model, row, column)));
  }

  /** The model's cell has changed. Never takes a text away from under somebody who types. */
  changed(): void {
    const { row, column } = this;
    if (this.#isBusy || row < 0) return;
    const text = this.#model.text(row, column);
    if (text === this.#known) return;
    if (this.mode === "ready" && !this.isDirty) {
      this.#load();
      if (document.activeElement === this.input) this.input.select();
      return;
    }
    this.#known = text;
    this.box.classList.add("has-theirs");
    this.#tell({ kind: "theirs", row, column });
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
