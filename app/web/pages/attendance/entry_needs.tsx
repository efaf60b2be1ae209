/**
 * What a person has to decide or to know about an entry, beside it: two values in plain words and two plain choices, or a refusal.
 * Above the roll, how many of them there are.
 */
import type { KeptEdit } from "@inkfast/outbox";
import type { VNode } from "preact";
import type { ShownCell } from "../../section/types.ts";
import type { BesideWords, Conflict, RollCall } from "./roll_call.ts";

export interface Needing {
  readonly cell: ShownCell;
  readonly conflict: Conflict | undefined;
  /** The student's name; none: it is about the whole roll. */
  readonly name?: string;
  readonly call: RollCall;
}

interface EntryNeedsProps extends Needing {
  readonly words: BesideWords;
}

export function EntryNeeds({ cell, conflict, name, call, words }: EntryNeedsProps): VNode | null {
  if (conflict !== undefined) return <Choice conflict={conflict} what={name ?? words.say("roll.whole")} call={call} words={words} />;
  const { kept, place, theirs } = cell;
  if (theirs !== undefined) {
    const by = call.byWhom(theirs) ?? words.say("choice.somebody");
    return <p class="needs hint">{words.say("row.theirs", { name: by, value: saysValue(call, words, theirs.value), at: words.at(theirs.entered_at) })}</p>;
  }
  if (kept === undefined || (place !== "rejected" && place !== "quarantined")) return null;
  return (
    <div class="needs card" data-tone="bad">
      <p>{words.say(`row.${place}`, { why: why(kept, words) })}</p>
      <div class="choices">
        <button type="button" class="button" onClick={() => void call.outbox.dismiss(kept.edit_id)}>
          {words.say("row.seen")}
        </button>
      </div>
    </div>
  );
}

/** A mark in words, or what was said about the roll. */
function saysValue(call: RollCall, words: BesideWords, value: unknown): string {
  if (typeof value !== "object" || value === null || !("taken" in value)) return call.saysValue(value);
  return words.say(value.taken === true ? "roll.value_taken" : "roll.value_not_taken");
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
  const my = saysValue(call, words, mine.value);
  const their = head === null ? null : saysValue(call, words, head.value);
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

interface NeedsProps {
  readonly call: RollCall;
  readonly words: BesideWords;
}

/** Marks that wait for a person, on this day or another one; and the way to the first. */
export function Needs({ call, words }: NeedsProps): VNode | null {
  const { item, refused } = call.roll.value;
  const cells = [...refused.map(({ student }) => ({ item, student: student.student_id })), ...call.conflicts.value.map(({ cell }) => cell)];
  const first = cells.find((cell) => cell.item === item) ?? cells[0];
  if (first === undefined) return null;
  const go = (): void => {
    if (first.item !== item || call.shown.value !== "roll") call.goTo(dayOf(first.item), "roll");
    // The day is drawn before the next frame.
    requestAnimationFrame(() => {
      const needs = document.querySelector<HTMLElement>(first.student === 0 ? ".foot .needs button" : `#student-${first.student} .needs button`);
      needs?.scrollIntoView({ block: "center" });
      needs?.focus();
    });
  };
  return (
    <div class="notice" data-tone="warn">
      <span>{words.say("need.marks", { n: cells.length })}</span>
      <button type="button" class="button" onClick={go}>
        {words.say("need.go")}
      </button>
    </div>
  );
}

/** The day of an item. */
export function dayOf(item: number): string {
  const digits = String(Math.floor(item / 100)).padStart(8, "0");
  return `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6)}`;
}
