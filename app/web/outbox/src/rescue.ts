/** The rescue file: everything that no server has recorded yet. */
import type { State } from "./edits.ts";
import { openOf, sort, wire } from "./edits.ts";
import type { RescueFile } from "./types.ts";

type Sections = RescueFile["sections"];

/** Everything of this state that no server has recorded yet, in its order. */
export function rescueFile(state: State, user: string, now: number): RescueFile {
  const sections = [...new Set([...state.rows.values()].map((row) => row.section))].map((section) => ({
    section, edits: openOf(state, section).map((row) => ({ ...wire(row, 0), seq: undefined, state: row.state })),
  }));
  return JSON.parse(JSON.stringify({ format: "inkfast-rescue", version: 1, user, made_at: new Date(now).toISOString(), sections }));
}

/** The sections of a rescue file of this user; throws an Error for everything else. */
export function checked(file: unknown, owner: string): Sections {
  const { format, version, user, sections } = Object(file) as RescueFile;
  const isId = (id: unknown) => /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id as string);
  const isNumber = (...numbers: unknown[]) => numbers.every((number) => Number.isInteger(number) && (number as number) >= 0);
  if (format !== "inkfast-rescue" || version !== 1 || user !== owner) throw new Error("not a rescue file of this user");
  for (const { section, edits } of sections) {
    for (const edit of edits) {
      const { edit_id, base, kind, item, student, value, entered_at, resolves = [] } = edit;
      const isWhole = [edit_id, base ?? edit_id, ...resolves].every(isId) && isNumber(section, item, student) && kind + "" === kind;
      if (!isWhole || value === undefined || !Date.parse(entered_at)) throw new Error("damaged");
    }
  }
  return sections;
}

/** Take in what is not here yet; returns how much that was. */
export function takeIn(state: State, sections: Sections): number {
  let n = sort(state);
  const before = n;
  for (const { section, edits } of sections) {
    for (const edit of edits) {
      const { seq: _, ...typed } = wire({ ...edit, section }, 0);
      if (!state.rows.has(edit.edit_id)) state.rows.set(edit.edit_id, { ...typed, section, n: ++n, state: "queued", sent: true } as never);
    }
  }
  return n - before;
}
