/** A grid in which there is nothing. */
import type { VNode } from "preact";
import type { BesideDesk } from "./beside.ts";

/** Why there is nothing to see, and the way on. */
export function Emptiness({ desk }: { readonly desk: BesideDesk }): VNode | null {
  const { words, view, model } = desk;
  if (view.students.length === 0) return <p class="empty">{words.say("gradebook.no_students")}</p>;
  if (view.lineItems.length === 0) {
    return (
      <div class="empty">
        <p>{words.say("gradebook.no_columns")}</p>
        <button type="button" class="button button-main" onClick={() => (desk.opened.value = { is: "column", item: null })}>
          {words.say("tool.add_column")}
        </button>
      </div>
    );
  }
  if (model.rows() > 0) return null;
  return (
    <div class="empty">
      <p>{words.say("gradebook.no_match")}</p>
      <button type="button" class="button" onClick={() => desk.arrange({ find: "", filter: "all" })}>
        {words.say("gradebook.show_everybody")}
      </button>
    </div>
  );
}
