import assert from "node:assert/strict";
import { test } from "node:test";
import type { OutboxStatus } from "@inkfast/outbox";
import { type StatusFacts, describe, titleOf } from "../status.ts";
import * as trouble from "../trouble.tsx";
import enHome from "../../words/en/home.json";
import enShared from "../../words/en/shared.json";
import enTrouble from "../../words/en/trouble.json";
import esHome from "../../words/es/home.json";
import esShared from "../../words/es/shared.json";
import esTrouble from "../../words/es/trouble.json";
import { type Language, type SharedWords, Words } from "../../words/words.ts";

const HOME = { en: { ...enShared, ...enHome }, es: { ...esShared, ...esHome } };
const TROUBLE = { en: enTrouble, es: esTrouble };
const NOW = Date.parse("2026-11-06T22:41:00Z");
const CALM: OutboxStatus = {
  storing: 0, queued: 0, sending: 0, drafted: 0, conflicts: 0, rejected: 0, quarantined: 0, oldestUnsent: null, lastAcknowledged: null,
  lastRecorded: null, offlineSince: null, retryAt: null, signInRequired: false, stuck: null, storage: "persistent",
};

async function said(all: Partial<OutboxStatus>, more: Partial<StatusFacts> = {}, language: Language = "en", isHere = true) {
  const words: SharedWords = new Words(language, { ...HOME[language], ...TROUBLE[language] }).inZone("America/Los_Angeles");
  const facts: StatusFacts = {
    all: { ...CALM, ...all }, here: undefined, now: NOW, signIn: null, unreachableSince: null, asOf: null, isFromDisk: false,
    recordsAreAway: false, maintenanceUntil: null, unread: 0, ...more,
  };
  const found = describe(facts, words, isHere ? trouble : null);
  return { ...found, text: found.text.replace(/\u00a0/g, " "), note: found.note?.replace(/\u00a0/g, " ") ?? null };
}

test("each state has a sentence with its number and its time", async () => {
  const at = NOW - 11 * 60_000;
  assert.equal((await said({ queued: 12, oldestUnsent: at })).text, "12 changes are on this computer, not yet at the district");
  assert.equal((await said({ queued: 1, oldestUnsent: at })).text, "1 change is on this computer, not yet at the district");
  assert.equal((await said({ sending: 12, oldestUnsent: at })).text, "Sending 12 changes…");
  assert.equal((await said({ queued: 12, offlineSince: at })).text, "Offline since 2:30 pm. 12 changes are on this computer. You can go on.");
  assert.equal((await said({ drafted: 3, lastAcknowledged: at })).text, "Saved at the district at 2:30 pm. 3 changes are on their way into the records.");
  assert.equal((await said({ lastRecorded: NOW })).text, "Everything is in the records · 2:41 pm");
  assert.equal((await said({ queued: 12, offlineSince: at }, {}, "es")).text, "Sin conexión desde las 2:30 p.m.: 12 cambios están en esta computadora. Puede continuar.");
  assert.equal((await said({ queued: 1, offlineSince: NOW - 36e5 * 1.5 }, {}, "es")).text.slice(0, 32), "Sin conexión desde la 1:11 p.m.:");
  assert.match((await said({ queued: 2, offlineSince: NOW - 48 * 36e5, oldestUnsent: NOW })).text, /^Offline since Nov 4, 2:41 pm\./);
});

test("nothing is called saved before the server has said so", async () => {
  for (const state of [{ storing: 1 }, { queued: 1 }, { sending: 1 }, { queued: 1, offlineSince: NOW }, { queued: 1, storage: "memory" as const }]) {
    for (const language of ["en", "es"] as const) assert.doesNotMatch((await said(state, {}, language)).text, /saved|record|recibido|registros/i);
  }
});

test("what is still being stored is not said to be on this computer", async () => {
  const more = "8 changes are still being stored: keep this page open.";
  const all: Partial<OutboxStatus> = { queued: 290, sending: 2, storing: 8, oldestUnsent: NOW };
  const since = NOW - 61 * 60_000;
  assert.equal((await said({ ...all, offlineSince: NOW })).text, `Offline since 2:41 pm. 292 changes are on this computer. You can go on. ${more}`);
  assert.equal((await said({ ...all, offlineSince: NOW })).unsent, 300);
  const states = [{ offlineSince: NOW }, { oldestUnsent: since }, { signInRequired: true }, { stuck: { status: 422, code: "malformed_request" } }];
  for (const state of states) {
    const { text } = await said({ ...all, ...state });
    assert.match(text, /292 changes /);
    assert.ok(text.endsWith(more), text);
  }
  assert.match((await said({ storing: 8, offlineSince: NOW })).text, /kept on this computer\. 8 changes are still being stored/);
  assert.match((await said({ ...all, storing: 1, conflicts: 1 }, {}, "es")).text, /1 cambio aún se está guardando: deje abierta esta página\.$/);
  // Where there is no disk, all of them are nowhere else.
  assert.match((await said({ ...all, storage: "memory" })).text, /: 300 changes are nowhere else\.$/);
});

