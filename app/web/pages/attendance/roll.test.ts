/** What a roll is: defaults, re-opening, taking, counting, taking back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type SectionView, type ShownCell, type Student, keyOf } from "../../section/types.ts";
import { dayToShow, isDay, itemOf, nextWeekday } from "./day.ts";
import { dayOf } from "./entry_needs.tsx";
import { moved } from "./moved.ts";
import { type RollChange, choose, readMark, readRoll, take } from "./roll.ts";
import { bySeat, byName } from "./seating.ts";
import { stepOf, takeBack } from "./steps.ts";
import { readWeek, weekAround } from "./week.ts";

const DAY = "2026-11-04";
const ITEM = 2026110400;
const EMPTY: ShownCell = { value: null, place: "settled", edit_id: null, author_id: null, author_name: null, entered_at: null };

function student(student_id: number, family_name: string, is_active = true): Student {
  return { student_id, given_name: "Ana", family_name, identifier: null, grades: null, is_active };
}

/** Cells as a view shows them: whatever is entered stands at once. */
class Cells implements Pick<SectionView, "cell"> {
  private readonly shown = new Map<string, ShownCell>();
  private minutes = 0;

  cell(name: { kind: string; item: number; student: number }): ShownCell {
    return this.shown.get(keyOf(name)) ?? EMPTY;
  }

  /** As one step: everything in it was entered at the same moment. */
  enter(changes: readonly RollChange[], more: Partial<ShownCell> = {}): this {
    const entered_at = `2026-11-04T16:${String((this.minutes += 1)).padStart(2, "0")}:00.000Z`;
    for (const { value, ...name } of changes) {
      this.shown.set(keyOf(name), { value, place: "settled", edit_id: "e", author_id: 4, author_name: "Ms. Ruiz", entered_at, ...more });
    }
    return this;
  }

  mark(id: number, value: unknown, item = ITEM, more: Partial<ShownCell> = {}): this {
    return this.enter([{ kind: "attendance", item, student: id, value }], more);
  }
}

const CLASS = [student(1, "Alvarez"), student(2, "Baker"), student(3, "Castillo")];

test("who has no mark is shown as present, and nothing is written", () => {
  const cells = new Cells().mark(2, { category: "unexcused_absence" });
  const roll = readRoll(cells, CLASS, DAY);
  assert.deepEqual(roll.rows.map(({ category, isDefault }) => [category, isDefault]), [["present", true], ["unexcused_absence", false], ["present", true]]);
  assert.deepEqual([...roll.counts], [["present", 2], ["unexcused_absence", 1]]);
  assert.equal(roll.taken, undefined);
  assert.equal(roll.unmarked, 2);
  assert.deepEqual(cells.cell({ kind: "attendance", item: ITEM, student: 1 }), EMPTY);
});

test("a roll whose entry was not accepted is not taken, and can be taken again", () => {
  for (const place of ["rejected", "quarantined"] as const) {
    const cells = new Cells().enter([{ kind: "roll_taken", item: ITEM, student: 0, value: { taken: true } }], { place });
    const roll = readRoll(cells, CLASS, DAY);
    assert.deepEqual([roll.taken, roll.takenCell.place], [undefined, place]);
    assert.deepEqual(take(roll).map(({ kind }) => kind), ["attendance", "attendance", "attendance", "roll_taken"]);
  }
});

test("taking the roll gives everybody in the section a mark, leaves marks alone, and says so last", () => {
  const cells = new Cells().mark(2, { category: "tardy", arrival_time: "08:07" }).mark(3, { category: null, note: "bus" });
  const roll = readRoll(cells, [...CLASS, student(4, "Gone", false)], DAY);
  assert.deepEqual(take(roll), [
    { kind: "attendance", item: ITEM, student: 1, value: { category: "present" } },
    { kind: "attendance", item: ITEM, student: 3, value: { category: "present", note: "bus" } },
    { kind: "roll_taken", item: ITEM, student: 0, value: { taken: true } },
  ]);
});

