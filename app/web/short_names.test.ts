/** The names that the build makes short are of the sources alone: a browser's would not be found any more. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import names from "./short_names.json";

const ROOT = fileURLToPath(new URL("..", import.meta.url)); // from the folder that the tests are built into

const withoutComments = (text: string): string => text.replace(/\/\*[\s\S]*?\*\/|\/\/.*|'[^'\n]*'/g, "");

/** Every name in the code of the files below a folder whose paths end like this. */
function wordsIn(folder: string, ending: RegExp): ReadonlySet<string> {
  const paths = readdirSync(join(ROOT, folder), { recursive: true }).map(String).filter((path) => ending.test(path));
  assert.notEqual(paths.length, 0, folder);
  return new Set(paths.flatMap((path) => withoutComments(readFileSync(join(ROOT, folder, path), "utf8")).match(/\w+/g) ?? []));
}

test("no browser has a property of such a name, nor the language", () => {
  const known = wordsIn("node_modules/@typescript", /\/lib\.(dom|es\w+|webworker)(\.[\w.]+)?\.d\.ts$/);
  assert.ok(known.has("ifAvailable") && known.has("querySelectorAll") && known.has("padStart"));
  assert.deepEqual(names.filter((name) => known.has(name)), []);
});

test("no element has an attribute of such a name", () => {
  const known = wordsIn("node_modules/preact/src", /(jsx|dom)\.d\.ts$/);
  assert.ok(known.has("onKeyDown") && known.has("tabIndex"));
  assert.deepEqual(names.filter((name) => known.has(name)), []);
});

test("each is there, once, in order", () => {
  const used = ["grid", "section", "pages", "style", "words", "outbox/src"].map((folder) => wordsIn(folder, /\.tsx?$/));
  assert.deepEqual(names.filter((name) => !used.some((words) => words.has(name))), []);
  assert.deepEqual(names, [...new Set(names)].sort());
});

test("no sentence has a place for such a name", () => {
  const places = readdirSync(join(ROOT, "words/en")).flatMap((name) => readFileSync(join(ROOT, "words/en", name), "utf8").match(/\{\w+\}/g) ?? []);
  assert.ok(places.includes("{place}"));
  assert.deepEqual(names.filter((name) => places.includes(`{${name}}`)), []);
});
