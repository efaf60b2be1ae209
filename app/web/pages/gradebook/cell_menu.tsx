/** What can be done with a cell, where the pointer or the menu key asked for it. */
import type { VNode } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { BesideDesk } from "./beside.ts";
import type { Opened } from "./desk.ts";
import { spoken } from "./told.ts";

const EDGE_PX = 8;

export function CellMenu({ desk, x, y }: { readonly desk: BesideDesk; readonly x: number; readonly y: number }): VNode | null {
  const { words } = desk;
  const list = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const box = list.current;
    if (box === null) return;
    box.style.left = `${Math.max(EDGE_PX, Math.min(x, innerWidth - box.offsetWidth - EDGE_PX))}px`;
    box.style.top = `${Math.max(EDGE_PX, Math.min(y, innerHeight - box.offsetHeight - EDGE_PX))}px`;
    box.querySelector("button")?.focus();
  }, [x, y]);
  const active = desk.active.value;
  if (active === null) return null;
  const onKeyDown = (event: KeyboardEvent): void => {
    const buttons = [...(list.current?.querySelectorAll("button") ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + buttons.length }[event.key];
    if (event.key === "Escape") desk.done();
    else if (to !== undefined) buttons[to % buttons.length]?.focus();
    else return;
    event.preventDefault();
  };
  const onFocusOut = ({ relatedTarget }: FocusEvent): void => {
    // It also loses the focus when it goes because something else is opened: that stays.
    if (desk.opened.value?.is === "menu" && !(relatedTarget instanceof Node && list.current?.contains(relatedTarget))) desk.opened.value = null;
  };
  const choose = (label: string, opened: Opened | null, then?: () => void): VNode => (
    <button
      type="button"
      class="button"
      onClick={() => {
        // Where a dialog gives the focus back to.
        desk.grid?.focus();
        desk.opened.value = opened;
        then?.();
      }}
    >
      {label}
    </button>
  );
  return (
    <div ref={list} class="menu-list cell-menu" role="region" aria-label={spoken(active, words)} onKeyDown={onKeyDown} onFocusOut={onFocusOut}>
      {choose(words.say("tool.comment"), { is: "comment", ...active })}
      {choose(words.say("tool.history"), null, () => (desk.aside.value = "history"))}
      {choose(words.say("tool.quick"), null, () => desk.quick(active.item.line_item_id))}
      {choose(words.say("tool.fill"), { is: "fill", item: active.item })}
      {choose(words.say("tool.edit_column"), { is: "column", item: active.item })}
      {choose(words.say("tool.paste"), { is: "paste" })}
    </div>
  );
}
