import assert from "node:assert/strict";
import { test } from "node:test";
import type { CellName, Outbox } from "@inkfast/outbox";
import { learntFrom, moment } from "../standing.ts";
import type { CellColumns, Learnt, Snapshot } from "../types.ts";
import { keyOf } from "../types.ts";
import { SectionWithColumns } from "../columns.ts";
import { FakeOutbox } from "./fake_outbox.ts";

const ME = 4;
const RUIZ = 12;
const CELL: CellName = { kind: "score", item: 1, student: 24 };

interface Put extends CellName {
  readonly edit_id: string;
  readonly value: unknown;
  readonly author_id?: number;
  readonly version?: number | null;
}

function columnsOf(cells: readonly Put[]): CellColumns {
  return {
    kind: cells.map(({ kind }) => kind),
    item: cells.map(({ item }) => item),
    student: cells.map(({ student }) => student),
    edit_id: cells.map(({ edit_id }) => edit_id),
    cell_version: cells.map(({ version }) => (version === undefined ? 1 : version)),
    state: cells.map(() => "recorded"),
    value: cells.map(({ value }) => value),
    author_id: cells.map(({ author_id }) => author_id ?? 0),
    entered_at: cells.map(() => "2026-11-06T20:00:00.000Z"),
  };
}

function snapshotOf(cells: readonly Put[], more: Partial<Snapshot> = {}): Snapshot {
  return {
    section: { section_id: 1, title: "Algebra", course_title: "Algebra", class_code: null, periods: null, location: null, org_name: "Alder", time_zone: "UTC", today: "2026-11-06", school_year: 2027 },
    students: [],
    line_items: [],
    reserved_line_item_ids: [100, 101],
    cells: columnsOf(cells),
    conflicts: [],
    authors: { [RUIZ]: "Ms. Ruiz" },
    records_are_away: false,
    as_of: "2026-11-06T22:00:00.000Z",
    next_save_ms: 5000,
    ...more,
  };
}

function open(snapshot: Snapshot, learnt: readonly Learnt[] = [], isFromDisk = false): { view: SectionWithColumns; outbox: FakeOutbox; told: (readonly CellName[] | undefined)[]; soon: number[] } {
  const outbox = new FakeOutbox();
  const told: (readonly CellName[] | undefined)[] = [];
  const soon: number[] = [];
  const view = new SectionWithColumns(1, snapshot, learnt, isFromDisk, {
    outbox: outbox as unknown as Outbox,
    me: { user_id: ME, name: "David Ramos" },
    refresh: async () => undefined,
    refreshSoon: () => soon.push(1),
    remember: () => undefined,
    forget: () => undefined,
  });
  view.onChange((cells) => told.push(cells));
  return { view, outbox, told, soon };
}

function event(view: SectionWithColumns, put: Put, at = 1_000): void {
  const columns = columnsOf([put]);
  view.learn(columns, learntFrom(columns, at));
}

test("what is typed is shown at once, as being stored, then as on this computer", async () => {
  const { view, told } = open(snapshotOf([{ ...CELL, edit_id: "a", value: { score: "9" } }]));
  const entered = view.enter([{ ...CELL, value: { score: "10" } }]);
  assert.equal(view.cell(CELL).place, "storing");
  assert.deepEqual(view.cell(CELL).value, { score: "10" });
  const [edit] = await entered;
  assert.equal(edit?.base, "a");
  assert.equal(view.cell(CELL).place, "queued");
  assert.ok(told.every((cells) => cells?.length === 1));
});

test("without a disk nothing is shown as on this computer", async () => {
  const { view, outbox } = open(snapshotOf([{ ...CELL, edit_id: "a", value: { score: "9" } }]));
  outbox.storage = "memory";
  const [edit] = await view.enter([{ ...CELL, value: { score: "10" } }]);
  assert.equal(view.cell(CELL).place, "storing");
  outbox.answer(edit!.edit_id, "drafted", { cell_version: 2 });
  assert.equal(view.cell(CELL).place, "settled");
});

