/** Which day is shown and how: a bar below the head of the page. No day that has not come yet. */
import type { VNode } from "preact";
import { Menu } from "../../style/menu.tsx";
import { isDay, nextWeekday } from "./day.ts";
import { CATEGORIES } from "./roll.ts";
import type { RollCall } from "./roll_call.ts";

interface DayBarProps {
  readonly call: RollCall;
}

export function DayBar({ call }: DayBarProps): VNode {
  const { words } = call;
  const today = call.today.value;
  const day = call.day.value;
  const shown = call.shown.value;
  const said = words.day(day);
  const letters = CATEGORIES.slice(0, 4).map((category) => words.say(`letter.${category}`)).join(" ");
  return (
    <div class="bar">
      <h2 class="day">{day === today ? words.say("attendance.today", { day: said }) : said}</h2>
      <div class="together turns">
        <DayTurns call={call} />
        <div class="together" role="group" aria-label={words.say("view.label")}>
          {(["roll", "week"] as const).map((name) => (
            <button key={name} type="button" class="button" aria-pressed={shown === name} onClick={() => call.goTo(day, name)}>
              {words.say(`view.${name}`)}
            </button>
          ))}
        </div>
      </div>
      {shown === "roll" && <p class="keys hint">{words.say("attendance.keys", { letters, note: words.say("letter.note") })}</p>}
      <OrderMenu call={call} />
    </div>
  );
}

/** One day back, any day of the school year, one day on. */
function DayTurns({ call }: DayBarProps): VNode {
  const { words } = call;
  const { school_year } = call.view.facts;
  const today = call.today.value;
  const day = call.day.value;
  const shown = call.shown.value;
  const first = `${school_year - 1}-07-01`;
  const later = nextWeekday(day, 1) <= today ? nextWeekday(day, 1) : day < today ? today : null;
  // While a year is typed it reads 0002: that is no day to go to.
  const pick = (picked: string): void => {
    if (isDay(picked) && picked >= first && picked <= today) call.goTo(picked, shown);
  };
  // Set when the day is another one, and not whenever something is drawn: somebody may be typing in it.
  const show = (field: HTMLInputElement | null): void => {
    if (field === null || field.dataset["day"] === day) return;
    field.dataset["day"] = field.value = day;
  };
  return (
    <div class="together">
      <Turn sign="‹" to={nextWeekday(day, -1)} says="attendance.earlier" call={call} />
      <input
        ref={show}
        type="date"
        class="field"
        aria-label={words.say("attendance.day")}
        min={first}
        max={today}
        onChange={({ currentTarget }) => pick(currentTarget.value)}
        onBlur={({ currentTarget }) => (currentTarget.value = day)}
      />
      <Turn sign="›" to={later} says="attendance.later" call={call} />
      {day !== today && (
        <button type="button" class="button" onClick={() => call.goTo(today, shown)}>
          {words.say("attendance.go_today")}
        </button>
      )}
    </div>
  );
}

interface TurnProps extends DayBarProps {
  readonly sign: string;
  /** null: there is none. */
  readonly to: string | null;
  readonly says: "attendance.earlier" | "attendance.later";
}

function Turn({ sign, to, says, call }: TurnProps): VNode {
  const label = call.words.say(says, { day: to === null ? "–" : call.words.day(to) });
  return (
    <button type="button" class="button turn" aria-label={label} title={label} disabled={to === null} onClick={() => to !== null && call.goTo(to, call.shown.value)}>
      <span aria-hidden="true">{sign}</span>
    </button>
  );
}

function OrderMenu({ call }: DayBarProps): VNode {
  const { words } = call;
  return (
    <Menu label={words.say("view.more")}>
      {(["name", "seating"] as const).map((order) => (
        <button key={order} type="button" class="button" aria-pressed={call.order.value === order} onClick={() => call.setOrder(order)}>
          {words.say(`order.${order}`)}
        </button>
      ))}
      <button type="button" class="button" onClick={() => (call.opened.value = "seats")}>
        {words.say("order.change")}
      </button>
      <button type="button" class="button" onClick={() => window.print()}>
        {words.say("order.print")}
      </button>
    </Menu>
  );
}
