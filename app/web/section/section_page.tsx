/** A page of one section: opened for the section that the address names, or saying why it cannot be shown. */
import type { Outbox } from "@inkfast/outbox";
import { type VNode, render } from "preact";
import { type Key, type Words, loadWords } from "../words/words.ts";
import { SectionUnavailable, openSection } from "./open_section.ts";
import { outboxOfPage } from "./outbox.ts";
import { startPage } from "./start_page.tsx";
import type { SectionView } from "./types.ts";
import { draw } from "./watched.ts";

type Area = "gradebook" | "attendance";
/** What is said on both pages, in the words of each. */
type OpeningWords = Words<Key<"gradebook"> & Key<"attendance">>;

/** `begin` is called once, when there is something to show, and returns how it is drawn, now and after every change. */
export async function openSectionPage<A extends Area>(area: A, begin: (view: SectionView, outbox: Outbox, words: Words<Key<A>>) => () => VNode): Promise<void> {
  const page = document.getElementById("page")!;
  const words = await loadWords(area);
  const opening = words as unknown as OpeningWords;
  render(<p class="empty">{opening.say("opening")}</p>, page);
  startPage(words);
  const say = (error: unknown): void => {
    const key = `unavailable.${error instanceof SectionUnavailable ? error.code : ""}`;
    render(<Unavailable words={opening} why={opening.say(opening.has(key) ? key : "unavailable.unreachable")} />, page);
  };
  try {
    const [view, outbox] = await Promise.all([opened(say), outboxOfPage()]);
    words.inZone(view.facts.time_zone);
    draw(begin(view, outbox, words), page);
    // A page that was left open over night is of another day now.
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) void view.refresh().catch(() => undefined);
    });
  } catch (error) {
    say(error);
  }
}

/** The section that the address names. A server that has no time, or cannot be reached, is asked again: nobody has to press anything. */
async function opened(say: (error: unknown) => void): Promise<SectionView> {
  const id = Number(/\/sections\/(\d+)/.exec(location.pathname)?.[1]);
  for (let tries = 0; ; tries += 1) {
    try {
      return await openSection(id, tries);
    } catch (error) {
      if (!(error instanceof SectionUnavailable) || error.again_ms === null) throw error;
      say(error);
      await new Promise((resolve) => setTimeout(resolve, error.again_ms!));
    }
  }
}

function Unavailable({ words, why }: { readonly words: OpeningWords; readonly why: string }): VNode {
  return (
    <main class="empty">
      <h1>{words.say("unavailable.title")}</h1>
      <p>{why}</p>
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
