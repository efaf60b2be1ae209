// docs/protocol.md: Saving, Outcomes, Exceptions, Rejections, Conflicts, Receipts.
import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { Client } from "./client.mjs";

const ACCEPTED = ["drafted", "recorded"];
const accepted = (answer, n = 0) => assert.ok(ACCEPTED.includes(answer.outcomes[n].outcome), JSON.stringify(answer.outcomes[n]));

/** Each: what the document says, and how it is seen from outside. `at`: server, column (of its own, 0 to 20), students. */
export const SAVING = {
  "the answer is 200 with one outcome for each edit, in order": async ({ server, column, students }) => {
    const client = new Client(server);
    const edits = students.slice(0, 3).map((student) => client.edit("score", column, student, { score: "11" }));
    const answer = await client.save(...edits);
    assert.deepEqual(answer.outcomes.map(({ edit_id }) => edit_id), edits.map(({ edit_id }) => edit_id));
    answer.outcomes.forEach((_, i) => accepted(answer, i));
    assert.ok(Number.isInteger(answer.drafted_seq) && Number.isInteger(answer.recorded_seq));
    assert.deepEqual(answer.exceptions, []);
    assert.ok(answer.next_save_ms > 0);
    assert.equal(typeof answer.receipt, "string");
  },
  "both positions are contiguous, and recorded_seq reaches everything": async ({ server, column, students }) => {
    const client = new Client(server);
    const { drafted_seq, recorded_seq } = await client.save(client.edit("comment", column, students[0], { text: "seen" }));
    assert.ok(recorded_seq <= Math.max(drafted_seq, 1) && drafted_seq <= 1);
    await client.settled();
  },
  "a poll has no edits, no outcomes and no receipt": async ({ server }) => {
    const answer = await new Client(server).save();
    assert.deepEqual([answer.outcomes, answer.receipt], [[], null]);
  },
  "sending again never has a second effect": async ({ server, column, students }) => {
    const client = new Client(server);
    const edit = client.edit("score", column, students[3], { score: "12" });
    const [first, second] = [await client.save(edit), await client.save(edit)];
    accepted(first);
    accepted(second);
    await client.settled();
    accepted(await client.save(edit));
    assert.equal((await server.history("score", column, students[3])).length, 1);
  },
  "an edit is known by its edit_id alone, under another client too": async ({ server, column, students }) => {
    const client = new Client(server);
    const edit = client.edit("score", column, students[4], { score: "13" });
    accepted(await client.save(edit));
    const opening = new Client(server);
    accepted(await opening.save({ ...edit, seq: 1 }));
    opening.seq = 1;
    await opening.settled();
    assert.equal((await server.history("score", column, students[4])).length, 1);
  },
  "a gap is 409 with expected_seq, and nothing is accepted": async ({ server, column, students }) => {
    const client = new Client(server);
    client.seq = 6;
    const edit = client.edit("score", column, students[5], { score: "14" });
    const { status, answer } = await client.send([edit]);
    assert.deepEqual([status, answer.code, answer.params], [409, "seq_gap", { expected_seq: 1 }]);
    assert.equal(await server.cell("score", column, students[5]), undefined);
  },
  "sending from further back is never wrong": async ({ server, column, students }) => {
    const client = new Client(server);
    const first = client.edit("score", column, students[5], { score: "1" });
    accepted(await client.save(first));
    const second = client.edit("score", column, students[5], { score: "2" }, { base: first.edit_id });
    const answer = await client.save(first, second);
    accepted(answer, 0);
    accepted(answer, 1);
    assert.deepEqual((await server.cell("score", column, students[5])).value, { score: "2" });
  },
  "edits of one cell may be numbered ahead of the answers": async ({ server, column, students }) => {
    const client = new Client(server);
    const edits = [];
    for (const score of ["3", "4", "5"]) edits.push(client.edit("score", column, students[6], { score }, { base: edits[edits.length - 1]?.edit_id ?? null }));
    const answer = await client.save(...edits);
    edits.forEach((_, i) => accepted(answer, i));
    assert.equal((await server.cell("score", column, students[6])).edit_id, edits[2].edit_id);
  },
  "a conflict is kept, and comes with the head that stands": async ({ server, column, students }) => {
    const [one, two] = [new Client(server), new Client(server)];
    const first = one.edit("score", column, students[7], { score: "15" });
    await one.save(first);
    await one.settled(); // what is recorded at this very moment may be answered `drafted`, and judged later
    const late = two.edit("score", column, students[7], { score: "3" });
    const [outcome] = (await two.save(late)).outcomes;
    assert.equal(outcome.outcome, "conflict");
    assert.deepEqual([outcome.head.edit_id, outcome.head.value], [first.edit_id, { score: "15" }]);
    assert.ok(Number.isInteger(outcome.head.author_id) && Date.parse(outcome.head.entered_at));
    assert.equal((await server.cell("score", column, students[7])).edit_id, first.edit_id);
    await two.settled(); // which conflicts are open is known where they are recorded
    assert.ok((await server.snapshot()).conflicts.some(({ edit_id }) => edit_id === late.edit_id));
    const mine = two.edit("score", column, students[7], { score: "3" }, { base: outcome.head.edit_id, resolves: [late.edit_id] });
    accepted(await two.save(mine));
    await two.settled();
    assert.ok(!(await server.snapshot()).conflicts.some(({ edit_id }) => edit_id === late.edit_id), "decided");
    assert.deepEqual((await server.cell("score", column, students[7])).value, { score: "3" });
  },
  "take theirs is an edit too, and both stay in the history": async ({ server, column, students }) => {
    const [one, two] = [new Client(server), new Client(server)];
    await one.save(one.edit("comment", column, students[7], { text: "hers" }));
    await one.settled();
    const late = two.edit("comment", column, students[7], { text: "his" });
    const [{ head }] = (await two.save(late)).outcomes;
    accepted(await two.save(two.edit("comment", column, students[7], head.value, { base: head.edit_id, resolves: [late.edit_id] })));
    await two.settled();
    const states = (await server.history("comment", column, students[7])).map(({ edit_id, state, is_open }) => [edit_id === late.edit_id, state, is_open]);
    assert.deepEqual(states.filter(([isLate]) => isLate), [[true, "conflict", false]]);
    assert.equal(states.length, 3);
  },
  "typing on before choosing replaces one's own open conflict": async ({ server, column, students }) => {
    const [one, two] = [new Client(server), new Client(server)];
    await one.save(one.edit("comment", column, students[6], { text: "hers" }));
    await one.settled();
    const late = two.edit("comment", column, students[6], { text: "his" });
    const on = two.edit("comment", column, students[6], { text: "his, longer" }, { base: late.edit_id });
    const { outcomes } = await two.save(late, on);
    assert.deepEqual(outcomes.map(({ outcome }) => outcome), ["conflict", "conflict"]);
    await two.settled();
    const open = (await server.snapshot()).conflicts.map(({ edit_id }) => edit_id);
    assert.deepEqual([open.includes(late.edit_id), open.includes(on.edit_id)], [false, true]);
  },
  "what is refused is kept with its value and the reason": async ({ server, column, students }) => {
    const client = new Client(server);
    const edit = client.edit("score", column, students[8], { score: "21" });
    const [outcome] = (await client.save(edit)).outcomes;
    assert.deepEqual([outcome.outcome, outcome.code, outcome.params.max], ["rejected", "score_out_of_range", "20"]);
    await client.settled();
    const [entry] = await server.history("score", column, students[8]);
    assert.deepEqual([entry.state, entry.code, entry.value], ["rejected", "score_out_of_range", { score: "21" }]);
    assert.equal((await client.save(edit)).outcomes[0].outcome, "rejected", "sent again it gets the outcome that it has");
  },
  "a base that names an own edit that never applied counts as that edit's base": async ({ server, column, students }) => {
    const client = new Client(server);
    const bad = client.edit("score", column, students[9], { score: "99" });
    const good = client.edit("score", column, students[9], { score: "9" }, { base: bad.edit_id });
    const answer = await client.save(bad, good);
    assert.equal(answer.outcomes[0].outcome, "rejected");
    accepted(answer, 1);
  },
  "the reasons have stable codes": async ({ server, column, students }) => {
    const client = new Client(server);
    const wrong = [
      ["unknown_student", client.edit("score", column, 4_294_967_290, { score: "1" })],
      ["unknown_line_item", client.edit("score", 4_294_967_290, students[0], { score: "1" })],
      ["unknown_day", client.edit("attendance", 2026023100, students[0], { category: "present" })],
      ["value_malformed", client.edit("score", column, students[9], { score: "many" })],
      ["value_malformed", client.edit("score", column, students[9], { mark: "1" })],
      ["value_too_large", client.edit("comment", column, students[9], { text: "x".repeat(9_000) })],
    ];
    const { outcomes } = await client.save(...wrong.map(([, edit]) => edit));
    outcomes.forEach(({ outcome, code }, i) => assert.deepEqual([outcome, code], ["rejected", wrong[i][0]]));
  },
  "exceptions_seen_seq is taken, and exceptions are a list in every answer": async ({ server }) => {
    const client = new Client(server);
    client.seen = 2_147_483_647;
    assert.deepEqual((await client.save()).exceptions, []);
  },
  "unknown fields in a request are ignored": async ({ server, column, students }) => {
    const client = new Client(server);
    const edit = client.edit("comment", column, students[8], { text: "fine" }, { colour: "blue" });
    const { status, answer } = await client.send([edit], { weather: "rain" });
    assert.equal(status, 200);
    accepted(answer);
  },
  "a receipt covers section, client, seqs and outcomes": async ({ server, column, students }) => {
    const client = new Client(server);
    const edits = [client.edit("comment", column, students[0], { text: "once more" }), client.edit("comment", column, students[9], { text: "x" })];
    const { receipt, outcomes } = await client.save(...edits);
    assert.match(receipt, /^r1\.[\w-]+$/);
    const raw = Buffer.from(receipt.slice(3), "base64url");
    const letter = { drafted: "d", recorded: "R", conflict: "c", rejected: "r" };
    const said = Buffer.concat(outcomes.flatMap(({ edit_id, outcome }) => [Buffer.from(edit_id.replaceAll("-", ""), "hex"), Buffer.from(letter[outcome])]));
    assert.deepEqual([raw.length, raw.readUInt32BE(4), raw.subarray(12, 28).toString("hex")], [76, server.section, client.id.replaceAll("-", "")]);
    assert.deepEqual([raw.readUInt32BE(28), raw.readUInt32BE(32)], [1, 2]);
    assert.ok(Math.abs(Number(raw.readBigUInt64BE(36)) - Date.now()) < 300_000);
    assert.deepEqual(raw.subarray(44, 60), createHash("sha256").update(said).digest().subarray(0, 16));
  },
  "200 edits are taken, and 201 are not": async ({ server }) => {
    const client = new Client(server);
    const edits = Array.from({ length: 201 }, (_, i) => client.edit("roll_taken", 2026010500 + (i % 90), 0, { taken: true }));
    assert.equal((await client.send(edits)).status, 422);
    const { status, answer } = await client.send(edits.slice(0, 200));
    assert.deepEqual([status, answer.outcomes?.length], [200, 200]);
  },
  "a body above 65,536 bytes is 413 with max_bytes, and nothing is accepted": async ({ server, column, students }) => {
    const client = new Client(server);
    const edits = students.slice(0, 10).map((student) => client.edit("comment", column, student, { text: "y".repeat(7_000) }));
    const { status, answer } = await client.send(edits);
    assert.deepEqual([status, answer.code, answer.params.max_bytes], [413, "request_too_large", 65_536]);
  },
  "a seq that does not rise by one is 422 and says where": async ({ server, column, students }) => {
    const client = new Client(server);
    const edits = [client.edit("comment", column, students[1], { text: "a" }), client.edit("comment", column, students[2], { text: "b" })];
    const { status, answer } = await client.send([edits[0], { ...edits[1], seq: 3 }]);
    assert.deepEqual([status, answer.code, answer.params.seq], [422, "malformed_request", 3]);
    assert.equal(await server.cell("comment", column, students[1]), undefined);
  },
  "a request of another shape is 422 malformed_request": async ({ server }) => {
    for (const body of [{ edits: [] }, { client_id: "me", sent_at: new Date().toISOString(), edits: [] }, { client_id: randomUUID(), sent_at: "today", edits: [] }]) {
      const { status, answer } = await server.post(server.edits, body);
      assert.deepEqual([status, answer.code], [422, "malformed_request"]);
    }
  },
};
