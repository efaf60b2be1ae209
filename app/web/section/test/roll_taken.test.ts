/** Whether the roll of today was taken, by what this computer knows. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { KeptEdit } from "@inkfast/outbox";
import { isTakenToday } from "../section_list.ts";
import type { Learnt, Snapshot } from "../types.ts";

const ENTERED = "2026-11-06T16:00:00.000Z";
const CELL = { kind: "roll_taken", item: 2026110600, student: 0 };
const TAKEN = { taken: true };
const NOT = { taken: false };

function snapshotOf(value: unknown): Snapshot {
  const cells = value === undefined ? [] : [value];
  return {
    section: { section_id: 1, title: "Algebra", course_title: "Algebra", class_code: null, periods: null, location: null, org_name: "Alder", time_zone: "UTC", today: "2026-11-06", school_year: 2027 },
    students: [],
    line_items: [],
    reserved_line_item_ids: [],
    cells: {
      kind: cells.map(() => CELL.kind), item: cells.map(() => CELL.item), student: cells.map(() => 0), edit_id: cells.map(() => "a"),
      cell_version: cells.map(() => 1), state: cells.map(() => "recorded"), value: cells, author_id: cells.map(() => 12), entered_at: cells.map(() => ENTERED),
    },
    conflicts: [],
    authors: {},
    records_are_away: false,
    as_of: "2026-11-06T22:00:00.000Z",
    next_save_ms: 5000,
  };
}

const learnt = (value: unknown, version: number, more: Partial<Learnt> = {}): Learnt =>
  ({ ...CELL, edit_id: `b${version}`, value, author_id: 12, entered_at: ENTERED, version, at: 1_000 * version, ...more });

const kept = (value: unknown, state: KeptEdit["state"], more: Partial<KeptEdit> = {}): KeptEdit =>
  ({ ...CELL, edit_id: `mine-${state}`, value, base: null, section: 1, entered_at: ENTERED, state, ...more });

test("what the newest of snapshot and events says, and not that there is an entry", () => {
  assert.equal(isTakenToday(snapshotOf(undefined), [], []), false);
  assert.equal(isTakenToday(snapshotOf(TAKEN), [], []), true);
  assert.equal(isTakenToday(snapshotOf(NOT), [], []), false);
  assert.equal(isTakenToday(snapshotOf(TAKEN), [learnt(NOT, 2)], []), false);
  assert.equal(isTakenToday(snapshotOf(NOT), [learnt(NOT, 3), learnt(TAKEN, 2)], []), false);
  assert.equal(isTakenToday(snapshotOf(undefined), [learnt(TAKEN, 2, { item: 2026110500 })], []), false);
});

test("one's own entry goes before what stands, taken or taken back", () => {
  assert.equal(isTakenToday(snapshotOf(undefined), [], [kept(TAKEN, "queued")]), true);
  assert.equal(isTakenToday(snapshotOf(TAKEN), [learnt(TAKEN, 2)], [kept(NOT, "queued")]), false);
  assert.equal(isTakenToday(snapshotOf(undefined), [], [kept(TAKEN, "drafted"), kept(NOT, "queued")]), false);
  assert.equal(isTakenToday(snapshotOf(undefined), [], [kept(TAKEN, "queued", { item: 2026110500 })]), false);
});

test("one's own entry that was refused, or lost against another one, says nothing", () => {
  for (const state of ["rejected", "quarantined", "conflict"] as const) {
    assert.equal(isTakenToday(snapshotOf(NOT), [], [kept(TAKEN, state)]), false, state);
    assert.equal(isTakenToday(snapshotOf(TAKEN), [], [kept(NOT, state)]), true, state);
  }
});
