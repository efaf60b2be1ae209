/** The page of a section's grades, put together. */
import type { ComponentChildren, VNode } from "preact";
import { Grid } from "../../grid/grid.ts";
import { changed } from "../../section/watched.ts";
import { isWithoutWorker } from "../../section/worker_registration.ts";
import { Top } from "../../style/top.tsx";
import type { Desk } from "./desk.ts";
import { Footer } from "./footer.tsx";
import { QuickBar } from "./quick.tsx";
import { Toolbar } from "./toolbar.tsx";

export const PHONE = "(max-width: 599px)";

export function GradebookPage({ desk, children }: { readonly desk: Desk; readonly children: ComponentChildren }): VNode {
  const { words, view } = desk;
  if (desk.notice.value?.isOver?.()) desk.notice.value = null;
  const isQuick = desk.arrangement.value.only !== null;
  const hasAside = desk.aside.value !== null;
  const hasCodes = isQuick && !hasAside && !matchMedia(PHONE).matches;
  const isOpening = desk.opened.value !== null;
  const isEmpty = desk.model.rows() === 0 || view.lineItems.length === 0;
  const beside = isOpening || hasAside || hasCodes || isEmpty || desk.hasCard || isWithoutWorker.value ? desk.beside() : null;
  return (
    <div class={isQuick ? "gradebook is-quick" : "gradebook"}>
      <Top words={words} facts={view.facts} page="grades">
        {children}
      </Top>
      <Toolbar desk={desk} />
      {isQuick && <QuickBar desk={desk} />}
      <div class="desk">
        <main class="sheet">
          <div ref={(desk.hostGrid ??= (host) => hostGrid(desk, host))} class="grid-host" />
          {beside && isEmpty && <beside.parts.Emptiness desk={beside.desk} />}
          {beside && <beside.parts.CellCard desk={beside.desk} />}
        </main>
        {beside && hasAside && <beside.parts.Aside desk={beside.desk} />}
        {beside && hasCodes && <beside.parts.CodesAside desk={beside.desk} />}
      </div>
      <Footer desk={desk}>
        <NoticeLine desk={desk} />
      </Footer>
      {isOpening && (beside ? <beside.parts.Opened desk={beside.desk} /> : <textarea ref={holdKeys} class="awaited" aria-label="…" />)}
    </div>
  );
}

/** The grid is no part of what Preact draws: it is put into this element once. */
function hostGrid(desk: Desk, host: HTMLElement | null): void {
  const { words, view, model } = desk;
  desk.grid?.destroy();
  if (host === null) return;
  const named = { table: words.say("gradebook.grid", { title: view.facts.title }), rowHeads: words.say("student"), comment: words.say("cell.has_comment") };
  desk.grid = new Grid(host, model, named, (event) => desk.onGrid(event));
  changed();
}

let before: Element | null = null;
let held: HTMLTextAreaElement | null = null;

/** What is typed after a dialog was asked for, and before it is here, is the dialog's, Escape too: it was not meant for the grid. */
function holdKeys(element: HTMLTextAreaElement | null): void {
  const text = held?.value;
  const isOver = held?.readOnly;
  held = element;
  if (element !== null) {
    before = document.activeElement;
    element.focus();
    // What comes after it is for nobody.
    element.onkeydown = ({ key }) => void (element.readOnly ||= key === "Escape");
    return;
  }
  (before as HTMLElement | null)?.focus();
  queueMicrotask(() => {
    const inside = document.activeElement;
    if (!inside?.closest("[role=dialog]")) return;
    if (text) document.execCommand("insertText", false, text);
    if (isOver) inside.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
  });
}

/** What has just happened, in the foot, where it moves nothing; said aloud, and gone after a while unless it warns. */
function NoticeLine({ desk }: { readonly desk: Desk }): VNode {
  const notice = desk.notice.value;
  return (
    <div class="notice-line" data-tone={notice?.tone}>
      <p role="status">{notice !== null && !notice.isUrgent && notice.text}</p>
      <p role="alert">{notice?.isUrgent && notice.text}</p>
      {notice !== null && (
        <button type="button" class="button button-plain" onClick={() => (desk.notice.value = null)}>
          {desk.words.say("dialog.close")}
        </button>
      )}
    </div>
  );
}
