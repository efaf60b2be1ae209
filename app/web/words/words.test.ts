/** The two dictionaries say the same, and sentences come out as people write them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import enAttendance from "./en/attendance.json";
import enAttendanceBeside from "./en/attendance_beside.json";
import enCompatibility from "./en/compatibility.json";
import enGradebook from "./en/gradebook.json";
import enGradebookBeside from "./en/gradebook_beside.json";
import enHome from "./en/home.json";
import enReceipts from "./en/receipts.json";
import enRefusals from "./en/refusals.json";
import enShared from "./en/shared.json";
import enSignIn from "./en/sign_in.json";
import enTrouble from "./en/trouble.json";
import enUnavailable from "./en/unavailable.json";
import esAttendance from "./es/attendance.json";
import esAttendanceBeside from "./es/attendance_beside.json";
import esCompatibility from "./es/compatibility.json";
import esGradebook from "./es/gradebook.json";
import esGradebookBeside from "./es/gradebook_beside.json";
import esHome from "./es/home.json";
import esReceipts from "./es/receipts.json";
import esRefusals from "./es/refusals.json";
import esShared from "./es/shared.json";
import esSignIn from "./es/sign_in.json";
import esTrouble from "./es/trouble.json";
import esUnavailable from "./es/unavailable.json";
import { type Dictionary, type Sentence, Words, chosenLanguage, loadWords, withArea } from "./words.ts";

const AREAS: Readonly<Record<string, readonly [Dictionary, Dictionary]>> = {
  shared: [enShared, esShared],
  home: [enHome, esHome],
  gradebook: [enGradebook, esGradebook],
  gradebook_beside: [enGradebookBeside, esGradebookBeside],
  refusals: [enRefusals, esRefusals],
  attendance: [enAttendance, esAttendance],
  attendance_beside: [enAttendanceBeside, esAttendanceBeside],
  receipts: [enReceipts, esReceipts],
  sign_in: [enSignIn, esSignIn],
  trouble: [enTrouble, esTrouble],
  unavailable: [enUnavailable, esUnavailable],
  compatibility: [enCompatibility, esCompatibility],
};

const asked: string[] = [];
globalThis.fetch = async (address) => {
  asked.push(String(address));
  const [, area = "", language] = /^\/app\/assets\/(\w+)-(en|es)\.TESTS\.json$/.exec(String(address)) ?? [];
  const found = AREAS[area]?.[language === "en" ? 0 : 1];
  return found === undefined || isAway ? new Response("", { status: 503 }) : Response.json(found);
};
let isAway = false;

function forms(sentence: Sentence | undefined): readonly string[] {
  return sentence === undefined ? [] : typeof sentence === "string" ? [sentence] : Object.values(sentence);
}

/** The placeholders of a sentence; of plural forms, those of all together. A form for one may leave the number out. */
function placeholders(sentence: Sentence | undefined): string {
  const names = forms(sentence).flatMap((form) => [...form.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
  return [...new Set(names)].filter((name) => name !== "n" || typeof sentence === "string").sort().join();
}

function isLoadedWith(area: string, other: string): boolean {
  return area !== other && (other === "shared" || area.startsWith(`${other}_`));
}

for (const [area, [en, es]] of Object.entries(AREAS)) {
  test(`${area}: the same keys, in both languages`, () => {
    assert.deepEqual(Object.keys(es).sort(), Object.keys(en).sort());
  });

  test(`${area}: the same placeholders, in both languages`, () => {
    const of = (dictionary: Dictionary): Record<string, string> =>
      Object.fromEntries(Object.keys(en).map((key) => [key, placeholders(dictionary[key])]));
    assert.deepEqual(of(es), of(en));
  });

  test(`${area}: plural forms are one and other, and other says the number where English does`, () => {
    for (const [key, english] of Object.entries(en)) {
      const spanish = es[key];
      if (typeof english === "string" || typeof spanish !== "object") continue;
      for (const sentence of [english, spanish]) assert.deepEqual(Object.keys(sentence).sort(), ["one", "other"], key);
      assert.equal(spanish["other"]?.includes("{n}"), english["other"]?.includes("{n}"), key);
    }
  });

  test(`${area}: no sentence is empty, or has a brace that nothing fills`, () => {
    for (const dictionary of [en, es]) {
      for (const [key, sentence] of Object.entries(dictionary)) {
        for (const form of forms(sentence)) {
          assert.notEqual(form.trim(), "", key);
          assert.doesNotMatch(form.replace(/\{\w+\}/g, ""), /[{}]/, key);
        }
      }
    }
  });

  test(`${area}: no key is said twice, in the area and in what is loaded with it`, () => {
    for (const [other, [also]] of Object.entries(AREAS)) {
      if (isLoadedWith(area, other)) assert.deepEqual(Object.keys(en).filter((key) => key in also), [], other);
    }
  });
}

test("a further area joins the words that are there", async () => {
  const words = (await loadWords("attendance", "es")).inZone("America/Los_Angeles");
  const more = await withArea(words, "attendance_beside");
  assert.equal(more.say("details.done"), esAttendanceBeside["details.done"]);
  assert.equal(words.say("roll.take"), esAttendance["roll.take"]);
  assert.equal(more.timeZone, "America/Los_Angeles");
});

test("words that did not come are asked for again", async ({ mock }) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  isAway = true;
  const coming = loadWords("attendance", "en");
  for (let tries = 1; tries <= 3; tries += 1) {
    await new Promise(setImmediate);
    assert.equal(asked.filter((address) => address.includes("attendance-en")).length, tries);
    mock.timers.tick(6_000);
  }
  isAway = false;
  await new Promise(setImmediate);
  mock.timers.tick(6_000);
  const words = await coming;
  isAway = true;
  await assert.rejects(withArea(words, "refusals"), /refusals: 503/);
  assert.equal(words.has("code.rejected"), false);
  isAway = false;
  assert.equal((await withArea(words, "refusals")).say("code.rejected"), enRefusals["code.rejected"]);
  assert.equal(asked.filter((address) => address.includes("refusals-en")).length, 2);
});

test("a sentence is filled; what was not given stays visible", () => {
  const words = new Words("en", { "a.key": "{n} of {all}, {name}" });
  assert.equal(words.say("a.key" as never, { n: 1200, all: "3" }), "1,200 of 3, {name}");
  assert.equal(words.say("b.key" as never), "b.key");
});

test("a time that ends with a period ends its sentence with the same one", () => {
  const words = new Words("es", { "a.key": "Fue {at}. Ya…" });
  assert.equal(words.say("a.key" as never, { at: "a las 2:41 p. m." }), "Fue a las 2:41 p. m. Ya…");
});

test("plural forms are chosen by n; a form that the dictionary lacks is other", () => {
  const words = new Words("es", { "a.key": { one: "{n} marca", other: "{n} marcas" } });
  assert.equal(words.say("a.key" as never, { n: 1 }), "1 marca");
  assert.equal(words.say("a.key" as never, { n: 0 }), "0 marcas");
  assert.equal(words.say("a.key" as never, { n: 1_000_000 }), "1,000,000 marcas");
});

test("moments are told by the clock of the school", async () => {
  const en = (await loadWords("attendance", "en")).inZone("America/Los_Angeles");
  const es = (await loadWords("attendance", "es")).inZone("America/Los_Angeles");
  const moment = Date.parse("2026-11-04T22:41:07Z");
  assert.equal(en.time(moment), "2:41\u00a0pm");
  assert.equal(en.at(moment, moment), "at 2:41\u00a0pm");
  assert.equal(en.at(moment, moment + 86_400_000), "at 2:41\u00a0pm on Wednesday, November 4");
  assert.match(es.at(moment, moment), /^a las 2:41/);
  assert.match(es.at(moment - 3_600_000, moment), /^a la 1:41/);
  assert.match(es.at(moment, moment + 86_400_000), /^el miércoles, 4 de noviembre a las 2:41/);
  assert.equal(en.timeOfDay("08:07"), "8:07\u00a0am");
  assert.equal(en.timeOfDay("00:30"), "12:30\u00a0am");
  assert.equal(en.read(moment).clock, "14:41");
  assert.equal(en.read("2026-11-04T08:05:00Z").clock, "00:05");
  assert.equal(en.read("2026-11-05T03:00:00Z").day, "2026-11-04");
  assert.deepEqual([en.read("2026-11-04T20:05:00Z").hour, en.read("2026-11-04T08:05:00Z").hour], [12, 12]);
});

test("a zone that the browser does not know leaves its own clock", () => {
  const words = new Words("en", {}).inZone("Mars/Olympus");
  assert.match(words.time(0), /\d:\d\d/);
  assert.equal(words.timeZone, undefined);
});

test("a browser without storage speaks its own language, or English", () => {
  assert.ok(["en", "es"].includes(chosenLanguage()));
});
