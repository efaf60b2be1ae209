/** The state of the page around the grid, and what a teacher can do there. Components read what it watches and call its methods. */
import type { CellName, KeptEdit, Outbox } from "@inkfast/outbox";
import type { Grid } from "../../grid/grid.ts";
import type { GridEvent, PastePreview } from "../../grid/model.ts";
import { serverNow } from "../../section/server_clock.ts";
import type { LineItem, SectionView, Student } from "../../section/types.ts";
import { changed, derived, watched } from "../../section/watched.ts";
import { PLAIN, spokenName, type Arrangement } from "./arrangement.ts";
import { concernsOf, dayOf, nameOf, reasonOf, whereOf, type Concern } from "./concerns.ts";
import type { GradebookModel } from "./model.ts";
import type { GradebookWords } from "./score.ts";

export type Opened =
  | { readonly is: "column"; readonly item: LineItem | null }
  | { readonly is: "columns" | "help" | "paste" }
  | { readonly is: "fill"; readonly item: LineItem }
  | { readonly is: "menu"; readonly x: number; readonly y: number }
  | { readonly is: "comment"; readonly item: LineItem; readonly student: Student }
  | { readonly is: "preview"; readonly preview: PastePreview };

/** A sentence that is shown for a while and said aloud; `urgent` at once. */
export interface Notice {
  readonly text: string;
  readonly tone: "plain" | "warn";
  readonly isUrgent?: boolean;
}

export interface ActiveCell {
  readonly item: LineItem;
  readonly student: Student;
}

const REDRAW_MS = 40;

export class Desk {
  readonly view: SectionView;
  readonly outbox: Outbox;
  readonly words: GradebookWords;
  readonly model: GradebookModel;
  grid: Grid | undefined;
  readonly arrangement = watched<Arrangement>(PLAIN);
  readonly active = watched<ActiveCell | null>(null);
  readonly range = watched<{ readonly rows: number; readonly columns: number } | null>(null);
  readonly aside = watched<"history" | "attention" | null>(null);
  readonly opened = watched<Opened | null>(null);
  readonly notice = watched<Notice | null>(null);
  /** What page.tsx shows besides the grid and its bar; null until it is loaded. */
  readonly parts = watched<typeof import("./parts.tsx") | null>(null);
  /** The conflict card was put off for this cell, until the cell is come to again. */
  readonly isPutOff = watched(false);
  readonly concerns = derived(() => concernsOf(this.view, this.outbox));
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(view: SectionView, outbox: Outbox, words: GradebookWords, model: GradebookModel) {
    this.view = view;
    this.outbox = outbox;
    this.words = words;
    this.model = model;
    model.onFailure = () => this.say(words.say("entry.failed"), "warn", true);
    outbox.on("refused", ({ edit }) => edit.section === view.id && this.sayRefused(edit));
    view.onChange(() => {
      this.timer ??= setTimeout(() => {
        this.timer = undefined;
        changed();
      }, REDRAW_MS);
    });
  }

  say(text: string, tone: Notice["tone"] = "plain", isUrgent = false): void {
    this.notice.value = { text, tone, isUrgent };
  }

  arrange(change: Partial<Arrangement>): void {
    this.model.arrange(change);
    this.arrangement.value = this.model.arrangement;
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
    if (kind === "attendance" || kind === "roll_taken") {
      location.assign(`/app/sections/${this.view.id}/attendance?day=${dayOf(item)}`);
      return;
    }
    if (kind === "line_item") {
      const column = this.view.lineItems.find(({ line_item_id }) => line_item_id === item);
      this.opened.value = column ? { is: "column", item: column } : { is: "columns" };
      return;
    }
    if (model.rowOf(String(student)) < 0) this.arrange({ find: "", filter: "all" });
    if (model.columnOf(String(item)) < 0) this.arrange({ only: null });
    if (model.columnOf(String(item)) < 0) this.arrange({ showsHidden: true });
    const [row, column] = [model.rowOf(String(student)), model.columnOf(String(item))];
    this.grid?.go(Math.max(0, row), Math.max(0, column));
    if (kind === "comment") this.comment();
  }

