/** What needs attention: a list beside the grid, and the card beside the cell of a conflict. */
import type { CellName } from "@inkfast/outbox";
import type { VNode } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { serverNow } from "../../section/server_clock.ts";
import type { BesideDesk } from "./beside.ts";
import { concernsAt, concernsOf, type Concern } from "./concerns.ts";
import { dayOf, inWords, nameOf, reasonOf, sidesOf, spoken, whereOf } from "./told.ts";

/** Decide a conflict: one's own value, or the one that stands. */
async function settle(desk: BesideDesk, { edit_id, cell, value, head, typedBy }: Concern, choice: "mine" | "theirs"): Promise<void> {
  desk.grid?.commit();
  // Against what was shown; where another tab has decided it meanwhile, there is nothing left to do.
  if (typedBy === "here") await desk.outbox.settle(edit_id, choice, head ?? undefined).catch(() => {});
  else await desk.view.enter([{ ...cell, value: choice === "mine" ? value : head?.value, resolves: [edit_id], ...(head ? { base: head.edit_id } : {}) }]);
  desk.grid?.focus();
}

/** To the cell, or to where one of another kind is shown. */
function goTo(desk: BesideDesk, cell: CellName): void {
  const { view } = desk;
  const { kind, item } = cell;
  if (kind === "attendance" || kind === "roll_taken") {
    location.assign(`/app/sections/${view.id}/attendance?day=${dayOf(item)}`);
  } else if (kind === "line_item") {
    const column = view.lineItems.find(({ line_item_id }) => line_item_id === item);
    desk.opened.value = column ? { is: "column", item: column } : { is: "columns" };
  } else desk.goTo(cell);
}

/** The two choices of a conflict. Somebody else's is theirs to decide. */
function Choices({ desk, concern }: { desk: BesideDesk; concern: Concern }): VNode {
  const { words } = desk;
  const { cell, head, typedBy, author } = concern;
  const say = (value: unknown): string => inWords(cell.kind, value, words);
  if (typedBy === "somebody") return <p class="quiet">{words.say("conflict.others", { name: author ?? words.say("history.somebody") })}</p>;
  const theirs = head && words.say("conflict.use", { name: nameOf(head, desk), value: say(head.value) });
  return (
    <div class="choices">
      <button type="button" class="button button-main" onClick={() => void settle(desk, concern, "mine")}>
        {words.say("conflict.keep", { value: say(concern.value) })}
      </button>
      {theirs !== null && (
        <button type="button" class="button" onClick={() => void settle(desk, concern, "theirs")}>
          {theirs}
        </button>
      )}
    </div>
  );
}

/** Beside the cell in which the teacher is: what two people entered, and the choice. It never takes the focus by itself. */
export function CellCard({ desk }: { readonly desk: BesideDesk }): VNode | null {
  const { words, view } = desk;
  const active = desk.active.value;
  const box = useRef<HTMLElement>(null);
  const cell = active && { kind: "score", item: active.item.line_item_id, student: active.student.student_id };
  const concern = active ? concernsAt(concernsOf(view, desk.outbox), active.item.line_item_id, active.student.student_id)[0] : undefined;
  const theirs = cell && concern === undefined ? view.cell(cell).theirs : undefined;
  const isShown = active !== null && (concern !== undefined || theirs !== undefined) && !desk.isPutOff.value;
  useLayoutEffect(() => (isShown ? keepBeside(box.current, desk) : undefined), [isShown, active]);
  if (!isShown || active === null) return null;
  const later = (): void => {
    desk.isPutOff.value = true;
    desk.grid?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    later();
  };
  const title = spoken(active, words);
  return (
    <section ref={box} class="card cell-card" aria-label={words.say("conflict.title", { where: title })} data-tone={concern && concern.is !== "conflict" ? "bad" : "warn"} onKeyDown={onKeyDown}>
      <div class="card-top">
        <h2>{title}</h2>
        <button type="button" class="button button-plain" onClick={later}>
          {words.say("conflict.later")}
        </button>
      </div>
      {concern === undefined && theirs && (
        <p>{words.say("conflict.waiting", { name: nameOf(theirs, desk), value: inWords("score", theirs.value, words), at: words.at(theirs.entered_at, serverNow()) })}</p>
      )}
      {concern?.is === "conflict" && (
        <>
          {sidesOf(concern, desk, serverNow()).map((side) => (
            <p key={side}>{side}</p>
          ))}
          <p class="quiet">{words.say("conflict.both_kept")}</p>
          <Choices desk={desk} concern={concern} />
        </>
      )}
      {concern && concern.is !== "conflict" && <Refused desk={desk} concern={concern} />}
    </section>
  );
}

