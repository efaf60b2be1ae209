/** The state of the page around the grid, and what a teacher can do there. Components read what it watches and call its methods. */
import type { CellName, Outbox } from "@inkfast/outbox";
import type { Grid } from "../../grid/grid.ts";
import type { GridEvent, PastePreview } from "../../grid/model.ts";
import type { LineItem, GradebookView, Student } from "../../section/types.ts";
import { changed, derived, watched } from "../../section/watched.ts";
import { isPlain, PLAIN, type Arrangement } from "./arrangement.ts";
import { fetchBeside, type Beside } from "./beside.ts";
import type { GradebookModel } from "./model.ts";
import { cellsInNeed } from "./needs.ts";
import type { GradebookWords } from "./score.ts";

export type Opened =
  | { readonly is: "column"; readonly item: LineItem | null }
  | { readonly is: "columns" | "help" | "paste" | "pasting" }
  | { readonly is: "fill"; readonly item: LineItem }
  | { readonly is: "menu"; readonly x: number; readonly y: number }
  | { readonly is: "comment"; readonly item: LineItem; readonly student: Student }
  | { readonly is: "preview"; readonly preview: PastePreview };

/** A sentence that is shown for a while and said aloud; `urgent` at once. */
export interface Notice {
  readonly text: string;
  readonly tone: "plain" | "warn";
  readonly isUrgent?: boolean;
  /** What it is about is not so any more: it goes when the page is drawn next. */
  readonly isOver?: (() => boolean) | undefined;
}

export interface ActiveCell {
  readonly item: LineItem;
  readonly student: Student;
}

const REDRAW_MS = 40;
const BESIDE_AGAIN_MS = 5_000;
const NOTICE_MS = 12_000;

export class Desk {
  readonly view: GradebookView;
  readonly outbox: Outbox;
  readonly words: GradebookWords;
  readonly model: GradebookModel;
  grid: Grid | undefined;
  /** Puts the grid into its element; the same function at each drawing. */
  hostGrid: ((host: HTMLElement | null) => void) | undefined;
  readonly arrangement = watched<Arrangement>(PLAIN);
  readonly active = watched<ActiveCell | null>(null);
  readonly range = watched<{ readonly rows: number; readonly columns: number } | null>(null);
  readonly aside = watched<"history" | "attention" | null>(null);
  readonly opened = watched<Opened | null>(null);
  readonly notice = watched<Notice | null>(null);
  /** The conflict card was put off for this cell, until the cell is come to again. */
  readonly isPutOff = watched(false);
  /** On a phone the tools are behind a button. */
  readonly hasTools = watched(false);
  readonly needs = derived(() => cellsInNeed(this.view, this.outbox));
  #timer: ReturnType<typeof setTimeout> | undefined;
  #noticeTimer: ReturnType<typeof setTimeout> | undefined;
  #here: Beside | null = null;
  #coming: Promise<void> | undefined;

