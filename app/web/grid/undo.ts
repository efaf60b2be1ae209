/** Undo and redo across saves: what was entered, as texts before and after. */
import type { CellKey, GridEntry, GridModel, GridVerdict } from "./model.ts";

interface Change extends CellKey { readonly before: string; readonly after: string }
type Step = readonly Change[];

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

  constructor(model: GridModel) {
    this.#model = model;
  }

  /** Enter these as one step. `joins`: it goes on with the last step, which was one cell, the same. */
  enter(entries: readonly GridEntry[], joins = false): readonly GridVerdict[] {
    const model = this.#model;
    const cells = entries.map(({ row, column }) => ({
      rowKey: model.rowKey(row),
      columnKey: model.columnKey(column),
      before: model.text(row, column),
    }));
    const verdicts = model.enter(entries);
    const step: Change[] = [];
    cells.forEach((cell, i) => {
      if (!verdicts[i]?.isTaken) return;
      const [row, column] = this.#where(cell);
      step.push({ ...cell, after: row < 0 || column < 0 ? (entries[i] as GridEntry).text : model.text(row, column) });
    });
    const { undo, redo } = this.#steps;
    const last = joins ? undo.pop() : undefined;
    if (last?.length && step.length) step[0] = { ...(step[0] as Change), before: (last[0] as Change).before };
    else if (last) undo.push(last);
    const changed = step.filter(({ before, after }) => before !== after);
    if (changed.length) {
      undo.push(changed);
      redo.length = 0;
      if (undo.length > STEPS_MAX) undo.shift();
    }
    return verdicts;
  }

  has(what: "undo" | "redo"): boolean {
    return this.#steps[what].length > 0;
  }

  /** Take the last step back (or do it again); undefined where there is none. */
  turn(what: "undo" | "redo"): (Undone & { readonly first?: CellKey }) | undefined {
    const step = this.#steps[what].pop();
    if (!step) return undefined;
    const model = this.#model;
    const shown = step.filter((change) => Math.min(...this.#where(change)) >= 0);
    const own = shown.filter((change) => model.text(...this.#where(change)) === change.after);
    const verdicts = own.length
      ? model.enter(own.map((change) => {
          const [row, column] = this.#where(change);
          return { row, column, text: change.before };
        }))
      : [];
    const done = own.filter((_, i) => verdicts[i]?.isTaken);
    const back = done.map((change) => {
      const [row, column] = this.#where(change);
      return { ...change, before: change.after, after: row < 0 || column < 0 ? change.before : model.text(row, column) };
    });
    if (back.length) this.#steps[what === "undo" ? "redo" : "undo"].push(back);
    const hidden = step.length - shown.length;
    return { cells: done.length, hidden, left: shown.length - done.length, ...(done[0] ? { first: done[0] } : {}) };
  }

  #where({ rowKey, columnKey }: CellKey): [number, number] {
    return [this.#model.rowOf(rowKey), this.#model.columnOf(columnKey)];
  }
}