const GAP_PX = 8;
const SCROLLBAR_PX = 18;

/** Keep the card beside its cell, wherever the grid is scrolled: the column stays to be seen. On a phone it lies at the bottom. */
function keepBeside(box: HTMLElement | null, desk: BesideDesk): (() => void) | undefined {
  const { grid } = desk;
  if (box === null || grid === undefined) return undefined;
  const host = box.parentElement;
  const place = (): void => {
    if (host === null) return;
    const around = host.getBoundingClientRect();
    const cell = grid.rectOf(grid.active.row, grid.active.column);
    const room = around.right - SCROLLBAR_PX - box.offsetWidth;
    const right = cell.right + GAP_PX;
    const left = right <= room ? right : Math.max(around.left + GAP_PX, cell.left - GAP_PX - box.offsetWidth);
    const top = Math.min(Math.max(around.top + GAP_PX, cell.top - GAP_PX), around.bottom - box.offsetHeight - SCROLLBAR_PX);
    box.style.top = `${top - around.top}px`;
    box.style.left = `${left - around.left}px`;
  };
  place();
  host?.addEventListener("scroll", place, { capture: true, passive: true });
  window.addEventListener("resize", place);
  return () => {
    host?.removeEventListener("scroll", place, { capture: true });
    window.removeEventListener("resize", place);
  };
}

/** What was not accepted: the value as it was typed, why, and what can be done. */
function Refused({ desk, concern }: { desk: BesideDesk; concern: Concern }): VNode {
  const { words } = desk;
  const { cell, value } = concern;
  const again = (): void => {
    goTo(desk, cell);
    if (cell.kind === "score") desk.grid?.entry.caret();
  };
  const isHere = cell.kind === "score" || cell.kind === "comment" || cell.kind === "line_item";
  return (
    <>
      <p>
        <span class="badge" data-tone="bad">{words.say(concern.is === "rejected" ? "attention.rejected" : "attention.quarantined")}</span>{" "}
        {reasonOf(concern, words)}
      </p>
      <p>{words.say("attention.typed", { value: inWords(cell.kind, value, words) })}</p>
      <div class="choices">
        {isHere && (
          <button type="button" class="button button-main" onClick={again}>
            {words.say("attention.again")}
          </button>
        )}
        <button type="button" class="button" onClick={() => void desk.outbox.dismiss(concern.edit_id)}>
          {words.say("attention.dismiss")}
        </button>
      </div>
    </>
  );
}

export function Attention({ desk }: { readonly desk: BesideDesk }): VNode {
  const { words } = desk;
  const concerns = concernsOf(desk.view, desk.outbox);
  return (
    <>
      <p class="quiet">{words.say(concerns.length ? "attention.lead" : "attention.none")}</p>
      <ul class="cards">
        {concerns.map((concern) => {
          const where = whereOf(concern.cell, desk.view, words);
          return (
            <li key={concern.edit_id} class="card" data-tone={concern.is === "conflict" ? "warn" : "bad"}>
              <div class="card-top">
                <h3>{where}</h3>
                <button type="button" class="button button-plain" aria-label={`${words.say("attention.go")}: ${where}`} onClick={() => goTo(desk, concern.cell)}>
                  {words.say("attention.go")}
                </button>
              </div>
              {concern.is === "conflict" ? (
                <>
                  {sidesOf(concern, desk, serverNow()).map((side) => (
                    <p key={side}>{side}</p>
                  ))}
                  <Choices desk={desk} concern={concern} />
                </>
              ) : (
                <Refused desk={desk} concern={concern} />
              )}
            </li>
          );
        })}
      </ul>
    </>
  );
}