  /** Decide a conflict: one's own value, or the one that stands. */
  async settle({ edit_id, cell, value, head, typedBy }: Concern, choice: "mine" | "theirs"): Promise<void> {
    this.grid?.commit();
    if (typedBy === "here") await this.outbox.settle(edit_id, choice);
    else await this.view.enter([{ ...cell, value: choice === "mine" ? value : head?.value, resolves: [edit_id] }]);
    this.grid?.focus();
  }

  async dismiss({ edit_id }: Concern): Promise<void> {
    await this.outbox.dismiss(edit_id);
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

  now(): number {
    return serverNow();
  }

  onGrid(event: GridEvent): void {
    const { words } = this;
    switch (event.kind) {
      case "active":
        this.arrive(event.row, event.column);
        break;
      case "range":
        this.range.value = event.rows * event.columns > 1 ? { rows: event.rows, columns: event.columns } : null;
        break;
      case "refused":
        this.say(words.say("entry.kept", { sentence: event.sentence }), "warn", event.isLeft);
        break;
      case "warned":
        this.say(`${this.model.cellName(event.row, event.column)}: ${event.sentence}.`, "warn");
        break;
      case "theirs":
        this.sayTheirs(event.row, event.column);
        break;
      case "copied":
        this.say(words.say("copied", { n: event.cells }));
        break;
      case "preview":
        this.opened.value = { is: "preview", preview: event.preview };
        break;
      case "undone":
      case "redone":
        this.sayTurned(event);
        break;
      case "nothingTo":
        this.say(words.say(`${event.what}.nothing`));
        break;
      case "comment":
        this.comment();
        break;
      case "head":
        this.sortBy(event.column);
        break;
      case "menu":
        this.opened.value = { is: "menu", x: event.x, y: event.y };
        break;
      case "readOnly":
        break;
    }
  }

  private arrive(row: number, column: number): void {
    const [item, student] = [this.model.item(column), this.model.student(row)];
    this.isPutOff.value = false;
    this.active.value = item && student ? { item, student } : null;
  }

  /** An edit ended otherwise than it was meant: never silently, wherever the teacher is by now. */
  private sayRefused(edit: KeptEdit): void {
    const { view, words } = this;
    const where = whereOf(edit, view, words);
    if (edit.state === "conflict") this.say(words.say("attention.new.conflict", { where }), "warn");
    else this.say(words.say("attention.new.refused", { where, reason: reasonOf(edit, words) }), "warn");
  }

  private sayTheirs(row: number, column: number): void {
    const { model, view, words } = this;
    const [item, student] = [model.item(column), model.student(row)];
    if (!item || !student) return;
    const { author_id, theirs } = view.cell({ kind: "score", item: item.line_item_id, student: student.student_id });
    const name = nameOf(theirs ?? (author_id === null ? null : { author_id }), this);
    this.say(words.say("entry.theirs", { name }), "warn");
  }

  private sayTurned({ kind, cells, left, hidden }: { kind: "undone" | "redone"; cells: number; left: number; hidden: number }): void {
    const { words } = this;
    const parts = [
      ...(cells ? [words.say(kind === "undone" ? "undo.done" : "undo.redone", { n: cells })] : []),
      ...(left ? [words.say("undo.left", { n: left })] : []),
      ...(hidden ? [words.say("undo.hidden", { n: hidden })] : []),
    ];
    this.say(parts.join(" "), left || hidden ? "warn" : "plain");
  }

  /** A click on a column's head: by its scores, the other way round, by name again. */
  private sortBy(column: number): void {
    const item = this.model.item(column)?.line_item_id;
    const { sortBy, isDescending } = this.arrangement.value;
    if (item === undefined) return;
    if (sortBy !== item) this.arrange({ sortBy: item, isDescending: true });
    else if (isDescending) this.arrange({ isDescending: false });
    else this.arrange({ sortBy: "name", isDescending: false });
  }

  /** Who a student is, in a sentence. */
  spoken({ item, student }: ActiveCell): string {
    return this.words.say("cell.where", { name: spokenName(student), title: item.title });
  }
}
