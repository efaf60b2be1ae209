/** Who changed this cell, when, and to what; any value can be restored as a new change. */
import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { serverNow } from "../../section/server_clock.ts";
import { keyOf } from "../../section/types.ts";
import { person } from "../../section/session.ts";
import type { BesideDesk } from "./beside.ts";
import type { ActiveCell } from "./desk.ts";
import { askHistory, linesOf, stateKey, type Answer, type Line } from "./history.ts";
import { isSame } from "./score.ts";
import { inWords, nameOf, reasonOf, spoken } from "./told.ts";

/** So that walking through a column with the panel open does not ask for each cell on the way. */
const ASK_AFTER_MS = 250;

export function History({ desk }: { readonly desk: BesideDesk }): VNode {
  const { words, view } = desk;
  const active = desk.active.value;
  const [kind, setKind] = useState<"score" | "comment">("score");
  const [answer, setAnswer] = useState<{ readonly of: string; readonly told: Answer } | null>(null);
  const [asked, setAsked] = useState(0);
  const cell = active && { kind, item: active.item.line_item_id, student: active.student.student_id };
  const key = cell ? keyOf(cell) : "";
  const standing = cell ? `${view.cell(cell).edit_id} ${view.cell(cell).kept?.state}` : "";
  useEffect(() => {
    if (cell === null) return undefined;
    let isOver = false;
    const timer = setTimeout(() => void askHistory(view.id, cell).then((told) => isOver || setAnswer({ of: key, told })), ASK_AFTER_MS);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [key, standing, asked]);
  if (active === null || cell === null) return <p class="quiet">{words.say("history.choose")}</p>;
  const told = answer?.of === key ? answer.told : null;
  const kept = desk.outbox.kept(view.id).filter((edit) => keyOf(edit) === key);
  const lines = linesOf(told?.is === "told" ? told.history : [], kept, person.value?.user_id ?? -1);
  return (
    <>
      <h3>{spoken(active, words)}</h3>
      <div class="choices">
        {(["score", "comment"] as const).map((one) => (
          <button key={one} type="button" class="button" aria-pressed={kind === one} onClick={() => setKind(one)}>
            {words.say(one === "score" ? "history.scores" : "tool.comment")}
          </button>
        ))}
      </div>
      {told === null && <p class="quiet">{words.say("history.loading")}</p>}
      {told !== null && told.is !== "told" && (
        <p class="notice" data-tone="warn">
          {words.say(`history.${told.is}`)}{" "}
          <button type="button" class="button" onClick={() => setAsked(asked + 1)}>
            {words.say("history.again")}
          </button>
        </p>
      )}
      {told?.is === "told" && lines.length === 0 && <p class="quiet">{words.say("history.none")}</p>}
      <ol class="cards">
        {lines.map((line) => (
          <Entry key={line.edit_id} desk={desk} active={active} kind={kind} line={line} />
        ))}
      </ol>
    </>
  );
}

interface EntryProps {
  readonly desk: BesideDesk;
  readonly active: ActiveCell;
  readonly kind: string;
  readonly line: Line;
}

function Entry({ desk, active, kind, line }: EntryProps): VNode {
  const { words, view } = desk;
  const now = serverNow();
  const cell = { kind, item: active.item.line_item_id, student: active.student.student_id };
  const value = inWords(kind, line.value, words);
  const { author_id, author_name } = line;
  const name = author_id === person.value?.user_id ? words.say("history.you") : nameOf(author_name ? { author_id, author_name } : { author_id }, desk);
  const { value: shown, kept, place } = view.cell(cell);
  const isStoring = place === "storing" && line.edit_id === kept?.edit_id;
  const isShown = kind === "score" ? isSame(line.value, shown) : JSON.stringify(line.value) === JSON.stringify(shown);
  const restore = (button: Element): void => {
    // The button goes away with this, and the focus would be nowhere.
    button.closest<HTMLElement>("aside")?.focus();
    void view.enter([{ ...cell, value: line.value }]).catch(desk.model.onFailure);
    desk.say(words.say("history.restored", { value }));
  };
  const times = [
    words.say("history.entered", { at: words.at(line.entered_at, now) }),
    ...(line.received_at ? [words.say("history.received", { at: words.at(line.received_at, now) })] : []),
    ...(line.recorded_at ? [words.say("history.recorded", { at: words.at(line.recorded_at, now) })] : []),
  ];
  return (
    <li class="card" data-tone={line.state === "rejected" || line.state === "quarantined" ? "bad" : line.is_open ? "warn" : undefined}>
      <div class="card-top">
        <b class="history-value">{value}</b>
        {line.stands && <span class="badge" data-tone="ok">{words.say("history.stands")}</span>}
      </div>
      <p>
        {name} · {isStoring ? words.say("place.storing") : words.say(`history.state.${stateKey(line)}`)}
      </p>
      <p class="quiet">{times.join(" · ")}</p>
      {line.code && <p class="wrong">{reasonOf({ code: line.code, params: { min: active.item.result_value_min, max: active.item.result_value_max } }, words)}</p>}
      {!isShown && (
        <button type="button" class="button" onClick={({ currentTarget }) => restore(currentTarget)}>
          {words.say("history.restore", { value: kind === "score" ? value : "" }).trim()}
        </button>
      )}
    </li>
  );
}
