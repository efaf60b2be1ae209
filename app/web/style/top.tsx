/** The head of a section's pages: which section, its pages, and the status line, in the same place on each. */
import type { ComponentChildren, VNode } from "preact";
import type { SectionFacts } from "../section/types.ts";
import { chooseLanguage, LANGUAGES, type Language, type SharedWords } from "../words/words.ts";

interface TopProps {
  readonly words: SharedWords;
  readonly facts: SectionFacts;
  /** Which of the section's pages this is. */
  readonly page: "grades" | "attendance";
  /** The status line. */
  readonly children: ComponentChildren;
}

export function Top({ words, facts, page, children }: TopProps): VNode {
  const here = `/app/sections/${facts.section_id}`;
  const link = (name: TopProps["page"], href: string): VNode => (
    <a href={href} aria-current={name === page ? "page" : undefined}>
      {words.say(`nav.${name}`)}
    </a>
  );
  return (
    <header class="top">
      <h1>
        {facts.course_title}{" "}
        <span class="quiet">· {facts.periods === null ? facts.title : words.say("section.period", { period: facts.periods })}</span>
      </h1>
      <nav aria-label={words.say("nav.where")}>
        <a href="/app/">{words.say("nav.sections")}</a>
        {link("grades", here)}
        {link("attendance", `${here}/attendance`)}
        <a href="/app/receipts">{words.say("nav.receipts")}</a>
      </nav>
      {children}
      <LanguageButtons words={words} />
    </header>
  );
}

const NAMES: Readonly<Record<Language, string>> = { en: "English", es: "Español" };

/** One button for each language that the page is not in; the page is loaded anew in it. */
export function LanguageButtons({ words }: { readonly words: SharedWords }): VNode {
  const turn = (language: Language): void => {
    if (chooseLanguage(language)) location.reload();
  };
  return (
    <>
      {LANGUAGES.filter((language) => language !== words.language).map((language) => (
        <button key={language} type="button" class="button button-plain language" lang={language} onClick={() => turn(language)}>
          {NAMES[language]}
        </button>
      ))}
    </>
  );
}