test("an edit that is recorded and leaves the outbox stands, before any snapshot has said so", async () => {
  const { view, outbox } = open(snapshotOf([{ ...CELL, edit_id: "a", value: { score: "9" } }]));
  const [edit] = await view.enter([{ ...CELL, value: { score: "10" } }]);
  outbox.answer(edit!.edit_id, "drafted", { cell_version: 2 });
  assert.equal(view.cell(CELL).place, "settled");
  outbox.leave(edit!.edit_id);
  assert.deepEqual(view.cell(CELL).value, { score: "10" });
  assert.equal(view.cell(CELL).edit_id, edit!.edit_id);
  // A snapshot that was asked for before does not take it back; one that was asked for later decides.
  view.take(snapshotOf([{ ...CELL, edit_id: "a", value: { score: "9" } }]), Date.now() - 60_000);
  assert.deepEqual(view.cell(CELL).value, { score: "10" });
  view.take(snapshotOf([{ ...CELL, edit_id: "c", value: { score: "7" }, version: 3 }]), Date.now() + 1);
  assert.deepEqual(view.cell(CELL).value, { score: "7" });
});

test("an unsent edit that a newer one replaced does not stand", async () => {
  const { view, outbox } = open(snapshotOf([]));
  await view.enter([{ ...CELL, value: { score: "1" } }]);
  const [second] = await view.enter([{ ...CELL, value: { score: "2" } }]);
  assert.equal(second?.base, null);
  outbox.answer(second!.edit_id, "rejected");
  outbox.leave(second!.edit_id);
  assert.equal(view.cell(CELL).value, null);
});

test("a colleague's change while mine is on its way is shown beside mine, never instead of it", async () => {
  const { view, outbox } = open(snapshotOf([{ ...CELL, edit_id: "a", value: { score: "9" } }]));
  const [edit] = await view.enter([{ ...CELL, value: { score: "10" } }]);
  event(view, { ...CELL, edit_id: "ruiz", value: { score: "5" }, author_id: RUIZ, version: 2 });
  assert.deepEqual(view.cell(CELL).value, { score: "10" });
  assert.equal(view.cell(CELL).theirs?.author_name, "Ms. Ruiz");
  outbox.answer(edit!.edit_id, "conflict", { head: { edit_id: "ruiz", value: { score: "5" }, author_id: RUIZ, entered_at: "", cell_version: 2 } });
  assert.equal(view.cell(CELL).place, "conflict");
  assert.equal(view.conflicts().length, 1);
  // She changes it once more: the card shows the newer one.
  event(view, { ...CELL, edit_id: "ruiz-2", value: { score: "6" }, author_id: RUIZ, version: 3 });
  assert.deepEqual(view.conflicts()[0]?.head?.value, { score: "6" });
});

test("a conflict whose answer tells the version beside its head shows a newer one too", async () => {
  const { view, outbox } = open(snapshotOf([]));
  const [edit] = await view.enter([{ ...CELL, value: { score: "10" } }]);
  const head = { edit_id: "ruiz", value: { score: "5" }, author_id: RUIZ, entered_at: "" };
  outbox.answer(edit!.edit_id, "conflict", { head, cell_version: 2 });
  event(view, { ...CELL, edit_id: "a", value: { score: "4" }, version: 1 });
  assert.deepEqual(view.conflicts()[0]?.head?.value, { score: "5" });
  event(view, { ...CELL, edit_id: "ruiz-2", value: { score: "6" }, author_id: RUIZ, version: 3 });
  assert.deepEqual(view.conflicts()[0]?.head?.value, { score: "6" });
});

test("what a colleague entered over my drafted edit is what stands", async () => {
  const { view, outbox } = open(snapshotOf([]));
  const [edit] = await view.enter([{ ...CELL, value: { score: "10" } }]);
  outbox.answer(edit!.edit_id, "drafted", { cell_version: 1 });
  event(view, { ...CELL, edit_id: "ruiz", value: { score: "5" }, author_id: RUIZ, version: 2 });
  assert.deepEqual(view.cell(CELL).value, { score: "5" });
  assert.equal(view.cell(CELL).place, "settled");
  // My own edit leaves later, and does not come back over hers.
  outbox.leave(edit!.edit_id);
  assert.deepEqual(view.cell(CELL).value, { score: "5" });
});

test("an old snapshot from the disk is nobody's news", async () => {
  const { view } = open(snapshotOf([{ ...CELL, edit_id: "old", value: { score: "9" }, author_id: RUIZ }]), [], true);
  await view.enter([{ ...CELL, value: { score: "10" }, base: "b" }]);
  assert.equal(view.cell(CELL).theirs, undefined);
});

test("a refused edit stays visible with what was typed, and what stands comes back when it is dismissed", async () => {
  const { view, outbox } = open(snapshotOf([{ ...CELL, edit_id: "a", value: { score: "9" } }]));
  const [edit] = await view.enter([{ ...CELL, value: { score: "900" } }]);
  outbox.answer(edit!.edit_id, "rejected");
  assert.deepEqual([view.cell(CELL).place, view.cell(CELL).value], ["rejected", { score: "900" }]);
  outbox.leave(edit!.edit_id);
  assert.deepEqual([view.cell(CELL).place, view.cell(CELL).value], ["settled", { score: "9" }]);
});

