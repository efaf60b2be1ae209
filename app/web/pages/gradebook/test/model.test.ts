import assert from "node:assert/strict";
import { test } from "node:test";
import { planPaste } from "../../../grid/paste.ts";
import { arrangedRows } from "../arranging.ts";
import { firstToDo } from "../arrangement.ts";
import { GradebookModel } from "../model.ts";
import { column, ENGLISH, READER, SectionInMemory, SPANISH, student } from "./section_in_memory.ts";

const score = (item: number, who: number) => ({ kind: "score", item, student: who });

function opened(): { view: SectionInMemory; model: GradebookModel } {
  const view = new SectionInMemory(
    [student(1, "Tanisha", "Baker"), student(2, "Ana", "García"), student(3, "Mateo", "Álvarez"), student(4, "Wei", "Chen", false)],
    [column(7, "Quiz 3", "20", { due_date: "2026-11-04" }), column(8, "HW 6", "10"), column(9, "Old", "5", { is_hidden: true })],
  );
  const model = new GradebookModel(view, ENGLISH, READER);
  model.arranger = arrangedRows;
  return { view, model };
}

const names = (model: GradebookModel) => Array.from({ length: model.rows() }, (_, row) => model.rowHead(row).text);

test("names are in alphabetical order, accents or not; who has left is muted", () => {
  const { model } = opened();
  assert.deepEqual(names(model), ["Álvarez, Mateo", "Baker, Tanisha", "Chen, Wei", "García, Ana"]);
  assert.deepEqual(model.rowHead(2), { text: "Chen, Wei", note: "left the section", isMuted: true });
});

test("a column's head has the maximum and the date; hidden columns are reachable", () => {
  const { model } = opened();
  assert.equal(model.columns(), 2);
  assert.equal(model.columnHead(0).detail, "of 20 · Nov 4");
  assert.equal(model.columnHead(1).detail, "of 10");
  model.arrange({ showsHidden: true });
  assert.equal(model.columnHead(2).title, "Old (hidden)");
});

test("a cell says where its value is, by its mark and in words", () => {
  const { view, model } = opened();
  view.hold(score(7, 2), { score: "17", status: ["late"] }, { place: "queued" });
  const row = model.rowOf("2");
  const cell = model.cell(row, 0);
  assert.equal(cell.text, "17");
  assert.equal(cell.mark, "queued");
  assert.deepEqual(cell.flags, [{ letter: "L", words: "Late", tone: "warn" }]);
  assert.equal(cell.says, "on this computer, not yet at the district");
  assert.equal(model.cellName(row, 0), "Ana García, Quiz 3, out of 20");
  assert.equal(model.text(row, 0), "17 la");
});

test("a comment that was not accepted marks its cell", () => {
  const { view, model } = opened();
  view.hold(score(7, 2), { score: "17" });
  view.hold({ ...score(7, 2), kind: "comment" }, { text: "Well done" }, { place: "rejected" });
  const cell = model.cell(model.rowOf("2"), 0);
  assert.deepEqual([cell.text, cell.mark, cell.hasComment], ["17", "rejected", true]);
  assert.equal(cell.says, "not accepted, your value is kept");
});

test("one step enters what can be read, and answers the rest with a sentence", () => {
  const { view, model } = opened();
  const verdicts = model.enter([
    { row: 0, column: 0, text: "12" },
    { row: 1, column: 0, text: "abc" },
    { row: 2, column: 0, text: "412" },
    { row: 3, column: 0, text: "" },
  ]);
  assert.deepEqual(
    verdicts.map(({ isTaken }) => isTaken),
    [true, false, true, true],
  );
  assert.match(verdicts[1]!.isTaken ? "" : verdicts[1]!.sentence, /abc/);
  assert.match((verdicts[2]!.isTaken && verdicts[2]!.warning) || "", /above the maximum of 20/);
  // 412 is kept as it was typed; the empty cell that stays empty is no entry.
  assert.deepEqual(
    view.entered.map(({ student: who, value }) => [who, value]),
    [
      [3, { score: "12" }],
      [4, { score: "412" }],
    ],
  );
  assert.equal(model.cell(2, 0).flags[0]!.letter, "!");
});

test("what was seen when typing began is the base, not what a colleague entered meanwhile", () => {
  const { view, model } = opened();
  view.hold(score(7, 1), { score: "15" }, { edit_id: "first" });
  const row = model.rowOf("1");
  const seen = model.seen(row, 0);
  view.hold(score(7, 1), { score: "17" }, { edit_id: "theirs", author_id: 12 });
  model.enter([{ row, column: 0, text: "16", seen }]);
  assert.equal(view.entered[0]!.base, "first");
  // Typing what they typed is an entry of one's own too, as long as theirs was not seen.
  view.hold(score(7, 1), { score: "17" }, { edit_id: "again", author_id: 12 });
  model.enter([{ row, column: 0, text: "17", seen: "first" }]);
  assert.equal(view.entered.length, 2);
  model.enter([{ row, column: 0, text: "17" }]);
  assert.equal(view.entered.length, 2);
});

test("a paste is based on what stood in its cells when its preview was made", () => {
  const { view, model } = opened();
  for (const who of [3, 1, 4]) view.hold(score(7, who), { score: "15" }, { edit_id: `first-${who}` });
  const { preview } = planPaste(model, { top: 0, left: 0, bottom: 0, right: 0 }, "1\n2\n15", (entries) => model.enter(entries));
  view.hold(score(7, 1), { score: "9" }, { edit_id: "theirs", author_id: 12 });
  view.hold(score(7, 4), { score: "8" }, { edit_id: "theirs too", author_id: 12 }); // the paste would have left this cell as it was
  assert.deepEqual(preview.confirm(), { cells: 2, hidden: 0 });
  assert.deepEqual(
    view.entered.map(({ student: who, base }) => [who, base]),
    [
      [3, "first-3"],
      [1, "first-1"],
    ],
  );
});

