/** Signing out asks first if something would be left here. */
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { downloadRescue } from "../../section/download.ts";
import { outboxOfPage } from "../../section/outbox.ts";
import { outboxStatus } from "../../section/outbox_status.ts";
import { isNowhereElsewhere, signOut, unsentChanges } from "../../section/sign_out.ts";
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
  const [isElsewhere, setElsewhere] = useState(false);
  const isNowhere = outboxStatus.value?.storage === "memory";
  const close = (): void => {
    setLeft(0);
    setElsewhere(false);
  };
  const onClick = async (): Promise<void> => {
    (await outboxOfPage()).flush();
    const n = await unsentChanges();
    const isThere = await isNowhereElsewhere();
    if (n === 0 && !isThere) return leave();
    setLeft(n);
    setElsewhere(isThere);
  };
  return (
    <>
      <button type="button" class="button" onClick={() => void onClick()}>
        {words.say("nav.sign_out")}
      </button>
      {(left > 0 || isElsewhere) && (
        <Dialog title={words.say(left > 0 ? "home.sign_out.title" : "home.sign_out.elsewhere.title", { n: left })} closeLabel={words.say("dialog.cancel")} onClose={close}>
          {left > 0 && <p>{words.say(isNowhere ? "home.sign_out.lost" : "home.sign_out.left", { n: left, name })}</p>}
          {isElsewhere && <p>{words.say("home.sign_out.elsewhere", { name })}</p>}
          <p class="choices">
            {left > 0 && (
              <button type="button" class="button" data-first onClick={() => void outboxOfPage().then(downloadRescue)}>
                {words.say("rescue.download")}
              </button>
            )}
            <button type="button" class="button" onClick={() => void leave()}>
              {words.say("home.sign_out.anyway")}
            </button>
          </p>
        </Dialog>
      )}
    </>
  );
}
