/** Where else one can go, signed in or not. */
import type { VNode } from "preact";
import type { HomeWords } from "./page.tsx";

export function Links({ words }: { readonly words: HomeWords }): VNode {
  return (
    <p class="links">
      <a href="/app/compatibility">{words.say("home.compatibility")}</a>
      <a href="/sign-in">{words.say("nav.plain")}</a>
    </p>
  );
}
