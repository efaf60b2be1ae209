/** The week at a glance, to be read and not to be changed: the name of a day opens its roll. */
import type { VNode } from "preact";
import type { Mark } from "./roll.ts";
import type { BesideWords, RollCall } from "./roll_call.ts";
import { type WeekDay, readWeek } from "./week.ts";

interface WeekTableProps {
  readonly call: RollCall;
  readonly words: BesideWords;
}

export function WeekTable({ call, words }: WeekTableProps): VNode {
  const week = readWeek(call.view, call.students.value, call.day.value, call.today.value);
  const monday = week.days[0]?.day ?? call.day.value;
  return (
    <div class="week scroll" tabIndex={0} role="region" aria-label={words.say("view.week")}>
      <table class="table">
        <caption class="hint">
          {words.say("week.caption", { day: words.day(monday) })} · {words.say("week.how")}
        </caption>
        <thead>
          <tr>
            <th scope="col">{words.say("week.student")}</th>
            {week.days.map((day) => (
              <DayHead key={day.day} day={day} call={call} words={words} />
            ))}
          </tr>
        </thead>
        <tbody>
          {week.rows.map(({ student, marks }) => (
            <tr key={student.student_id}>
              <th scope="row">{call.nameOf({ student })}</th>
              {marks.map((mark, at) => (
                <DayCell key={at} mark={mark} isFuture={week.days[at]?.isFuture === true} call={call} words={words} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface DayHeadProps extends WeekTableProps {
  readonly day: WeekDay;
}

function DayHead({ day: { day, isTaken, isFuture }, call, words }: DayHeadProps): VNode {
  const name = `${words.day(day, "weekday-short")} ${words.day(day, "number")}`;
  const open = (event: MouseEvent): void => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    call.goTo(day, "roll");
  };
  return (
    <th scope="col" data-today={day === call.today.value ? "" : undefined}>
      {isFuture ? (
        <span class="quiet">{name}</span>
      ) : (
        <>
          <a href={call.href(day)} onClick={open} aria-label={`${name}: ${words.day(day)}`}>
            {name}
          </a>
          <span class="taken" data-taken={isTaken ? "" : undefined}>
            <span class="roll-tick" aria-hidden="true" /> <span class="word">{words.say(isTaken ? "week.taken" : "week.not_taken")}</span>
          </span>
        </>
      )}
    </th>
  );
}

interface DayCellProps extends Pick<WeekTableProps, "call" | "words"> {
  readonly mark: Mark | null;
  readonly isFuture: boolean;
}

function DayCell({ mark, isFuture, call, words }: DayCellProps): VNode {
  if (isFuture) return <td />;
  const category = mark?.category ?? null;
  const letter = category === null ? "–" : words.say(`letter.${category}`);
  return (
    <td data-category={category ?? undefined} title={mark === null ? undefined : call.saysValue(mark)}>
      <span class="letter" aria-hidden="true">
        {letter}
      </span>
      <span class="heard">{mark === null ? words.say("week.none") : call.saysValue(mark)}</span>
    </td>
  );
}
