/** Each promise of the outbox beyond the rules of the protocol, by name: conflicts, tabs, the disk, rescue. Leaving has a file of its own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { uuid7 } from "../src/ids.ts";
import { shortForm } from "../src/receipt.ts";
import { rescue, restore } from "../src/rescue.ts";
import { lastSent, opened, score, scoreOf, scores, server, type, typeInVain, world } from "./stage.ts";

test("conflict: keep mine and take theirs are edits on the head that was shown", async () => {
  const tab = await opened();
  server.colleague(1, score(1, ""), { score: "7" });
  server.colleague(1, score(2, ""), { score: "8" });
  const [first, second] = await type(tab, score(1, "1"), score(2, "2"));
  await world.pass(5_100);
  assert.equal(tab.outbox.status().conflicts, 2);
  const head = tab.outbox.newest(1, first!)!.head!;
  assert.equal(scoreOf(head), "7");
  void tab.outbox.settle(first!.edit_id, "mine");
  void tab.outbox.settle(second!.edit_id, "theirs");
  await world.settle();
  assert.equal(tab.outbox.status().conflicts, 0);
  await world.pass(6_000);
  assert.deepEqual(lastSent().map((edit) => [scoreOf(edit), edit.resolves]), [["1", [first!.edit_id]], ["8", [second!.edit_id]]]);
  assert.equal(lastSent()[0]!.base, head.edit_id);
  server.flush();
  await world.pass(6_000);
  assert.equal(tab.outbox.kept(1).length, 0);
});

test("conflict: typing on before choosing replaces one's own", async () => {
  const tab = await opened();
  server.colleague(1, score(1, ""), { score: "7" });
  const [first] = await type(tab, score(1, "1"));
  await world.pass(5_100);
  const [second] = await type(tab, score(1, "2"));
  assert.equal(second!.base, first!.edit_id);
  assert.deepEqual(scores(tab.outbox.kept(1)), ["2"]);
  await assert.rejects(tab.outbox.settle(first!.edit_id, "mine"));
});

test("conflict: where the cell has changed again, the newer choice also decides the first one", async () => {
  const tab = await opened();
  server.colleague(1, score(1, ""), { score: "7" });
  const [first] = await type(tab, score(1, "1"));
  await world.pass(5_100);
  server.colleague(1, score(1, ""), { score: "8" });
  void tab.outbox.settle(first!.edit_id, "mine");
  await world.pass(6_000);
  const again = tab.outbox.newest(1, first!)!;
  assert.equal(again.state, "conflict");
  void tab.outbox.settle(again.edit_id, "mine");
  await world.pass(6_000);
  assert.deepEqual(lastSent()[lastSent().length - 1]!.resolves, [again.edit_id, first!.edit_id]);
});

test("conflict: of two in one cell the one that is decided goes, and the other one stays", async () => {
  const tab = await opened();
  server.colleague(1, score(1, ""), { score: "7" });
  server.mode = "cut";
  const [first] = await type(tab, score(1, "1"));
  await world.pass(5_100);
  const [second] = await type(tab, score(1, "2"));
  server.mode = "ok";
  await world.pass(9_000);
  assert.deepEqual(tab.outbox.kept(1).map(({ edit_id, state }) => [edit_id, state]), [[first!.edit_id, "conflict"], [second!.edit_id, "conflict"]]);
  void tab.outbox.settle(first!.edit_id, "mine");
  await world.settle();
  assert.deepEqual(tab.outbox.kept(1).map(({ edit_id }) => edit_id).slice(0, -1), [second!.edit_id]);
  void tab.outbox.settle(second!.edit_id, "mine");
  await world.settle();
  assert.deepEqual(scores(tab.outbox.kept(1)), ["2"]);
});

test("conflict: what is typed over a decision that was not sent decides instead of it", async () => {
  const tab = await opened();
  server.colleague(1, score(1, ""), { score: "7" });
  const [first] = await type(tab, score(1, "1"));
  await world.pass(5_100);
  const { edit_id } = tab.outbox.newest(1, first!)!.head!;
  void tab.outbox.settle(first!.edit_id, "theirs");
  await type(tab, score(1, "3"));
  await world.pass(6_000);
  assert.deepEqual(lastSent().map((edit) => [scoreOf(edit), edit.base, edit.resolves]), [["3", edit_id, [first!.edit_id]]]);
});

test("rejected: the value stays until it is dismissed, over closing and opening, and in all tabs", async () => {
  server.isBad = () => true;
  const tab = await opened();
  const [edit] = await type(tab, score(1, "99"));
  await world.pass(5_100);
  server.flush();
  await world.pass(5_100);
  tab.kill();
  const [one, two] = [await opened(), await opened()];
  assert.deepEqual([one.outbox.status().rejected, scoreOf(two.outbox.newest(1, edit!)!)], [1, "99"]);
  void one.outbox.dismiss(edit!.edit_id);
  await world.settle();
  assert.deepEqual([one.outbox.kept(1).length, two.outbox.kept(1).length], [0, 0]);
});

test("tabs: one tab's edits are seen and sent by the other", async () => {
  const [one, two] = [await opened(), await opened()];
  await type(one, score(1, "1"));
  assert.deepEqual(scores(two.outbox.kept(1)), ["1"]);
  one.kill();
  await world.pass(7_000);
  assert.deepEqual(scores(lastSent()), ["1"]);
  assert.equal(two.outbox.status().drafted, 1);
});

test("tabs: what was typed earlier, and reaches the disk later, takes nothing away", async () => {
  const [one, two] = [await opened(), await opened()];
  one.flushMs = 2_000;
  void one.outbox.put(1, [score(9, "1")]);
  await world.settle();
  void one.outbox.put(1, [score(1, "2")]);
  await world.pass(1_000);
  await type(two, score(1, "3"));
  await world.pass(9_000);
  const sent = server.requests.flatMap(({ body }) => scores(body.edits));
  assert.ok(["1", "2", "3"].every((value) => sent.includes(value)), sent.join());
});

test("tabs: a frozen holder of the lock is waited for half a minute, and no longer", async () => {
  const one = await opened();
  server.modes = ["hang"];
  await type(one, score(1, "1"));
  await world.pass(5_100);
  const two = await opened();
  one.kill({ keepsLocks: true }); // a frozen tab: nothing moves, and the lock is held
  await world.pass(20_000);
  assert.equal(server.requests.length, 1);
  await world.pass(20_000);
  assert.equal(two.outbox.status().drafted, 1);
});

test("tabs: without locks and channels all works, and a look at the disk tells of the others", async () => {
  Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true, writable: true });
  Object.defineProperty(globalThis, "BroadcastChannel", { value: undefined, configurable: true, writable: true });
  const [one, two] = [await opened(), await opened()];
  await type(one, score(1, "1"));
  world.look("visible");
  await world.settle();
  assert.deepEqual(scores(two.outbox.kept(1)), ["1"]);
  await world.pass(7_000);
  assert.equal(one.outbox.status().drafted, 1);
});

test("disk: a killed connection is opened again", async () => {
  const tab = await opened();
  await type(tab, score(1, "1"));
  tab.terminate();
  await type(tab, score(2, "2"));
  assert.deepEqual([tab.outbox.status().queued, tab.outbox.status().storage], [2, "best-effort"]);
  tab.kill();
  const again = await opened();
  assert.deepEqual(scores(again.outbox.kept(1)), ["1", "2"]);
});

test("disk: after two retries memory, said plainly, and the disk again when it is back", async () => {
  const tab = await opened();
  await type(tab, score(1, "1"));
  tab.diskFaults = 3;
  await type(tab, score(2, "2"));
  assert.equal(tab.outbox.status().storage, "memory");
  await world.pass(31_000);
  await type(tab, score(3, "3"));
  assert.equal(tab.outbox.status().storage, "best-effort");
  await world.pass(6_000);
  assert.equal(tab.outbox.status().drafted, 3);
});

test("disk: a page makes the browser begin a new log before it keeps anything, once", async () => {
  const tab = await opened();
  await type(tab, score(1, "1"));
  tab.terminate();
  await type(tab, score(2, "2"));
  assert.deepEqual(tab.asked, ["open inkfast-7-log", "delete inkfast-7-log", "open inkfast-7", "open inkfast-7"]);
});

test("disk: one that is slow to open is taken into use as soon as it is open, and has what was in memory at once", async () => {
  server.mode = "lost";
  const tab = world.open(server.fetch);
  tab.openMs = 12_000;
  tab.terminate();
  await world.settle();
  const kept = tab.outbox.put(1, [score(1, "1")]);
  await world.pass(9_000);
  assert.equal(tab.outbox.status().storing, 1);
  await world.pass(1_500);
  await kept;
  assert.equal(tab.outbox.status().storage, "memory");
  await world.pass(2_000);
  assert.equal(tab.outbox.status().storage, "best-effort");
  tab.kill();
  const again = await opened();
  assert.deepEqual(scores(again.outbox.kept(1)), ["1"]);
});

test("disk: one that is slow to write has everything as soon as it has written", async () => {
  server.mode = "lost";
  const tab = await opened();
  await type(tab, score(1, "1"));
  tab.flushMs = 12_000;
  const kept = tab.outbox.put(1, [score(1, "2")]);
  await world.settle();
  tab.flushMs = 0;
  await world.pass(10_500);
  await kept;
  await type(tab, score(1, "3"));
  assert.equal(tab.outbox.status().storage, "memory");
  await world.pass(2_000);
  assert.equal(tab.outbox.status().storage, "best-effort");
  tab.kill();
  server.mode = "ok";
  const again = await opened();
  await world.pass(7_000);
  assert.equal(again.outbox.status().conflicts, 0);
  assert.equal(scores(lastSent()).pop(), "3");
});

test("disk: one that does not answer is given up after ten seconds", async () => {
  const tab = world.open(server.fetch);
  tab.isDiskGone = true;
  tab.terminate();
  await world.settle();
  const kept = tab.outbox.put(1, [score(1, "1")]);
  await world.pass(21_000);
  await kept;
  assert.equal(tab.outbox.status().storage, "memory");
  assert.equal(tab.outbox.status().drafted, 1);
});

test("disk: none at all (a private window): in memory, and sent", async () => {
  const real = globalThis.indexedDB;
  Object.defineProperty(globalThis, "indexedDB", { get: () => { throw new DOMException("", "SecurityError"); }, configurable: true });
  const tab = world.open(server.fetch, { indexedDB: undefined as never });
  await type(tab, score(1, "1"));
  Object.defineProperty(globalThis, "indexedDB", { value: real, configurable: true, writable: true });
  assert.equal(tab.outbox.status().storage, "memory");
  await world.pass(6_000);
  assert.equal(tab.outbox.status().drafted, 1);
});

test("disk: a full one is made room on", async () => {
  let asked = 0;
  const makeRoom = async () => { asked++; };
  const tab = world.open(server.fetch, { makeRoom });
  await world.settle();
  await typeInVain(tab, score(1, "1"));
  assert.deepEqual([asked, tab.outbox.status().storage, tab.outbox.status().queued], [1, "best-effort", 1]);
});

test("disk: a database that is deleted under the page loses nothing that the page knows", async () => {
  const tab = await opened();
  await type(tab, score(1, "1"));
  tab.terminate();
  const gone = world.factory.deleteDatabase("inkfast-7");
  await new Promise((resolve) => gone.addEventListener("success", resolve));
  await type(tab, score(2, "2"));
  tab.kill();
  const again = await opened();
  assert.deepEqual(scores(again.outbox.kept(1)), ["1", "2"]);
});

test("an event never drops anything: the outbox asks, and hears what was refused", async () => {
  server.isLateBad = () => true;
  server.nextSaveMs = 60_000;
  const tab = await opened();
  await type(tab, score(1, "1"));
  await world.pass(5_100);
  server.flush();
  const { client_id } = server.requests[0]!.body;
  assert.ok(tab.outbox.isOwn(client_id));
  tab.outbox.recorded(1, client_id, 1);
  assert.equal(tab.outbox.kept(1).length, 1);
  await world.pass(100);
  assert.equal(tab.outbox.status().rejected, 1);
});

test("acknowledgements: the last 50 are kept, newest first, with a short form of the receipt", async () => {
  const tab = await opened();
  for (let i = 1; i <= 53; i++) {
    await type(tab, score(i, String(i)));
    await world.pass(5_100);
  }
  const all = tab.outbox.acknowledgements();
  await world.settle();
  const acks = await all;
  assert.deepEqual([acks.length, scoreOf(acks[0]!.edits[0]!), acks[0]!.edits[0]!.outcome], [50, "53", "drafted"]);
  const mark = [..."r1.".padEnd(3)].join("") + Buffer.concat([Buffer.alloc(60), Buffer.from([0xff, 0, 1, 0x10, 0x1f]), Buffer.alloc(11)]).toString("base64url");
  assert.equal(shortForm(mark), "ZW00-240Z");
  assert.equal(shortForm("r1.x"), "");
});

test("rescue: a file of one computer is taken in on another, once, and only by its user", async () => {
  server.mode = "lost";
  const tab = await opened();
  await type(tab, score(1, "1"), score(2, "2"));
  const made = rescue(tab.outbox);
  await world.settle();
  const file = JSON.parse(JSON.stringify(await made)) as object;
  world.factory = new (world.factory.constructor as new () => typeof world.factory)();
  const other = await opened();
  const stranger = world.open(server.fetch, { user: 8 });
  for (const bad of [null, "x", {}, { ...file, version: 2 }, { ...file, sections: [{ section: 1, edits: [{ edit_id: "1" }] }] }]) {
    await assert.rejects(restore(other.outbox, bad));
  }
  await assert.rejects(restore(stranger.outbox, file));
  const counts = [restore(other.outbox, file), restore(other.outbox, file)];
  await world.settle();
  assert.deepEqual(await Promise.all(counts), [2, 0]);
  server.mode = "ok";
  await world.pass(7_000);
  assert.deepEqual([scores(lastSent()), other.outbox.status().drafted], [["1", "2"], 2]);
});

test("the clock of the server is known from its answers", async () => {
  const tab = await opened();
  assert.equal(tab.outbox.clockOffset(), 0);
  const real = server.answer.bind(server);
  server.answer = (status, body, headers) => real(status, body, { ...headers, Date: new Date(world.now - 3_600_000).toUTCString() });
  await type(tab, score(1, "1"));
  await world.pass(5_100);
  assert.ok(Math.abs(tab.outbox.clockOffset() + 3_600_000) <= 1_500);
});

test("edit ids are UUIDs of version 7 that sort by time", () => {
  const [one, two] = [uuid7(1_795_000_000_000.7), uuid7(1_795_000_000_001)];
  assert.match(one, /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-8[\da-f]{3}-[\da-f]{12}$/);
  assert.ok(one < two);
});
