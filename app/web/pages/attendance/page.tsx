/** The attendance page of a section: the roll of a day, or its week. */
import type { VNode } from "preact";
import { StatusLine } from "../../section/status_line.tsx";
import { isWithoutWorker } from "../../section/worker_registration.ts";
import { Top } from "../../style/top.tsx";
import { Details, Needs, Seats, Week, prepareBeside } from "./beside.tsx";
import { DayBar } from "./day_bar.tsx";
import type { RollCall } from "./roll_call.ts";
import { RollFoot } from "./roll_foot.tsx";
import { StudentList } from "./student_list.tsx";

export function AttendancePage({ call }: { readonly call: RollCall }): VNode {
  const { words } = call;
  if (isWithoutWorker.value) prepareBeside(call);
  const isRoll = call.shown.value === "roll";
  return (
    <>
      <a class="skip" href="#content">
        {words.say("nav.skip")}
      </a>
      <Top words={words} facts={call.view.facts} page="attendance">
        <StatusLine words={words} view={call.view} title={`${words.say("attendance.title")} · ${call.view.facts.course_title}`} />
      </Top>
      <main id="content" tabIndex={-1}>
        <DayBar call={call} />
        {call.roll.value.refused.length + call.conflicts.value.length > 0 && <Needs call={call} />}
        {isRoll ? <RollOfDay call={call} /> : <Week call={call} />}
        {isRoll && <RollFoot call={call} />}
      </main>
      <Opened call={call} />
    </>
  );
}

function RollOfDay({ call }: { readonly call: RollCall }): VNode {
  const { words } = call;
  const { facts } = call.view;
  if (call.roll.value.rows.length === 0) return <p class="empty">{words.say("attendance.no_students")}</p>;
  return (
    <>
      <StudentList call={call} />
      <p class="on-paper">
        {facts.location !== null && <span>{words.say("print.room", { location: facts.location })}</span>}
        <span>{words.say("print.signature")}</span>
      </p>
    </>
  );
}

/** The dialog that is open. */
function Opened({ call }: { readonly call: RollCall }): VNode | null {
  const opened = call.opened.value;
  if (opened === "seats") return <Seats call={call} />;
  const row = call.roll.value.rows.find(({ student }) => student.student_id === opened);
  return row === undefined ? null : <Details key={`${call.day.value} ${opened}`} row={row} call={call} />;
}

/** Ctrl+Z takes the last step back, except where it takes back typing. */
export function undoByKey(event: KeyboardEvent, call: RollCall): void {
  const target = event.target;
  const isTyping = target instanceof HTMLTextAreaElement || (target instanceof HTMLInputElement && target.type !== "radio");
  if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey) || event.shiftKey || isTyping) return;
  event.preventDefault();
  void call.undo();
}