  constructor(view: GradebookView, outbox: Outbox, words: GradebookWords, model: GradebookModel) {
    this.view = view;
    this.outbox = outbox;
    this.words = words;
    this.model = model;
    model.onFailure = () => this.say(words.say("entry.failed"), "warn", true);
    // An edit ended otherwise than it was meant: never silently, wherever the teacher is by now.
    outbox.on("refused", ({ edit }) => {
      if (edit.section === view.id) this.beside(({ parts, desk }) => this.say(parts.refusedInWords(edit, desk), "warn"));
    });
    view.onChange(() => {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        changed();
      }, REDRAW_MS);
    });
  }

  say(text: string, tone: Notice["tone"] = "plain", isUrgent = false, isOver?: Notice["isOver"]): void {
    clearTimeout(this.#noticeTimer);
    this.notice.value = { text, tone, isUrgent, isOver };
    // What warns stays until it is closed, or until something else is said.
    if (tone !== "warn") this.#noticeTimer = setTimeout(() => (this.notice.value = null), NOTICE_MS);
  }

  /** Whether there is something to decide, or to know, about the cell in which the teacher is. */
  get hasCard(): boolean {
    const active = this.active.value;
    if (active === null || this.isPutOff.value) return false;
    const [item, student] = [active.item.line_item_id, active.student.student_id];
    const isHere = (cell: CellName): boolean => /score|comment/.test(cell.kind) && cell.item === item && cell.student === student;
    return this.needs.value.some(isHere) || this.view.cell({ kind: "score", item, student }).theirs !== undefined;
  }

  /** What opens beside the grid, or null: then it is on its way. `then` is called as soon as it is here. */
  beside(then?: (beside: Beside) => void): Beside | null {
    this.#coming ??= fetchBeside(this).then(
      (beside) => {
        this.#here = beside;
        changed();
      },
      () => this.#missed(),
    );
    if (then) void this.#coming.then(() => this.#here && then(this.#here));
    return this.#here;
  }

  /** Neither the network nor this computer has it: the grid goes on without, and it is asked for again later. */
  #missed(): void {
    const { only, showsHidden } = this.arrangement.value;
    const isArranged = !isPlain(this.arrangement.value);
    if (isArranged || this.opened.value !== null || this.aside.value !== null) this.say(this.words.say("beside.missed"), "warn", true);
    this.opened.value = null;
    this.aside.value = null;
    if (isArranged) this.arrange({ ...PLAIN, only, showsHidden });
    setTimeout(() => {
      this.#coming = undefined;
      if (!isPlain(this.arrangement.value)) this.arrange({});
      changed();
    }, BESIDE_AGAIN_MS);
  }

  arrange(change: Partial<Arrangement>): void {
    const { model } = this;
    model.arrange(change);
    this.arrangement.value = model.arrangement;
    if (model.arranger || isPlain(model.arrangement)) return;
    this.beside(({ parts }) => {
      model.arranger = parts.arrangedRows;
      this.arrange({});
    });
  }

  /** Quick entry of one column, or with null the whole grid again; the active student stays. */
  quick(item: number | null): void {
    const student = this.active.value?.student.student_id;
    const before = this.active.value?.item.line_item_id;
    this.arrange({ only: item });
    this.goTo({ kind: "score", item: item ?? before ?? 0, student: student ?? 0 });
  }

  /** Show a cell, whatever hides it, and lay the input over it. */
  goTo({ kind, item, student }: CellName): void {
    const { model } = this;
    if (model.rowOf(String(student)) < 0) this.arrange({ find: "", filter: "all" });
    if (model.columnOf(String(item)) < 0) this.arrange({ only: null });
    if (model.columnOf(String(item)) < 0) this.arrange({ showsHidden: true });
    const [row, column] = [model.rowOf(String(student)), model.columnOf(String(item))];
    this.grid?.go(Math.max(0, row), Math.max(0, column));
    if (kind === "comment") this.comment();
  }

  comment(): void {
    const active = this.active.value;
    this.grid?.commit();
    if (active !== null) this.opened.value = { is: "comment", ...active };
  }

  /** Away with the dialog; the focus goes back to where it was opened from. */
  close(): void {
    this.opened.value = null;
  }

  /** What the dialog was for is done: on in the grid, once the dialog has let go of the focus. */
  done(then: () => void = () => this.grid?.focus()): void {
    this.opened.value = null;
    setTimeout(then);
  }

  onGrid(event: GridEvent): void {
    const { words } = this;
    switch (event.kind) {
      case "active":
        this.#arrive(event.row, event.column);
        break;
      case "range":
        this.range.value = event.rows * event.columns > 1 ? { rows: event.rows, columns: event.columns } : null;
        break;
      case "refused":
        this.say(words.say("entry.kept", { sentence: event.sentence }), "warn", event.isLeft, () => !this.grid?.entry.refusal(event.row, event.column));
        break;
      case "warned":
        this.say(`${this.model.cellName(event.row, event.column)}: ${event.sentence}.`, "warn");
        break;
      case "theirs":
        this.#sayTheirs();
        break;
      case "paste":
        // Until it is planned, nothing is typed behind it.
        this.opened.value = { is: "pasting" };
        this.beside(({ parts, desk }) => parts.paste(desk, event));
        break;
      case "copied":
      case "undone":
      case "redone":
      case "nothingTo":
        this.beside(({ parts, desk }) => this.say(...parts.doneInWords(event, desk.words)));
        break;
      case "comment":
        this.comment();
        break;
      case "head":
        this.#sortBy(event.column);
        break;
      case "menu":
        this.opened.value = { is: "menu", x: event.x, y: event.y };
        break;
      case "readOnly":
        break;
    }
  }

  #arrive(row: number, column: number): void {
    const [item, student] = [this.model.item(column), this.model.student(row)];
    this.isPutOff.value = false;
    this.active.value = item && student ? { item, student } : null;
  }

  #sayTheirs(): void {
    const active = this.active.value;
    if (active) this.beside(({ parts, desk }) => this.say(parts.theirsInWords(active, desk), "warn"));
  }

  /** A click on a column's head: by its scores, the other way round, by name again. */
  #sortBy(column: number): void {
    const item = this.model.item(column)?.line_item_id;
    const { sortBy, isDescending } = this.arrangement.value;
    if (item === undefined) return;
    if (sortBy !== item) this.arrange({ sortBy: item, isDescending: true });
    else if (isDescending) this.arrange({ isDescending: false });
    else this.arrange({ sortBy: "name", isDescending: false });
  }
}