test("re-opening a roll that was taken resets nothing, and has nothing to write", () => {
  const cells = new Cells().mark(2, { category: "unexcused_absence" });
  cells.enter(take(readRoll(cells, CLASS, DAY)));
  const again = readRoll(cells, CLASS, DAY);
  assert.deepEqual(again.rows.map(({ category, isDefault }) => [category, isDefault]), [["present", false], ["unexcused_absence", false], ["present", false]]);
  assert.notEqual(again.taken, undefined);
  assert.equal(again.unmarked, 0);
  assert.deepEqual(take(again), []);
});

test("who came into the section after the roll was taken has no mark yet", () => {
  const cells = new Cells();
  cells.enter(take(readRoll(cells, CLASS, DAY)));
  const roll = readRoll(cells, [...CLASS, student(9, "New")], DAY);
  assert.equal(roll.unmarked, 1);
  assert.deepEqual(take(roll).map(({ student: id }) => id), [9, 0]);
});

test("a change after the roll was taken is shown as one", () => {
  const cells = new Cells();
  cells.enter(take(readRoll(cells, CLASS, DAY)));
  assert.equal(readRoll(cells, CLASS, DAY).changesSince, 0);
  cells.mark(1, { category: "tardy", arrival_time: "09:40" });
  const roll = readRoll(cells, CLASS, DAY);
  assert.equal(roll.changesSince, 1);
  assert.deepEqual(roll.rows.map(({ isChangedSince }) => isChangedSince), [true, false, false]);
});

test("a roll that was taken back is not taken", () => {
  const cells = new Cells().enter([{ kind: "roll_taken", item: ITEM, student: 0, value: { taken: false } }]);
  assert.equal(readRoll(cells, CLASS, DAY).taken, undefined);
});

test("who left the section is on the roll only with a mark of the day", () => {
  const gone = [student(7, "Gone", false), student(8, "Left", false)];
  const cells = new Cells().mark(8, { category: "present" });
  assert.deepEqual(readRoll(cells, gone, DAY).rows.map((row) => row.student.student_id), [8]);
  assert.equal(readRoll(cells, gone, DAY).unmarked, 0);
});

test("who comes late today came now, and a time that was given stays", () => {
  const roll = readRoll(new Cells().mark(2, { category: "tardy", arrival_time: "08:07", note: "bus" }), CLASS, DAY);
  const [alvarez, baker] = roll.rows;
  assert.ok(alvarez && baker);
  assert.deepEqual(choose(alvarez, "tardy", ITEM, "08:12")?.value, { category: "tardy", arrival_time: "08:12" });
  assert.deepEqual(choose(alvarez, "tardy", ITEM, undefined)?.value, { category: "tardy" });
  assert.equal(choose(baker, "tardy", ITEM, "08:12"), undefined);
  assert.deepEqual(choose(baker, "partial", ITEM, "09:00")?.value, { category: "partial", arrival_time: "08:07", note: "bus" });
  assert.deepEqual(choose(baker, "excused_absence", ITEM, "09:00")?.value, { category: "excused_absence", note: "bus" });
});

test("who was partly here and came late came when that was written", () => {
  const [row] = readRoll(new Cells().mark(1, { category: "partial", arrival_time: "08:07" }), CLASS, DAY).rows;
  assert.ok(row);
  assert.deepEqual(choose(row, "tardy", ITEM, "09:00")?.value, { category: "tardy", arrival_time: "08:07" });
});

test("choosing present for who is present by default says so", () => {
  const [row] = readRoll(new Cells(), CLASS, DAY).rows;
  assert.ok(row);
  assert.deepEqual(choose(row, "present", ITEM, "08:12")?.value, { category: "present" });
});

test("a mark that was not accepted can be entered again as it is, and is counted as refused", () => {
  const cells = new Cells().mark(1, { category: "tardy" }, ITEM, { place: "rejected" });
  const roll = readRoll(cells, CLASS, DAY);
  assert.equal(roll.refused.length, 1);
  const [row] = roll.rows;
  assert.ok(row);
  assert.deepEqual(choose(row, "tardy", ITEM, undefined)?.value, { category: "tardy" });
});

test("what is not understood is no mark", () => {
  for (const value of [null, 3, "present", {}, { category: "truant" }, { as_sent: "…" }]) assert.deepEqual(readMark(value), { category: null });
  assert.deepEqual(readMark({ category: "tardy", arrival_time: 8, note: "" }), { category: "tardy" });
});

