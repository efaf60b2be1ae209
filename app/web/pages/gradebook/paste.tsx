/** Pasting from a spreadsheet: a box for those who cannot press Ctrl+V in the grid, and the preview of what a paste would do. */
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { PastePreview, PreviewCell, Range } from "../../grid/model.ts";
import { planPaste } from "../../grid/paste.ts";
import { Dialog } from "../../style/dialog.tsx";
import { Labelled } from "./columns.tsx";
import type { BesideDesk, BesideWords } from "./beside.ts";
import { spoken } from "./told.ts";

/** More lines than this are counted, not listed: nobody reads them, and they would take long to draw. */
const LINES_MAX = 200;

export function PasteBox({ desk }: { readonly desk: BesideDesk }): VNode {
  const { words } = desk;
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState("");
  const onSubmit = (event: Event): void => {
    event.preventDefault();
    if (text.trim() === "") {
      setWrong(words.say("paste.empty"));
      return;
    }
    // The grid shows the preview if anything in it is doubtful; otherwise it is entered.
    desk.done(() => {
      desk.grid?.focus();
      desk.grid?.paste(text);
    });
  };
  return (
    <Dialog title={words.say("paste.title")} closeLabel={words.say("dialog.cancel")} onClose={() => desk.close()}>
      <form class="form" noValidate onSubmit={onSubmit}>
        <p>{words.say("paste.how")}</p>
        <Labelled label={words.say("paste.box")} id="paste-box" wrong={wrong}>
          <textarea class="field" id="paste-box" data-first rows={8} wrap="off" value={text} onInput={({ currentTarget }) => setText(currentTarget.value)} />
        </Labelled>
        {desk.active.value && <p class="hint">{words.say("paste.from", { where: spoken(desk.active.value, words) })}</p>}
        <div class="choices">
          <button type="submit" class="button button-main">
            {words.say("paste.do_it")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** Put a text into the grid: at once, or as the preview says if anything in it is doubtful. */
export function paste(desk: BesideDesk, { text, range }: { readonly text: string; readonly range: Range }): void {
  const { grid, model } = desk;
  const { preview, isDoubtful } = planPaste(model, range, text, (entries) => grid?.enter(entries) ?? []);
  desk.opened.value = isDoubtful ? { is: "preview", preview } : null;
  if (!isDoubtful) preview.confirm();
}

/** How many of each: "182 ready, 3 not understood, 2 to look at twice." */
export function summaryOf(preview: PastePreview, words: BesideWords): string {
  const { cells, rowsCut, columnsCut, readOnly } = preview;
  const count = (test: (cell: PreviewCell) => boolean): number => cells.filter(test).length;
  const refused = count(({ verdict }) => !verdict.isTaken);
  const same = count(({ verdict, old, text }) => verdict.isTaken && old === text);
  const warned = count(({ verdict }) => verdict.isTaken && verdict.warning !== undefined);
  const parts = [
    words.say("paste.ok", { n: cells.length - refused - same - warned }),
    ...(same ? [words.say("paste.same", { n: same })] : []),
    ...(refused ? [words.say("paste.refused", { n: refused })] : []),
    ...(warned ? [words.say("paste.warned", { n: warned })] : []),
  ];
  return [
    `${parts.join(", ")}.`,
    ...(refused ? [words.say("paste.left_out")] : []),
    ...(rowsCut || columnsCut ? [words.say("paste.cut", { rows: rowsCut, columns: columnsCut })] : []),
    ...(readOnly ? [words.say("paste.read_only", { n: readOnly })] : []),
  ].join(" ");
}

function remarkOf({ verdict }: PreviewCell): string {
  return verdict.isTaken ? (verdict.warning ?? "") : verdict.sentence;
}

export function Preview({ desk, preview }: { readonly desk: BesideDesk; readonly preview: PastePreview }): VNode {
  const { words } = desk;
  const { cells } = preview;
  const changed = cells.filter(({ verdict, old, text }) => verdict.isTaken && old !== text).length;
  const confirm = (): void => {
    const done = preview.confirm();
    desk.done();
    const hidden = done.hidden ? ` ${words.say("undo.hidden", { n: done.hidden })}` : "";
    desk.say(words.say("paste.done", { n: done.cells }) + hidden, done.hidden ? "warn" : "plain");
  };
  return (
    <Dialog title={words.say("paste.title")} closeLabel={words.say("dialog.cancel")} onClose={() => desk.close()} isWide>
      <p role="status">{summaryOf(preview, words)}</p>
      <PreviewTable words={words} cells={cells} />
      <div class="choices">
        <button type="button" class="button button-main" data-first disabled={changed === 0} onClick={confirm}>
          {words.say("paste.do", { n: changed })}
        </button>
        <button type="button" class="button" onClick={() => desk.close()}>
          {words.say("dialog.cancel")}
        </button>
      </div>
    </Dialog>
  );
}

function PreviewTable({ words, cells }: { readonly words: BesideWords; readonly cells: readonly PreviewCell[] }): VNode {
  const marked = cells.filter((cell) => remarkOf(cell) !== "");
  const [isOnlyMarked, setOnlyMarked] = useState(marked.length > 0);
  const wanted = isOnlyMarked ? marked : cells;
  const rest = wanted.length - LINES_MAX;
  return (
    <>
      {marked.length > 0 && (
        <label class="tick">
          <input type="checkbox" checked={isOnlyMarked} onChange={({ currentTarget }) => setOnlyMarked(currentTarget.checked)} /> {words.say("paste.only_marked")}
        </label>
      )}
      <div class="scroll preview" tabIndex={0} role="region" aria-label={words.say("paste.title")}>
        <table class="table">
          <thead>
            <tr>
              {(["paste.cell", "paste.old", "paste.new", "paste.verdict"] as const).map((key) => (
                <th key={key} scope="col">
                  {words.say(key)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {wanted.slice(0, LINES_MAX).map((cell) => (
              <tr key={`${cell.rowKey}/${cell.columnKey}`}>
                <th scope="row">{cell.name}</th>
                <td class="number">{cell.old}</td>
                <td class="number">{cell.verdict.isTaken ? cell.text : <s>{cell.text}</s>}</td>
                <td class={cell.verdict.isTaken ? "" : "wrong"}>{remarkOf(cell)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {rest > 0 && <p class="quiet">{words.say("paste.rest", { n: rest })}</p>}
      </div>
    </>
  );
}
