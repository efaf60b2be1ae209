import "fake-indexeddb/auto";
import assert from "node:assert/strict";
import { test } from "node:test";
import { Snapshots, forgetSnapshots } from "../snapshots.ts";
import { keepList, readList } from "../section_list.ts";
import type { Learnt } from "../types.ts";

const snapshot = (section: number, text = "{}") => ({ section, etag: '"1"', text });
const learnt = (student: number): Learnt => ({
  kind: "score", item: 7, student, edit_id: `e${student}`, value: { score: "1" }, author_id: 4, entered_at: "2026-11-06T22:00:00Z", version: 1, at: 0,
});
const LIST = { sections: [], as_of: "2026-11-06T22:00:00Z", records_are_away: false };

test("a section is read as it was kept, with what was learnt since and not forgotten", async () => {
  const kept = new Snapshots(1);
  await kept.write(3, { kept: snapshot(3), learnt: [learnt(1), learnt(2)] });
  await kept.write(4, { kept: snapshot(4), learnt: [learnt(9)] });
  await kept.write(3, { learnt: [learnt(5)], forgotten: ["score/7/1"] });
  assert.deepEqual(await new Snapshots(1).read(3), { kept: snapshot(3), learnt: [learnt(2), learnt(5)] });
  assert.deepEqual(await new Snapshots(2).read(3), { kept: undefined, learnt: [] });
  assert.equal(await readList(kept), undefined);
  await keepList(kept, LIST);
  assert.deepEqual(await readList(kept), LIST);
});

test("a page that is kept for going back lets go of the disk, and goes on when it is shown again", async () => {
  const page = new EventTarget();
  const say = (name: string) => page.dispatchEvent(Object.assign(new Event(name), { persisted: true }));
  Object.assign(globalThis, { addEventListener: page.addEventListener.bind(page) });
  const kept = new Snapshots(8);
  await kept.write(3, { kept: snapshot(3) });
  const { transaction } = IDBDatabase.prototype;
  const begun = new Promise<void>((resolve) => {
    IDBDatabase.prototype.transaction = function (...given) {
      resolve();
      return transaction.apply(this, given);
    };
  });
  const late = kept.write(4, { kept: snapshot(4) });
  await begun;
  IDBDatabase.prototype.transaction = transaction;
  say("pagehide");
  Object.assign(globalThis, { addEventListener: undefined });
  const other = new Snapshots(8);
  await other.write(5, { kept: snapshot(5) });
  assert.deepEqual([(await other.read(3)).kept, (await other.read(4)).kept], [snapshot(3), undefined]);
  say("pageshow");
  await late;
  assert.deepEqual((await other.read(4)).kept, snapshot(4));
});

test("on a full disk the other snapshots go, and what was learnt stays", async () => {
  const kept = new Snapshots(5);
  await kept.write(3, { kept: snapshot(3), learnt: [learnt(1)] });
  const { put } = IDBObjectStore.prototype;
  let refusals = 1;
  IDBObjectStore.prototype.put = function (...given) {
    if (this.name === "snapshots" && refusals-- > 0) throw new DOMException("full", "QuotaExceededError");
    return put.apply(this, given);
  };
  try {
    await kept.write(4, { kept: snapshot(4) });
  } finally {
    IDBObjectStore.prototype.put = put;
  }
  assert.deepEqual((await kept.read(4)).kept, snapshot(4));
  assert.deepEqual(await kept.read(3), { kept: undefined, learnt: [learnt(1)] });
  await kept.makeRoom();
  assert.equal((await kept.read(4)).kept, undefined);
});

test("a connection that has gone is opened anew; one that another tab takes away for good is not", async () => {
  const kept = new Snapshots(6);
  await kept.write(3, { kept: snapshot(3) });
  const { transaction } = IDBDatabase.prototype;
  let failures = 1;
  IDBDatabase.prototype.transaction = function (...given) {
    if (failures-- > 0) throw new DOMException("gone", "InvalidStateError");
    return transaction.apply(this, given);
  };
  try {
    assert.deepEqual((await kept.read(3)).kept, snapshot(3));
  } finally {
    IDBDatabase.prototype.transaction = transaction;
  }
  await forgetSnapshots(6);
  assert.deepEqual(await kept.read(3), { kept: undefined, learnt: [] });
  await kept.write(3, { kept: snapshot(3) });
  assert.deepEqual(await new Snapshots(6).read(3), { kept: undefined, learnt: [] });
});
