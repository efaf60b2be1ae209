// docs/protocol.md: Identity, Problems, Reading, Events.
import assert from "node:assert/strict";
import { Client, until } from "./client.mjs";

const CELL_COLUMNS = ["author_id", "cell_version", "edit_id", "entered_at", "item", "kind", "state", "student", "value"];
const STREAM_MS_MAX = 20_000;

function isProblem({ status, headers, answer }, wantedStatus, code) {
  assert.deepEqual([status, answer?.code], [wantedStatus, code]);
  assert.match(headers.get("content-type"), /^application\/problem\+json/);
  assert.equal(answer.type, `urn:inkfast:problem:${code}`);
  assert.equal(answer.status, wantedStatus);
  assert.equal(typeof answer.title, "string");
}

/** Read a stream of events until one `isMeant`; returns its data. */
async function event(server, isMeant, act) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), STREAM_MS_MAX);
  const response = await fetch(`${server.root}/events?sections=${server.section}`, { headers: { Authorization: `Bearer ${server.token}` }, signal: stop.signal });
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type"), /^text\/event-stream/);
  let text = "";
  let isActed = false;
  try {
    for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
      text += piece;
      if (!isActed) void act();
      isActed = true;
      for (const block of text.split("\n\n")) {
        const fields = Object.fromEntries(block.split("\n").filter((line) => /^(event|data):/.test(line)).map((line) => line.split(/: ?(.*)/s)));
        if (fields.event && fields.data && isMeant(fields.event, JSON.parse(fields.data))) return JSON.parse(fields.data);
      }
    }
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
  throw new Error("the stream has ended without it");
}

export const READING = {
  "a request without a grant is 401 sign_in_required": async ({ server }) => {
    isProblem(await server.ask(`sections/${server.section}`, { token: null }), 401, "sign_in_required");
    isProblem(await server.post(server.edits, new Client(server).body([]), { token: "ikg1.nonsense" }), 401, "sign_in_required");
  },
  "a section that is not theirs is 403 not_permitted": async ({ server }) => {
    isProblem(await server.post("sections/4294967290/edits", new Client(server).body([])), 403, "not_permitted");
  },
  "what is not JSON is 400 unreadable_request": async ({ server }) => {
    isProblem(await server.post(server.edits, '{"client_id": '), 400, "unreadable_request");
  },
  "an unknown address is 404, and an unknown method 405": async ({ server }) => {
    isProblem(await server.ask("nowhere"), 404, "not_found");
    isProblem(await server.ask(server.edits, { method: "PUT", body: "{}" }), 405, "method_not_allowed");
  },
  "the sections that the user teaches": async ({ server }) => {
    const { answer } = await server.ask("sections");
    const section = answer.sections.find(({ section_id }) => section_id === server.section);
    for (const field of ["title", "course_title", "class_code", "periods", "org_name", "school_year", "students"]) assert.ok(field in section, field);
    assert.equal(typeof answer.records_are_away, "boolean");
    assert.ok(Date.parse(answer.as_of));
  },
  "a section: cells are columns of equal length, sorted, without empty ones": async ({ server }) => {
    const { cells, section, students, line_items, conflicts, authors, next_save_ms } = await server.snapshot();
    assert.deepEqual(Object.keys(cells).sort(), CELL_COLUMNS);
    assert.equal(new Set(Object.values(cells).map((column) => column.length)).size, 1);
    assert.ok(cells.state.every((state) => state === "recorded" || state === "drafted"));
    const places = cells.kind.map((kind, i) => [kind, cells.item[i], cells.student[i]]);
    const kinds = [...new Set(cells.kind)];
    const rank = ([kind, item, student]) => [kinds.indexOf(kind), item, student];
    places.forEach((place, i) => {
      if (!i) return;
      const [a, b] = [rank(places[i - 1]), rank(place)];
      assert.ok(a[0] - b[0] < 0 || (a[0] === b[0] && (a[1] < b[1] || (a[1] === b[1] && a[2] < b[2]))), "sorted by kind, item and student");
    });
    assert.ok(Array.isArray(students) && Array.isArray(line_items) && Array.isArray(conflicts) && authors && next_save_ms > 0);
    assert.match(section.today, /^\d{4}-\d\d-\d\d$/);
  },
  "at least 10 ids are reserved for columns to be made": async ({ server }) => {
    const { reserved_line_item_ids, line_items } = await server.snapshot();
    assert.ok(reserved_line_item_ids.length >= 10);
    assert.ok(!line_items.some(({ line_item_id }) => reserved_line_item_ids.includes(line_item_id)));
  },
  "the ETag is over all but as_of: 304 until something has changed": async ({ server, column, students }) => {
    const client = new Client(server);
    await client.save(client.edit("comment", column, students[3], { text: "before" }));
    await client.settled();
    const { headers } = await server.snapshot();
    assert.equal(headers.get("cache-control"), "private, no-cache");
    const again = () => server.ask(`sections/${server.section}`, { headers: { "If-None-Match": headers.get("etag") } });
    assert.equal((await again()).status, 304);
    await client.save(client.edit("comment", column, students[4], { text: "after" }));
    assert.equal((await again()).status, 200);
  },
  "a drafted edit is in the snapshot at once, and its edit_id is the next base": async ({ server, column, students }) => {
    const client = new Client(server);
    const edit = client.edit("comment", column, students[5], { text: "read back" });
    await client.save(edit);
    const cell = await server.cell("comment", column, students[5]);
    assert.deepEqual([cell.edit_id, cell.value], [edit.edit_id, { text: "read back" }]);
  },
  "the history of a cell: every edit, newest first": async ({ server, students }) => {
    const client = new Client(server);
    const first = client.edit("attendance", 2026090100, students[0], { category: "tardy", arrival_time: "08:12" });
    const second = client.edit("attendance", 2026090100, students[0], { category: "present" }, { base: first.edit_id });
    await client.save(first, second);
    await client.settled();
    const mine = (await until(() => server.history("attendance", 2026090100, students[0]), (all) => all.length >= 2, "two entries"))
      .filter(({ edit_id }) => [first.edit_id, second.edit_id].includes(edit_id));
    for (const entry of mine) for (const field of ["base", "state", "value", "author_id", "entered_at", "received_at", "recorded_at", "path", "resolves"]) assert.ok(field in entry, field);
    if (mine[0].state === "recorded") assert.deepEqual(mine.map(({ edit_id }) => edit_id), [second.edit_id, first.edit_id]);
  },
  "events: cells have new heads, drafted by this author through this client": async ({ server, column, students }) => {
    const client = new Client(server);
    const edit = client.edit("comment", column, students[6], { text: "look" }, { base: (await server.cell("comment", column, students[6]))?.edit_id ?? null });
    const data = await event(server, (name, { client_id }) => name === "cells" && client_id === client.id, () => client.save(edit));
    assert.deepEqual([data.section_id, data.cells.edit_id], [server.section, [edit.edit_id]]);
    assert.deepEqual(data.cells.value, [{ text: "look" }]);
  },
  "events: one's own edits are recorded": async ({ server, column, students }) => {
    const client = new Client(server);
    const edit = client.edit("comment", column, students[2], { text: "settle" }, { base: (await server.cell("comment", column, students[2]))?.edit_id ?? null });
    const data = await event(server, (name, { client_id }) => name === "recorded" && client_id === client.id, () => client.save(edit));
    assert.deepEqual([data.section_id, data.recorded_seq], [server.section, 1]);
  },
};
