/** Which day is shown and how: a bar below the head of the page. No day that has not come yet. */
import type { VNode } from "preact";
import { Menu } from "../../style/menu.tsx";
import { isDay, nextWeekday } from "./day.ts";
import type { RollCall, Shown } from "./roll_call.ts";

interface DayBarProps {
  readonly call: RollCall;
  readonly goTo: (day: string, shown: Shown) => void;
}

export function DayBar({ call, goTo }: DayBarProps): VNode {
  const { words } = call;
  const { today } = call.view.facts;
  const day = call.day.value;
  const shown = call.shown.value;
  const later = nextWeekday(day, 1) > today ? (day < today ? today : null) : nextWeekday(day, 1);
  const said = words.day(day);
  return (
    <div class="bar">
      <h2 class="day">{day === today ? words.say("attendance.today", { day: said }) : said}</h2>
      <div class="together">
        <Turn sign="‹" to={nextWeekday(day, -1)} says="attendance.earlier" call={call} goTo={goTo} />
        <input
          type="date"
          class="field"
          aria-label={words.say("attendance.day")}
          value={day}
          max={today}
          onChange={({ currentTarget: field }) => (isDay(field.value) && field.value <= today ? goTo(field.value, shown) : (field.value = day))}
        />
        <Turn sign="›" to={later} says="attendance.later" call={call} goTo={goTo} />
        {day !== today && (
          <button type="button" class="button" onClick={() => goTo(today, shown)}>
            {words.say("attendance.go_today")}
          </button>
        )}
      </div>
      <div class="together" role="group" aria-label={words.say("view.label")}>
        {(["roll", "week"] as const).map((name) => (
          <button key={name} type="button" class="button" aria-pressed={shown === name} onClick={() => goTo(day, name)}>
            {words.say(`view.${name}`)}
          </button>
        ))}
      </div>
      <OrderMenu call={call} />
    </div>
  );
}

interface TurnProps extends DayBarProps {
  readonly sign: string;
  /** null: there is none. */
  readonly to: string | null;
  readonly says: "attendance.earlier" | "attendance.later";
}

function Turn({ sign, to, says, call, goTo }: TurnProps): VNode {
  const label = call.words.say(says, { day: to === null ? "–" : call.words.day(to) });
  return (
    <button type="button" class="button turn" aria-label={label} title={label} disabled={to === null} onClick={() => to !== null && goTo(to, call.shown.value)}>
      <span aria-hidden="true">{sign}</span>
    </button>
  );
}

function OrderMenu({ call }: { readonly call: RollCall }): VNode {
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
