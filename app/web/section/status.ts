/**
 * How the work stands, as one sentence with a number and a time. The worst state wins. Nothing is called saved before the server
 * has said so; what is on this computer, what the server holds and what is in the records never share a word.
 */
import type { OutboxStatus } from "@inkfast/outbox";
import type { SharedWords } from "../words/words.ts";
import type { SignInReason } from "./session.ts";

/** In the order of their weight. */
export type StatusState =
  | "nowhere"
  | "stuck"
  | "rejected"
  | "quarantined"
  | "conflict"
  | "signed_out"
  | "overdue"
  | "offline"
  | "storing"
  | "sending"
  | "queued"
  | "drafted"
  | "recorded"
  | "nothing";

export type Tone = "ok" | "warn" | "bad";

export interface StatusFacts {
  /** Of all sections. */
  readonly all: OutboxStatus;
  /** Of the section that the page shows; undefined on a page of all sections. */
  readonly here: OutboxStatus | undefined;
  /** By the server's clock; milliseconds since 1970, as all moments here. */
  readonly now: number;
  readonly signIn: SignInReason | null;
  /** Since when nothing but saves was answered; null while it is. */
  readonly unreachableSince: number | null;
  /** When what is shown was so, if it is not of now: read from this computer's disk, or by the server from a copy. */
  readonly asOf: number | null;
  readonly isFromDisk: boolean;
  readonly recordsAreAway: boolean;
  /** Until when maintenance goes on; null for none. */
  readonly maintenanceUntil: number | null;
  /** How many texts stay in their cells because they could not be read: they are in this page alone. */
  readonly unread: number;
}

export interface StatusSentence {
  readonly state: StatusState;
  readonly tone: Tone;
  /** The shape that says where the work is. */
  readonly mark: string;
  readonly text: string;
  /** A second sentence, about what is shown or what is going on at the district; null for none. */
  readonly note: string | null;
  /** How many changes no server holds: the page's title says it. */
  readonly unsent: number;
  /** There is more to say, in words that are not here yet. */
  readonly isComing: boolean;
  /** What a person can do about it. */
  readonly offer: "go_to" | "other_section" | "rescue" | "sign_in" | null;
}

/** After this long a change that is nowhere but on this computer is said more strongly. */
export const OVERDUE_MS = 60 * 60_000;

/** How a state looks where it is not plainly queued or settled. */
const LOOKS: Readonly<Partial<Record<StatusState, readonly [Tone, mark: string]>>> = {
  nowhere: ["bad", "rejected"],
  stuck: ["bad", "rejected"],
  rejected: ["bad", "rejected"],
  overdue: ["bad", "queued"],
  quarantined: ["warn", "conflict"],
  conflict: ["warn", "conflict"],
  signed_out: ["warn", "queued"],
  offline: ["warn", "queued"],
  storing: ["ok", "storing"],
  sending: ["ok", "queued"],
  queued: ["ok", "queued"],
};

/** `trouble` is null until it is here: then what it would say is still to come, and the sentence says that. */
export function describe(facts: StatusFacts, words: SharedWords, trouble: typeof import("./trouble.tsx") | null): StatusSentence {
  const state = stateOf(facts);
  const { queued, sending, storing } = facts.all;
  const kept = queued + sending;
  const [tone, mark] = LOOKS[state] ?? ["ok", "settled"];
  const calm = calmSentence(state, facts, kept, words);
  const isRare = facts.unread > 0 || facts.maintenanceUntil !== null || (facts.recordsAreAway && !facts.isFromDisk);
  return {
    state,
    tone,
    mark,
    text: calm ?? trouble?.sentenceOf(state, facts, kept, words) ?? words.say("status.trouble"),
    note: (isRare && trouble?.noteOf(facts, words)) || noteOf(state, facts, words),
    unsent: kept + storing,
    isComing: trouble === null && (isRare || calm === undefined),
    offer: trouble?.offerOf(state, facts) ?? null,
  };
}

export function stateOf({ all, here, now, signIn, unreachableSince }: StatusFacts): StatusState {
  const unsent = all.queued + all.sending;
  if (all.storage === "memory") return "nowhere";
  if (all.stuck !== null) return "stuck";
  for (const of of [here, all]) {
    if (of === undefined) continue;
    if (of.rejected > 0) return "rejected";
    if (of.quarantined > 0) return "quarantined";
    if (of.conflicts > 0) return "conflict";
  }
  if (signIn !== null || all.signInRequired) return "signed_out";
  if (unsent > 0 && all.oldestUnsent !== null && now - all.oldestUnsent > OVERDUE_MS) return "overdue";
  if (all.offlineSince !== null || unreachableSince !== null) return "offline";
  if (all.storing > 0) return "storing";
  if (all.sending > 0) return "sending";
  if (all.queued > 0) return "queued";
  if (all.drafted > 0) return "drafted";
  return all.lastRecorded !== null ? "recorded" : "nothing";
}

function timeOf(moment: number, now: number, words: SharedWords): string {
  const { time, day } = words.read(moment);
  return day === words.read(now).day ? time : `${words.day(day, "short")}, ${time}`;
}

/** What is said while all goes well; undefined in trouble. */
function calmSentence(state: StatusState, { all, now }: StatusFacts, n: number, words: SharedWords): string | undefined {
  switch (state) {
    case "drafted":
      return words.say("status.drafted", { n: all.drafted, at: words.at(all.lastAcknowledged ?? now, now) });
    case "recorded":
      return words.say("status.recorded", { time: timeOf(all.lastRecorded ?? now, now, words) });
    case "storing":
    case "sending":
    case "queued":
    case "nothing":
      return words.say(`status.${state}`, { n });
    default:
      return undefined;
  }
}

function noteOf(state: StatusState, { now, asOf, isFromDisk }: StatusFacts, words: SharedWords): string | null {
  if (asOf === null || !isFromDisk) return null;
  return words.say(state === "offline" ? "status.from_disk" : "status.from_disk.asking", { at: words.at(asOf, now) });
}

/** The title of a page: what is not sent stands first, so that it is read in a row of tabs. */
export function titleOf(title: string, unsent: number, words: SharedWords): string {
  return unsent === 0 ? title : words.say("status.title", { n: unsent, title });
}
