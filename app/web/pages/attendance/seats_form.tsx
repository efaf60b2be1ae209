/** Who sits where, without dragging: one place up or down, or two taps for any distance. Every move is remembered at once. */
import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Dialog } from "../../style/dialog.tsx";
import type { RollCall } from "./roll_call.ts";
import { bySeat, moved } from "./seating.ts";

export function SeatsForm({ call }: { readonly call: RollCall }): VNode {
  const { words } = call;
  const students = bySeat(call.students.value, call.seats.value).filter(({ is_active }) => is_active);
  const [held, hold] = useState<number | null>(null);
  const [says, say] = useState("");
  const list = useRef<HTMLOListElement>(null);
  const toFocus = useRef<string | null>(null);
  // A row that was moved takes its focus along.
  useEffect(() => {
    if (toFocus.current !== null) list.current?.querySelector<HTMLElement>(toFocus.current)?.focus();
    toFocus.current = null;
  });
  const nameOf = (at: number): string => {
    const student = students[at];
    return student === undefined ? "" : call.nameOf({ student });
  };
  const take = (student_id: number | null, focused: number | undefined): void => {
    toFocus.current = `[data-seat="${focused}"] .seat-move`;
    hold(student_id);
  };
  const move = (from: number, to: number, focused: string): void => {
    const order = moved(students.map(({ student_id }) => student_id), from, to);
    toFocus.current = `[data-seat="${students[from]?.student_id}"] ${focused}`;
    hold(null);
    call.setSeats(order);
    say(words.say("seats.moved", { name: nameOf(from), place: Math.min(Math.max(to, 0), students.length - 1) + 1, all: students.length }));
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const at = students.findIndex(({ student_id }) => String(student_id) === (event.target as HTMLElement).closest("li")?.dataset["seat"]);
    const step = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0;
    if (at === -1 || step === 0 || !event.altKey) return;
    event.preventDefault();
    move(at, at + step, ".seat-move");
  };
  const from = students.findIndex(({ student_id }) => student_id === held);
  return (
    <Dialog title={words.say("seats.title")} closeLabel={words.say("details.done")} onClose={() => (call.opened.value = null)}>
      <p>{words.say("seats.lead")}</p>
      <p class="hint">{words.say("seats.keys")}</p>
      {!call.isOrderKept.value && <p class="wrong">{words.say("seats.not_kept")}</p>}
      <p role="status" class="hint">
        {says}
      </p>
      <ol ref={list} class="seats" onKeyDown={onKeyDown}>
        {students.map(({ student_id }, at) => (
          <li key={student_id} data-seat={student_id} data-held={student_id === held ? "" : undefined}>
            <span class="name">{nameOf(at)}</span>
            {held === null ? (
              <SeatButtons name={nameOf(at)} at={at} last={students.length - 1} call={call} move={move} hold={() => take(student_id, student_id)} />
            ) : (
              <button
                type="button"
                class="button seat-move"
                onClick={() => (at === from ? take(null, student_id) : move(from, at > from ? at - 1 : at, ".seat-move"))}
              >
                {words.say(at === from ? "seats.stop" : "seats.here", { name: nameOf(at) })}
              </button>
            )}
          </li>
        ))}
      </ol>
      {held !== null && (
        <button type="button" class="button" onClick={() => move(from, students.length - 1, ".seat-move")}>
          {words.say("seats.end")}
        </button>
      )}
    </Dialog>
  );
}

interface SeatButtonsProps {
  readonly name: string;
  readonly at: number;
  readonly last: number;
  readonly call: RollCall;
  readonly move: (from: number, to: number, focused: string) => void;
  readonly hold: () => void;
}

function SeatButtons({ name, at, last, call: { words }, move, hold }: SeatButtonsProps): VNode {
  return (
    <span class="together">
      <button type="button" class="button seat-up" aria-label={words.say("seats.up_for", { name })} aria-disabled={at === 0} onClick={() => move(at, at - 1, ".seat-up")}>
        {words.say("seats.up")}
      </button>
      <button
        type="button"
        class="button seat-down"
        aria-label={words.say("seats.down_for", { name })}
        aria-disabled={at === last}
        onClick={() => move(at, at + 1, ".seat-down")}
      >
        {words.say("seats.down")}
      </button>
      <button type="button" class="button seat-move" aria-label={words.say("seats.move_for", { name })} onClick={hold}>
        {words.say("seats.move")}
      </button>
    </span>
  );
}
