/** The keys of the grid, and the codes that can be typed into a cell. */
import type { VNode } from "preact";
import { Dialog } from "../../style/dialog.tsx";
import type { BesideDesk } from "./beside.ts";
import { codesOf } from "./typed.ts";

const KEYS = [
  ["Enter", "help.enter"],
  ["Tab", "help.tab"],
  ["← ↑ → ↓", "help.arrows"],
  ["F2", "help.f2"],
  ["Esc", "help.escape"],
  ["Delete", "help.delete"],
  ["Ctrl+C, X, V", "help.copy"],
  ["Ctrl+D", "help.fill_down"],
  ["Ctrl+Z, Ctrl+Y", "help.undo"],
  ["Ctrl+M", "help.comment"],
  ["Ctrl+Home, End", "help.ends"],
] as const;

export function Help({ desk }: { readonly desk: BesideDesk }): VNode {
  const { words } = desk;
  return (
    <Dialog title={words.say("help.title")} closeLabel={words.say("dialog.close")} onClose={() => desk.close()} isWide>
      <div class="pair">
        <section>
          <h3>{words.say("help.keys")}</h3>
          <dl class="keys">
            {KEYS.map(([key, what]) => (
              <div key={key}>
                <dt>
                  <kbd>{key}</kbd>
                </dt>
                <dd>{words.say(what)}</dd>
              </div>
            ))}
          </dl>
        </section>
        <section>
          <h3>{words.say("help.codes")}</h3>
          <Codes desk={desk} />
        </section>
      </div>
    </Dialog>
  );
}

/** The legend of entry codes, also beside the column of quick entry. */
export function Codes({ desk }: { readonly desk: BesideDesk }): VNode {
  const { words } = desk;
  return (
    <>
      <p class="hint">{words.say("help.codes.lead")}</p>
      <dl class="keys">
        {codesOf(words.language).map(([code, status]) => (
          <div key={status}>
            <dt>
              <kbd>{code}</kbd>
            </dt>
            <dd>{words.say(`flag.${status}`)}</dd>
          </div>
        ))}
      </dl>
      <p class="hint">
        {words.say("help.number")} · {words.say("help.fraction")} · {words.say("help.percent")}
      </p>
    </>
  );
}
