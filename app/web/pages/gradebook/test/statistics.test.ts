import assert from "node:assert/strict";
import { test } from "node:test";
import { BARS, statisticsOf } from "../statistics.ts";

test("nothing has no statistics", () => {
  assert.equal(statisticsOf([], 0, 20), undefined);
});

test("mean and median of an even and an odd number of scores", () => {
  const even = statisticsOf([10, 20, 0, 18], 0, 20)!;
  assert.equal(even.mean, 12);
  assert.equal(even.median, 14);
  const odd = statisticsOf([3, 20, 9], 0, 20)!;
  assert.equal(odd.median, 9);
  assert.deepEqual([odd.lowest, odd.highest, odd.count], [3, 20, 3]);
});

test("every score falls into one bar; extra credit and negative scores into the outer ones", () => {
  const found = statisticsOf([-2, 0, 2.4, 2.5, 19.9, 20, 25], 0, 20)!;
  assert.equal(found.bars.length, BARS);
  assert.deepEqual(found.bars, [3, 1, 0, 0, 0, 0, 0, 3]);
});

test("a column without a range is one bar", () => {
  assert.deepEqual(statisticsOf([1, 2], 5, 5)!.bars.slice(0, 2), [2, 0]);
});
