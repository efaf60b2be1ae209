/**
 * What the status line says when the work does not stand as it should, and what a person can do about it. Most visits see nothing of
 * it: it is fetched, with its words, when it is first wanted.
 */
import type { OutboxStatus } from "@inkfast/outbox";
import type { VNode } from "preact";
import type { Key, SharedWords, Words } from "../words/words.ts";
import { outboxOfPage } from "./outbox.ts";
import type { StatusFacts, StatusSentence, StatusState } from "./status.ts";
// It is here already: so the build cuts nothing off it for this.
import "./status_line.tsx";

type TroubleWords = Words<Key<"trouble">>;

/** "since 2:41 pm", "until 6:00 am"; with the day if that is not today. */
function spanOf(word: "since" | "until", moment: number, now: number, words: TroubleWords): string {
  const { hour, time, day } = words.read(moment);
  if (day === words.read(now).day) return words.say(`time.${word}`, { n: hour, time });
  return words.say(`time.${word}_on_day`, { time, day: words.day(day, "short") });
}

/** The counts of this section where it has what is spoken of, else of all. */
function countsOf(state: StatusState, { all, here }: StatusFacts): { readonly n: number; readonly isHere: boolean } {
  const count = (of: OutboxStatus): number =>
    state === "rejected" ? of.rejected : state === "quarantined" ? of.quarantined : of.conflicts;
  const n = here === undefined ? 0 : count(here);
  return n > 0 ? { n, isHere: true } : { n: count(all), isHere: here === undefined };
}

/**
 * The sentence for a state of trouble, in these words, which have learnt those of trouble; undefined for any other. `kept` changes
 * are on this computer; those that are still being stored are not counted among them, for a page that is closed now loses them.
 */
export function sentenceOf(state: StatusState, facts: StatusFacts, kept: number, shared: SharedWords): string | undefined {
  const { storing, storage } = facts.all;
  if (storage === "memory") return mainSentenceOf(state, facts, kept + storing, shared);
  const text = mainSentenceOf(state, facts, kept, shared);
  return text && storing > 0 ? `${text} ${(shared as TroubleWords).say("status.storing_too", { n: storing })}` : text;
}

function mainSentenceOf(state: StatusState, facts: StatusFacts, n: number, shared: SharedWords): string | undefined {
  const words = shared as TroubleWords;
  const { all, now } = facts;
  const since = (moment: number | null): string => spanOf("since", moment ?? now, now, words);
  switch (state) {
    case "nowhere":
    case "signed_out":
      return words.say(n > 0 ? `status.${state}` : `status.${state}.nothing`, { n });
    case "stuck":
      return words.say("status.stuck", { n, code: all.stuck?.code ?? "" });
    case "rejected":
    case "quarantined":
    case "conflict": {
      const { n, isHere } = countsOf(state, facts);
      return words.say(isHere ? `status.${state}` : `status.${state}.elsewhere`, { n });
    }
    case "overdue":
      return words.say("status.overdue", { n, since: since(all.oldestUnsent) });
    case "offline":
      return words.say(n > 0 ? "status.offline" : "status.offline.nothing", { n, since: since(all.offlineSince ?? facts.unreachableSince) });
    default:
      return undefined;
  }
}

/** What is in this page alone, or goes on at the district. */
export function noteOf({ all, unread, now, asOf, maintenanceUntil, isFromDisk, recordsAreAway }: StatusFacts, shared: SharedWords): string | null {
  const words = shared as TroubleWords;
  if (unread > 0) return words.say("status.unread", { n: unread });
  const isKept = all.storage !== "memory";
  if (isKept && maintenanceUntil !== null && maintenanceUntil > now) return words.say("status.maintenance", { until: spanOf("until", maintenanceUntil, now, words) });
  return recordsAreAway && !isFromDisk && asOf !== null ? words.say("status.records_away", { at: words.at(asOf, now) }) : null;
}

export function offerOf(state: StatusState, facts: StatusFacts): StatusSentence["offer"] {
  if (state === "nowhere" || state === "stuck" || state === "overdue") return "rescue";
  if (state === "signed_out") return "sign_in";
  if (state !== "rejected" && state !== "quarantined" && state !== "conflict") return null;
  return countsOf(state, facts).isHere ? "go_to" : "other_section";
}

interface OfferProps {
  readonly offer: NonNullable<StatusSentence["offer"]>;
  readonly words: SharedWords;
  readonly onGo: (() => void) | undefined;
}

export function Offer({ offer, words: shared, onGo }: OfferProps): VNode | null {
  const words = shared as TroubleWords;
  if (offer === "go_to" && onGo !== undefined) {
    return (
      <button type="button" class="button" onClick={onGo}>
        {words.say("status.go_to", { n: 1 })}
      </button>
    );
  }
  if (offer === "other_section") return <a href="/app/">{words.say("status.to_sections")}</a>;
  if (offer !== "rescue") return null;
  const rescue = async (): Promise<void> => (await import("./download.ts")).downloadRescue(await outboxOfPage());
  return (
    <button type="button" class="button" onClick={() => void rescue()}>
      {words.say("status.rescue")}
    </button>
  );
}
