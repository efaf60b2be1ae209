/** Fill the empty cells of a column, for the students that are shown: a bulk command that one Undo takes back. */
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { LineItem } from "../../section/types.ts";
import { Dialog } from "../../style/dialog.tsx";
import { Labelled } from "./columns.tsx";
import type { BesideDesk } from "./beside.ts";
import { isEmpty } from "./score.ts";

export function Fill({ desk, item }: { readonly desk: BesideDesk; readonly item: LineItem }): VNode {
  const { words, model, view, grid } = desk;
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState("");
  const column = model.columnOf(String(item.line_item_id));
  const rows = Array.from({ length: model.rows() }, (_, row) => row).filter((row) => {
    const student = model.student(row);
    // A text that could not be read stays in its cell: that is not empty.
    return student?.is_active && !grid?.entry.refusal(row, column) && isEmpty(view.cell({ kind: "score", item: item.line_item_id, student: student.student_id }).value);
  });
  const onSubmit = (event: Event): void => {
    event.preventDefault();
    const verdict = model.judge({ row: rows[0] ?? -1, column, text });
    if (!verdict.isTaken || text.trim() === "") {
      setWrong(verdict.isTaken ? words.say("column.not_a_number") : verdict.sentence);
      return;
    }
    grid?.enter(rows.map((row) => ({ row, column, text })));
    desk.done();
    desk.say(words.say("paste.done", { n: rows.length }));
  };
  return (
    <Dialog title={words.say("fill.title", { title: item.title })} closeLabel={words.say("dialog.cancel")} onClose={() => desk.close()}>
      <form class="form" noValidate onSubmit={onSubmit}>
        <p>{rows.length ? words.say("fill.who", { n: rows.length }) : words.say("fill.none")}</p>
        <Labelled label={words.say("fill.value")} id="fill-value" wrong={wrong}>
          <input
            class="field"
            id="fill-value"
            data-first
            autocomplete="off"
            value={text}
            aria-invalid={wrong !== ""}
            aria-describedby={wrong ? "fill-value-wrong" : undefined}
            onInput={({ currentTarget }) => {
              setText(currentTarget.value);
              setWrong("");
            }}
          />
        </Labelled>
        <p class="hint">{words.say("fill.undo")}</p>
        <div class="choices">
          <button type="submit" class="button button-main" disabled={rows.length === 0}>
            {words.say("fill.do", { n: rows.length })}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