test("a column that is made here is there at once, and its id is given to no other", async () => {
  const { view, outbox } = open(snapshotOf([]));
  const [edit] = await view.enter([{ kind: "line_item", item: 100, student: 0, value: { title: "Quiz", result_value_max: "20" } }]);
  assert.deepEqual(view.lineItems.map(({ title, result_value_min }) => [title, result_value_min]), [["Quiz", "0"]]);
  assert.deepEqual(view.reservedIds(), [101]);
  outbox.answer(edit!.edit_id, "drafted", { cell_version: 1 });
  outbox.leave(edit!.edit_id);
  assert.equal(view.lineItems.length, 1);
  assert.deepEqual(view.reservedIds(), [101]);
});

test("while the records are away, an older copy does not take back what was learnt", () => {
  const { view } = open(snapshotOf([]));
  event(view, { ...CELL, edit_id: "ruiz", value: { score: "5" }, author_id: RUIZ, version: 4 }, 1_000);
  view.take(snapshotOf([{ ...CELL, edit_id: "old", value: { score: "1" }, version: 3 }], { records_are_away: true }), 2_000);
  assert.deepEqual(view.cell(CELL).value, { score: "5" });
  view.take(snapshotOf([{ ...CELL, edit_id: "old", value: { score: "1" }, version: 3 }]), 3_000);
  assert.deepEqual(view.cell(CELL).value, { score: "1" });
});

test("a snapshot that is asked for in the very moment in which something is learnt contains it", () => {
  const { view } = open(snapshotOf([{ ...CELL, edit_id: "a", value: { score: "9" } }]));
  event(view, { ...CELL, edit_id: "gone", value: { score: "5" }, version: 2 }, 1_000);
  view.take(snapshotOf([{ ...CELL, edit_id: "a", value: { score: "9" } }]), 999);
  assert.deepEqual(view.cell(CELL).value, { score: "5" });
  view.take(snapshotOf([{ ...CELL, edit_id: "a", value: { score: "9" } }]), 1_000);
  assert.deepEqual(view.cell(CELL).value, { score: "9" });
});

test("what is learnt while a snapshot is on its way is not taken back by it, though the clock stands still", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
  const { view } = open(snapshotOf([]));
  const asked = moment();
  event(view, { ...CELL, edit_id: "ruiz", value: { score: "5" }, author_id: RUIZ }, moment());
  view.take(snapshotOf([]), asked);
  assert.deepEqual(view.cell(CELL).value, { score: "5" });
  view.take(snapshotOf([]), moment());
  assert.equal(view.cell(CELL).value, null, "a later one contains it, or something newer");
  t.mock.timers.setTime(5_000);
  assert.ok(moment() > asked, "a clock that is set back changes no order");
});

test("an open conflict of mine from another computer is one, and a colleague's is listed as hers", () => {
  const conflict = { ...CELL, edit_id: "x", value: { score: "3" }, author_id: ME, entered_at: "2026-11-06T20:00:00.000Z" };
  const hers = { ...conflict, student: 25, edit_id: "y", author_id: RUIZ };
  const { view } = open(snapshotOf([{ ...CELL, edit_id: "a", value: { score: "9" } }], { conflicts: [conflict, hers] }));
  assert.equal(view.cell(CELL).place, "conflict");
  assert.deepEqual(view.cell(CELL).value, { score: "9" });
  assert.equal(view.cell({ ...CELL, student: 25 }).place, "settled");
  assert.deepEqual(view.conflicts().map(({ isOwn }) => isOwn), [true, false]);
});

test("a snapshot tells only of the cells that changed", () => {
  const cells = [1, 2, 3].map((student) => ({ ...CELL, student, edit_id: `e${student}`, value: { score: "1" } }));
  const { view, told } = open(snapshotOf(cells));
  view.take(snapshotOf([cells[0]!, { ...cells[1]!, edit_id: "new" }, cells[2]!]), 5_000);
  assert.deepEqual(told.map((cells) => cells?.map(keyOf)), [["score/1/2"]]);
  view.take(snapshotOf([cells[0]!, { ...cells[1]!, edit_id: "new" }, cells[2]!]), 6_000);
  assert.equal(told.length, 1);
});
