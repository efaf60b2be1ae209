/** Signing out asks first if something would be left here. */
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { downloadRescue } from "../../section/download.ts";
import { outboxOfPage } from "../../section/outbox.ts";
import { outboxStatus } from "../../section/outbox_status.ts";
import { signOut, unsentChanges } from "../../section/sign_out.ts";
import { Dialog } from "../../style/dialog.tsx";
import { isSigningOut } from "./leaving.tsx";
import type { HomeWords } from "./page.tsx";

async function leave(): Promise<void> {
  if (isSigningOut.value) return;
  isSigningOut.value = true;
  try {
    await signOut();
  } finally {
    // A page works for one person: the next one gets a fresh page.
    location.assign("/app/");
  }
}

export function SignOutButton({ words, name }: { readonly words: HomeWords; readonly name: string }): VNode {
  const [left, setLeft] = useState(0);
  const isNowhere = outboxStatus.value?.storage === "memory";
  const onClick = async (): Promise<void> => {
    (await outboxOfPage()).flush();
    const n = await unsentChanges();
    if (n === 0) await leave();
    else setLeft(n);
  };
  return (
    <>
      <button type="button" class="button" onClick={() => void onClick()}>
        {words.say("nav.sign_out")}
      </button>
      {left > 0 && (
        <Dialog title={words.say("home.sign_out.title", { n: left })} closeLabel={words.say("dialog.cancel")} onClose={() => setLeft(0)}>
          <p>{words.say(isNowhere ? "home.sign_out.lost" : "home.sign_out.left", { n: left, name })}</p>
          <p class="choices">
            <button type="button" class="button" data-first onClick={() => void outboxOfPage().then(downloadRescue)}>
              {words.say("rescue.download")}
            </button>
            <button type="button" class="button" onClick={() => void leave()}>
              {words.say("home.sign_out.anyway")}
            </button>
          </p>
        </Dialog>
      )}
    </>
  );
}
