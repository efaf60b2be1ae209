/** A section that cannot be shown: why, and the ways on. Fetched when that is so. */
import type { VNode } from "preact";
import type { Key, Words } from "../words/words.ts";
import type { Area } from "./section_page.tsx";

interface UnavailableProps {
  readonly area: Area;
  readonly words: Words<Key<"unavailable">>;
  /** The server's; else the server cannot be reached. */
  readonly code: string;
}

export function Unavailable({ area, words, code }: UnavailableProps): VNode {
  const key = `unavailable.${code}`;
  return (
    <main class="empty">
      <h1>{words.say(`unavailable.title.${area}`)}</h1>
      <p>{words.say(words.has(key) ? key : "unavailable.unreachable")}</p>
      <p class="choices">
        <button type="button" class="button" onClick={() => location.reload()}>
          {words.say("unavailable.again")}
        </button>
        <a class="button" href="/app/">
          {words.say("nav.sections")}
        </a>
      </p>
    </main>
  );
}
