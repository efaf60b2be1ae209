/** Everything that can be said about one student on one day. What is changed here is entered at once; closing loses nothing. */
import type { VNode } from "preact";
import { useRef } from "preact/hooks";
import { Dialog } from "../../style/dialog.tsx";
import { CATEGORIES, type Category, type Row, normal } from "./roll.ts";
import type { RollCall } from "./roll_call.ts";

const NOTE_CHARACTERS_MAX = 500;

interface DetailsFormProps {
  readonly row: Row;
  readonly call: RollCall;
}

export function DetailsForm({ row, call }: DetailsFormProps): VNode {
  const { words } = call;
  const time = useRef<HTMLInputElement>(null);
  const note = useRef<HTMLTextAreaElement>(null);
  const hasTime = row.category === "tardy" || row.category === "partial";
  const keep = (category: Category | null = row.mark.category): void => {
    // A time that is only half typed is none yet, and takes nothing away.
    const typed = time.current?.validity.badInput === true ? undefined : time.current?.value;
    const arrived = typed ?? row.mark.arrival_time ?? "";
    call.edit(row, normal(category, arrived, (note.current?.value ?? "").trim()));
  };
  const choose = (category: Category): void => {
    const written = (note.current?.value ?? "").trim();
    if (written === (row.mark.note ?? "")) call.choose(row, category);
    else call.edit(row, normal(category, row.mark.arrival_time ?? (category === "tardy" ? (call.now() ?? "") : ""), written));
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
              onClick={() => choose(category)}
            />
            {words.say(`category.${category}`)}
          </label>
        ))}
      </div>
      {hasTime && (
        <label class="labelled">
          {words.say("details.arrival")}
          <input ref={time} data-first type="time" class="field" value={row.mark.arrival_time ?? ""} onBlur={() => keep()} />
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
