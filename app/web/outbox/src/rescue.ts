/** The rescue file: everything that no server has recorded yet. */
import type { State } from "./edits.ts";
import { wire } from "./edits.ts";
import type { RescueFile } from "./types.ts";

type Section = { section: number; edits: RescueFile["sections"][number]["edits"][number][] };

/** Everything of this state that no server has recorded yet, in its order. */
export function rescueFile(state: State, user: string, now: number): RescueFile {
  const sections = new Map<number, Section>();
  for (const row of state.rows.values()) {
    if (row.done) continue;
    const { seq: _, ...edit } = wire(row, 0);
    if (!sections.has(row.section)) sections.set(row.section, { section: row.section, edits: [] });
    sections.get(row.section)!.edits.push({ ...edit, state: row.state });
  }
  return { format: "inkfast-rescue", version: 1, user, made_at: new Date(now).toISOString(), sections: [...sections.values()] };
}

const isId = (id: unknown): boolean => typeof id === "string" && /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id);
const isNumber = (number: unknown): boolean => Number.isInteger(number) && (number as number) >= 0;

/** Take in a file, or throw an Error with a sentence for developers, and leave the state as it is. Returns how many are new. */
export function takeIn(state: State, file: unknown, user: string): number {
  const { format, version, user: whose, sections } = (file ?? {}) as RescueFile;
  if (format !== "inkfast-rescue" || version !== 1 || !Array.isArray(sections)) throw new Error("not a rescue file");
  if (whose !== user) throw new Error("the rescue file of another user");
  for (const { section, edits } of sections as RescueFile["sections"]) {
    const isWhole = isNumber(section) && Array.isArray(edits) && edits.every((edit) =>
      isId(edit.edit_id) && (edit.base === null || isId(edit.base)) && typeof edit.kind === "string" && isNumber(edit.item) &&
      isNumber(edit.student) && edit.value !== undefined && Date.parse(edit.entered_at) > 0 && (edit.resolves ?? []).every(isId));
    if (!isWhole) throw new Error("a rescue file with damage");
  }
  let n = 0;
  for (const row of state.rows.values()) n = row.n;
  const before = n;
  for (const { section, edits } of sections as RescueFile["sections"]) {
    for (const edit of edits) {
      if (state.rows.has(edit.edit_id)) continue;
      const { seq: _, ...typed } = wire({ ...edit, section, n }, 0);
      state.rows.set(edit.edit_id, { ...typed, section, n: ++n, state: "queued", sent: true });
    }
  }
  return n - before;
}
