/** The foot of the roll: what was just done, how many are here, and whether the roll is taken, which is a fact of its own. */
import type { VNode } from "preact";
import { EntryNeeds } from "./beside.tsx";
import type { RollCall } from "./roll_call.ts";
import { markOf } from "./student_row.tsx";

export function RollFoot({ call }: { readonly call: RollCall }): VNode {
  const { words } = call;
  const roll = call.roll.value;
  const counts = [...roll.counts].map(([category, n]) => words.say(`count.${category}`, { n })).join(" · ");
  const isWhole = roll.taken !== undefined && roll.unmarked === 0;
  return (
    <footer class="foot">
      <EntryNeeds cell={roll.takenCell} conflict={call.conflictOf("roll_taken", 0)} call={call} />
      <div class="tally">
        <p class="counts number">{counts}</p>
        <RollState call={call} />
      </div>
      <LastStep call={call} />
      {!isWhole && roll.rows.length > 0 && (
        <button type="button" class="button button-main take" onClick={() => call.takeRoll()}>
          {words.say("roll.take")}
        </button>
      )}
    </footer>
  );
}

/** A box that is empty or ticked, and the sentence beside it; where the entry is not at the district yet, that too. */
function RollState({ call }: { readonly call: RollCall }): VNode {
  const { words } = call;
  const roll = call.roll.value;
  const { taken } = roll;
  if (taken === undefined) {
    return (
      <p class="roll-state">
        <span class="roll-tick" aria-hidden="true" /> {words.say("roll.not_taken")}
      </p>
    );
  }
  const at = words.at(taken.entered_at ?? "");
  const by = call.byWhom(taken);
  const mark = markOf(taken);
  return (
    <p class="roll-state" data-taken="">
      <span class="roll-tick" aria-hidden="true" /> {by === null ? words.say("roll.by_you", { at }) : words.say("roll.by", { name: by, at })}
      {mark !== undefined && taken.place !== "settled" && (
        <span class="roll-place">
          <span class="dot" data-mark={mark} aria-hidden="true" /> {words.say(`place.${taken.place}`)}
        </span>
      )}
      {roll.changesSince > 0 && <span class="badge" data-tone="warn">{words.say("roll.changes", { n: roll.changesSince })}</span>}
      {roll.unmarked > 0 && <span class="badge" data-tone="warn">{words.say("roll.unmarked", { n: roll.unmarked })}</span>}
    </p>
  );
}

/** What was just done, until the next thing is done; with it the way back. */
function LastStep({ call }: { readonly call: RollCall }): VNode {
  const { words } = call;
  const notice = call.notice.value;
  const student = notice?.step?.student ?? 0;
  return (
    <div role="status" class={notice === null ? undefined : "notice last"} data-tone={notice?.tone}>
      {notice !== null && (
        <>
          <span class="says">{notice.says}</span>
          {notice.step !== undefined && (
            <span class="together push">
              {student !== 0 && (
                <button type="button" class="button" onClick={() => (call.opened.value = student)}>
                  {words.say("step.details")}
                </button>
              )}
              <button type="button" class="button" onClick={() => void call.undo()}>
                {words.say("step.undo")}
              </button>
            </span>
          )}
        </>
      )}
    </div>
  );
}
