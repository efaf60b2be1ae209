/** One student: name, the marks to choose from, and what there is to say about the mark. */
import type { VNode } from "preact";
import type { ShownCell } from "../../section/types.ts";
import { EntryNeeds } from "./beside.tsx";
import { CATEGORIES, type Row } from "./roll.ts";
import type { RollCall } from "./roll_call.ts";

interface StudentRowProps {
  readonly row: Row;
  readonly call: RollCall;
}

export function StudentRow({ row, call }: StudentRowProps): VNode {
  const { words } = call;
  const id = row.student.student_id;
  const name = call.nameOf(row);
  return (
    <li class="student marked" data-mark={markOf(row.cell)} data-student={id} id={`student-${id}`}>
      <div class="who">
        <span class="name" id={`name-${id}`}>
          {name}
        </span>
        <Details row={row} call={call} />
      </div>
      <div class="segments" role="radiogroup" aria-labelledby={`name-${id}`} aria-describedby={`says-${id}`}>
        {CATEGORIES.map((category) => (
          <label
            key={category}
            class={row.category === category ? "segment is-chosen" : "segment"}
            data-category={category}
            data-default={row.isDefault && category === "present" ? "" : undefined}
          >
            <input
              type="radio"
              name={`mark-${id}`}
              value={category}
              checked={row.category === category}
              onClick={() => call.choose(id, category)}
            />
            <span class="letter" aria-hidden="true">
              {words.say(`letter.${category}`)}
            </span>
            <span class="word">{words.say(`category.${category}`)}</span>
          </label>
        ))}
      </div>
      <button type="button" class="button more" aria-label={words.say("row.more_for", { name })} onClick={() => (call.opened.value = id)}>
        {words.say("row.more")}
      </button>
      <EntryNeeds cell={row.cell} conflict={call.conflictOf("attendance", id)} name={name} call={call} />
    </li>
  );
}

/** How the value of a cell is drawn: nothing for what is settled. */
export function markOf({ place, theirs }: ShownCell): string | undefined {
  if (theirs !== undefined) return "theirs";
  if (place === "settled") return undefined;
  return place === "quarantined" ? "rejected" : place;
}

/** Time and note, which open their form; who else entered it; what is heard about where it is. */
function Details({ row, call }: StudentRowProps): VNode {
  const { words } = call;
  const id = row.student.student_id;
  const text = call.detailsOf(row.mark).join(" · ");
  const by = row.isDefault ? null : call.byWhom(row.cell);
  const changed = row.isChangedSince && row.cell.entered_at !== null ? words.say("row.changed", { at: words.at(row.cell.entered_at) }) : null;
  const where = row.cell.place === "settled" ? (row.isDefault ? words.say("row.default") : "") : words.say(`place.${row.cell.place}`);
  return (
    <span class="about">
      {text !== "" && (
        <button
          type="button"
          class="details"
          aria-label={words.say("row.details", { text, name: call.nameOf(row) })}
          onClick={() => (call.opened.value = id)}
        >
          {text}
        </button>
      )}
      {!row.student.is_active && <span class="badge">{words.say("row.left")}</span>}
      {changed !== null && <span class="badge" data-tone="warn">{changed}</span>}
      {by !== null && <span class="quiet">{words.say("row.by", { name: by })}</span>}
      <span class="heard" id={`says-${id}`}>
        {where}
      </span>
    </span>
  );
}
