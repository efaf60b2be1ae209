/** Everything that can be said about one student on one day. What is changed here is entered as it is typed; closing loses nothing. */
import type { VNode } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { onLeaving } from "../../section/leaving.ts";
import { outboxStatus } from "../../section/outbox_status.ts";
import { Dialog } from "../../style/dialog.tsx";
import "./entry.tsx";
import { CATEGORIES, type Row } from "./roll.ts";
import type { BesideWords, RollCall } from "./roll_call.ts";
import { type TypedDetails, typedDetails } from "./typed_details.ts";

const NOTE_CHARACTERS_MAX = 500;

interface DetailsFormProps {
  readonly row: Row;
  readonly call: RollCall;
  readonly words: BesideWords;
}

/** Whatever takes the form or the page away, what is typed is entered before; whoever leaves in the midst of it is asked. */
function useLeaving(typed: TypedDetails): void {
  const enter = (): boolean => {
    const isLate = typed.isOpen();
    typed.enter();
    return isLate;
  };
  useLayoutEffect(() => {
    const stop = onLeaving(enter);
    return () => {
      stop();
      typed.enter();
    };
  }, []);
}

export function DetailsForm({ row, call, words }: DetailsFormProps): VNode {
  const [typed] = useState(() => typedDetails(call, row));
  useLeaving(typed);
  const time = useRef<HTMLInputElement>(null);
  const note = useRef<HTMLTextAreaElement>(null);
  const { category = null, arrival_time, note: text } = typed.mark();
  const chosen = category ?? "present";
  const hasTime = chosen === "tardy" || chosen === "partial";
  const read = (): void => {
    const field = time.current;
    // A time that is only half typed is none yet, and takes nothing away.
    typed.type(note.current!.value, field === null || field.validity.badInput ? undefined : field.value);
  };
  const fields = { class: "field", onInput: read, onBlur: typed.enter };
  return (
    <Dialog title={words.say("details.title", { name: call.nameOf(row) })} closeLabel={words.say("details.done")} onClose={() => (call.opened.value = null)}>
      <div class="all-marks" role="radiogroup" aria-label={words.say("details.mark")}>
        {CATEGORIES.map((one) => (
          <label key={one} class="one-mark">
            <input type="radio" name="details-mark" checked={one === chosen} data-first={one === chosen && !hasTime ? "" : undefined} onClick={() => typed.choose(one)} />
            {words.say(`category.${one}`)}
          </label>
        ))}
      </div>
      {hasTime && (
        <label class="labelled">
          {words.say("details.arrival")}
          <input ref={time} data-first type="time" defaultValue={arrival_time ?? ""} {...fields} />
        </label>
      )}
      <label class="labelled">
        {words.say("details.note")}
        <textarea ref={note} rows={3} maxLength={NOTE_CHARACTERS_MAX} defaultValue={text ?? ""} {...fields} />
      </label>
      {outboxStatus.value?.storage !== "memory" && <p class="hint">{words.say("details.kept")}</p>}
    </Dialog>
  );
}
