/** What is not the outbox's fault, and must not cost a value or a server: pages that throw, answers that lie, disks that dawdle, clocks that jump. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { opened, score, scoreOf, scores, server, type, typeInVain, world } from "./stage.ts";

const MINUTE = 60_000;
/** What the server has heard of the scores, request by request. */
const sent = (): string[] => server.requests.map(({ body }) => scores(body.edits).join()).filter(Boolean);

/** Settle everything at the server, and give the page time to hear of it. */
async function settle(): Promise<void> {
  await world.pass(70_000);
  server.flush();
  await world.pass(90_000);
}

test("refused again and again, it asks no more often than it saves", async () => {
  let asked = 0;
  const refuse = async () => {
    asked++;
    return server.answer(403, { code: "not_permitted" });
  };
  const tab = world.open(refuse as never);
  await world.settle();
  // A page that renews its grant at once, which helps nothing.
  tab.outbox.on("status", ({ signInRequired }) => signInRequired && tab.outbox.signedIn());
  await type(tab, score(1, "1"));
  await world.pass(MINUTE);
  assert.ok(asked > 5 && asked < 16, `${asked}`);
  assert.deepEqual([scores(tab.outbox.kept(1)), tab.outbox.status().queued], [["1"], 1]);
});

test("a sign-in is followed at once by what waited for it", async () => {
  const tab = await opened();
  server.modes = ["401"];
  await type(tab, score(1, "1"));
  await world.pass(6_000);
  assert.equal(tab.outbox.status().signInRequired, true);
  tab.outbox.signedIn();
  await world.pass(1);
  assert.equal(tab.outbox.status().drafted, 1);
});

for (const [event, what] of [["refused", "a card"], ["cells", "a cell"], ["status", "the status"], ["acknowledged", "a receipt"]] as const) {
  test(`a page that fails at ${what} stops nothing, and hears of its fault`, async () => {
    const faults: unknown[] = [];
    const others = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection"); // the runner's, which would have it fail
    process.on("unhandledRejection", (fault) => void faults.push(fault));
    const tab = await opened();
    server.isBad = ({ value }) => scoreOf({ value }) === "99";
    tab.outbox.on(event, () => {
      throw new Error("a fault of the page");
    });
    await type(tab, score(1, "99"));
    await world.pass(6_000);
    await type(tab, score(2, "5"));
    await world.pass(6_000);
    assert.deepEqual([tab.outbox.status().drafted, tab.outbox.status().rejected], [1, 1]);
    await new Promise(setImmediate);
    process.removeAllListeners("unhandledRejection");
    for (const other of others) process.on("unhandledRejection", other);
    assert.match(String(faults[0]), /a fault of the page/);
  });
}

for (const mode of ["ok", "lost"] as const) {
  test(`what is typed anew while the disk dawdles is no conflict with oneself, though the first value comes to be on it (server: ${mode})`, async () => {
    const tab = await opened();
    server.mode = mode;
    for (const student of [1, 2]) { // the second time out of memory, when the disk is tried again
      tab.flushMs = student * 20_000;
      const first = tab.outbox.put(1, [score(student, "1")]);
      await world.pass(student === 1 ? 4_000 : 31_000);
      tab.flushMs = 0;
      const second = tab.outbox.put(1, [score(student, "2")]);
      await world.pass(45_000);
      await Promise.all([first, second]);
    }
    server.mode = "ok";
    await settle();
    assert.deepEqual([tab.outbox.kept(1), tab.outbox.status().conflicts], [[], 0]);
    for (const student of [1, 2]) assert.equal(scoreOf(server.headOf(`1/score/5/${student}`)!.edit), "2");
  });
}

for (const [how, makeRoom] of [
  ["throws", () => { throw new TypeError("caches is not defined"); }],
  ["rejects", () => Promise.reject(new Error("no"))],
  ["never ends", () => new Promise(() => {})],
  ["gives nothing", () => {}],
] as const) {
  test(`room that is to be made: where that ${how}, it goes on`, async () => {
    const tab = world.open(server.fetch, { makeRoom: makeRoom as never });
    await world.settle();
    await typeInVain(tab, score(1, "1"));
    let isStored = false;
    void tab.outbox.put(1, [score(2, "2")]).then(() => (isStored = true));
    await world.pass(MINUTE);
    assert.ok(isStored);
    await settle();
    assert.deepEqual(tab.outbox.kept(1), []);
  });
}

