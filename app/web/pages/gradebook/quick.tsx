/** Quick entry: one column in big type, with a way to the columns beside it. On a phone the page begins here. */
import type { VNode } from "preact";
import type { Desk } from "./desk.ts";

export function QuickBar({ desk }: { readonly desk: Desk }): VNode {
  const { words, view } = desk;
  const { only } = desk.arrangement.value;
  const items = view.lineItems.filter(({ is_hidden, line_item_id }) => !is_hidden || line_item_id === only);
  const at = items.findIndex(({ line_item_id }) => line_item_id === only);
  const step = (by: 1 | -1, label: string, sign: string): VNode => {
    const next = items[at + by];
    return (
      <button type="button" class="button" aria-label={label} title={label} aria-disabled={!next} onClick={() => next && desk.quick(next.line_item_id)}>
        <span aria-hidden="true">{sign}</span>
      </button>
    );
  };
  return (
    <div class="quick-bar" role="region" aria-label={words.say("tool.quick")}>
      {step(-1, words.say("column.previous"), "‹")}
      <select class="field" aria-label={words.say("quick.column")} value={String(only)} onChange={({ currentTarget }) => desk.quick(Number(currentTarget.value))}>
        {items.map(({ line_item_id, title }) => (
          <option key={line_item_id} value={String(line_item_id)}>
            {title}
          </option>
        ))}
      </select>
      {step(1, words.say("column.next"), "›")}
      <button type="button" class="button button-plain" onClick={() => desk.quick(null)}>
        {words.say("tool.whole")}
      </button>
      <p class="hint">{words.say("quick.lead")}</p>
    </div>
  );
}
