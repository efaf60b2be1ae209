import assert from "node:assert/strict";
import { test } from "node:test";
import type { Head, KeptEdit } from "@inkfast/outbox";
import { concernsAt, concernsOf } from "../concerns.ts";
import { dayOf, reasonOf, sidesOf, whereOf } from "../told.ts";
import { column, ENGLISH, SectionInMemory, SPANISH, student } from "./section_in_memory.ts";

const CELL = { kind: "score", item: 7, student: 2 };
const NOW = Date.parse("2026-11-22T22:50:00Z");

function kept(edit_id: string, more: Partial<KeptEdit>): KeptEdit {
  return { ...CELL, edit_id, section: 1, value: { score: "15" }, base: null, entered_at: "2026-11-22T22:40:00Z", state: "queued", ...more };
}
const RUIZ: Head = { edit_id: "h", value: { score: "17" }, author_id: 12, author_name: "Ms. Ruiz", entered_at: "2026-11-22T22:38:00Z" };

function section(): SectionInMemory {
  return new SectionInMemory([student(2, "Ana", "García")], [column(7, "Quiz 3", "20")]);
}

test("conflicts come first; what was refused is there with its value; what goes well is not", () => {
  const view = section();
  const mine = kept("a", { state: "conflict", head: RUIZ });
  view.conflicts = () => [
    { cell: CELL, mine, head: RUIZ, isOwn: true },
    { cell: CELL, mine: { ...RUIZ, edit_id: "b", author_id: 4 }, head: RUIZ, isOwn: true },
    { cell: CELL, mine: { ...RUIZ, edit_id: "c" }, head: null, isOwn: false },
  ];
  const edits = [mine, kept("d", { state: "rejected", code: "score_out_of_range", params: { min: "0", max: "20" } }), kept("e", { state: "drafted" }), kept("f", { state: "quarantined", kind: "comment" })];
  const concerns = concernsOf(view, { kept: () => edits });
  assert.deepEqual(
    concerns.map(({ edit_id, is, typedBy }) => [edit_id, is, typedBy]),
    [
      ["a", "conflict", "here"],
      ["b", "conflict", "elsewhere"],
      ["c", "conflict", "somebody"],
      ["d", "rejected", "here"],
      ["f", "quarantined", "here"],
    ],
  );
  assert.equal(concernsAt(concerns, 7, 2).length, 5);
  assert.equal(concernsAt(concerns, 8, 2).length, 0);
});

test("both values are told with names and times", () => {
  const words = ENGLISH.inZone("America/Los_Angeles");
  const view = section();
  const concern = concernsOf({ id: 1, conflicts: () => [{ cell: CELL, mine: kept("a", { state: "conflict" }), head: RUIZ, isOwn: true }] }, { kept: () => [] })[0]!;
  assert.deepEqual(sidesOf(concern, { words, view }, NOW), ["Ms. Ruiz entered 17 at 2:38\u00a0pm.", "You entered 15 at 2:40\u00a0pm."]);
  assert.equal(sidesOf({ ...concern, head: null }, { words, view }, NOW)[0], "Somebody else has changed this cell; what stands there is not known here yet.");
  const somebody = sidesOf({ ...concern, typedBy: "somebody", author: "Mr. Chen" }, { words, view }, NOW);
  assert.equal(somebody[1], "Mr. Chen entered 15 at 2:40\u00a0pm.");
  assert.equal(sidesOf(concern, { words: SPANISH.inZone("America/Los_Angeles"), view }, NOW)[0], "Ms. Ruiz anotó 17 a las 2:38\u00a0p.m.");
});

test("every code of the protocol has a sentence in both languages", () => {
  const codes = ["score_out_of_range", "unknown_student", "unknown_line_item", "unknown_day", "line_item_range_empty", "value_malformed"];
  const more = ["value_too_large", "enrollment_ended", "refused_by_database", "unknown_section", "quarantined", "rejected"];
  for (const words of [ENGLISH, SPANISH]) {
    for (const code of [...codes, ...more]) assert.ok(words.has(`code.${code}`), code);
  }
  assert.equal(reasonOf({ code: "score_out_of_range", params: { min: "0", max: "20" } }, ENGLISH), "The score has to be from 0 to 20.");
  assert.equal(reasonOf({ code: "quarantined", params: { reason: "enrollment_ended" } }, ENGLISH), "You no longer taught this section when it was entered.");
  assert.equal(reasonOf({ code: "of_next_year" }, ENGLISH), "It was not accepted. (of_next_year)");
  assert.equal(reasonOf({}, ENGLISH), "It was not accepted.");
});

test("where it is, in words", () => {
  const view = section();
  assert.equal(whereOf(CELL, view, ENGLISH), "Ana García · Quiz 3");
  assert.equal(whereOf({ kind: "line_item", item: 7, student: 0 }, view, ENGLISH), "Column Quiz 3");
  assert.equal(whereOf({ ...CELL, student: 3 }, view, ENGLISH), "a column or student that is no longer here");
  assert.equal(whereOf({ kind: "comment", item: 0, student: 2 }, view, ENGLISH), "Ana García");
  assert.equal(dayOf(2026110600), "2026-11-06");
});
