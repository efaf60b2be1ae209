/** Who sits where, without dragging: one place up or down, or two taps for any distance. Every move is remembered at once. */
import type { VNode } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { remember } from "../../section/remembered.ts";
import type { Student } from "../../section/types.ts";
import { Dialog } from "../../style/dialog.tsx";
import { moved } from "./moved.ts";
import type { BesideWords, RollCall } from "./roll_call.ts";
import { bySeat, nameOf } from "./seating.ts";

/** Moves a student to the place that `to` makes of the present one; `focused` is the button of that row to go on from. */
type Move = (student_id: number, to: (at: number) => number, focused: string) => void;

interface Seats {
  readonly students: readonly Student[];
  /** Who was taken up, and waits for a place. */
  readonly held: number | null;
  readonly says: string;
  readonly list: { readonly current: HTMLOListElement | null };
  readonly move: Move;
  readonly hold: (student_id: number | null, focused: number) => void;
}

interface SeatsFormProps {
  readonly call: RollCall;
  readonly words: BesideWords;
}

/** Who is in the section, as they sit. */
function seated({ students, seats }: RollCall): readonly Student[] {
  return bySeat(students.value, seats.value).filter(({ is_active }) => is_active);
}

/** As they sit; from now on the roll is called in this order. */
function setSeats(call: RollCall, seats: readonly number[]): void {
  call.seats.value = seats;
  call.isOrderKept.value = remember(nameOf("seating", call.owner()), JSON.stringify(seats));
  if (call.order.value !== "seating") call.setOrder("seating");
}

function useSeats({ call, words }: SeatsFormProps): Seats {
  const [held, setHeld] = useState<number | null>(null);
  const [says, say] = useState("");
  const list = useRef<HTMLOListElement>(null);
  const toFocus = useRef<string | null>(null);
  // A row that was moved takes its focus along.
  useLayoutEffect(() => {
    if (toFocus.current !== null) list.current?.querySelector<HTMLElement>(toFocus.current)?.focus();
    toFocus.current = null;
  });
  const move: Move = (student_id, to, focused) => {
    // As they sit now, which a slow screen may not show yet.
    const students = seated(call);
    const from = students.findIndex((student) => student.student_id === student_id);
    const student = students[from];
    if (student === undefined) return;
    const place = Math.min(Math.max(to(from), 0), students.length - 1);
    toFocus.current = `[data-seat="${student_id}"] ${focused}`;
    setHeld(null);
    setSeats(call, moved(students, from, place).map((one) => one.student_id));
    say(words.say("seats.moved", { name: call.nameOf({ student }), place: place + 1, all: students.length }));
  };
  const hold = (student_id: number | null, focused: number): void => {
    toFocus.current = `[data-seat="${focused}"] .seat-move`;
    setHeld(student_id);
  };
  return { students: seated(call), held, says, list, move, hold };
}

export function SeatsForm({ call, words }: SeatsFormProps): VNode {
  const { students, held, says, list, move, hold } = useSeats({ call, words });
  const onKeyDown = (event: KeyboardEvent): void => {
    const id = (event.target as HTMLElement).closest("li")?.dataset["seat"];
    const step = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0;
    if (id === undefined || step === 0 || !event.altKey) return;
    event.preventDefault();
    move(Number(id), (at) => at + step, ".seat-move");
  };
  return (
    <Dialog title={words.say("seats.title")} closeLabel={words.say("details.done")} onClose={() => (call.opened.value = null)}>
      <p>{words.say("seats.lead")}</p>
      <p class="hint">{words.say("seats.keys")}</p>
      {!call.isOrderKept.value && <p class="wrong">{words.say("seats.not_kept")}</p>}
      <p role="status" class="hint">
        {says}
      </p>
      <ol ref={list} class="seats" onKeyDown={onKeyDown}>
        {students.map((student, at) => (
          <li key={student.student_id} data-seat={student.student_id} data-held={student.student_id === held ? "" : undefined}>
            <span class="name">{call.nameOf({ student })}</span>
            {held === null ? (
              <SeatButtons student={student} at={at} last={students.length - 1} call={call} words={words} move={move} hold={hold} />
            ) : (
              <PlaceButton student={student} at={at} held={held} call={call} words={words} move={move} hold={hold} />
            )}
          </li>
        ))}
      </ol>
      {held !== null && (
        <button type="button" class="button" onClick={() => move(held, () => students.length - 1, ".seat-move")}>
          {words.say("seats.end")}
        </button>
      )}
    </Dialog>
  );
}

interface ButtonProps extends SeatsFormProps, Pick<Seats, "move" | "hold"> {
  readonly student: Student;
  readonly at: number;
}

/** While somebody is held: put them before this student; or leave them where they are. */
function PlaceButton({ student, at, held, call, words, move, hold }: ButtonProps & { readonly held: number }): VNode {
  const { student_id } = student;
  const put = (): void => {
    if (student_id === held) hold(null, student_id);
    else move(held, (from) => (at > from ? at - 1 : at), ".seat-move");
  };
  return (
    <button type="button" class="button seat-move" onClick={put}>
      {words.say(student_id === held ? "seats.stop" : "seats.here", { name: call.nameOf({ student }) })}
    </button>
  );
}

function SeatButtons({ student, at, last, call, words, move, hold }: ButtonProps & { readonly last: number }): VNode {
  const { student_id } = student;
  const name = call.nameOf({ student });
  return (
    <span class="together">
      <button
        type="button"
        class="button seat-up"
        aria-label={words.say("seats.up_for", { name })}
        aria-disabled={at === 0}
        onClick={() => move(student_id, (from) => from - 1, ".seat-up")}
      >
        {words.say("seats.up")}
      </button>
      <button
        type="button"
        class="button seat-down"
        aria-label={words.say("seats.down_for", { name })}
        aria-disabled={at === last}
        onClick={() => move(student_id, (from) => from + 1, ".seat-down")}
      >
        {words.say("seats.down")}
      </button>
      <button type="button" class="button seat-move" aria-label={words.say("seats.move_for", { name })} onClick={() => hold(student_id, student_id)}>
        {words.say("seats.move")}
      </button>
    </span>
  );
}
