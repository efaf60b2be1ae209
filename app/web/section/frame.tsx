/** The head of the pages that are about no single section: the same three, in the same place. */
import type { ComponentChildren, VNode } from "preact";
import { LanguageButtons } from "../style/top.tsx";
import type { SharedWords } from "../words/words.ts";

interface HeadProps {
  readonly words: SharedWords;
  /** Which of them this is; none before anybody has signed in. */
  readonly page: "sections" | "receipts" | "compatibility";
  /** The status line. */
  readonly children?: ComponentChildren;
  /** Behind the choice of a language. */
  readonly last?: ComponentChildren;
}

export function Head({ words, page, children, last }: HeadProps): VNode {
  const link = (name: "sections" | "receipts", href: string): VNode => (
    <a href={href} aria-current={name === page ? "page" : undefined}>
      {words.say(`nav.${name}`)}
    </a>
  );
  return (
    <header class="top">
      <Brand />
      <nav aria-label={words.say("nav.where")}>
        {link("sections", "/app/")}
        {link("receipts", "/app/receipts")}
      </nav>
      {children ?? <span class="push" />}
      <LanguageButtons words={words} />
      {last}
    </header>
  );
}

export function Brand(): VNode {
  return (
    <a class="brand" href="/app/">
      <img src="/app/icon.svg" alt="" width="20" height="20" /> Inkfast
    </a>
  );
}