test("an answer with fewer outcomes than edits is taken for what it says", async () => {
  let isFirst = true;
  const lie = async (address: string, init: { body: string }): Promise<unknown> => {
    if (!isFirst) return server.fetch(address as never, init as never);
    isFirst = false;
    const [one, other] = JSON.parse(init.body).edits;
    return server.answer(200, {
      outcomes: [{ edit_id: one.edit_id, outcome: "drafted" }],
      exceptions: [{ edit_id: other.edit_id, seq: 2, outcome: "rejected", code: "score_out_of_range" }],
      drafted_seq: 2, recorded_seq: 0, next_save_ms: 5_000, receipt: "r1.x",
    });
  };
  const tab = world.open(lie as never);
  await world.settle();
  await type(tab, score(1, "1"), score(2, "2"));
  await world.pass(6_000);
  await type(tab, score(3, "3"));
  await world.pass(MINUTE);
  assert.ok(sent().some((scores) => scores.includes("3")));
});

test("a poll that is too large for somebody on the way does not end sending", async () => {
  let isFirst = true;
  const proxy = async (address: string, init: { body: string }): Promise<unknown> => {
    if (!JSON.parse(init.body).edits.length && isFirst) {
      isFirst = false;
      return { status: 413, headers: { get: () => null }, json: () => Promise.reject(new Error("HTML")) };
    }
    return server.fetch(address as never, init as never);
  };
  const tab = world.open(proxy as never);
  await world.settle();
  await type(tab, score(1, "1"));
  await world.pass(20_000);
  assert.ok(!isFirst, "it has polled");
  await type(tab, score(2, "2"));
  await world.pass(MINUTE);
  assert.ok(sent().includes("2"));
});

test("a clock that is set back stops sending for an hour at most", async () => {
  let off = 0;
  const tab = world.open(server.fetch, { now: () => world.now - off });
  await world.settle();
  await type(tab, score(1, "1"));
  await world.pass(6_000);
  off = 8 * 60 * MINUTE;
  await type(tab, score(2, "2"));
  await world.pass(61 * MINUTE);
  assert.ok(sent().includes("2"));
});

for (const ms of [3e9, 1e8]) {
  test(`a window of ${ms} ms asks neither at once nor never`, async () => {
    const far = async (address: string, init: unknown): Promise<unknown> => {
      const answer = await server.fetch(address as never, init as never);
      return { ...answer, json: async () => ({ ...await answer.json(), next_save_ms: ms }) };
    };
    const tab = world.open(far as never);
    await world.settle();
    await type(tab, score(1, "1"));
    await world.pass(6_000);
    await type(tab, score(2, "2"));
    await world.pass(MINUTE);
    assert.ok(server.requests.length <= 2);
    await world.pass(62 * MINUTE);
    assert.ok(sent().includes("2"));
  });
}

test("what another tab has sent and had recorded, of what was typed here, is told here too", async () => {
  const here = await opened();
  await type(here, score(1, "1"));
  world.say("pagehide", { persisted: true });
  const goOn = world.freeze();
  const other = await opened();
  await settle();
  assert.deepEqual([scores(other.recorded), scores(here.recorded)], [["1"], []]);
  goOn();
  world.say("pageshow", { persisted: true });
  world.look("visible");
  await world.pass(1_000);
  assert.deepEqual([scores(here.recorded), here.outbox.kept(1)], [["1"], []]);
});

test("an edit that is stored while the outbox is closed is stored, and says so", async () => {
  const tab = await opened();
  const stored = tab.outbox.put(1, [score(1, "1")]);
  const closed = tab.outbox.close();
  await Promise.all([stored, closed]);
  const again = await opened();
  assert.deepEqual(scores(again.outbox.kept(1)), ["1"]);
});