test("the worst state wins", async () => {
  const all: Partial<OutboxStatus> = { queued: 2, drafted: 3, lastAcknowledged: NOW, oldestUnsent: NOW };
  const worse: [Partial<OutboxStatus>, string][] = [
    [{}, "queued"], [{ sending: 1 }, "sending"], [{ storing: 1 }, "storing"], [{ offlineSince: NOW }, "offline"], [{ oldestUnsent: NOW - 61 * 60_000 }, "overdue"],
    [{ signInRequired: true }, "signed_out"], [{ conflicts: 1 }, "conflict"], [{ quarantined: 1 }, "quarantined"], [{ rejected: 1 }, "rejected"],
    [{ stuck: { status: 422, code: "malformed_request" } }, "stuck"], [{ storage: "memory" }, "nowhere"],
  ];
  let facts = all;
  for (const [more, state] of worse) {
    facts = { ...facts, ...more };
    assert.equal((await said(facts)).state, state);
  }
});

test("until the words for trouble are here, nothing else is said in their place", async () => {
  const queued = { queued: 2, oldestUnsent: NOW };
  const all: Partial<OutboxStatus>[] = [
    { offlineSince: NOW }, { oldestUnsent: NOW - 61 * 60_000 }, { signInRequired: true }, { conflicts: 1 }, { quarantined: 1 }, { rejected: 1 },
    { stuck: { status: 422, code: "malformed_request" } }, { storage: "memory" },
  ];
  for (const one of all) {
    const { text, isComing, offer, tone } = await said({ ...queued, ...one }, {}, "en", false);
    assert.deepEqual([text, isComing, offer], ["Something is not as it should be. One moment…", true, null]);
    assert.notEqual(tone, "ok");
  }
  assert.deepEqual((await said(queued, {}, "en", false)).isComing, false);
  const away = await said(queued, { asOf: NOW, recordsAreAway: true }, "en", false);
  assert.deepEqual([away.isComing, away.note, away.text], [true, null, "2 changes are on this computer, not yet at the district"]);
});

test("what waits in another section is not said to be here", async () => {
  assert.equal((await said({ rejected: 1 }, { here: CALM })).text, "1 entry in another section was not accepted.");
  assert.equal((await said({ rejected: 3 }, { here: { ...CALM, rejected: 1 } })).text, "1 entry was not accepted. What you typed is still there.");
  assert.equal((await said({ rejected: 1 }, { here: CALM })).offer, "other_section");
});

test("what is shown and is not of now says so", async () => {
  const asOf = NOW - 3 * 36e5;
  assert.equal((await said({}, { asOf, isFromDisk: true, unreachableSince: NOW })).note, "Shown as this computer last saw it, at 11:41 am.");
  assert.match((await said({}, { asOf, recordsAreAway: true })).note ?? "", /shown as they stood at 11:41 am/);
  assert.match((await said({}, { maintenanceUntil: NOW + 36e5 })).note ?? "", /^Maintenance until 3:41 pm/);
  assert.equal((await said({}, { maintenanceUntil: NOW - 36e5 })).note, null);
});

test("a text that could not be read is not among what is in the records", async () => {
  const { state, note, isComing } = await said({ lastRecorded: NOW }, { unread: 1 });
  assert.deepEqual([state, note, isComing], ["recorded", "1 text could not be read: it stands in its cell, and is nowhere else.", false]);
  assert.equal((await said({ lastRecorded: NOW }, { unread: 2 }, "es")).note, "2 textos no se pudieron leer: están en sus celdas y en ningún otro lugar.");
  assert.equal((await said({ lastRecorded: NOW }, { unread: 1 }, "en", false)).isComing, true);
});

test("the title says what is not sent", async () => {
  const words: SharedWords = new Words("en", HOME.en);
  assert.equal(titleOf("Algebra 1", 12, words), "(12 not sent) Algebra 1");
  assert.equal(titleOf("Algebra 1", 0, words), "Algebra 1");
});
