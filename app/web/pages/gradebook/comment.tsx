/** A comment on one score, kept as it is typed, like a score. */
import type { CellName } from "@inkfast/outbox";
import type { VNode } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { OtherStep } from "../../grid/undo.ts";
import { onLeaving } from "../../section/leaving.ts";
import { Dialog } from "../../style/dialog.tsx";
import type { BesideDesk } from "./beside.ts";
import type { ActiveCell } from "./desk.ts";
import { commentOf } from "./score.ts";
import { spoken } from "./told.ts";

const CHARACTERS_MAX = 2_000;
const PAUSE_MS = 400;

/** A comment was `before` and is `after` now, as a step that can be taken back. */
function stepOf(desk: BesideDesk, cell: CellName, before: string, after: string): OtherStep {
  return {
    turn() {
      if (commentOf(desk.view.cell(cell).value) !== after) return null;
      desk.view.enter([{ ...cell, value: { text: before } }]).catch(desk.model.onFailure);
      return stepOf(desk, cell, after, before);
    },
  };
}

/** Enter a text, at most once for each pause; `finish` enters what is left at once. */
function useKeeping(desk: BesideDesk, { item, student }: ActiveCell): { first: string; typed: (text: string) => void; finish: () => void; isKept: boolean } {
  const { view } = desk;
  const cell = { kind: "comment", item: item.line_item_id, student: student.student_id };
  const [isKept, setKept] = useState(false);
  // From the first drawing on, and not from an effect after it: the first letters may come before the effect.
  const [opened] = useState(() => view.cell(cell));
  const first = commentOf(opened.value);
  const state = useRef({ first, text: first, entered: first, isFirst: true, isTooLong: false, timer: 0 });
  useLayoutEffect(() => {
    const stop = onLeaving(() => {
      const { text, entered, isTooLong } = state.current;
      enter();
      return text !== entered || isTooLong;
    });
    return () => {
      stop();
      enter();
      const { first, entered } = state.current;
      if (entered !== first) desk.grid?.remember(stepOf(desk, cell, first, entered));
    };
  }, []);
  const enter = (): void => {
    const now = state.current;
    clearTimeout(now.timer);
    if (now.text === now.entered) return;
    const { text } = now;
    now.entered = text;
    // What was seen when the dialog opened is the base once; afterwards it is one's own last text.
    const base = now.isFirst ? { base: opened.edit_id } : {};
    now.isFirst = false;
    // What was typed while the disk was busy is not there with it.
    view.enter([{ ...cell, value: { text }, ...base }]).then(() => setKept(now.text === text && desk.outbox.status().storage !== "memory"), desk.model.onFailure);
  };
  const typed = (text: string): void => {
    const now = state.current;
    clearTimeout(now.timer);
    setKept(false);
    const plain = text.replace(/\r\n?/g, "\n").replace(/\0/g, "");
    now.isTooLong = [...plain].length > CHARACTERS_MAX;
    if (now.isTooLong) return;
    now.text = plain;
    now.timer = window.setTimeout(enter, PAUSE_MS);
  };
  return { first, typed, finish: enter, isKept };
}

export function Comment({ desk, item, student }: ActiveCell & { readonly desk: BesideDesk }): VNode {
  const { words } = desk;
  const keeping = useKeeping(desk, { item, student });
  const [text, setText] = useState(keeping.first);
  const field = useRef<HTMLTextAreaElement>(null);
  const left = CHARACTERS_MAX - [...text].length;
  const close = (): void => {
    // It would go with what is too long; why it stays open is said below the field.
    if (left < 0) return field.current?.focus();
    keeping.finish();
    desk.done();
  };
  const onInput = (value: string): void => {
    setText(value);
    keeping.typed(value);
  };
  return (
    <Dialog title={words.say("comment.title", { where: spoken({ item, student }, words) })} closeLabel={words.say("dialog.close")} onClose={close}>
      <label class="labelled">
        <span class="heard">{words.say("comment.label")}</span>
        <textarea
          ref={field}
          class="field"
          data-first
          rows={6}
          value={text}
          aria-invalid={left < 0}
          aria-describedby="comment-hint"
          onInput={({ currentTarget }) => onInput(currentTarget.value)}
          onKeyDown={(event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && close()}
        />
      </label>
      <p id="comment-hint" class={left < 0 ? "wrong" : "hint"} role="status">
        {left < 0
          ? words.say("comment.too_long", { n: -left })
          : keeping.isKept
            ? words.say("comment.kept")
            : left < 200
              ? words.say("comment.left", { n: left })
              : words.say("comment.hint", { max: CHARACTERS_MAX })}
      </p>
      <div class="choices">
        <button type="button" class="button button-main" onClick={close}>
          {words.say("comment.done")}
        </button>
      </div>
    </Dialog>
  );
}
