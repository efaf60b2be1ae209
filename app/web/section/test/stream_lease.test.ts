import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { StreamLease } from "../stream_lease.ts";

beforeEach(() => {
  const kept = new Map<string, string>();
  Object.assign(globalThis, {
    localStorage: {
      getItem: (name: string) => kept.get(name) ?? null,
      setItem: (name: string, value: string) => kept.set(name, value),
      removeItem: (name: string) => kept.delete(name),
    },
  });
});

test("one tab has it, and another one takes it when the first has not renewed it", async () => {
  const [one, two] = [new StreamLease("stream", "one"), new StreamLease("stream", "two")];
  assert.equal(await one.hold(false, 0), true);
  assert.equal(await two.hold(false, 4_000), false);
  assert.equal(await one.hold(false, 8_000), true);
  assert.equal(await two.hold(false, 19_000), false);
  assert.equal(await two.hold(false, 21_000), true);
  assert.equal(await one.hold(false, 22_000), false);
});

test("it is handed over at once by a tab that goes, and kept by one that does not have it", async () => {
  const [one, two] = [new StreamLease("stream", "one"), new StreamLease("stream", "two")];
  await one.hold(false, 0);
  two.release();
  assert.equal(await two.hold(false, 1_000), false);
  one.release();
  assert.equal(await two.hold(false, 1_000), true);
});

test("a tab in the background waits for one that is looked at, and goes on if there is none", async () => {
  const [one, two, three] = ["one", "two", "three"].map((name) => new StreamLease("stream", name)) as [StreamLease, StreamLease, StreamLease];
  await one.hold(false, 0);
  assert.equal(await two.hold(true, 30_000), false);
  assert.equal(await three.hold(false, 30_000), true);
  assert.equal(await two.hold(true, 42_000 + 75_001), true);
});

test("a clock that was put back does not leave it to nobody", async () => {
  await new StreamLease("stream", "one").hold(false, 10_000_000);
  assert.equal(await new StreamLease("stream", "two").hold(false, 0), true);
});
