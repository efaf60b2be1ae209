/** The sections of who is signed in. */
import type { VNode } from "preact";
import { useEffect } from "preact/hooks";
import { Head } from "../../section/frame.tsx";
import { outboxStatus } from "../../section/outbox_status.ts";
import { listProblem, loadList, sectionList } from "../../section/section_list.ts";
import "../../section/signed_in.ts";
import { StatusLine } from "../../section/status_line.tsx";
import "./entry.tsx";
import { Links } from "./links.tsx";
import { OtherWork } from "./other_work.tsx";
import type { HomeWords } from "./page.tsx";
import { SectionCard } from "./section_card.tsx";
import { SignOutButton } from "./sign_out_button.tsx";

export function Signed({ words, name }: { readonly words: HomeWords; readonly name: string }): VNode {
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
