/** The form, for who is not signed in; and whose work waits on this computer. */
import type { VNode } from "preact";
import { useEffect } from "preact/hooks";
import { Brand } from "../../section/frame.tsx";
import { leftWork } from "../../section/left_work.ts";
import { SignInForm } from "../../section/sign_in_form.tsx";
import { LanguageButtons } from "../../style/top.tsx";
import type { Key, Words } from "../../words/words.ts";
import "./entry.tsx";
import { Links } from "./links.tsx";

type NotSignedWords = Words<Key<"home"> | Key<"sign_in">>;

export function NotSigned({ words }: { readonly words: NotSignedWords }): VNode {
  useEffect(() => {
    document.title = `${words.say("sign_in.title")} · Inkfast`;
  }, [words]);
  const left = leftWork();
  return (
    <>
      <header class="top">
        <Brand />
        <span class="push" />
        <LanguageButtons words={words} />
      </header>
      <main class="narrow">
        <h1>{words.say("home.sign_in.title")}</h1>
        <p class="quiet">{words.say("home.line")}</p>
        <SignInForm words={words} isFocused />
        {left.map(({ user_id, name, n }) => (
          <p key={user_id} class="card" data-tone="warn">
            {words.say("home.left", { n, name })}
          </p>
        ))}
        <Links words={words} />
      </main>
    </>
  );
}
