/** The page of a section's grades, put together. */
import type { ComponentChildren, VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Grid } from "../../grid/grid.ts";
import { changed } from "../../section/watched.ts";
import { Top } from "../../style/top.tsx";
import type { Desk } from "./desk.ts";
import { Footer } from "./footer.tsx";
import { QuickBar } from "./quick.tsx";
import { Toolbar } from "./toolbar.tsx";

export function GradebookPage({ desk, children }: { readonly desk: Desk; readonly children: ComponentChildren }): VNode {
  const { words, view } = desk;
  const isQuick = desk.arrangement.value.only !== null;
  const parts = desk.parts.value;
  return (
    <div class={isQuick ? "gradebook is-quick" : "gradebook"} data-ready={parts !== null || undefined}>
      <Top words={words} facts={view.facts} page="grades">
        {children}
      </Top>
      <Toolbar desk={desk} />
      {isQuick && <QuickBar desk={desk} />}
      <div class="desk">
        <main class="sheet">
          <GridHost desk={desk} />
          <Emptiness desk={desk} />
          {parts && <parts.CellCard desk={desk} />}
        </main>
        {isQuick && parts && desk.aside.value === null && (
          <aside class="aside codes" aria-label={words.say("help.codes")}>
            <h2>{words.say("help.codes")}</h2>
            <parts.Codes desk={desk} />
          </aside>
        )}
        <Aside desk={desk} />
      </div>
      <Footer desk={desk}>
        <NoticeLine desk={desk} />
      </Footer>
      {parts && <parts.Opened desk={desk} />}
    </div>
  );
}

/** The grid is no part of what Preact draws: it is put into this element once. */
function GridHost({ desk }: { readonly desk: Desk }): VNode {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const { words, view, model } = desk;
    if (host.current === null) return undefined;
    const named = { table: words.say("gradebook.grid", { title: view.facts.title }), rowHeads: words.say("student"), comment: words.say("cell.has_comment") };
    const grid = new Grid(host.current, model, named, (event) => desk.onGrid(event));
    desk.grid = grid;
    changed();
    return () => grid.destroy();
  }, []);
  return <div ref={host} class="grid-host" />;
}

/** Why there is nothing to see, and the way on. */
function Emptiness({ desk }: { readonly desk: Desk }): VNode | null {
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

const NOTICE_MS = 12_000;

/** What has just happened, in the foot, where it moves nothing; said aloud, and gone after a while unless it warns. */
function NoticeLine({ desk }: { readonly desk: Desk }): VNode {
  const notice = desk.notice.value;
  useEffect(() => {
    if (notice === null || notice.tone === "warn") return undefined;
    const timer = setTimeout(() => (desk.notice.value = null), NOTICE_MS);
    return () => clearTimeout(timer);
  }, [notice]);
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

function Aside({ desk }: { readonly desk: Desk }): VNode | null {
  const { words } = desk;
  const which = desk.aside.value;
  const parts = desk.parts.value;
  const box = useRef<HTMLElement>(null);
  useEffect(() => {
    if (which !== null) box.current?.focus();
  }, [which]);
  if (which === null) return null;
  const close = (): void => {
    desk.aside.value = null;
    desk.grid?.focus();
  };
  const title = words.say(which === "history" ? "history.title" : "attention.title");
  return (
    <aside ref={box} class="aside" aria-label={title} tabIndex={-1} onKeyDown={(event) => event.key === "Escape" && close()}>
      <div class="card-top">
        <h2>{title}</h2>
        <button type="button" class="button" onClick={close}>
          {words.say("dialog.close")}
        </button>
      </div>
      {parts && (which === "history" ? <parts.History desk={desk} /> : <parts.Attention desk={desk} />)}
    </aside>
  );
}
