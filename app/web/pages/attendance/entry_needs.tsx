/** What a person has to decide or to know about an entry, beside it: two values in plain words and two plain choices, or a refusal. */
import type { KeptEdit } from "@inkfast/outbox";
import type { VNode } from "preact";
import type { ShownCell } from "../../section/types.ts";
import "./entry.tsx";
import type { BesideWords, Conflict, RollCall } from "./roll_call.ts";

export interface Needing {
  readonly cell: ShownCell;
  readonly conflict: Conflict | undefined;
  /** The student's name; none: it is about the whole roll. */
  readonly name?: string;
  readonly call: RollCall;
}

interface NeedsProps extends Needing {
  readonly words: BesideWords;
}

export function EntryNeeds({ cell, conflict, name, call, words }: NeedsProps): VNode | null {
  if (conflict !== undefined) return <Choice conflict={conflict} what={name ?? words.say("roll.whole")} call={call} words={words} />;
  const { kept, place, theirs } = cell;
  if (theirs !== undefined) {
    const by = call.byWhom(theirs) ?? words.say("choice.somebody");
    return <p class="needs hint">{words.say("row.theirs", { name: by, value: call.saysValue(theirs.value), at: words.at(theirs.entered_at) })}</p>;
  }
  if (kept === undefined || (place !== "rejected" && place !== "quarantined")) return null;
  return (
    <div class="needs card" data-tone="bad">
      <p>{words.say(`row.${place}`, { why: why(kept, words) })}</p>
      <div class="choices">
        <button type="button" class="button" onClick={() => call.dismiss(kept.edit_id)}>
          {words.say("row.seen")}
        </button>
      </div>
    </div>
  );
}

/** Why an entry was not accepted, in the person's language. */
function why({ code, params }: KeptEdit, words: BesideWords): string {
  const key = `code.${code ?? "rejected"}`;
  return words.has(key) ? words.say(key, params) : words.say("code.rejected");
}

interface ChoiceProps {
  readonly conflict: Conflict;
  /** What it is about. */
  readonly what: string;
  readonly call: RollCall;
  readonly words: BesideWords;
}

function Choice({ conflict, what, call, words }: ChoiceProps): VNode {
  const { mine, head } = conflict;
  const isElsewhere = !("state" in mine);
  const my = call.saysValue(mine.value);
  const their = head === null ? null : call.saysValue(head.value);
  const title = words.say("choice.title", { n: 1 });
  return (
    <div class="needs card" data-tone="warn" role="group" aria-label={`${title}: ${what}`}>
      <p>
        <b>{title}</b>
      </p>
      {head !== null && their !== null && (
        <p>
          {words.say("choice.other", { name: call.byWhom(head) ?? words.say("choice.somebody"), value: their, at: words.at(head.entered_at) })}
        </p>
      )}
      <p>{words.say(isElsewhere ? "choice.you_elsewhere" : "choice.you", { value: my, at: words.at(mine.entered_at) })}</p>
      <div class="choices">
        <button type="button" class="button button-main" onClick={() => void call.settle(conflict, "mine")}>
          {words.say("choice.keep", { value: my })}
        </button>
        {their !== null && (
          <button type="button" class="button" onClick={() => void call.settle(conflict, "theirs")}>
            {words.say("choice.take", { value: their })}
          </button>
        )}
      </div>
    </div>
  );
}
