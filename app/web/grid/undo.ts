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
 * The steps of one tab. Undoing enters the old texts anew, so the history of a cell only ever grows; a cell that does not say
 * what it said after the step has been changed by somebody else, and is left alone.
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
    const model = this.#model;
    const { step, verdicts } = this.#enter(
      entries,
      entries.map(({ row, column }) => ({ ...keyOf(model, row, column), before: model.text(row, column) })),
    );
    const { undo } = this.#steps;
    const last = undo[undo.length - 1] as readonly Change[] | undefined;
    const [was, now] = [last?.[0], step[0]];
    if (joins && last?.length === 1 && was && now && nameOf(was) === nameOf(now) && was.after === now.before) {
      undo.pop();
      step[0] = { ...now, before: was.before };
    }
    const changed = step.filter(({ before, after }) => before !== after);
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
  turn(what: "undo" | "redo"): (Undone & { readonly first?: CellKey }) | undefined {
    const step = this.#steps[what].pop();
    if (!step) return undefined;
    const other = this.#steps[what === "undo" ? "redo" : "undo"];
    if ("turn" in step) {
      const back = step.turn();
      if (back) other.push(back);
      return { cells: back ? 1 : 0, hidden: 0, left: back ? 0 : 1 };
    }
    const model = this.#model;
    const shown = step.map((change) => ({ ...whereIs(model, change), change })).filter(({ row }) => row >= 0);
    const own = shown.filter(({ row, column, change }) => model.text(row, column) === change.after);
    const entries = own.map(({ row, column, change }) => ({ row, column, text: change.before }));
    const back = this.#enter(entries, own.map(({ change }) => ({ ...change, before: change.after }))).step;
    if (back.length) other.push(back);
    const hidden = step.length - shown.length;
    return { cells: back.length, hidden, left: shown.length - back.length, ...(back[0] ? { first: back[0] } : {}) };
  }

  /** Enter, and see what the cells say afterwards. */
  #enter(entries: readonly GridEntry[], cells: readonly (CellKey & { readonly before: string })[]) {
    const verdicts = entries.length ? this.#model.enter(entries) : [];
    const step: Change[] = [];
    cells.forEach(({ rowKey, columnKey, before }, i) => {
      if (!verdicts[i]?.isTaken) return;
      const { row, column } = whereIs(this.#model, { rowKey, columnKey });
      const after = row < 0 ? (entries[i] as GridEntry).text : this.#model.text(row, column);
      if (before !== after) this.#own.set(nameOf({ rowKey, columnKey }), this.#model.seen?.(row, column));
      step.push({ rowKey, columnKey, before, after });
    });
    return { step, verdicts };
  }
}
