/** What a receipt says of a roll. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Acknowledgement } from "@inkfast/outbox";
import en from "../../words/en/receipts.json";
import shared_en from "../../words/en/shared.json";
import es from "../../words/es/receipts.json";
import shared_es from "../../words/es/shared.json";
import type { Snapshot } from "../../section/types.ts";
import { Words } from "../../words/words.ts";
import { describeEntry, whatOf } from "./described.ts";
import type { ReceiptWords } from "./page.tsx";

const WORDS = {
  en: new Words("en", { ...shared_en, ...en }) as unknown as ReceiptWords,
  es: new Words("es", { ...shared_es, ...es }) as unknown as ReceiptWords,
};

function rolls(...taken: readonly boolean[]): Acknowledgement {
  const edits = taken.map((value, at) => ({ edit_id: `e${at}`, kind: "roll_taken", item: 2026110400 + 100 * at, student: 0, value: { taken: value }, outcome: "recorded" }));
  return { at: 0, section: 1, receipt: "r1", edits };
}

test("a roll that was taken back is not listed as taken", () => {
  const both = rolls(true, false);
  assert.equal(whatOf(both, WORDS.en), "roll taken, roll not taken any more: in the records");
  assert.equal(whatOf(rolls(false, false), WORDS.en), "2 rolls not taken any more: in the records");
  assert.deepEqual(both.edits.map((edit) => describeEntry(edit, undefined, WORDS.en)), ["Nov 4: roll taken", "Nov 5: roll not taken any more"]);
  assert.equal(whatOf(rolls(false), WORDS.es), "asistencia ya no tomada: en los registros");
});

test("who has no family name is called by the given one, without a comma", () => {
  const students = [{ student_id: 7, given_name: "Sukarno", family_name: "", identifier: null, grades: null, is_active: true }];
  const edit = { edit_id: "e", kind: "attendance", item: 2026110400, student: 7, value: {}, outcome: "recorded" } as const;
  assert.match(describeEntry(edit, { students, line_items: [] } as unknown as Snapshot, WORDS.en), /^Sukarno\b/);
});
