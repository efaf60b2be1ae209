/** The attendance page of a section: the roll of a day, or its week. */
import type { ComponentChildren, VNode } from "preact";
import { useEffect } from "preact/hooks";
import { Top } from "../../style/top.tsx";
import { DayBar } from "./day_bar.tsx";
import { dayOf } from "./day.ts";
import { DetailsForm } from "./details_form.tsx";
import type { RollCall, Shown } from "./roll_call.ts";
import { RollFoot } from "./roll_foot.tsx";
import { SeatsForm } from "./seats_form.tsx";
import { StudentList } from "./student_list.tsx";
import { WeekTable } from "./week_table.tsx";

interface AttendancePageProps {
  readonly call: RollCall;
  /** The status line. */
  readonly children: ComponentChildren;
}

export function AttendancePage({ call, children }: AttendancePageProps): VNode {
  const { words } = call;
  const goTo = (day: string, shown: Shown): void => {
    history.pushState(null, "", call.href(day, shown));
    call.show(new URLSearchParams(location.search));
  };
  useEffect(() => {
    const follow = (): void => call.show(new URLSearchParams(location.search));
    const onKeyDown = (event: KeyboardEvent): void => undoByKey(event, call);
    window.addEventListener("popstate", follow);
    document.addEventListener("keydown", onKeyDown);
    return () => {
      window.removeEventListener("popstate", follow);
      document.removeEventListener("keydown", onKeyDown);
    };
  }, [call]);
  const isRoll = call.shown.value === "roll";
  return (
    <>
      <a class="skip" href="#content">
        {words.say("nav.skip")}
      </a>
      <Top words={words} facts={call.view.facts} page="attendance">
        {children}
      </Top>
      <DayBar call={call} goTo={goTo} />
      <Standing call={call} />
      <Needs call={call} goTo={goTo} />
      <main id="content" tabIndex={-1}>
        {isRoll ? <RollOfDay call={call} /> : <WeekTable call={call} goTo={goTo} />}
      </main>
      {isRoll && <RollFoot call={call} />}
      <Opened call={call} />
    </>
  );
}

function RollOfDay({ call }: { readonly call: RollCall }): VNode {
  const { words } = call;
  const { facts } = call.view;
  if (call.roll.value.rows.length === 0) return <p class="empty">{words.say("attendance.no_students")}</p>;
  const letters = (["present", "unexcused_absence", "tardy", "excused_absence"] as const).map((category) => words.say(`letter.${category}`)).join(" ");
  return (
    <>
      <p class="keys hint">{words.say("attendance.keys", { letters, note: words.say("letter.note") })}</p>
      <StudentList call={call} />
      <p class="on-paper">
        {facts.location !== null && <span>{words.say("print.room", { location: facts.location })}</span>}
        <span>{words.say("print.signature")}</span>
      </p>
    </>
  );
}

/** From when it is what is shown, if that is not now. */
function Standing({ call: { view, words, roll } }: { readonly call: RollCall }): VNode | null {
  void roll.value;
  if (!view.isFromDisk && !view.recordsAreAway) return null;
  const at = words.at(view.asOf);
  return <p class="notice">{words.say(view.isFromDisk ? "attendance.from_disk" : "attendance.away", { at })}</p>;
}

interface NeedsProps {
  readonly call: RollCall;
  readonly goTo: (day: string, shown: Shown) => void;
}

/** Marks that wait for a person: on this day, and on which others. */
function Needs({ call, goTo }: NeedsProps): VNode | null {
  const { words } = call;
  const { item, refused } = call.roll.value;
  const here = call.conflicts.value.filter(({ cell }) => cell.item === item && cell.kind === "attendance").map(({ cell }) => cell.student);
  const marks = [...new Set([...here, ...refused.map(({ student }) => student.student_id)])];
  const days = [...new Set(call.conflicts.value.filter(({ cell }) => cell.item !== item).map(({ cell }) => dayOf(cell.item)))].sort();
  const go = (): void => {
    const first = document.getElementById(`student-${marks[0]}`);
    first?.scrollIntoView({ block: "center" });
    first?.querySelector<HTMLElement>(".needs button")?.focus();
  };
  if (marks.length === 0 && days.length === 0) return null;
  return (
    <div class="notice" data-tone="warn">
      {marks.length > 0 && call.shown.value === "roll" && (
        <>
          <span>{words.say("need.marks", { n: marks.length })}</span>
          <button type="button" class="button" onClick={go}>
            {words.say("need.go")}
          </button>
        </>
      )}
      {days.length > 0 && <span>{words.say("need.other_days")}</span>}
      {days.map((day) => (
        <button key={day} type="button" class="button" onClick={() => goTo(day, "roll")}>
          {words.day(day)}
        </button>
      ))}
    </div>
  );
}

/** The dialog that is open. */
function Opened({ call }: { readonly call: RollCall }): VNode | null {
  const opened = call.opened.value;
  if (opened === "seats") return <SeatsForm call={call} />;
  const row = call.roll.value.rows.find(({ student }) => student.student_id === opened);
  return row === undefined ? null : <DetailsForm key={opened} row={row} call={call} />;
}

/** Ctrl+Z takes the last step back, except where it takes back typing. */
function undoByKey(event: KeyboardEvent, call: RollCall): void {
  const target = event.target;
  const isTyping = target instanceof HTMLTextAreaElement || (target instanceof HTMLInputElement && target.type !== "radio");
  if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey) || event.shiftKey || isTyping) return;
  event.preventDefault();
  void call.undo();
}
