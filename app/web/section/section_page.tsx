/** A page of one section: opened for the section that the address names, or saying why it cannot be shown. */
import type { Outbox } from "@inkfast/outbox";
import { type VNode, render } from "preact";
import { type Key, type SharedWords, type Words, loadWords, withArea } from "../words/words.ts";
import { type Kind, SectionUnavailable, openSection } from "./open_section.ts";
import { outboxOfPage } from "./outbox.ts";
import { startPage } from "./start_page.tsx";
import type { SectionOfPage } from "./view.ts";
import { draw } from "./watched.ts";

export type Area = "gradebook" | "attendance";
/** What is said on both pages, in the words of each. */
type OpeningWords = Words<Key<"gradebook"> & Key<"attendance">>;
/** Called once, when there is something to show; returns how it is drawn, now and after every change. */
type Begin<A extends Area, V> = (view: V, outbox: Outbox, words: Words<Key<A>>) => () => VNode;

const ASKED_AGAIN_MS = 5_000;

export async function openSectionPage<A extends Area, V extends SectionOfPage>(
  area: A,
  View: Kind<V>,
  begin: Begin<A, V>,
): Promise<void> {
  const page = document.getElementById("page")!;
  const words = await loadWords(area);
  render(<p class="empty">{(words as unknown as OpeningWords).say("opening")}</p>, page);
  startPage(words);
  const why = whyNot(area, words, page);
  try {
    const [view, outbox] = await Promise.all([opened(why, View), outboxOfPage()]);
    words.inZone(view.facts.time_zone);
    why.end();
    draw(begin(view, outbox, words), page);
    // A page that was left open over night is of another day now.
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) void view.refresh().catch(() => undefined);
    });
  } catch (error) {
    why.say(error);
  }
}

/** The section that the address names. A server that has no time, or cannot be reached, is asked again: nobody has to press anything. */
async function opened<V extends SectionOfPage>(why: WhyNot, View: Kind<V>): Promise<V> {
  const id = Number(/\/sections\/(\d+)/.exec(location.pathname)?.[1]);
  for (let tries = 0; ; tries += 1) {
    try {
      return await openSection(id, tries, View);
    } catch (error) {
      if (!(error instanceof SectionUnavailable) || error.again_ms === null) throw error;
      why.say(error);
      await new Promise((resolve) => setTimeout(resolve, error.again_ms!));
    }
  }
}

interface WhyNot {
  readonly say: (error: unknown) => void;
  /** There is something to see: what is still on its way is not shown over it. */
  readonly end: () => void;
}

/** Why there is nothing to see, until there is. It is fetched when there is a reason; where it does not come, the page is still opening. */
function whyNot(area: Area, words: SharedWords, page: Element): WhyNot {
  let code: string | null = null;
  const show = async (): Promise<void> => {
    try {
      const [{ Unavailable }, itsWords] = await Promise.all([import("./unavailable.tsx"), withArea(words, "unavailable")]);
      if (code !== null) render(<Unavailable area={area} words={itsWords} code={code} />, page);
    } catch {
      setTimeout(() => code !== null && void show(), ASKED_AGAIN_MS);
    }
  };
  return {
    say(error) {
      code = error instanceof SectionUnavailable ? error.code : "";
      void show();
    },
    end() {
      code = null;
    },
  };
}
