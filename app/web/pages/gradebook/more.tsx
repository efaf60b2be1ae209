/** What is done seldom: the buttons of the menu behind the tools. */
import type { VNode } from "preact";
import type { BesideDesk } from "./beside.ts";
import { downloadGradebook } from "./csv.ts";
import { isEmpty, scoreInWords } from "./score.ts";

export function More({ desk }: { readonly desk: BesideDesk }): VNode {
  const { words } = desk;
  const active = desk.active.value;
  const hidden = desk.view.lineItems.filter(({ is_hidden }) => is_hidden).length;
  const { showsHidden } = desk.arrangement.value;
  const item = (label: string, onClick: () => void, isOff = false): VNode => (
    <button type="button" class="button" disabled={isOff} onClick={onClick}>
      {label}
    </button>
  );
  return (
    <>
      {item(words.say("tool.comment"), () => desk.comment(), active === null)}
      {active && item(words.say("tool.fill"), () => (desk.opened.value = { is: "fill", item: active.item }))}
      {active && item(words.say("tool.edit_column"), () => (desk.opened.value = { is: "column", item: active.item }))}
      {item(words.say("tool.columns"), () => (desk.opened.value = { is: "columns" }))}
      {hidden > 0 && (
        <button type="button" class="button" aria-pressed={showsHidden} onClick={() => desk.arrange({ showsHidden: !showsHidden })}>
          {words.say("columns.show_hidden", { n: hidden })}
        </button>
      )}
      {item(words.say("tool.paste"), () => (desk.opened.value = { is: "paste" }))}
      {item(words.say("tool.download"), () => downloadFile(desk))}
      {item(words.say("tool.print"), () => window.print())}
      {item(words.say("tool.help"), () => (desk.opened.value = { is: "help" }))}
    </>
  );
}

function downloadFile({ words, view, grid }: BesideDesk): void {
  grid?.commit();
  downloadGradebook(view, {
    student: words.say("student"),
    identifier: words.say("student.identifier"),
    outOf: (max) => words.say("column.out_of", { max }),
    cell: (value, place) => {
      const text = isEmpty(value) ? "" : scoreInWords(value, words);
      // What is on its way is a number like any other; what is not in the records, or not alone, says so.
      return /con|rej|qua/.test(place) ? `${text} (${words.say(`place.${place as "conflict"}`)})` : text;
    },
    comment: words.say("tool.comment"),
  });
}
