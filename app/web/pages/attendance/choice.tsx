/** Two values for one entry, in plain words, and two plain choices. */
import type { VNode } from "preact";
import type { Conflict, RollCall } from "./roll_call.ts";

interface ChoiceProps {
  readonly conflict: Conflict;
  /** The student's name, or what else it is about. */
  readonly what: string;
  readonly call: RollCall;
}

export function Choice({ conflict, what, call }: ChoiceProps): VNode {
  const { words } = call;
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