test("taking a step back brings what was there before, and leaves what somebody changed since", () => {
  const cells = new Cells().mark(2, { category: "tardy", arrival_time: "08:07" });
  const changes = take(readRoll(cells, CLASS, DAY));
  const step = stepOf(cells, changes, "taken");
  cells.enter(changes).mark(3, { category: "unexcused_absence" });
  const { changes: back, left } = takeBack(cells, step);
  assert.equal(left, 1);
  assert.deepEqual(back, [
    { kind: "attendance", item: ITEM, student: 1, value: { category: null } },
    { kind: "roll_taken", item: ITEM, student: 0, value: { taken: false } },
  ]);
  cells.enter(back);
  const roll = readRoll(cells, CLASS, DAY);
  assert.equal(roll.taken, undefined);
  assert.deepEqual(roll.rows.map(({ category }) => category), ["present", "tardy", "unexcused_absence"]);
});

test("a step is recognised whatever order the fields of its value came back in", () => {
  const cells = new Cells();
  const step = stepOf(cells, [{ kind: "attendance", item: ITEM, student: 1, value: { category: "tardy", arrival_time: "08:07" } }], "tardy");
  cells.mark(1, { arrival_time: "08:07", category: "tardy" });
  assert.equal(takeBack(cells, step).left, 0);
});

test("the week has Monday to Friday, and a day of the weekend only when there is something on it", () => {
  const cells = new Cells().mark(1, { category: "tardy" }, itemOf("2026-11-02")).mark(2, { category: "present" }, itemOf("2026-11-07"));
  const week = readWeek(cells, CLASS, DAY, DAY);
  assert.deepEqual(week.days.map(({ day }) => day), ["2026-11-02", "2026-11-03", "2026-11-04", "2026-11-05", "2026-11-06", "2026-11-07"]);
  assert.deepEqual(week.days.map(({ isFuture }) => isFuture), [false, false, false, true, true, true]);
  assert.equal(week.rows[0]?.marks[0]?.category, "tardy");
  assert.equal(week.rows[1]?.marks[5]?.category, "present");
  assert.equal(readWeek(cells, CLASS, "2026-10-28", DAY).days.length, 5);
});

test("in the week no day is taken by an entry that was refused", () => {
  for (const [place, isTaken] of [["settled", true], ["queued", true], ["rejected", false], ["quarantined", false]] as const) {
    const cells = new Cells().enter([{ kind: "roll_taken", item: ITEM, student: 0, value: { taken: true } }], { place });
    assert.equal(readWeek(cells, CLASS, DAY, DAY).days.find(({ day }) => day === DAY)?.isTaken, isTaken, place);
  }
});

test("days: what is none, and what has not come yet, is today", () => {
  assert.equal(itemOf(DAY), ITEM);
  assert.equal(dayOf(ITEM), DAY);
  assert.deepEqual(["2026-02-29", "2026-2-3", "x", null].map(isDay), [false, false, false, false]);
  assert.equal(dayToShow("2026-11-05", DAY), DAY);
  assert.equal(dayToShow("2026-11-03", DAY), "2026-11-03");
  assert.equal(dayToShow("2026-02-29", DAY), DAY);
  assert.equal(nextWeekday("2026-11-06", 1), "2026-11-09");
  assert.equal(nextWeekday("2026-11-02", -1), "2026-10-30");
  assert.equal(weekAround("2026-11-08")[0], "2026-11-02");
});

test("seats: who has none comes last, and a move keeps everybody", () => {
  const order = [3, 1].map((id) => id);
  assert.deepEqual(bySeat(CLASS, order).map(({ student_id }) => student_id), [3, 1, 2]);
  assert.deepEqual(moved([1, 2, 3, 4], 3, 0), [4, 1, 2, 3]);
  assert.deepEqual(moved([1, 2, 3, 4], 0, 2), [2, 3, 1, 4]);
  assert.deepEqual(moved([1, 2], 1, 2), [1, 2]);
  const names = [student(1, "Zúñiga"), student(2, "Álvarez"), student(3, "Alvarado")];
  assert.deepEqual(byName(names, new Intl.Collator("es").compare).map(({ student_id }) => student_id), [3, 2, 1]);
});
