/** Everything that can be said about one student on one day. What is changed here is entered at once; closing loses nothing. */
import type { VNode } from "preact";
import { useRef } from "preact/hooks";
import { Dialog } from "../../style/dialog.tsx";
import "./entry.tsx";
import { CATEGORIES, type Category, type Row } from "./roll.ts";
import type { BesideWords, RollCall } from "./roll_call.ts";

const NOTE_CHARACTERS_MAX = 500;

interface DetailsFormProps {
  readonly row: Row;
  readonly call: RollCall;
  readonly words: BesideWords;
}

export function DetailsForm({ row, call, words }: DetailsFormProps): VNode {
  const time = useRef<HTMLInputElement>(null);
  const note = useRef<HTMLTextAreaElement>(null);
  const hasTime = row.category === "tardy" || row.category === "partial";
  const id = row.student.student_id;
  const keep = (category?: Category): void => {
    const typed = time.current;
    // A time that is only half typed is none yet, and takes nothing away.
    call.edit(id, (note.current?.value ?? "").trim(), typed === null || typed.validity.badInput ? undefined : typed.value, category);
  };
  const close = (): void => {
    keep();
    call.opened.value = null;
  };
  return (
    <Dialog title={words.say("details.title", { name: call.nameOf(row) })} closeLabel={words.say("details.done")} onClose={close}>
      <div class="all-marks" role="radiogroup" aria-label={words.say("details.mark")}>
        {CATEGORIES.map((category) => (
          <label key={category} class="one-mark">
            <input
              type="radio"
              name="details-mark"
              checked={row.category === category}
              data-first={row.category === category && !hasTime ? "" : undefined}
              onClick={() => keep(category)}
            />
            {words.say(`category.${category}`)}
          </label>
        ))}
      </div>
      {hasTime && (
        <label class="labelled">
          {words.say("details.arrival")}
          <input ref={time} data-first type="time" class="field" defaultValue={row.mark.arrival_time ?? ""} onBlur={() => keep()} />
        </label>
      )}
      <label class="labelled">
        {words.say("details.note")}
        <textarea ref={note} class="field" rows={3} maxLength={NOTE_CHARACTERS_MAX} defaultValue={row.mark.note ?? ""} onBlur={() => keep()} />
      </label>
      <p class="hint">{words.say("details.kept")}</p>
    </Dialog>
  );
}
