/** What is entered, and on what it is based, while a colleague works on the same roll. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { Head, KeptEdit, Outbox } from "@inkfast/outbox";
import { FakeOutbox } from "../../section/test/fake_outbox.ts";
import { noteServerTime } from "../../section/server_clock.ts";
import type { CellColumns, Snapshot } from "../../section/types.ts";
import { SectionOfPage } from "../../section/view.ts";
import attendance from "../../words/en/attendance.json";
import shared from "../../words/en/shared.json";
import { Words } from "../../words/words.ts";
import { type AttendanceWords, type Conflict, RollCall } from "./roll_call.ts";
import { typedDetails } from "./typed_details.ts";

const ME = 4;
const SAM = 12;
const STUDENT = 24;
const TODAY = 2026110600;
const CELL = { kind: "attendance", item: TODAY, student: STUDENT };
const PAUSE_MS = 400;

type Settled = Parameters<Outbox["settle"]>;

function columnsOf(edit_id: string, value: unknown, author_id: number, cell_version: number): CellColumns {
  const { kind, item, student } = CELL;
  const [states, moments] = [["recorded"], ["2026-11-06T16:00:00.000Z"]];
  return { kind: [kind], item: [item], student: [student], edit_id: [edit_id], cell_version: [cell_version], state: states, value: [value], author_id: [author_id], entered_at: moments };
}

/** From now on it is this moment, by the server's clock. */
function itIs(moment: string): void {
  noteServerTime(new Response(null, { headers: { date: moment } }), Date.now());
}

class Desk {
  readonly outbox = new FakeOutbox();
  readonly settled: Settled[] = [];
  refusesToSettle = false;
  readonly view: SectionOfPage;
  readonly call: RollCall;

  constructor() {
    itIs("2026-11-06T22:00:00Z");
    const snapshot: Snapshot = {
      section: { section_id: 1, title: "Algebra", course_title: "Algebra", class_code: null, periods: null, location: null, org_name: "Alder", time_zone: "UTC", today: "2026-11-06", school_year: 2027 },
      students: [{ student_id: STUDENT, given_name: "Mateo", family_name: "Alvarez", identifier: null, grades: null, is_active: true }],
      line_items: [],
      reserved_line_item_ids: [],
      cells: columnsOf("a", { category: "present" }, ME, 1),
      conflicts: [],
      authors: { [SAM]: "Sam Okafor" },
      records_are_away: false,
      as_of: "2026-11-06T22:00:00.000Z",
      next_save_ms: 5000,
    };
    this.view = new SectionOfPage(1, snapshot, [], false, {
      outbox: this.outbox as unknown as Outbox,
      me: { user_id: ME, name: "Elena Ruiz" },
      refresh: async () => undefined,
      refreshSoon: () => undefined,
      remember: () => undefined,
      forget: () => undefined,
    });
    const settle = async (...how: Settled): Promise<void> => {
      this.settled.push(how);
      if (this.refusesToSettle) throw new Error("no open conflict");
    };
    const words = new Words("en", { ...shared, ...attendance }).inZone("UTC") as unknown as AttendanceWords;
    this.call = new RollCall(this.view, words, { settle, dismiss: async () => undefined }, ME);
    this.call.show(new URLSearchParams());
  }

  /** A colleague has entered this. */
  hear(edit_id: string, value: unknown, version: number): void {
    const columns = columnsOf(edit_id, value, SAM, version);
    this.view.learn(columns, [{ ...CELL, edit_id, value, author_id: SAM, entered_at: columns.entered_at[0]!, version, at: 1_000 * version }]);
  }

  get kept(): readonly KeptEdit[] {
    return this.outbox.kept(1);
  }

  /** The details form, opened. */
  open(): ReturnType<typeof typedDetails> {
    return typedDetails(this.call, this.call.rowOf(STUDENT)!);
  }
}

