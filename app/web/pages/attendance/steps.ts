/** What was done on this page, newest last, so that it can be taken back. Taking back is an edit like any other. */
import type { CellName } from "@inkfast/outbox";
import type { SectionView } from "../../section/types.ts";
import type { RollChange } from "./roll.ts";

export interface Step {
  readonly changes: readonly (CellName & { readonly before: unknown; readonly after: unknown })[];
  /** What it was, as a sentence. */
  readonly says: string;
  /** The student whose mark it was; 0: the whole roll. */
  readonly student: number;
}

const STEPS_MAX = 100;

/** The step that these changes are, seen before they are entered. */
export function stepOf(view: Pick<SectionView, "cell">, changes: readonly RollChange[], says: string): Step {
  const seen = changes.map(({ kind, item, student, value }) => ({ kind, item, student, before: view.cell({ kind, item, student }).value, after: value }));
  const single = changes.length === 1 ? changes[0] : undefined;
  return { changes: seen, says, student: single?.student ?? 0 };
}

/** `isMore`: where the last step was the same student's mark, it goes on with that, and both are taken back at once. */
export function withStep(steps: readonly Step[], step: Step, isMore = false): readonly Step[] {
  const last = steps[steps.length - 1];
  const [was, now] = [last?.changes[0], step.changes[0]];
  if (!isMore || !was || !now || was.item !== now.item || last?.student !== step.student) return [...steps, step].slice(-STEPS_MAX);
  return [...steps.slice(0, -1), { ...step, changes: [{ ...now, before: was.before }] }];
}

/**
 * What takes a step back, where the cells still hold what it entered. A cell that somebody has changed since keeps what it
 * has; `left` counts those.
 */
export function takeBack(view: Pick<SectionView, "cell">, step: Step): { readonly changes: readonly RollChange[]; readonly left: number } {
  const standing = step.changes.filter((change) => isSame(view.cell(change).value, change.after));
  const changes = standing.map(({ kind, item, student, before }) => ({ kind, item, student, value: before ?? emptied(kind) }));
  return { changes, left: step.changes.length - standing.length };
}

function emptied(kind: string): unknown {
  return kind === "roll_taken" ? { taken: false } : { category: null };
}

/** The same value, whatever order its fields came in. */
export function isSame(one: unknown, other: unknown): boolean {
  return written(one) === written(other);
}

function written(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return JSON.stringify(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