test("a cell that has gone while somebody typed in it is entered all the same, and no other", () => {
  const { view, model } = opened();
  model.arrange({ find: "Ana" });
  const gone = { row: -1, column: -1, key: { rowKey: "1", columnKey: "9" } };
  assert.deepEqual(model.enter([{ ...gone, text: "4", seen: null }]), [{ isTaken: true }]);
  assert.deepEqual(view.entered, [{ kind: "score", item: 9, student: 1, value: { score: "4" }, base: null }]);
  const [verdict] = model.enter([{ ...gone, text: "four" }]);
  assert.equal(verdict!.isTaken, false);
  const [nowhere] = model.enter([{ ...gone, key: { rowKey: "99", columnKey: "9" }, text: "4" }]);
  assert.deepEqual(nowhere, { isTaken: false, sentence: "This cell is not shown any more." });
  assert.equal(view.entered.length, 1);
});

test("typing moves nobody: an order by score stays until it is asked for again", () => {
  const { view, model } = opened();
  [1, 2, 3].forEach((who) => view.hold(score(7, who), { score: String(20 - who) }));
  model.arrange({ sortBy: 7 });
  const before = names(model);
  assert.deepEqual(before, ["Álvarez, Mateo", "García, Ana", "Baker, Tanisha", "Chen, Wei"]);
  model.enter([{ row: 0, column: 0, text: "20" }]);
  assert.deepEqual(names(model), before);
  view.tell(undefined);
  assert.deepEqual(names(model), before);
  model.arrange({ isDescending: true });
  assert.deepEqual(names(model), ["Álvarez, Mateo", "Baker, Tanisha", "García, Ana", "Chen, Wei"]);
  assert.equal(model.columnHead(0).sort, "descending");
});

test("finding and filtering", () => {
  const { view, model } = opened();
  model.arrange({ find: "alvarez" });
  assert.deepEqual(names(model), ["Álvarez, Mateo"]);
  model.arrange({ find: "ana g" });
  assert.deepEqual(names(model), ["García, Ana"]);
  model.arrange({ find: "10001" });
  assert.deepEqual(names(model), ["Baker, Tanisha"]);
  view.hold(score(8, 1), { status: ["missing"] });
  view.hold(score(7, 2), { score: "3" }, { place: "conflict" });
  model.arrange({ find: "", filter: "missing" });
  assert.deepEqual(names(model), ["Baker, Tanisha"]);
  model.arrange({ filter: "empty", filterItem: 7 });
  assert.deepEqual(names(model), ["Álvarez, Mateo", "Baker, Tanisha", "Chen, Wei"]);
  model.arrange({ filter: "attention" });
  assert.deepEqual(names(model), ["García, Ana"]);
});

test("changes are told by where a cell is shown now, and only if it is", () => {
  const { view, model } = opened();
  const told: unknown[] = [];
  model.onChange((cells) => told.push(cells));
  view.hold(score(7, 2), { score: "3" });
  view.hold(score(9, 2), { score: "3" });
  model.arrange({ only: 8 });
  view.hold(score(7, 2), { score: "4" });
  view.hold({ ...score(8, 3), kind: "comment" }, { text: "!" });
  assert.deepEqual(told, [[{ row: 3, column: 0 }], undefined, [{ row: 0, column: 0 }]]);
});

test("statistics count everybody who has a score, not who is exempt, and follow what is typed", () => {
  const { view, model } = opened();
  view.hold(score(7, 1), { score: "10" });
  view.hold(score(7, 2), { score: "20", status: ["late"] });
  view.hold(score(7, 3), { score: "0", status: ["exempt"] });
  view.hold(score(7, 4), { score: "412" }, { place: "rejected" });
  assert.equal(model.columnHead(0).picture, undefined);
  model.drawPictures();
  assert.equal(model.columnHead(0).picture!.label, "Quiz 3: 2 scores. Mean 15, median 15, from 10 to 20.");
  model.arrange({ find: "ana" });
  model.enter([{ row: 0, column: 0, text: "11" }]);
  assert.equal(model.statisticsOfItem(view.lineItems[0]!)!.mean, 10.5);
});

test("in Spanish", () => {
  const { view } = opened();
  const model = new GradebookModel(view, SPANISH, READER);
  assert.equal(model.cellName(3, 0), "Ana García, Quiz 3, sobre 20");
  view.hold(score(7, 2), { score: "17", status: ["missing"] });
  assert.deepEqual(model.cell(3, 0).flags, [{ letter: "F", words: "Faltante", tone: "bad" }]);
});

test("one begins with the first column that is not complete: who is missing or exempt, or has left, has no score to come", () => {
  const { view } = opened();
  const begins = (): number | undefined => firstToDo(view)?.line_item_id;
  const settled = { place: "settled" } as const;
  assert.equal(begins(), 7);
  view.hold(score(7, 1), { score: "0" }, settled);
  view.hold(score(7, 2), { status: ["exempt"] }, settled);
  view.hold(score(7, 3), { status: ["late"] }, settled);
  assert.equal(begins(), 7);
  view.hold(score(7, 3), { status: ["late", "missing"] }, settled);
  assert.equal(begins(), 8);
  view.hold(score(7, 1), { score: "99" }, { place: "rejected" });
  assert.equal(begins(), 7);
  view.hold(score(7, 1), { score: "9" }, settled);
  for (const who of [1, 2, 3]) view.hold(score(8, who), { score: "9" }, settled);
  assert.equal(begins(), 8);
});
