/** Signing out, as the page shows it: nothing of the person is on the screen any more. */
import type { VNode } from "preact";
import { watched } from "../../section/watched.ts";
import type { HomeWords } from "./page.tsx";

/**
 * From the moment on that somebody leaves, this page is nobody's: it shows no form, for a form that came before the fresh page
 * would take a name and a password with it when it goes.
 */
export const isSigningOut = watched(false);

export function Leaving({ words }: { readonly words: HomeWords }): VNode {
  return (
    <main class="narrow" aria-busy="true">
      <p class="quiet" role="status">
        {words.say("home.sign_out.busy")}
      </p>
    </main>
  );
}
