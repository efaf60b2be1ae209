import assert from "node:assert/strict";
import { test } from "node:test";
import type { KeptEdit } from "@inkfast/outbox";
import { linesOf, stateKey, type Told } from "../history.ts";

const at = "2026-11-22T22:40:00Z";
const told = (edit_id: string, state: string, more: Partial<Told> = {}): Told => ({ edit_id, state, value: { score: "1" }, author_id: 12, entered_at: at, ...more });
const kept = (edit_id: string, state: KeptEdit["state"]): KeptEdit => ({ kind: "score", item: 7, student: 2, edit_id, section: 1, value: { score: "2" }, base: null, entered_at: at, state });

test("what only this computer has comes first, newest at the top; each edit once", () => {
  const lines = linesOf([told("c", "drafted"), told("b", "conflict", { is_open: true }), told("a", "recorded")], [kept("c", "drafted"), kept("d", "sending"), kept("e", "queued")], 4);
  assert.deepEqual(
    lines.map(({ edit_id, isHere, stands }) => [edit_id, isHere, stands]),
    [
      ["e", true, false],
      ["d", true, false],
      ["c", false, true],
      ["b", false, false],
      ["a", false, false],
    ],
  );
});

test("an open conflict is not told like a settled one", () => {
  assert.equal(stateKey(told("b", "conflict", { is_open: true })), "conflict_open");
  assert.equal(stateKey(told("b", "conflict", { is_open: false })), "conflict");
  assert.equal(stateKey(told("b", "quarantined")), "quarantined");
});
