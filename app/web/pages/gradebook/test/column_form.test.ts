import assert from "node:assert/strict";
import { test } from "node:test";
import { definitionFrom, faultsOf, moved, nextPosition, typedColumn } from "../column_form.ts";
import { column } from "./section_in_memory.ts";

const TYPED = { ...typedColumn(null), title: " Quiz 4 ", max: "20" };

test("what the server would refuse is said before", () => {
  assert.deepEqual(faultsOf(TYPED), {});
  assert.deepEqual(faultsOf({ ...TYPED, title: "  " }), { title: "column.no_title" });
  assert.deepEqual(faultsOf({ ...TYPED, title: "x".repeat(201) }), { title: "column.title_long" });
  assert.deepEqual(faultsOf({ ...TYPED, title: "😀".repeat(200) }), {});
  assert.deepEqual(faultsOf({ ...TYPED, max: "" }), { max: "column.not_a_number" });
  assert.deepEqual(faultsOf({ ...TYPED, max: "1234567" }), { max: "column.not_a_number" });
  assert.deepEqual(faultsOf({ ...TYPED, max: "5", min: "5" }), { max: "column.range_empty" });
  assert.deepEqual(faultsOf({ ...TYPED, min: "x" }), { min: "column.not_a_number" });
  assert.deepEqual(faultsOf({ ...TYPED, max: "1,000", min: "-0,500 " }), { max: "entry.score_comma_is_ambiguous", min: "entry.score_comma_is_ambiguous" });
  assert.deepEqual(faultsOf({ ...TYPED, max: "1,000,000" }), { max: "entry.score_comma_is_ambiguous" });
  assert.deepEqual(faultsOf({ ...TYPED, max: "12,5", min: "1.000" }), {});
  assert.deepEqual(faultsOf({ ...TYPED, description: "x".repeat(2_001) }), { description: "column.description_long" });
});

test("a definition is what was typed, without what was left empty", () => {
  assert.deepEqual(definitionFrom({ ...TYPED, max: "07,5", due: "2026-11-06" }, 3), {
    title: "Quiz 4",
    result_value_max: "7.5",
    result_value_min: "0",
    is_extra_credit: false,
    is_hidden: false,
    position: 3,
    due_date: "2026-11-06",
  });
});

test("a form that is left as it was defines the column as it was", () => {
  const item = column(7, "Quiz", "20", { category_id: 2, description: "d", assign_date: "2026-10-01", is_extra_credit: true, position: 4 });
  const value = definitionFrom(typedColumn(item), item.position);
  assert.deepEqual([value.category_id, value.description, value.assign_date, value.is_extra_credit, value.position], [2, "d", "2026-10-01", true, 4]);
});

test("moving changes two neighbours", () => {
  const items = [column(7, "A", "1", { position: 2 }), column(8, "B", "1", { position: 5 }), column(9, "C", "1", { position: 9 })];
  const places = (id: number, by: 1 | -1) => moved(items, id, by).map(({ item, value }) => [item, value.position]);
  assert.deepEqual(places(8, -1), [[8, 2], [7, 5]]);
  assert.deepEqual(places(8, 1), [[9, 5], [8, 9]]);
  assert.deepEqual(places(7, -1), []);
  assert.deepEqual(places(9, 1), []);
});

test("where columns share a place, moving counts all anew", () => {
  const items = [column(7, "A", "1", { position: 0 }), column(8, "B", "1", { position: 0 }), column(9, "C", "1", { position: 0 })];
  assert.deepEqual(
    moved(items, 9, -1).map(({ item, value }) => [item, value.position]),
    [[7, 1], [9, 2], [8, 3]],
  );
  assert.equal(nextPosition(items), 1);
  assert.equal(nextPosition([column(1, "A", "1", { position: 10_000 })]), 10_000);
});
