/** Work that is in a file: what is not sent can be taken along, and brought to another computer. */
import { restore as takeIn } from "@inkfast/outbox/rescue";
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { downloadRescue } from "../../section/download.ts";
import { outboxOfPage } from "../../section/outbox.ts";
import type { HomeWords } from "./page.tsx";

export function OtherWork({ words }: { readonly words: HomeWords }): VNode {
  const [said, say] = useState("");
  const restore = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return;
    try {
      const n = await takeIn(await outboxOfPage(), JSON.parse(await file.text()));
      say(words.say("home.rescue.restored", { n }));
    } catch {
      say(words.say("home.rescue.unreadable"));
    }
  };
  return (
    <details class="rescue">
      <summary>{words.say("home.rescue")}</summary>
      <p>{words.say("home.rescue.lead")}</p>
      <p class="choices">
        <button type="button" class="button" onClick={() => void outboxOfPage().then(downloadRescue)}>
          {words.say("rescue.download")}
        </button>
        <label class="button">
          {words.say("home.rescue.restore")}
          <input class="heard" type="file" accept=".json,application/json" onChange={(event) => void restore(event.currentTarget.files?.[0])} />
        </label>
      </p>
      <p role="status">{said}</p>
    </details>
  );
}
