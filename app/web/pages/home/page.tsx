/** Who is not signed in sees the form; who is sees their sections, also without a network. */
import type { VNode } from "preact";
import { useEffect } from "preact/hooks";
import { Brand, Head } from "../../section/frame.tsx";
import { leftWork } from "../../section/left_work.ts";
import { outboxStatus } from "../../section/outbox.ts";
import { person, signInNeeded } from "../../section/session.ts";
import { listProblem, loadList, sectionList } from "../../section/section_list.ts";
import { SignInForm } from "../../section/sign_in.tsx";
import { StatusLine } from "../../section/status_line.tsx";
import { LanguageButtons } from "../../style/top.tsx";
import type { Key, Words } from "../../words/words.ts";
import { OtherWork } from "./other_work.tsx";
import { SectionCard } from "./section_card.tsx";
import { SignOutButton } from "./sign_out_button.tsx";

export type HomeWords = Words<Key<"home">>;

export function HomePage({ words }: { readonly words: HomeWords }): VNode | null {
  if (person.value !== null) return <Signed words={words} name={person.value.name} />;
  return signInNeeded.value === null ? null : <NotSigned words={words} />;
}

function NotSigned({ words }: { readonly words: HomeWords }): VNode {
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

function Signed({ words, name }: { readonly words: HomeWords; readonly name: string }): VNode {
  useEffect(() => {
    void loadList();
    const again = (): void => {
      if (!document.hidden) void loadList();
    };
    document.addEventListener("visibilitychange", again);
    window.addEventListener("online", again);
    return () => {
      document.removeEventListener("visibilitychange", again);
      window.removeEventListener("online", again);
    };
  }, []);
  const list = sectionList.value;
  return (
    <>
      <a class="skip" href="#sections">
        {words.say("nav.skip")}
      </a>
      <Head words={words} page="sections" last={<SignOutButton words={words} name={name} />}>
        <StatusLine words={words} shown={list ?? undefined} title={`${words.say("home.title")} · Inkfast`} />
      </Head>
      <main class="wide" id="sections" tabIndex={-1}>
        <h1>{words.say("home.hello", { name })}</h1>
        <List words={words} />
        <OtherWork words={words} />
        <Links words={words} />
      </main>
    </>
  );
}

function List({ words }: { readonly words: HomeWords }): VNode {
  const list = sectionList.value;
  const problem = listProblem.value;
  if (list === null) {
    const key = `home.unavailable.${problem ?? ""}`;
    if (problem === null) return <p class="quiet">{words.say("home.opening")}</p>;
    return <p class="card">{words.say(words.has(key) ? key : "home.unavailable.unreachable")}</p>;
  }
  if (list.sections.length === 0) return <p class="card">{words.say("home.none")}</p>;
  return (
    <>
      <p class="quiet">{words.say("home.lead", { n: list.sections.length })}</p>
      <ul class="sections">
        {list.sections.map((section) => (
          <SectionCard key={section.section_id} section={section} words={words} status={outboxStatus.value} />
        ))}
      </ul>
    </>
  );
}

function Links({ words }: { readonly words: HomeWords }): VNode {
  return (
    <p class="links">
      <a href="/app/compatibility">{words.say("home.compatibility")}</a>
      <a href="/sign-in">{words.say("nav.plain")}</a>
    </p>
  );
}
