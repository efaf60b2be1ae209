/** What can be done, above the grid: find, order, show; undo; columns; and the rest in a menu. */
import type { VNode } from "preact";
import { Menu } from "../../style/menu.tsx";
import type { Filter, SortBy } from "./arrangement.ts";
import type { Desk } from "./desk.ts";

export function Toolbar({ desk }: { readonly desk: Desk }): VNode {
  const { words, grid } = desk;
  const concerns = desk.needs.value.length;
  const isOpen = desk.hasTools.value;
  const toggle = (which: "history" | "attention"): void => {
    desk.aside.value = desk.aside.value === which ? null : which;
  };
  return (
    <div class="bar" role="region" aria-label={words.say("tool.tools")}>
      <Find desk={desk} />
      {concerns > 0 && (
        <button type="button" class="button attention-button" aria-expanded={desk.aside.value === "attention"} onClick={() => toggle("attention")}>
          <span class="dot" data-mark="conflict" aria-hidden="true" /> {words.say("attention.count", { n: concerns })}
        </button>
      )}
      <button type="button" class="button phone-only" aria-expanded={isOpen} onClick={() => (desk.hasTools.value = !isOpen)}>
        {words.say("tool.tools")}
      </button>
      <div class={isOpen ? "tools is-open" : "tools"}>
        <Order desk={desk} />
        <Shown desk={desk} />
        <span class="together">
          <button type="button" class="button" aria-keyshortcuts="Control+Z" disabled={!grid?.has("undo")} onClick={() => grid?.turn("undo")}>
            {words.say("tool.undo")}
          </button>
          <button type="button" class="button" aria-keyshortcuts="Control+Y" disabled={!grid?.has("redo")} onClick={() => grid?.turn("redo")}>
            {words.say("tool.redo")}
          </button>
        </span>
        <button type="button" class="button" onClick={() => (desk.opened.value = { is: "column", item: null })}>
          {words.say("tool.add_column")}
        </button>
        <QuickButton desk={desk} />
        <button type="button" class="button" aria-expanded={desk.aside.value === "history"} onClick={() => toggle("history")}>
          {words.say("tool.history")}
        </button>
        <Menu label={words.say("tool.more")}>
          <More desk={desk} />
        </Menu>
      </div>
    </div>
  );
}

function Find({ desk }: { readonly desk: Desk }): VNode {
  const { words, view, model } = desk;
  const { find, filter } = desk.arrangement.value;
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Escape") desk.arrange({ find: "" });
    if (event.key === "Enter" && model.rows() > 0) desk.grid?.go(0, Math.max(0, desk.grid.active.column));
  };
  const isPart = find !== "" || filter !== "all";
  return (
    <span class="find">
      <input
        class="field"
        type="search"
        aria-label={words.say("find.label")}
        placeholder={words.say("find.label")}
        value={find}
        onInput={({ currentTarget }) => desk.arrange({ find: currentTarget.value })}
        onKeyDown={onKeyDown}
      />
      <span class={isPart ? "quiet" : "heard"} role="status">
        {isPart ? words.say("find.found", { n: model.rows(), all: view.students.length }) : ""}
      </span>
    </span>
  );
}

function Order({ desk }: { readonly desk: Desk }): VNode {
  const { words } = desk;
  const { sortBy, isDescending } = desk.arrangement.value;
  const onChange = (value: string): void => {
    const by: SortBy = value === "name" || value === "given_name" ? value : Number(value);
    desk.arrange({ sortBy: by, isDescending: typeof by === "number" });
  };
  return (
    <span class="together">
      <select class="field" aria-label={words.say("tool.sort")} value={String(sortBy)} onChange={({ currentTarget }) => onChange(currentTarget.value)}>
        <option value="name">{words.say("sort.name")}</option>
        <option value="given_name">{words.say("sort.given_name")}</option>
        {desk.view.lineItems.map(({ line_item_id, title }) => (
          <option key={line_item_id} value={String(line_item_id)}>
            {words.say("sort.item", { title })}
          </option>
        ))}
      </select>
      <button
        type="button"
        class="button"
        aria-pressed={isDescending}
        aria-label={words.say("sort.turn")}
        title={words.say("sort.turn")}
        onClick={() => desk.arrange({ isDescending: !isDescending })}
      >
        <span aria-hidden="true">{isDescending ? "↓" : "↑"}</span>
      </button>
    </span>
  );
}

function Shown({ desk }: { readonly desk: Desk }): VNode {
  const { words } = desk;
  const { filter, filterItem } = desk.arrangement.value;
  const item = filter === "empty" ? desk.view.lineItems.find(({ line_item_id }) => line_item_id === filterItem) : desk.active.value?.item;
  const onChange = (value: Filter): void => desk.arrange({ filter: value, filterItem: item?.line_item_id ?? null });
  return (
    <select
      class="field"
      aria-label={words.say("tool.show")}
      value={filter}
      onChange={({ currentTarget }) => onChange(currentTarget.value as Filter)}
    >
      <option value="all">{words.say("filter.all")}</option>
      <option value="missing">{words.say("filter.missing")}</option>
      {item && <option value="empty">{words.say("filter.empty", { title: item.title })}</option>}
      <option value="flagged">{words.say("filter.flagged")}</option>
      <option value="attention">{words.say("filter.attention")}</option>
    </select>
  );
}

function QuickButton({ desk }: { readonly desk: Desk }): VNode {
  const isQuick = desk.arrangement.value.only !== null;
  const item = desk.active.value?.item ?? desk.view.lineItems[0];
  return (
    <button type="button" class="button" aria-pressed={isQuick} disabled={!item} onClick={() => desk.quick(isQuick ? null : item!.line_item_id)}>
      {desk.words.say("tool.quick")}
    </button>
  );
}

/** What the menu holds is there when it is opened. */
function More({ desk }: { readonly desk: Desk }): VNode | null {
  const beside = desk.beside();
  return beside && <beside.parts.More desk={beside.desk} />;
}
