/** What stands beside the grid: the history of a cell, or what needs attention; in quick entry the codes. */
import type { VNode } from "preact";
import { Attention } from "./attention.tsx";
import type { BesideDesk } from "./beside.ts";
import { Codes } from "./help.tsx";
import { History } from "./history.tsx";

/** Who opened it goes on there; but who has gone on in the grid since, while it was on its way, stays there. */
function takeFocus(element: HTMLElement | null): void {
  if (!document.activeElement?.closest(".grid-host")) element?.focus();
}

export function Aside({ desk }: { readonly desk: BesideDesk }): VNode | null {
  const { words } = desk;
  const which = desk.aside.value;
  if (which === null) return null;
  const close = (): void => {
    desk.aside.value = null;
    desk.grid?.focus();
  };
  const title = words.say(which === "history" ? "tool.history" : "attention.title");
  return (
    <aside key={which} ref={takeFocus} class="aside" aria-label={title} tabIndex={-1} onKeyDown={(event) => event.key === "Escape" && close()}>
      <div class="card-top">
        <h2>{title}</h2>
        <button type="button" class="button" onClick={close}>
          {words.say("dialog.close")}
        </button>
      </div>
      {which === "history" ? <History desk={desk} /> : <Attention desk={desk} />}
    </aside>
  );
}

export function CodesAside({ desk }: { readonly desk: BesideDesk }): VNode {
  const { words } = desk;
  return (
    <aside class="aside codes" aria-label={words.say("help.codes")}>
      <h2>{words.say("help.codes")}</h2>
      <Codes desk={desk} />
    </aside>
  );
}
