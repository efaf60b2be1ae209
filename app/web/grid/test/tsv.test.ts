import assert from "node:assert/strict";
import { test } from "node:test";
import { writeBlock } from "../blocks.ts";
import { readBlock } from "../tsv.ts";

const CASES: readonly (readonly [string, readonly (readonly string[])[]])[] = [
  ["17", [["17"]]],
  ["", [[""]]],
  ["1\t2\n3\t4", [["1", "2"], ["3", "4"]]],
  ["1\t2\r\n3\t4\r\n", [["1", "2"], ["3", "4"]]],
  ["1\r2\r", [["1"], ["2"]]],
  ["1\n\n2", [["1"], [""], ["2"]]],
  ["1\n\n", [["1"], [""]]],
  ["\t\n\t", [["", ""], ["", ""]]],
  ['"two\nlines"\t3', [["two\nlines", "3"]]],
  ['"a ""b"" c"\r\nd', [['a "b" c'], ["d"]]],
  ['"tab\there"', [["tab\there"]]],
  ['6" ruler\t"', [['6" ruler', '"']]],
  ['"open\t1\n2', [['"open', "1"], ["2"]]],
  ['"abc" def\t2', [['"abc" def', "2"]]],
  ['""', [[""]]],
];

for (const [text, block] of CASES) test(`reads ${JSON.stringify(text)}`, () => assert.deepEqual(readBlock(text), block));

test("what is written is read back", () => {
  const pieces = ["", "17", '"', '""', "a\tb", "a\nb", "a\r\nb", 'say "so"', " 1,5 ", '"q"'];
  let seed = 7;
  const chance = (below: number) => (seed = (seed * 48271) % 2147483647) % below;
  for (let round = 0; round < 300; round++) {
    const columns = 1 + chance(4);
    const block = Array.from({ length: 1 + chance(4) }, () => Array.from({ length: columns }, () => pieces[chance(pieces.length)] as string));
    // A last line that is one empty field cannot be told from a line end.
    if (columns === 1 && block.length > 1 && block[block.length - 1]?.[0] === "") continue;
    assert.deepEqual(readBlock(writeBlock(block)), block);
  }
});

test("a large block with quotes is read in a moment", () => {
  const text = Array.from({ length: 2000 }, () => Array.from({ length: 60 }, () => '"a ""b"""').join("\t")).join("\n");
  // Time on the processor: a machine that stands still for a while counts for nothing.
  const start = process.cpuUsage();
  assert.equal(readBlock(`"${text}`).length, 2000);
  const { user, system } = process.cpuUsage(start);
  assert.ok(user + system < 2_000_000, `${user + system} µs`);
});
