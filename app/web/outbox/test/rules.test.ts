/** Each rule of docs/protocol.md, "What a client does", by name. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rescue } from "../src/rescue.ts";
import type { Sent } from "./server.ts";
import { lastSent, opened, score, scoreOf, scores, server, type, world } from "./stage.ts";

test("rule 1: an opening has a client id of its own, numbers from 1, and sends the old edits as they were", async () => {
  server.mode = "cut";
  const first = await opened();
  const [edit] = await type(first, score(1, "4", "01a1b2e0-3300-7c17-8e45-5ce19f304b32"));
  await world.pass(6_000);
  first.kill();
  server.mode = "ok";
  await opened();
  await world.pass(6_000);
  const [before, after] = [server.requests[0]!.body, server.requests[server.requests.length - 1]!.body];
  assert.notEqual(after.client_id, before.client_id);
  assert.deepEqual(after.edits, before.edits);
  assert.equal(after.edits[0]!.edit_id, edit!.edit_id);
});

test("rule 2: an edit is on disk, strictly, before put resolves and before it is sent", async () => {
  const tab = await opened();
  const kept = tab.outbox.put(1, [score(1, "4")]);
  assert.equal(tab.outbox.status().storing, 1);
  assert.ok(tab.outbox.isStoring(1, score(1, "")));
  assert.deepEqual(scores(tab.outbox.kept(1)), ["4"]);
  await world.settle();
  await kept;
  assert.equal(tab.outbox.status().storing, 0);
  assert.equal(tab.outbox.status().queued, 1);
  assert.ok(tab.durabilities.every((durability) => durability === "strict"));
  assert.equal(server.requests.length, 0);
});

test("rule 2: while a transaction runs edits collect, and the next one takes all", async () => {
  const tab = await opened();
  const before = tab.durabilities.length;
  const all = [1, 2, 3, 4, 5, 6, 7, 8].map(async (student) => {
    if (student > 2) await new Promise((resolve) => setImmediate(resolve));
    return tab.outbox.put(1, [score(student, "9")]);
  });
  await world.settle();
  await Promise.all(all);
  assert.ok(tab.durabilities.length - before <= 3, `${tab.durabilities.length - before} transactions`);
  assert.equal(tab.outbox.kept(1).length, 8);
});

test("rule 2: an unsent edit is replaced, keeping the first base; a sent one is not", async () => {
  const tab = await opened();
  await type(tab, score(1, "1", "01a1b2e0-3300-7c17-8e45-5ce19f304b32"));
  const [second] = await type(tab, score(1, "2", "01a1b2e0-3300-7c17-8e45-5ce19f304b33"));
  assert.deepEqual(scores(tab.outbox.kept(1)), ["2"]);
  assert.equal(second!.base, "01a1b2e0-3300-7c17-8e45-5ce19f304b32");
  server.mode = "lost";
  await world.pass(5_100);
  const [third] = await type(tab, score(1, "3"));
  assert.deepEqual(scores(tab.outbox.kept(1)), ["2", "3"]);
  assert.equal(third!.base, second!.edit_id);
});

test("rule 3: the window counts from the first change, and next_save_ms sets the next one", async () => {
  server.nextSaveMs = 20_000;
  const tab = await opened();
  await type(tab, score(1, "1"));
  await world.pass(3_000);
  await type(tab, score(2, "2"));
  await world.pass(1_900);
  assert.equal(server.requests.length, 0);
  await world.pass(200);
  assert.deepEqual(scores(lastSent()), ["1", "2"]);
  await type(tab, score(3, "3"));
  await world.pass(19_500);
  assert.equal(server.requests.length, 1);
  await world.pass(600);
  assert.deepEqual(scores(lastSent()), ["3"]);
});

test("rule 3: what the server says beside a snapshot is the first window already, also of what is typed before", async () => {
  const tab = await opened();
  await type(tab, score(1, "1"));
  await world.pass(2_000);
  await tab.outbox.open(1, 20_000);
  await world.pass(17_900);
  assert.equal(server.requests.length, 0);
  await world.pass(200);
  assert.deepEqual(scores(lastSent()), ["1"]);
  await world.pass(20_000);
  await tab.outbox.open(2, 0);
  await world.settle();
  void tab.outbox.put(2, [score(1, "2")]);
  await world.pass(10);
  assert.deepEqual(scores(lastSent()), ["2"]);
});

test("rule 3: an opening that says nothing of the window, or nonsense, leaves it as it was", async () => {
  const tab = await opened();
  await tab.outbox.open(1, 20_000);
  await tab.outbox.open(1);
  await tab.outbox.open(1, -1);
  await tab.outbox.open(1, Number.NaN);
  await type(tab, score(1, "1"));
  await world.pass(19_900);
  assert.equal(server.requests.length, 0);
  await world.pass(200);
  assert.deepEqual(scores(lastSent()), ["1"]);
});

test("rule 3: the window is the same in a tab that has only heard of the change", async () => {
  const tab = await opened();
  await opened();
  await type(tab, score(1, "1"));
  await world.pass(4_900);
  assert.equal(server.requests.length, 0);
  await world.pass(2_000);
  assert.deepEqual(server.requests.flatMap(({ body }) => scores(body.edits)), ["1"]);
});

test("rule 3: one request at a time, each from the oldest unacknowledged edit, up to 200 edits and 60 KB", async () => {
  const tab = await opened();
  await type(tab, ...Array.from({ length: 250 }, (_, i) => score(i + 1, "1")));
  await world.pass(5_100);
  assert.equal(lastSent().length, 200);
  await world.pass(5_100);
  assert.deepEqual([lastSent()[0]!.seq, lastSent().length], [201, 50]);
  await type(tab, ...Array.from({ length: 60 }, (_, i) => ({ ...score(i + 1, ""), kind: "comment", value: { text: "é".repeat(1_000) } })));
  await world.pass(5_100);
  const bytes = new TextEncoder().encode(JSON.stringify(server.requests[server.requests.length - 1]!.body)).length;
  assert.ok(bytes > 50_000 && bytes < 60_000, `${bytes} bytes`);
});

test("rule 3: a request on its way is waited for", async () => {
  const tab = await opened();
  server.modes = ["hang"];
  await type(tab, score(1, "1"));
  await world.pass(5_100);
  assert.equal(tab.outbox.status().sending, 1);
  await type(tab, score(2, "2"));
  await world.pass(9_000);
  assert.equal(server.requests.length, 1);
  await world.pass(7_500);
  assert.deepEqual(scores(lastSent()), ["1", "2"]);
});

test("rule 4: drafted_seq falls when a journal was lost, and what it held is sent again", async () => {
  const tab = await opened();
  await type(tab, score(1, "1"), score(2, "2"));
  await world.pass(5_100);
  assert.equal(tab.outbox.status().drafted, 2);
  server.loseJournal();
  await world.pass(5_100);
  assert.equal(tab.outbox.status().queued, 2, "nobody says drafted of what nobody holds");
  await world.pass(5_100);
  assert.deepEqual(scores(lastSent()), ["1", "2"]);
  assert.equal(tab.outbox.status().drafted, 2);
});

test("rule 4: no position passes an edit whose answer got lost: it may have said rejected", async () => {
  server.isBad = (edit) => scoreOf(edit) === "99";
  const tab = await opened();
  server.modes = ["cut"];
  await type(tab, score(1, "99"));
  await world.pass(5_100);
  server.flush();
  await world.pass(5_100);
  assert.equal(tab.outbox.status().rejected, 1);
  assert.equal(tab.outbox.kept(1)[0]!.code, "score_out_of_range");
});

test("rule 4: nor one that a smaller batch leaves out", async () => {
  server.isBad = (edit) => scoreOf(edit) === "99";
  server.modes = ["cut"];
  let asked = 0;
  const tab = world.open(((url: string, init: RequestInit) =>
    ++asked === 2 ? Promise.resolve(server.answer(413, { code: "request_too_large" })) : server.fetch(url, init)) as never);
  await type(tab, ...Array.from({ length: 10 }, (_, i) => score(i + 1, i === 8 ? "99" : "1")));
  await world.pass(5_100);
  server.flush(); // all ten, whose answer got lost
  await world.pass(20_000);
  assert.deepEqual([tab.outbox.status().rejected, scores(tab.outbox.kept(1))], [1, ["99"]]);
});

test("rule 4: an edit is kept until it is recorded, polled for, and then said to be gone", async () => {
  const tab = await opened();
  const recorded = tab.heard("recorded");
  await type(tab, score(1, "1"));
  await world.pass(5_100);
  assert.deepEqual([tab.outbox.status().drafted, recorded.length], [1, 0]);
  server.flush();
  await world.pass(5_100);
  assert.deepEqual(lastSent(), [], "a poll");
  assert.deepEqual([tab.outbox.kept(1).length, scores(recorded[0]!.edits)], [0, ["1"]]);
  const { length } = server.requests;
  await world.pass(60_000);
  assert.equal(server.requests.length, length, "nothing to ask for");
});

test("rule 4: while nothing is recorded it is asked for less and less often, and what is typed waits no longer for that", async () => {
  const tab = await opened();
  await type(tab, score(1, "1"));
  await world.pass(5_100);
  const asked = () => server.requests.length;
  const before = asked();
  const polls: number[] = [];
  for (let second = 1; second <= 220; second++) {
    const was = asked();
    await world.pass(1_000);
    if (asked() > was) polls.push(second);
  }
  assert.equal(asked() - before, polls.length);
  assert.deepEqual(polls, [5, 15, 35, 75, 140, 205], "a window, then twice as long each time, up to a minute");
  await type(tab, score(2, "2"));
  await world.pass(5_100);
  assert.deepEqual(lastSent().length, 1);
});

test("rule 4: an exception is taken in, told once, and sent back as seen", async () => {
  server.isLateBad = () => true;
  const tab = await opened();
  const refused = tab.heard("refused");
  await type(tab, score(1, "1"));
  await world.pass(5_100);
  server.flush();
  await world.pass(5_100);
  assert.deepEqual([refused.length, refused[0]!.edit.state, refused[0]!.edit.code], [1, "rejected", "enrollment_ended"]);
  await type(tab, score(2, "2"));
  await world.pass(5_100);
  assert.equal(server.requests[server.requests.length - 1]!.body.exceptions_seen_seq, 1);
  assert.equal(refused.filter(({ edit }) => edit.student === 1).length, 1);
});

test("rule 5: after a gap it goes on where the server says", async () => {
  const tab = await opened();
  await type(tab, score(1, "1"));
  await world.pass(5_100);
  server.loseJournal();
  await type(tab, score(2, "2"));
  await world.pass(7_000);
  assert.deepEqual(scores(lastSent()), ["1", "2"]);
});

test("rule 5: where that edit has left the outbox, a fresh client goes on", async () => {
  const tab = await opened();
  await type(tab, score(1, "1"));
  await world.pass(5_100);
  server.flush();
  await world.pass(5_100);
  const before = server.requests[0]!.body.client_id;
  server.records.clear(); // a backup was restored
  await type(tab, score(2, "2"));
  await world.pass(9_000);
  const last = server.requests[server.requests.length - 1]!.body;
  assert.notEqual(last.client_id, before);
  assert.equal(tab.outbox.status().drafted, 1);
});

test("rule 6: 413 halves the batch", async () => {
  const limit = (async (url: string, init: RequestInit) => {
    const { edits } = JSON.parse(init.body as string) as { edits: Sent[] };
    return edits.length > 3 ? server.answer(413, { code: "request_too_large" }) : server.fetch(url, init);
  }) as typeof fetch;
  const tab = world.open(limit);
  await type(tab, ...Array.from({ length: 10 }, (_, i) => score(i + 1, "1")));
  await world.pass(40_000);
  assert.ok(server.requests.every(({ body }) => body.edits.length <= 3));
  assert.equal(tab.outbox.status().drafted, 10);
});

test("rule 7: Retry-After is waited for, also by flush", async () => {
  server.modes = ["503"];
  const tab = await opened();
  await type(tab, score(1, "1"));
  await world.pass(5_100);
  assert.equal(tab.outbox.status().offlineSince, null, "it did answer");
  assert.ok(tab.outbox.status().retryAt);
  tab.outbox.flush();
  await world.pass(6_800);
  assert.equal(server.requests.length, 1);
  await world.pass(300);
  assert.equal(server.requests.length, 2);
  assert.equal(tab.outbox.status().retryAt, null);
});

test("rule 7: no answer: full jitter up to a minute, then the same edits again", async () => {
  server.mode = "lost";
  const tab = await opened();
  await type(tab, score(1, "1"));
  await world.pass(3_600_000);
  const waits = server.requests.slice(1).map(({ at }, i) => at - server.requests[i]!.at);
  assert.ok(Math.max(...waits) <= 60_100 && Math.max(...waits) > 40_000, `${Math.max(...waits)}`);
  assert.ok(waits[0]! <= 1_100);
  assert.equal(new Set(server.requests.map(({ body }) => body.edits[0]!.edit_id)).size, 1);
  assert.ok(tab.outbox.status().offlineSince! < world.now - 3_500_000);
});

test("rule 7: what a captive portal answers is no answer", async () => {
  server.modes = ["portal"];
  const tab = await opened();
  await type(tab, score(1, "1"));
  await world.pass(5_100);
  assert.equal(tab.outbox.status().queued, 1);
  await world.pass(3_000);
  assert.equal(tab.outbox.status().drafted, 1);
});

test("rule 7: nor is what answers something else, or half of it", async () => {
  const whole = { drafted_seq: 1, recorded_seq: 1, exceptions: [], next_save_ms: 5_000, receipt: null };
  const outcomes = [{ edit_id: "01a1b2e0-3300-7c17-8e45-5ce19f304b32", outcome: "recorded" }];
  const answers: unknown[] = [{ ...whole, outcomes }, { ...whole, outcomes: [] }, { ...whole, outcomes, exceptions: [null] }, { outcomes: [] }, [], 1];
  let asked = 0;
  const tab = world.open((async (url: string, init: RequestInit) =>
    asked < answers.length ? server.answer(200, answers[asked++]) : server.fetch(url, init)) as never);
  await type(tab, score(1, "1"));
  await world.pass(5_100);
  assert.deepEqual([asked > 0, tab.outbox.status().queued], [true, 1]);
  await world.pass(300_000);
  assert.deepEqual([asked, tab.outbox.status().drafted, tab.outbox.status().storage], [answers.length, 1, "best-effort"]);
});

test("rule 8: 401 keeps everything, waits for the person, and goes on in every tab", async () => {
  server.mode = "401";
  const tab = await opened();
  const other = await opened();
  await type(tab, score(1, "1"));
  await world.pass(60_000);
  assert.ok(tab.outbox.status().signInRequired);
  const { length } = server.requests;
  await world.pass(600_000);
  assert.equal(server.requests.length, length, "it does not knock on and on");
  server.mode = "ok";
  other.outbox.signedIn();
  await world.pass(3_000);
  assert.deepEqual([tab.outbox.status().drafted, tab.outbox.status(1).signInRequired], [1, false]);
});

test("rule 9: a malformed request is not repeated; the rest of it is in the rescue file", async () => {
  const bad = (async () => server.answer(422, { code: "malformed_request" })) as never;
  let asked = 0;
  const tab = world.open(((...args: never[]) => (asked++, (bad as (...all: never[]) => unknown)(...args))) as never);
  await type(tab, score(1, "1"));
  await world.pass(600_000);
  assert.equal(asked, 1);
  assert.deepEqual(tab.outbox.status().stuck, { status: 422, code: "malformed_request" });
  const file = rescue(tab.outbox);
  await world.settle();
  assert.deepEqual(scores((await file).sections[0]!.edits), ["1"]);
});

test("rule 10: the states are counted apart, and each edit once", async () => {
  const tab = await opened();
  await type(tab, score(1, "1"));
  await world.pass(5_100);
  await type(tab, score(2, "2"));
  void tab.outbox.put(1, [score(3, "3")]);
  const { storing, queued, sending, drafted } = tab.outbox.status();
  assert.deepEqual({ storing, queued, sending, drafted }, { storing: 1, queued: 1, sending: 0, drafted: 1 });
  assert.equal(tab.outbox.status(2).queued, 0);
});

test("rule 11: the newest edit of a cell is known at once, whatever the server says of it", async () => {
  const tab = await opened();
  await type(tab, score(1, "1"));
  await world.pass(5_100);
  void tab.outbox.put(1, [score(1, "2")]);
  assert.equal(scoreOf(tab.outbox.newest(1, score(1, ""))!), "2");
  assert.equal(tab.outbox.newest(1, score(9, "")), undefined);
});
