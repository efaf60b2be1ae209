/** Leaving a page: what is said at once (rule 3 of docs/protocol.md), what is asked first, and the disk of a page that is kept. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Sent } from "./server.ts";
import { lastSent, opened, score, scores, server, type, world } from "./stage.ts";

test("rule 3: hiding the page sends at once, from memory, as a client that only does this", async () => {
  const tab = await opened();
  await type(tab, score(1, "1"), score(2, "2"));
  world.look("hidden");
  assert.equal(server.requests.length, 1);
  assert.deepEqual([server.requests[0]!.keepalive, scores(lastSent())], [true, ["1", "2"]]);
  world.say("pagehide");
  assert.equal(server.requests.length, 1, "once is enough");
  await world.settle();
  assert.equal(tab.outbox.status().drafted, 2);
  const [third] = await type(tab, score(1, "3"));
  assert.equal(third!.base, lastSent()[0]!.edit_id, "what has left is not replaced");
  await world.pass(5_100);
  assert.deepEqual(lastSent().map(({ seq }) => seq), [1, 2, 3]);
});

test("rule 3: what is typed last is sent too, though it is not on disk yet; and is the same edit when it gets there", async () => {
  const tab = await opened();
  await type(tab, score(1, "1"));
  const last = tab.outbox.put(1, [score(1, "12"), score(2, "2")]);
  world.look("hidden");
  assert.deepEqual([server.requests[0]!.keepalive, scores(lastSent())], [true, ["12", "2"]]);
  await world.settle();
  assert.deepEqual((await last).map(({ edit_id }) => edit_id), lastSent().map(({ edit_id }) => edit_id));
  assert.equal(tab.outbox.status().drafted, 2);
  await world.pass(11_000);
  server.flush();
  await world.pass(11_000);
  assert.deepEqual([server.records.size, tab.outbox.kept(1)], [2, []]);
});

/** Hide the page in a browser without keepalive; what its beacon carries. */
function hideWithoutKeepalive(): Blob[] {
  const sent: Blob[] = [];
  const real = globalThis.Request;
  Object.defineProperty(globalThis, "Request", { value: class {}, configurable: true });
  Object.assign(navigator, { sendBeacon: (_: string, blob: Blob) => sent.push(blob) });
  world.look("hidden");
  Object.defineProperty(globalThis, "Request", { value: real, configurable: true });
  return sent;
}

test("rule 3: without keepalive the beacon carries it, as JSON", async () => {
  const tab = await opened();
  await type(tab, score(1, "1"));
  const sent = hideWithoutKeepalive();
  assert.equal(sent[0]!.type, "application/json");
  assert.deepEqual(scores((JSON.parse(await sent[0]!.text()) as { edits: Sent[] }).edits), ["1"]);
});

test("while the page gives no headers nothing is sent, by no beacon either; afterwards everything is", async () => {
  let isForbidden = true;
  const headers = (): Record<string, string> => {
    if (isForbidden) throw new Error("not now");
    return {};
  };
  const tab = world.open(server.fetch, { headers });
  await type(tab, score(1, "1"));
  const sent = hideWithoutKeepalive();
  world.look("visible");
  await type(tab, score(2, "2"));
  world.look("hidden");
  await world.pass(60_000);
  assert.deepEqual([sent, server.requests, tab.outbox.status().queued], [[], [], 2]);
  isForbidden = false;
  tab.outbox.signedIn();
  await world.pass(100);
  assert.deepEqual([scores(lastSent()), tab.outbox.status().drafted], [["1", "2"], 2]);
});

test("leaving with something that is not on disk asks first", async () => {
  const tab = await opened();
  const asks = () => !!world.say("beforeunload")["returnValue"];
  assert.equal(asks(), false);
  const kept = tab.outbox.put(1, [score(1, "1")]);
  assert.equal(asks(), true);
  await world.settle();
  await kept;
  assert.equal(asks(), false);
});

test("leaving without a disk asks first, until the server holds all", async () => {
  const tab = world.open(server.fetch);
  const asks = () => !!world.say("beforeunload")["returnValue"];
  tab.isDiskGone = true;
  tab.terminate();
  server.mode = "lost";
  void tab.outbox.put(1, [score(1, "1")]);
  await world.pass(21_000);
  assert.deepEqual([asks(), tab.outbox.status().storage, tab.outbox.status().queued], [true, "memory", 1]);
  server.mode = "ok";
  await world.pass(120_000);
  assert.deepEqual([asks(), tab.outbox.status().storage, tab.outbox.status().drafted], [false, "memory", 1]);
});

test("a page that is kept for going back lets go of the disk, and goes on when it is shown again", async () => {
  let asked = 0;
  const tab = world.open(server.fetch, { makeRoom: async () => { asked++; } });
  server.mode = "lost";
  await world.settle();
  const kept = tab.outbox.put(1, [score(1, "1")]);
  await Promise.resolve();
  await Promise.resolve();
  assert.equal(tab.isWriting, true);
  world.say("pagehide", { persisted: true });
  await world.settle();
  assert.deepEqual([tab.isWriting, tab.outbox.status().storing], [false, 1]);
  const late = tab.outbox.put(1, [score(2, "2")]);
  const other = await opened();
  await type(other, score(3, "3"));
  assert.deepEqual([other.outbox.status().storage, tab.isWriting, tab.outbox.status().storing], ["best-effort", false, 2]);
  world.say("pageshow", { persisted: true });
  await Promise.all([kept, late]);
  assert.deepEqual(scores(tab.outbox.kept(1)).sort(), ["1", "2", "3"]);
  assert.deepEqual([tab.outbox.status().storage, asked], ["best-effort", 0], "the snapshots have to give no room for that");
});

test("a page that is left for good finishes what it writes", async () => {
  const tab = await opened();
  server.mode = "lost";
  const kept = tab.outbox.put(1, [score(1, "1")]);
  await Promise.resolve();
  await Promise.resolve();
  world.say("pagehide", { persisted: false });
  assert.equal(tab.isWriting, true);
  await kept;
});
