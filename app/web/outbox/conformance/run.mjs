#!/usr/bin/env node
// Does a server keep docs/protocol.md? A run from outside, which needs nothing but Node:
//
//   node run.mjs --url http://127.0.0.1:8000 --token ikg1.… --section 1 [PART OF A SENTENCE …]
//
// The section has at least ten active students; a column is made in it for each run, and days of the past are marked.
// Prints a line for each sentence of the document (TAP), and exits with 1 if one is not kept.
import { parseArgs } from "node:util";
import { Client, Server } from "./client.mjs";
import { READING } from "./reading.mjs";
import { SAVING } from "./saving.mjs";

const { values, positionals } = parseArgs({
  options: { url: { type: "string" }, token: { type: "string" }, section: { type: "string" } },
  allowPositionals: true,
});
if (!values.url || !values.token || !values.section) {
  console.error("usage: run.mjs --url URL --token GRANT --section ID [PART OF A SENTENCE …]");
  process.exit(2);
}

/** A column of its own, from 0 to 20 points, and the students that it has. */
async function prepare(server) {
  const { reserved_line_item_ids, students } = await server.snapshot();
  const active = students.filter(({ is_active }) => is_active).map(({ student_id }) => student_id);
  if (active.length < 10) throw new Error("the section needs at least ten active students");
  const client = new Client(server);
  const title = `Conformance ${new Date().toISOString()}`;
  const answer = await client.save(client.edit("line_item", reserved_line_item_ids[0], 0, { title, result_value_max: "20" }));
  if (!["drafted", "recorded"].includes(answer.outcomes[0].outcome)) throw new Error(`no column: ${JSON.stringify(answer.outcomes[0])}`);
  return { server, column: reserved_line_item_ids[0], students: active };
}

const server = new Server(values.url, values.token, Number(values.section));
const at = await prepare(server);
const checks = Object.entries({ ...READING, ...SAVING }).filter(([sentence]) => positionals.every((part) => sentence.includes(part)));
let failed = 0;
console.log(`TAP version 13\n1..${checks.length}`);
for (const [i, [sentence, check]] of checks.entries()) {
  try {
    await check(at);
    console.log(`ok ${i + 1} - ${sentence}`);
  } catch (error) {
    failed += 1;
    console.log(`not ok ${i + 1} - ${sentence}\n${String(error.message).replace(/^/gm, "  # ")}`);
  }
}
console.log(`# ${checks.length - failed} of ${checks.length} sentences are kept`);
process.exit(failed ? 1 : 0);
