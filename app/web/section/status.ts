/**
 * How the work stands, as one sentence with a number and a time. The worst state wins. Nothing is called saved before the server
 * has said so; what is on this computer, what the server holds and what is in the records never share a word.
 */
import type { OutboxStatus } from "@inkfast/outbox";
import type { SharedKey, SharedWords, Values } from "../words/words.ts";
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

export function describe(facts: StatusFacts, words: SharedWords): StatusSentence {
  const state = stateOf(facts);
  const unsent = facts.all.queued + facts.all.sending + facts.all.storing;
  const [tone, mark] = LOOKS[state] ?? ["ok", "settled"];
  return {
    state,
    tone,
    mark,
    text: words.say(...sentenceOf(state, facts, unsent, words)),
    note: noteOf(state, facts, words),
    unsent,
    offer: offerOf(state, facts),
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
  return all.lastRecorded !== null || all.lastAcknowledged !== null ? "recorded" : "nothing";
}

/** "since 2:41 pm", "until 6:00 am"; with the day if that is not today. */
function spanOf(word: "since" | "until", moment: number, now: number, words: SharedWords): string {
  const { hour, time, day } = words.read(moment);
  if (day === words.read(now).day) return words.say(`time.${word}`, { n: hour, time });
  return words.say(`time.${word}_on_day`, { time, day: words.day(day, "short") });
}

function timeOf(moment: number, now: number, words: SharedWords): string {
  const { time, day } = words.read(moment);
  return day === words.read(now).day ? time : `${words.day(day, "short")}, ${time}`;
}

/** The counts of this section where it has what is spoken of, else of all. */
function countsOf(state: StatusState, { all, here }: StatusFacts): { readonly n: number; readonly isHere: boolean } {
  const count = (of: OutboxStatus): number =>
    state === "rejected" ? of.rejected : state === "quarantined" ? of.quarantined : of.conflicts;
  const n = here === undefined ? 0 : count(here);
  return n > 0 ? { n, isHere: true } : { n: count(all), isHere: here === undefined };
}

function sentenceOf(state: StatusState, facts: StatusFacts, n: number, words: SharedWords): [SharedKey, Values?] {
  const { all, now } = facts;
  const since = (moment: number | null): string => spanOf("since", moment ?? now, now, words);
  switch (state) {
    case "nowhere":
    case "signed_out":
      return [n > 0 ? `status.${state}` : `status.${state}.nothing`, { n }];
    case "stuck":
      return ["status.stuck", { n, code: all.stuck?.code ?? "" }];
    case "rejected":
    case "quarantined":
    case "conflict": {
      const { n, isHere } = countsOf(state, facts);
      return [isHere ? `status.${state}` : `status.${state}.elsewhere`, { n }];
    }
    case "overdue":
      return ["status.overdue", { n, since: since(all.oldestUnsent) }];
    case "offline":
      return [n > 0 ? "status.offline" : "status.offline.nothing", { n, since: since(all.offlineSince ?? facts.unreachableSince) }];
    case "drafted":
      return ["status.drafted", { n: all.drafted, at: words.at(all.lastAcknowledged ?? now, now) }];
    case "recorded":
      return ["status.recorded", { time: timeOf(all.lastRecorded ?? all.lastAcknowledged ?? now, now, words) }];
    default:
      return [`status.${state}`, { n }];
  }
}

function noteOf(state: StatusState, facts: StatusFacts, words: SharedWords): string | null {
  const { now, asOf, maintenanceUntil } = facts;
  if (maintenanceUntil !== null && maintenanceUntil > now) return words.say("status.maintenance", { until: spanOf("until", maintenanceUntil, now, words) });
  if (asOf === null) return null;
  if (facts.isFromDisk && state === "offline") return words.say("status.from_disk", { at: words.at(asOf, now) });
  if (facts.isFromDisk) return words.say("status.from_disk.asking", { at: words.at(asOf, now) });
  return facts.recordsAreAway ? words.say("status.records_away", { at: words.at(asOf, now) }) : null;
}

function offerOf(state: StatusState, facts: StatusFacts): StatusSentence["offer"] {
  if (state === "nowhere" || state === "stuck" || state === "overdue") return "rescue";
  if (state === "signed_out") return "sign_in";
  if (state !== "rejected" && state !== "quarantined" && state !== "conflict") return null;
  return countsOf(state, facts).isHere ? "go_to" : "other_section";
}

/** The title of a page: what is not sent stands first, so that it is read in a row of tabs. */
export function titleOf(title: string, unsent: number, words: SharedWords): string {
  return unsent === 0 ? title : words.say("status.title", { n: unsent, title });
}
