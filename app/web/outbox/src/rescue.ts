/** `@inkfast/outbox/rescue`: everything that no server has recorded yet, as a file. Loaded when somebody asks for it. */
import type { Row, State } from "./edits.ts";
import { openOf, sort, wire } from "./edits.ts";
import type { Outbox, RescueFile } from "./types.ts";

/** What of this outbox no server has recorded yet, in its order, as it lies on the disk. */
export function rescue(outbox: Outbox): Promise<RescueFile> {
  return outbox.run((state: State) => {
    const sections = [...new Set([...state.edits.values()].map((row) => row.section))].map((section) => ({
      section, edits: openOf(state, section).map((row) => ({ ...wire(row), state: row.state })),
    }));
    const made_at = new Date(Date.now() + outbox.clockOffset()).toISOString();
    return JSON.parse(JSON.stringify({ format: "inkfast-rescue", version: 1, user: outbox.user, made_at, sections }));
  });
}

/**
 * Take in a rescue file of the same user; edits that are here already are left alone. Resolves with how many were new, when they
 * are on disk; rejects with an Error, having changed nothing, where it is no such file.
 */
export async function restore(outbox: Outbox, file: unknown): Promise<number> {
  const sections = checked(file, outbox.user);
  return outbox.run((state: State) => {
    const last = sort(state);
    let n = last;
    for (const { section, edits } of sections) {
      for (const edit of edits) {
        const { seq: _, ...typed } = wire(edit);
        const row: Row = { ...typed, section, n: n + 1, state: "queued", sent: true };
        if (state.edits.has(row.edit_id)) continue;
        state.edits.set(row.edit_id, row);
        n++;
      }
    }
    return n - last;
  });
}

/** The sections of a rescue file of this user; throws an Error for everything else. */
function checked(file: unknown, owner: string): RescueFile["sections"] {
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
