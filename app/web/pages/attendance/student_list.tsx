/** The roll itself: a list of students, by finger, by pointer, or by keys without ever reaching for the mouse. */
import type { VNode } from "preact";
import { prepareBeside } from "./beside.tsx";
import { CATEGORIES, type Category } from "./roll.ts";
import type { RollCall } from "./roll_call.ts";
import { StudentRow } from "./student_row.tsx";

/** Which way a key goes in the list; by row. */
const STEPS: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -10_000, End: 10_000 };

/** A mark that shows only once it is chosen has the focus as soon as it is drawn; unless another key came first. */
let toFocus: string | null = null;

export function StudentList({ call }: { readonly call: RollCall }): VNode {
  const { rows } = call.roll.value;
  const drawn = (list: HTMLElement | null): void => {
    if (list === null || toFocus === null) return;
    list.querySelector<HTMLElement>(toFocus)?.focus();
    toFocus = null;
  };
  const onKeyDown = (event: KeyboardEvent & { readonly currentTarget: HTMLElement }): void => {
    const list = event.currentTarget;
    const target = event.target as HTMLElement;
    const id = target.closest("li")?.dataset["student"];
    const row = call.rowOf(id);
    // The form was asked for, and is on its way: what is typed now is no mark.
    if (call.opened.value !== null && event.key.length === 1) event.preventDefault();
    if (call.opened.value !== null) return;
    if (row === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = stepOf(event, target);
    const category = categoryOf(event.key, call);
    const isNote = event.key.toLowerCase() === call.words.say("letter.note").toLowerCase();
    if (step === undefined && category === undefined && !isNote) return;
    event.preventDefault();
    toFocus = null;
    const at = rows.findIndex(({ student }) => String(student.student_id) === id);
    if (step !== undefined) {
      focusRow(list, Math.min(Math.max(at + step, 0), rows.length - 1));
    } else if (category !== undefined) {
      call.choose(row.student.student_id, category);
      const radio = `[data-student="${id}"] input[value=${category}]`;
      list.querySelector<HTMLElement>(radio)?.focus();
      if (document.activeElement === target) toFocus = radio;
    } else {
      // The form tells by the focus that a key has asked for it.
      focusRow(list, at);
      call.opened.value = row.student.student_id;
    }
  };
  return (
    // Whoever is in the roll may want time and note next.
    <ul ref={drawn} class="students" onKeyDown={onKeyDown} onFocusIn={() => prepareBeside(call)}>
      {rows.map((row) => (
        <StudentRow key={row.student.student_id} row={row} call={call} />
      ))}
    </ul>
  );
}

/** Enter goes to the next student from a mark; on a button it presses that. */
function stepOf(event: KeyboardEvent, target: HTMLElement): number | undefined {
  if (event.key === "Enter") return target instanceof HTMLInputElement ? (event.shiftKey ? -1 : 1) : undefined;
  return STEPS[event.key];
}

/** The category of a letter in this language, or of a digit from 1 to 6. */
function categoryOf(key: string, { words }: RollCall): Category | undefined {
  const letter = key.toUpperCase();
  return CATEGORIES.find((category, at) => key === String(at + 1) || letter === words.say(`letter.${category}`));
}

function focusRow(list: HTMLElement, at: number): void {
  const row = list.children[at];
  const radio = row?.querySelector<HTMLInputElement>("input:checked") ?? row?.querySelector<HTMLInputElement>("input");
  radio?.focus();
  row?.scrollIntoView({ block: "nearest" });
}
