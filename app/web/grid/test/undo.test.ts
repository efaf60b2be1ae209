import assert from "node:assert/strict";
import { test } from "node:test";
import type { GridEntry, GridModel } from "../model.ts";
import { type OtherStep, UndoStack } from "../undo.ts";

/** One column of texts; `x` is refused, and a text with a star is read without it. */
function modelOf(texts: string[]) {
  const state = { texts, edits: texts.map(() => 0), order: texts.map((_, row) => row), calls: 0, edit: 0 };
  const text = (row: number) => state.texts[state.order[row] as number] as string;
  const model = {
    rowKey: (row: number) => String(state.order[row]),
    columnKey: () => "c",
    rowOf: (key: string) => state.order.indexOf(Number(key)),
    columnOf: () => 0,
    text,
    seen: (row: number) => state.edits[state.order[row] as number],
    enter(entries: readonly GridEntry[]) {
      state.calls++;
      return entries.map((entry) => {
        if (entry.text === "x") return { isTaken: false, sentence: "no" } as const;
        const row = state.order[entry.row] as number;
        state.texts[row] = entry.text.replace("*", "");
        state.edits[row] = ++state.edit;
        return { isTaken: true } as const;
      });
    },
  };
  return { state, model: model as unknown as GridModel };
}
const entry = (row: number, text: string) => ({ row, column: 0, text });

test("a step is taken back whole, by new entries, and done again", () => {
  const { state, model } = modelOf(["1", "2", "3"]);
  const stack = new UndoStack(model);
  stack.enter([entry(0, "7"), entry(2, "9*")]);
  assert.deepEqual(state.texts, ["7", "2", "9"]);
  assert.deepEqual(stack.turn("undo"), { cells: 2, left: 0, hidden: 0, first: { rowKey: "0", columnKey: "c", before: "7", after: "1" } });
  assert.deepEqual(state.texts, ["1", "2", "3"]);
  assert.equal(stack.turn("redo")?.cells, 2);
  assert.deepEqual(state.texts, ["7", "2", "9"]);
  assert.equal(stack.turn("undo")?.cells, 2);
  assert.equal(stack.turn("undo"), undefined);
});

test("what somebody else has changed since is left alone and counted", () => {
  const { state, model } = modelOf(["1", "2"]);
  const stack = new UndoStack(model);
  stack.enter([entry(0, "7"), entry(1, "8")]);
  state.texts[1] = "99";
  const done = stack.turn("undo");
  assert.equal(done?.cells, 1);
  assert.equal(done?.left, 1);
  assert.deepEqual(state.texts, ["1", "99"]);
});

test("an equal text of somebody else's is left alone too", () => {
  const { state, model } = modelOf(["3", "3"]);
  const stack = new UndoStack(model);
  stack.enter([entry(0, "5"), entry(1, "5")]);
  state.edits[0] = 77;
  const done = stack.turn("undo");
  assert.deepEqual([done?.cells, done?.left], [1, 1]);
  assert.deepEqual(state.texts, ["5", "3"]);
});

test("a student is found again after a sort, and is left alone while not shown", () => {
  const { state, model } = modelOf(["1", "2", "3"]);
  const stack = new UndoStack(model);
  stack.enter([entry(0, "7"), entry(1, "8")]);
  state.order = [2, 0];
  const done = stack.turn("undo");
  assert.deepEqual([done?.cells, done?.left, done?.hidden], [1, 0, 1]);
  assert.deepEqual(state.texts, ["1", "8", "3"]);
  assert.deepEqual(stack.turn("undo"), { cells: 0, left: 0, hidden: 1, first: undefined });
  state.order = [0, 1, 2];
  assert.equal(stack.turn("undo")?.cells, 1);
  assert.deepEqual(state.texts, ["1", "2", "3"]);
  assert.equal(stack.turn("redo")?.cells, 1);
  assert.equal(stack.turn("redo")?.cells, 1);
  assert.deepEqual(state.texts, ["7", "8", "3"]);
});

test("refused entries are no step", () => {
  const { model } = modelOf(["1"]);
  const stack = new UndoStack(model);
  stack.enter([entry(0, "x")]);
  assert.equal(stack.has("undo"), false);
});

test("entries of one stay in a cell are one step; back at the start there is none", () => {
  const { state, model } = modelOf(["1"]);
  const stack = new UndoStack(model);
  stack.enter([entry(0, "17")]);
  stack.enter([entry(0, "175")], true);
  stack.turn("undo");
  assert.deepEqual(state.texts, ["1"]);
  stack.enter([entry(0, "2")]);
  stack.enter([entry(0, "1")], true);
  assert.equal(stack.has("undo"), false);
});

test("an entry joins no step but the last one of its own cell", () => {
  const { state, model } = modelOf(["1", "2", "3"]);
  const stack = new UndoStack(model);
  stack.enter([entry(0, "9")]);
  stack.enter([entry(1, "9"), entry(2, "9")]); // filled down
  stack.enter([entry(0, "94")], true);
  stack.turn("undo");
  assert.deepEqual(state.texts, ["9", "9", "9"]);
  stack.turn("undo");
  assert.deepEqual(state.texts, ["9", "2", "3"]);
  stack.enter([entry(1, "5")]);
  stack.enter([entry(0, "94")], true);
  stack.turn("undo");
  assert.deepEqual(state.texts, ["9", "5", "3"]);
  state.texts[0] = "77"; // somebody else's
  stack.turn("undo");
  stack.enter([entry(0, "5")], true);
  stack.turn("undo");
  assert.deepEqual(state.texts, ["77", "2", "3"]);
});

test("a new entry forgets what could be done again", () => {
  const { model } = modelOf(["1"]);
  const stack = new UndoStack(model);
  stack.enter([entry(0, "2")]);
  stack.turn("undo");
  stack.enter([entry(0, "3")]);
  assert.equal(stack.turn("redo"), undefined);
});

test("at most two hundred steps are kept", () => {
  const { state, model } = modelOf(["0"]);
  const stack = new UndoStack(model);
  for (let i = 1; i <= 250; i++) stack.enter([entry(0, String(i))]);
  while (stack.turn("undo")) assert.ok(state.calls < 600);
  assert.deepEqual(state.texts, ["50"]);
});

test("what was done beside the cells is taken back in its turn, and done again; or left alone where somebody else has changed it", () => {
  const { state, model } = modelOf(["1"]);
  const stack = new UndoStack(model);
  let comment = "new";
  const step = (before: string, after: string): OtherStep => ({
    turn() {
      if (comment !== after) return null;
      comment = before;
      return step(after, before);
    },
  });
  stack.enter([entry(0, "7")]);
  stack.add(step("old", "new"));
  stack.enter([entry(0, "78")], true); // on in the same cell: a step of its own now
  assert.equal(stack.turn("undo")?.cells, 1);
  assert.deepEqual([state.texts[0], comment], ["7", "new"]);
  assert.deepEqual(stack.turn("undo"), { cells: 1, left: 0, hidden: 0 });
  assert.deepEqual([state.texts[0], comment], ["7", "old"]);
  assert.equal(stack.turn("redo")?.cells, 1);
  assert.equal(comment, "new");
  comment = "theirs";
  assert.deepEqual(stack.turn("undo"), { cells: 0, left: 1, hidden: 0 });
  assert.equal(comment, "theirs");
  assert.equal(stack.turn("undo")?.cells, 1);
  assert.equal(state.texts[0], "1");
});
