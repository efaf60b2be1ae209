/** What is not needed to call a roll: its parts are fetched with their words when one is first wanted. */
import type { VNode } from "preact";
import { later } from "../../section/later.tsx";
import { changed } from "../../section/watched.ts";
import { withArea } from "../../words/words.ts";
import type { Needing } from "./entry_needs.tsx";
import type { Row } from "./roll.ts";
import type { BesideWords, RollCall } from "./roll_call.ts";

type Parts = typeof import("./roll_parts.ts");

interface Beside {
  readonly call: RollCall;
}
interface Wanted extends Beside {
  readonly draw: (parts: Parts, words: BesideWords) => VNode;
}

const ASKED_AGAIN_MS = 5_000;

/** All of them are in one file, and come with their words, once. */
const beside = later<Wanted, Beside>(async ({ call }) => {
  const [parts, words] = await Promise.all([
    import("./roll_parts.ts"),
    withArea(call.words, "attendance_beside"),
    withArea(call.words, "refusals"),
  ]);
  return ({ draw }) => draw(parts, words as BesideWords);
}, missed);

/** Neither the network nor this computer has it: the roll goes on without what was opened, and the rest is asked for again. */
function missed({ call }: Beside): void {
  if (call.opened.value !== null || call.shown.value === "week") {
    call.opened.value = null;
    call.shown.value = "roll";
    call.notice.value = { says: call.words.say("attendance.missed"), tone: "warn" };
  }
  setTimeout(changed, ASKED_AGAIN_MS);
}

/** Time and note of one student. */
export function Details(given: Beside & { readonly row: Row }): VNode {
  return <beside.Part call={given.call} draw={({ DetailsForm }, words) => <DetailsForm {...given} words={words} />} />;
}

export function Seats(given: Beside): VNode {
  return <beside.Part call={given.call} draw={({ SeatsForm }, words) => <SeatsForm {...given} words={words} />} />;
}

export function Week(given: Beside): VNode {
  return <beside.Part call={given.call} draw={({ WeekTable }, words) => <WeekTable {...given} words={words} />} />;
}

/** How many entries wait for a person. */
export function Needs(given: Beside): VNode {
  return <beside.Part call={given.call} draw={(parts, words) => <parts.Needs {...given} words={words} />} />;
}

/** What a person has to decide or to know about an entry; nothing for most. */
export function EntryNeeds(given: Needing): VNode | null {
  const { cell, conflict } = given;
  const isNeeded = conflict !== undefined || cell.theirs !== undefined || cell.place === "rejected" || cell.place === "quarantined";
  return isNeeded ? <beside.Part call={given.call} draw={(parts, words) => <parts.EntryNeeds {...given} words={words} />} /> : null;
}

/** They may be wanted soon. */
export function prepareBeside(call: RollCall): void {
  beside.prepare({ call });
}
