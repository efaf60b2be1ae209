import assert from "node:assert/strict";
import { test } from "node:test";
import type { CellName } from "@inkfast/outbox";
import { csvField, csvOf, fileNameOf } from "../csv.ts";
import { type LineItem, type GradebookView, type ShownCell, type Student, keyOf } from "../../../section/types.ts";

test("a field that a spreadsheet would run is text, and a negative number stays one", () => {
  assert.equal(csvField("=HYPERLINK(1)"), "'=HYPERLINK(1)");
  assert.equal(csvField("@cmd"), "'@cmd");
  assert.equal(csvField("+1 for effort"), "'+1 for effort");
  assert.equal(csvField("-5"), "-5");
  assert.equal(csvField("-5,5"), '"-5,5"');
  assert.equal(csvField("-late"), "'-late");
  assert.equal(csvField('he said "no"\nand left'), '"he said ""no""\nand left"');
  assert.equal(csvField("=1,2"), `"'=1,2"`);
});

test("a title makes the name of a file on every system", () => {
  assert.equal(fileNameOf('Algebra 1: "A/B"?'), "Algebra 1 A B");
  assert.equal(fileNameOf("///"), "gradebook");
});

test("the gradebook is a table with a mark for Unicode, students who left only with entries, and comments behind", () => {
  const student = (student_id: number, family_name: string, is_active: boolean): Student => ({ student_id, given_name: "Ana", family_name, identifier: `1${student_id}`, grades: null, is_active });
  const column = { line_item_id: 7, title: "=Quiz", result_value_max: "20", is_hidden: false } as LineItem;
  const cell = (value: unknown): ShownCell => ({ value, place: "queued", edit_id: value === null ? null : "e", author_id: null, author_name: null, entered_at: null });
  const view = {
    facts: { title: "Algebra", today: "2026-11-06" },
    students: [student(1, "García", true), student(2, "Gone", false), student(3, "Left", false), student(4, "", true)],
    lineItems: [column, { ...column, line_item_id: 8, title: "Hidden", is_hidden: true }],
    cell: (name: CellName) =>
      cell({ "score/7/1": { score: "17.5" }, "score/7/3": { score: "2" }, "comment/7/1": { text: "=good" } }[keyOf(name)] ?? null),
  } as unknown as GradebookView;
  const places: unknown[] = [];
  const text = csvOf(view, {
    student: "Student", identifier: "Id", comment: "comment", outOf: (max) => `out of ${max}`, cell: (value, place) => (places.push(place), (value as { score: string }).score),
  });
  assert.deepEqual(places, ["queued", "queued"]);
  assert.equal(text, "\ufeffStudent,Id,'=Quiz (out of 20),'=Quiz: comment\r\n\"García, Ana\",11,17.5,'=good\r\n\"Left, Ana\",13,2,\r\nAna,14,,\r\n");
});
