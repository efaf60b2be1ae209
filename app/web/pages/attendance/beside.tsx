/** What is not needed to call a roll: its parts are fetched with their words when one is first wanted. */
import type { ComponentType, VNode } from "preact";
import { type Later, later } from "../../section/later.tsx";
import { changed } from "../../section/watched.ts";
import { withArea } from "../../words/words.ts";
import type { Needing } from "./entry_needs.tsx";
import type { Row } from "./roll.ts";
import type { BesideWords, RollCall, Shown } from "./roll_call.ts";


interface Beside {
  readonly call: RollCall;
}

let coming: Promise<readonly [typeof import("./roll_parts.ts"), BesideWords]> | undefined;

/** All of them are in one file, and come with their words, once; where they do not, they are asked for again. */
async function partsOf({ call }: Beside): Promise<readonly [typeof import("./roll_parts.ts"), BesideWords]> {
  try {
    coming ??= Promise.all([import("./roll_parts.ts"), withArea(call.words, "attendance_beside"), withArea(call.words, "refusals")]).then(
      ([parts, words]) => [parts, words as BesideWords],
    );
    return await coming;
  } catch (error) {
    coming = undefined;
    throw error;
  }
}

/** Neither the network nor this computer has it: the roll goes on without it. */
function missed({ call }: Beside): void {
  call.opened.value = null;
  call.shown.value = "roll";
  call.notice.value = { says: call.words.say("attendance.missed"), tone: "warn" };
}

/** One of the parts, drawn with its words. */
function part<P extends Beside>(
  find: (parts: typeof import("./roll_parts.ts")) => ComponentType<P & { readonly words: BesideWords }>,
  without: (given: P) => void,
): Later<P> {
  return later(async (first: P) => {
    const [parts, words] = await partsOf(first);
    const Part = find(parts);
    return (given) => <Part {...given} words={words} />;
  }, without);
}

type Going = Beside & { readonly goTo: (day: string, shown: Shown) => void };

/** Time and note of one student. */
export const Details = part<Beside & { readonly row: Row }>(({ DetailsForm }) => DetailsForm, missed);
export const Seats = part<Beside>(({ SeatsForm }) => SeatsForm, missed);
export const Week = part<Going>(({ WeekTable }) => WeekTable, missed);

const ASKED_AGAIN_MS = 5_000;
const askAgain = (): void => void setTimeout(changed, ASKED_AGAIN_MS);

const Concern = part<Needing>((parts) => parts.EntryNeeds, askAgain);
/** How many entries wait for a person. */
export const Needs = part<Going>((parts) => parts.Needs, askAgain);

/** What a person has to decide or to know about an entry; nothing for most. */
export function EntryNeeds(given: Needing): VNode | null {
  const { cell, conflict } = given;
  const isNeeded = conflict !== undefined || cell.theirs !== undefined || cell.place === "rejected" || cell.place === "quarantined";
  return isNeeded ? <Concern.Part {...given} /> : null;
}

/** Fetch everything now: for a browser that would not have it without a network. */
export function prepareAll(call: RollCall): void {
  partsOf({ call }).catch(askAgain);
}
