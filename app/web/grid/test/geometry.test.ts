import assert from "node:assert/strict";
import { test } from "node:test";
import { type Span, edgesOf, indexAt, scrollTo, slide, spanOf } from "../geometry.ts";

const edges = edgesOf([10, 20, 30, 40]);

test("edges say where columns begin, and where the last one ends", () => {
  assert.deepEqual(edges, [0, 10, 30, 60, 100]);
  assert.deepEqual(edgesOf([]), [0]);
});

test("the index at a point is the nearest one, also outside", () => {
  for (const [at, index] of [[-5, 0], [0, 0], [9.9, 0], [10, 1], [59, 2], [60, 3], [99, 3], [1000, 3]] as const) assert.equal(indexAt(edges, at), index);
  assert.equal(indexAt([0], 5), 0);
});

test("a span covers every px that is seen", () => {
  for (let scroll = 0; scroll <= 60; scroll++) {
    const { first, last } = spanOf(edges, scroll, 40, 0);
    assert.ok((edges[first] as number) <= scroll);
    assert.ok((edges[last] as number) >= scroll + 40);
  }
  assert.deepEqual(spanOf(edges, 15, 20, 1), { first: 0, last: 4 });
  assert.deepEqual(spanOf([0], 0, 100, 4), { first: 0, last: 0 });
});

test("scrolling goes no further than it must", () => {
  assert.equal(scrollTo(50, 100, 60, 90), 50);
  assert.equal(scrollTo(50, 100, 40, 70), 40);
  assert.equal(scrollTo(50, 100, 140, 170), 70);
  assert.equal(scrollTo(50, 100, 60, 400), 60);
});

test("sliding makes nothing anew that it can move, and keeps the order", () => {
  let made = 0;
  let seed = 1;
  const chance = (below: number) => (seed = (seed * 48271) % 2147483647) % below;
  const items: { index: number }[] = [];
  const placed: { index: number }[] = [];
  let at: Span = { first: 0, last: 0 };
  for (let round = 0; round < 500; round++) {
    const first = chance(50);
    const to = { first, last: first + chance(12) };
    const before = items.length;
    const count = made;
    slide(items, at.first, to, {
      make: () => (made++, { index: -1 }),
      fill: (item, index) => (item.index = index),
      place: (item, next) => {
        if (placed.includes(item)) placed.splice(placed.indexOf(item), 1);
        placed.splice(next ? placed.indexOf(next) : placed.length, 0, item);
      },
      drop: (item) => placed.splice(placed.indexOf(item), 1),
    });
    at = to;
    const wanted = Array.from({ length: to.last - to.first }, (_, i) => to.first + i);
    assert.deepEqual(items.map((item) => item.index), wanted);
    assert.deepEqual(placed, items);
    assert.equal(made - count, Math.max(0, items.length - before));
  }
});
