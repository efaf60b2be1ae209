/** Below the grid: the column in numbers, the legend of the marks, who else is here. */
import type { ComponentChildren, VNode } from "preact";
import type { Desk } from "./desk.ts";

const MARKS = ["queued", "rejected", "conflict"] as const;

/** `children`: what has just happened takes the place of the legend. */
export function Footer({ desk, children }: { readonly desk: Desk; readonly children: ComponentChildren }): VNode {
  const { words } = desk;
  return (
    <footer class="foot" data-tone={desk.notice.value?.tone}>
      <ColumnInNumbers desk={desk} />
      {children}
      <ul class="legend" hidden={desk.notice.value !== null} aria-label={words.say("legend.title")}>
        {MARKS.map((mark) => (
          <li key={mark}>
            <span class="sample marked" data-mark={mark} aria-hidden="true" /> {words.say(`place.${mark}`)}
          </li>
        ))}
        <li>
          <span class="sample has-comment" aria-hidden="true" /> {words.say("cell.has_comment")}
        </li>
      </ul>
      <Others desk={desk} />
    </footer>
  );
}

/** Mean, median and count of the column in which the teacher is. */
function ColumnInNumbers({ desk }: { readonly desk: Desk }): VNode | null {
  const { words, model, view } = desk;
  const active = desk.active.value;
  const range = desk.range.value;
  if (range !== null) return <p>{words.say("range", range)}</p>;
  const item = view.lineItems.find(({ line_item_id }) => line_item_id === active?.item.line_item_id);
  if (item === undefined) return null;
  const found = model.statisticsOfItem(item);
  return <p>{found ? model.inSentences(found, item) : words.say("column.no_scores", { title: item.title })}</p>;
}

function Others({ desk }: { readonly desk: Desk }): VNode {
  const { words, view } = desk;
  const names = view.others.map(({ name }) => name);
  return (
    <p class="push" role="status">
      {names.length > 0 && words.say(names.length === 1 ? "presence.one" : "presence", { names: listed(names, words) })}
    </p>
  );
}

/** "Ms. Ruiz and Mr. Chen" */
function listed(names: readonly string[], { locale }: Desk["words"]): string {
  return new Intl.ListFormat(locale, { type: "conjunction" }).format(names);
}
