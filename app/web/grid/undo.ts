/** Undo and redo across saves: what was entered, as texts before and after. */
import { type CellKey, type GridEntry, type GridModel, type GridVerdict, keyOf, nameOf, whereIs } from "./model.ts";

interface Change extends CellKey { readonly before: string; readonly after: string }
/** What was done beside the cells. `turn` does the contrary, and returns the step back; null where that would undo somebody else's. */
export interface OtherStep { turn(): OtherStep | null }
type Step = readonly Change[] | OtherStep;

const STEPS_MAX = 200;

/** What became of the cells of a step. */
export interface Undone { readonly cells: number; readonly left: number; readonly hidden: number }

/**
 * The steps of one tab. Undoing enters the old texts anew, so the history of a cell only ever grows; a cell that does not hold
 * what was entered from here last has been changed by somebody else, and is left alone. One that is not shown now is kept for later.
 */
export class UndoStack {
  readonly #model: GridModel;
  readonly #steps = { undo: [] as Step[], redo: [] as Step[] };
  /** What stood in each cell when it had been changed from here. */
  readonly #own = new Map<string, unknown>();

  constructor(model: GridModel) {
    this.#model = model;
  }

  /** Enter these as one step. `joins`: it goes on with the last step, where that was this one cell and has left it as it is now. */
  enter(entries: readonly GridEntry[], joins = false): readonly GridVerdict[] {
    const { step, verdicts } = this.#enter(entries);
    const { undo } = this.#steps;
    const last = undo[undo.length - 1] as readonly Change[] | undefined;
    const [was] = joins && last?.length === 1 ? last : [];
    const joined = step.map((now) => {
      if (!was || nameOf(was) !== nameOf(now) || was.after !== now.before) return now;
      undo.pop();
      return { ...now, before: was.before };
    });
    const changed = joined.filter(({ before, after }) => before !== after);
    if (changed.length) this.add(changed);
    return verdicts;
  }

  /** This was done last. */
  add(step: Step): void {
    const { undo, redo } = this.#steps;
    undo.push(step);
    redo.length = 0;
    if (undo.length > STEPS_MAX) undo.shift();
  }

  /** Whether a cell still holds what was entered from here last. */
  isOwn(row: number, column: number): boolean {
    return this.#own.get(nameOf(keyOf(this.#model, row, column))) === this.#model.seen?.(row, column);
  }

  has(what: "undo" | "redo"): boolean {
    return this.#steps[what].length > 0;
  }

  /** Take the last step back (or do it again); undefined where there is none. */
  turn(what: "undo" | "redo"): (Undone & { readonly first?: CellKey | undefined }) | undefined {
    const step = this.#steps[what].pop();
    if (!step) return undefined;
    const other = this.#steps[what === "undo" ? "redo" : "undo"];
    if ("turn" in step) {
      const back = step.turn();
      if (back) other.push(back);
      return { cells: back ? 1 : 0, hidden: 0, left: back ? 0 : 1 };
    }
    const model = this.#model;
    const places = step.map((change) => ({ ...change, ...whereIs(model, change) }));
    // What is not shown waits, and is the first to be taken back when it is.
    const rest = places.filter(({ row }) => row < 0);
    if (rest.length) this.#steps[what].push(rest);
    const own = places.filter(({ row, column, after }) => row >= 0 && this.isOwn(row, column) && model.text(row, column) === after);
    const { step: back } = this.#enter(own.map(({ row, column, before: text }) => ({ row, column, text })));
    if (back.length) other.push(back);
    return { cells: back.length, hidden: rest.length, left: step.length - rest.length - back.length, first: back[0] };
  }

  /** Enter, and see what the cells say afterwards. */
  #enter(entries: readonly GridEntry[]) {
    const model = this.#model;
    const cells = entries.map(({ row, column }) => ({ ...keyOf(model, row, column), before: model.text(row, column) }));
    const verdicts = entries.length ? model.enter(entries) : [];
    const step = cells.filter((_, i) => verdicts[i]?.isTaken).map((cell): Change => {
      const { row, column } = whereIs(model, cell);
      const after = model.text(row, column);
      if (cell.before !== after) this.#own.set(nameOf(cell), model.seen?.(row, column));
      return { ...cell, after };
    });
    return { step, verdicts };
  }
}
