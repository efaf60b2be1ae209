/**
 * What is not needed to call a roll: each part is fetched with its words when it is first wanted. A part imports the page's entry,
 * which has run by then: so the build keeps the page in one file, instead of cutting it by what its parts share with it.
 */
import type { VNode } from "preact";
import { later } from "../../section/later.tsx";
import { changed } from "../../section/watched.ts";
import { withArea } from "../../words/words.ts";
import type { Needing } from "./entry_needs.tsx";
import type { Row } from "./roll.ts";
import type { BesideWords, RollCall, Shown } from "./roll_call.ts";

const BESIDE = { en: () => import("../../words/en/attendance_beside.json"), es: () => import("../../words/es/attendance_beside.json") };
const REFUSALS = { en: () => import("../../words/en/refusals.json"), es: () => import("../../words/es/refusals.json") };

interface Beside {
  readonly call: RollCall;
}

async function wordsOf({ call }: Beside): Promise<BesideWords> {
  const [words] = await Promise.all([withArea(call.words, BESIDE), withArea(call.words, REFUSALS)]);
  return words as BesideWords;
}

/** Neither the network nor this computer has it: the roll goes on without it. */
function missed({ call }: Beside): void {
  call.opened.value = null;
  call.shown.value = "roll";
  call.notice.value = { says: call.words.say("attendance.missed"), tone: "warn" };
}

/** Time and note of one student. */
export const Details = later(async (first: Beside & { readonly row: Row }) => {
  const [{ DetailsForm }, words] = await Promise.all([import("./roll_parts.ts"), wordsOf(first)]);
  return (given: typeof first) => <DetailsForm {...given} words={words} />;
}, missed);

export const Seats = later(async (first: Beside) => {
  const [{ SeatsForm }, words] = await Promise.all([import("./roll_parts.ts"), wordsOf(first)]);
  return (given: typeof first) => <SeatsForm {...given} words={words} />;
}, missed);

export const Week = later(async (first: Beside & { readonly goTo: (day: string, shown: Shown) => void }) => {
  const [{ WeekTable }, words] = await Promise.all([import("./roll_parts.ts"), wordsOf(first)]);
  return (given: typeof first) => <WeekTable {...given} words={words} />;
}, missed);

const ASKED_AGAIN_MS = 5_000;
const askAgain = (): void => void setTimeout(changed, ASKED_AGAIN_MS);

const Concern = later(async (first: Needing) => {
  const [{ EntryNeeds: Part }, words] = await Promise.all([import("./roll_parts.ts"), wordsOf(first)]);
  return (given: typeof first) => <Part {...given} words={words} />;
}, askAgain);

/** How many entries wait for a person. */
export const Needs = later(async (first: Beside & { readonly goTo: (day: string, shown: Shown) => void }) => {
  const [{ Needs: Part }, words] = await Promise.all([import("./roll_parts.ts"), wordsOf(first)]);
  return (given: typeof first) => <Part {...given} words={words} />;
}, askAgain);

/** What a person has to decide or to know about an entry; nothing for most. */
export function EntryNeeds(given: Needing): VNode | null {
  const { cell, conflict } = given;
  const isNeeded = conflict !== undefined || cell.theirs !== undefined || cell.place === "rejected" || cell.place === "quarantined";
  return isNeeded ? <Concern.Part {...given} /> : null;
}

/** Fetch everything now: for a browser that would not have it without a network. */
export function prepareAll(call: RollCall, goTo: (day: string, shown: Shown) => void): void {
  const [row] = call.roll.value.rows;
  if (row === undefined) return;
  Details.prepare({ call, row });
  Concern.prepare({ call, cell: row.cell, conflict: undefined });
  Needs.prepare({ call, goTo });
  Seats.prepare({ call });
  Week.prepare({ call, goTo });
}
