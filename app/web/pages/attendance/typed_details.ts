/**
 * What a person says about one student on one day, from the form's first drawing on. What was shown then is the base of what is
 * entered, and afterwards one's own last entry: what a colleague enters meanwhile has not been seen, and is not overwritten.
 */
import { type Category, type Mark, type Row, isKept, normal } from "./roll.ts";
import type { RollCall } from "./roll_call.ts";
import { isSame } from "./steps.ts";

const PAUSE_MS = 400;

export interface TypedDetails {
  /** As the person sees it. */
  mark(): Mark;
  /** Something is typed that is not entered yet. */
  isOpen(): boolean;
  /** Enter this after a pause. A time that is undefined stays as it is. */
  type(note: string, arrival_time: string | undefined): void;
  /** Enter another category at once; the same one only where it was refused. */
  choose(category: Category): void;
  /** Enter what is typed, at once. */
  enter(): void;
}

export function typedDetails(call: RollCall, row: Row): TypedDetails {
  const cell = { kind: "attendance", item: call.roll.value.item, student: row.student.student_id };
  let { mark } = row;
  let entered = mark;
  let base = row.cell.edit_id;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** What is typed on is no step of its own, to be taken back in pieces. */
  let isMore = false;

  async function put(): Promise<void> {
    const before = entered;
    const change = { ...cell, value: mark, base };
    entered = mark;
    const [kept] = await call.enter([change], call.saysMark(row, mark), isMore);
    if (kept !== undefined) base = kept.edit_id;
    else if (entered === change.value) entered = before; // it is typed, and not entered
  }

  const isOpen = (): boolean => !isSame(mark, entered);
  const enter = (): void => {
    clearTimeout(timer);
    if (!isOpen()) return;
    void put();
    isMore = true;
  };
  return {
    mark: () => mark,
    isOpen,
    type(note, arrival_time) {
      mark = normal(mark.category, arrival_time ?? mark.arrival_time ?? "", note.trim());
      clearTimeout(timer);
      timer = setTimeout(enter, PAUSE_MS);
    },
    choose(category) {
      if (call.turn()) return;
      const isOther = category !== mark.category;
      const now = category === "tardy" && isOther ? call.now() : undefined;
      mark = normal(category, mark.arrival_time ?? now ?? "", mark.note ?? "");
      isMore = false;
      if (isOther || !isKept((call.rowOf(cell.student) ?? row).cell)) void put();
    },
    enter,
  };
}