/** Let what was promised by now happen. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function holdTime(context: TestContext): (ms: number) => void {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  return (ms) => context.mock.timers.tick(ms);
}

test("a note is entered a pause after the last key, and before that it is said to be open", (context) => {
  const tick = holdTime(context);
  const desk = new Desk();
  const typed = desk.open();
  typed.type("bus", undefined);
  tick(PAUSE_MS - 1);
  typed.type("bus ", undefined);
  typed.type("bus was late ", undefined);
  tick(PAUSE_MS - 1);
  assert.equal(typed.isOpen(), true);
  assert.deepEqual(desk.kept, []);
  tick(1);
  assert.equal(typed.isOpen(), false);
  assert.deepEqual(desk.kept.map(({ value }) => value), [{ category: "present", note: "bus was late" }]);
});

test("nothing is entered where nothing was typed, whatever a colleague has entered meanwhile", () => {
  const desk = new Desk();
  const typed = desk.open();
  desk.hear("b", { category: "tardy", note: "theirs" }, 2);
  typed.enter();
  typed.type("", undefined);
  typed.enter();
  assert.deepEqual(desk.kept, []);
});

test("a colleague's change that arrived while the form was open was not seen, and is not overwritten", () => {
  const desk = new Desk();
  const typed = desk.open();
  desk.hear("b", { category: "excused_absence", note: "at the doctor's" }, 2);
  typed.type("bus", undefined);
  typed.enter();
  assert.deepEqual(desk.kept.map(({ base, value }) => [base, value]), [["a", { category: "present", note: "bus" }]]);
});

test("after one's own entry it goes on from that, and not from what a colleague has entered since", async () => {
  const desk = new Desk();
  const typed = desk.open();
  typed.type("bus", undefined);
  typed.enter();
  await settled();
  const [mine] = desk.kept;
  assert.ok(mine);
  desk.outbox.answer(mine.edit_id, "drafted", { cell_version: 2 });
  desk.outbox.leave(mine.edit_id);
  desk.hear("b", { category: "excused_absence" }, 3);
  typed.type("bus was late", undefined);
  typed.enter();
  assert.deepEqual(desk.kept.map(({ base, value }) => [base, value]), [[mine.edit_id, { category: "present", note: "bus was late" }]]);
});

test("what could not be kept is open, and entered when it is asked for again", async (context) => {
  const desk = new Desk();
  const typed = desk.open();
  const refused = context.mock.method(desk.outbox, "put", () => Promise.reject(new Error("no room")));
  typed.type("bus", undefined);
  typed.enter();
  await settled();
  assert.equal(typed.isOpen(), true);
  assert.equal(desk.call.notice.value?.tone, "bad");
  refused.mock.restore();
  typed.enter();
  assert.equal(typed.isOpen(), false);
  assert.deepEqual(desk.kept.map(({ value }) => value), [{ category: "present", note: "bus" }]);
});

test("a category is entered at once; the same one only where it was refused", async () => {
  const desk = new Desk();
  const typed = desk.open();
  typed.choose("present");
  assert.equal(desk.kept.length, 0);
  typed.choose("tardy");
  await settled();
  const [mine] = desk.kept;
  assert.match(String((mine?.value as { arrival_time?: unknown }).arrival_time), /^\d\d:\d\d$/);
  assert.deepEqual(typed.mark(), mine?.value);
  desk.outbox.answer(mine!.edit_id, "rejected");
  typed.choose("tardy");
  assert.equal(desk.kept.filter(({ state }) => state === "queued").length, 1);
  // A time that is half typed takes nothing away; one that was emptied does.
  typed.type("", undefined);
  assert.equal(typed.isOpen(), false);
  typed.type("", "");
  assert.deepEqual(typed.mark(), { category: "tardy" });
  typed.enter();
});

test("what was typed in pieces is taken back as one", async () => {
  const desk = new Desk();
  const typed = desk.open();
  for (const note of ["b", "bus", "bus was late"]) {
    typed.type(note, undefined);
    typed.enter();
    await settled();
  }
  await desk.call.undo();
  assert.deepEqual(desk.view.cell(CELL).value, { category: "present" });
});

test("another day closes the form; what was typed is entered on the day that it was typed for, and not spoken of on the other", () => {
  const desk = new Desk();
  desk.call.show(new URLSearchParams("day=2026-11-05"));
  desk.call.opened.value = STUDENT;
  const typed = desk.open();
  typed.type("bus", undefined);
  desk.call.show(new URLSearchParams("day=2026-11-05"));
  assert.equal(desk.call.opened.value, STUDENT);
  desk.call.show(new URLSearchParams());
  assert.equal(desk.call.opened.value, null);
  typed.enter();
  assert.deepEqual(desk.kept.map(({ item, value }) => [item, value]), [[2026110500, { category: null, note: "bus" }]]);
  assert.equal(desk.call.notice.value, null);
  desk.call.opened.value = STUDENT;
  desk.call.show(new URLSearchParams("view=week"));
  assert.equal(desk.call.opened.value, null);
});

const HEAD: Head = { edit_id: "b", value: { category: "tardy" }, author_id: SAM, entered_at: "2026-11-06T16:00:00.000Z" };

async function conflictOf(desk: Desk): Promise<Conflict> {
  const [mine] = await desk.view.enter([{ ...CELL, value: { category: "unexcused_absence" } }]);
  desk.outbox.answer(mine!.edit_id, "conflict", { head: null });
  desk.hear("b", HEAD.value, 2);
  const conflict = desk.call.conflictOf("attendance", STUDENT);
  assert.ok(conflict);
  assert.equal(conflict.head?.edit_id, "b");
  return conflict;
}

test("a choice between two values is made between those that were shown", async () => {
  const desk = new Desk();
  const conflict = await conflictOf(desk);
  desk.hear("c", { category: "partial" }, 3);
  await desk.call.settle(conflict, "theirs");
  assert.deepEqual(desk.settled.map(([, choice, head]) => [choice, head?.edit_id, head?.value]), [["theirs", "b", HEAD.value]]);
});

test("a choice that is no choice any more leaves the card, and is no error", async () => {
  const desk = new Desk();
  const conflict = await conflictOf(desk);
  desk.refusesToSettle = true;
  await desk.call.settle(conflict, "theirs");
  assert.ok(desk.call.conflictOf("attendance", STUDENT));
});

test("a choice about what was typed on another computer is based on the value that was shown", async () => {
  const desk = new Desk();
  desk.hear("c", { category: "partial" }, 3);
  const mine: Head = { edit_id: "m", value: { category: "unexcused_absence" }, author_id: ME, entered_at: HEAD.entered_at };
  await desk.call.settle({ cell: CELL, mine, head: HEAD, isOwn: true }, "theirs");
  assert.deepEqual(desk.kept.map(({ base, value, resolves }) => [base, value, resolves]), [["b", HEAD.value, ["m"]]]);
});

test("a roll that is open at midnight goes on to the new day, and a tap on the old one is no mark of either", () => {
  const desk = new Desk();
  itIs("2026-11-06T23:59:50Z");
  desk.call.choose(STUDENT, "unexcused_absence");
  itIs("2026-11-07T00:00:10Z");
  desk.call.choose(STUDENT, "tardy");
  assert.deepEqual([desk.call.day.value, desk.call.today.value, desk.kept.length], ["2026-11-07", "2026-11-07", 1]);
  assert.equal(desk.call.notice.value?.says, "The day has changed: today is Saturday, November 7.");
  desk.call.choose(STUDENT, "tardy");
  assert.deepEqual(desk.kept.map(({ item, value }) => [item, value]), [
    [TODAY, { category: "unexcused_absence" }],
    [TODAY + 100, { category: "tardy", arrival_time: "00:00" }],
  ]);
  itIs("2026-11-09T15:00:00Z");
  desk.call.takeRoll();
  assert.equal(desk.call.day.value, "2026-11-09");
  assert.equal(desk.kept.length, 2);
  desk.call.takeRoll();
  assert.equal(desk.kept.length, 4);
});

test("a day that the address names stays when the day turns, is not called today any more, and nobody came late to it now", () => {
  const desk = new Desk();
  desk.call.show(new URLSearchParams("day=2026-11-06"));
  assert.match(desk.call.now() ?? "", /^22:00/);
  desk.call.opened.value = STUDENT;
  itIs("2026-11-07T08:00:00Z");
  assert.equal(desk.call.turn(), false);
  assert.equal(desk.call.opened.value, STUDENT);
  assert.deepEqual([desk.call.day.value, desk.call.today.value], ["2026-11-06", "2026-11-07"]);
  assert.equal(desk.call.href("2026-11-06"), "/app/sections/1/attendance?day=2026-11-06");
  desk.call.choose(STUDENT, "tardy");
  assert.deepEqual(desk.kept.map(({ item, value }) => [item, value]), [[TODAY, { category: "tardy" }]]);
});

test("today is not before the day that the section says", () => {
  const desk = new Desk();
  itIs("2026-11-05T23:59:59Z");
  desk.call.turn();
  assert.equal(desk.call.day.value, "2026-11-06");
});

test("a comma stands between two names, and beside none", () => {
  const { call } = new Desk();
  const student = call.students.value[0]!;
  assert.deepEqual(
    [student, { ...student, family_name: "" }, { ...student, given_name: "" }].map((one) => call.nameOf({ student: one })),
    ["Alvarez, Mateo", "Mateo", "Alvarez"],
  );
});
