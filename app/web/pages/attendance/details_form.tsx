/** Everything that can be said about one student on one day. What is changed here is entered as it is typed; closing loses nothing. */
import type { VNode } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { onLeaving } from "../../section/leaving.ts";
import { outboxStatus } from "../../section/outbox_status.ts";
import { Dialog } from "../../style/dialog.tsx";
import { CATEGORIES, type Row } from "./roll.ts";
import type { BesideWords, RollCall } from "./roll_call.ts";
import { type TypedDetails, typedDetails } from "./typed_details.ts";

const NOTE_CHARACTERS_MAX = 500;
const NOTE_LEFT_SAID = 100;

interface DetailsFormProps {
  readonly row: Row;
  readonly call: RollCall;
  readonly words: BesideWords;
}

/** Notes that are too long to be entered, by item and student, where something else than their form was asked for meanwhile. */
const drafts = new Map<string, string>();

interface Note {
  readonly field: { readonly current: HTMLTextAreaElement | null };
  readonly first: string;
  /** How many characters it can still have; below 0 it is too long, and what was entered before stays. */
  readonly left: number;
  /** Look at what is typed; returns what there is to enter. */
  readonly read: () => string;
}

/** Whatever takes the form or the page away, what is typed is entered before; whoever leaves in the midst of it is asked. */
function useNote(typed: TypedDetails, key: string): Note {
  const field = useRef<HTMLTextAreaElement>(null);
  const [first] = useState(() => drafts.get(key) ?? typed.mark().note ?? "");
  const text = useRef(first);
  const [, setText] = useState(first);
  const leftOf = (): number => NOTE_CHARACTERS_MAX - [...text.current.trim()].length;
  useLayoutEffect(() => {
    const stop = onLeaving(() => {
      const isLate = typed.isOpen() || leftOf() < 0;
      typed.enter();
      return isLate;
    });
    return () => {
      stop();
      typed.enter();
      drafts.delete(key);
      if (leftOf() < 0) drafts.set(key, text.current);
    };
  }, []);
  const read = (): string => {
    setText((text.current = field.current!.value));
    return leftOf() < 0 ? (typed.mark().note ?? "") : text.current;
  };
  return { field, first, left: leftOf(), read };
}

export function DetailsForm({ row, call, words }: DetailsFormProps): VNode {
  const [typed] = useState(() => typedDetails(call, row));
  // Asked for by its key, from a mark, and not by a button: the note is typed next, and by no finger that it would call a keyboard for.
  const [isByKey] = useState(() => document.activeElement instanceof HTMLInputElement);
  const note = useNote(typed, `${call.roll.value.item}/${row.student.student_id}`);
  const time = useRef<HTMLInputElement>(null);
  const { category = null, arrival_time } = typed.mark();
  const chosen = category ?? "present";
  const hasTime = chosen === "tardy" || chosen === "partial";
  const read = (): void => {
    const field = time.current;
    // A time that is only half typed is none yet, and takes nothing away.
    typed.type(note.read(), field === null || field.validity.badInput ? undefined : field.value);
  };
  const close = (): void => {
    if (note.left < 0) note.field.current?.focus();
    else call.opened.value = null;
  };
  const first = isByKey ? "note" : hasTime ? "time" : chosen;
  const fields = { class: "field", onInput: read, onBlur: typed.enter };
  return (
    <Dialog title={words.say("details.title", { name: call.nameOf(row) })} closeLabel={words.say("details.done")} onClose={close}>
      <div class="all-marks" role="radiogroup" aria-label={words.say("details.mark")}>
        {CATEGORIES.map((one) => (
          <label key={one} class="one-mark">
            <input type="radio" name="details-mark" checked={one === chosen} data-first={one === first ? "" : undefined} onClick={() => typed.choose(one)} />
            {words.say(`category.${one}`)}
          </label>
        ))}
      </div>
      {hasTime && (
        <label class="labelled">
          {words.say("details.arrival")}
          <input ref={time} data-first={first === "time" ? "" : undefined} type="time" defaultValue={arrival_time ?? ""} {...fields} />
        </label>
      )}
      <label class="labelled">
        {words.say("details.note")}
        <textarea ref={note.field} data-first={isByKey ? "" : undefined} rows={3} defaultValue={note.first} aria-invalid={note.left < 0} aria-describedby="note-hint" {...fields} />
      </label>
      <p id="note-hint" class={note.left < 0 ? "wrong" : "hint"} role="status">
        {hintOf(note.left, words)}
      </p>
    </Dialog>
  );
}

function hintOf(left: number, words: BesideWords): string {
  if (left < 0) return words.say("details.too_long", { n: -left });
  if (left < NOTE_LEFT_SAID) return words.say("details.left", { n: left });
  return outboxStatus.value?.storage === "memory" ? "" : words.say("details.kept");
}
