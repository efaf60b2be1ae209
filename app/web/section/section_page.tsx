/** A page of one section: opened for the section that the address names, or saying why it cannot be shown. */
import type { Outbox } from "@inkfast/outbox";
import { type VNode, render } from "preact";
import { type AreaFiles, type Areas, type Key, type SharedWords, type Words, loadWords, withArea } from "../words/words.ts";
import { SectionUnavailable, openSection } from "./open_section.ts";
import { outboxOfPage } from "./outbox.ts";
import { startPage } from "./start_page.tsx";
import type { SectionView } from "./types.ts";
import { draw } from "./watched.ts";

export type Area = "gradebook" | "attendance";
/** What is said on both pages, in the words of each. */
type OpeningWords = Words<Key<"gradebook"> & Key<"attendance">>;
/** Called once, when there is something to show; returns how it is drawn, now and after every change. */
type Begin<A extends Area> = (view: SectionView, outbox: Outbox, words: Words<Key<A>>) => () => VNode;

const ASKED_AGAIN_MS = 5_000;
const UNAVAILABLE = { en: () => import("../words/en/unavailable.json"), es: () => import("../words/es/unavailable.json") };

export async function openSectionPage<A extends Area>(area: A, files: AreaFiles<Areas[A]>, begin: Begin<A>): Promise<void> {
  const page = document.getElementById("page")!;
  const words = (await loadWords<Areas[A]>(files)) as Words<Key<A>>;
  render(<p class="empty">{(words as unknown as OpeningWords).say("opening")}</p>, page);
  startPage(words);
  const why = new WhyNot(area, words, page);
  try {
    const [view, outbox] = await Promise.all([opened(why), outboxOfPage()]);
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
async function opened(why: WhyNot): Promise<SectionView> {
  const id = Number(/\/sections\/(\d+)/.exec(location.pathname)?.[1]);
  for (let tries = 0; ; tries += 1) {
    try {
      return await openSection(id, tries);
    } catch (error) {
      if (!(error instanceof SectionUnavailable) || error.again_ms === null) throw error;
      why.say(error);
      await new Promise((resolve) => setTimeout(resolve, error.again_ms!));
    }
  }
}

/** Why there is nothing to see, until there is. It is fetched when there is a reason; where it does not come, the page is still opening. */
class WhyNot {
  readonly #area: Area;
  readonly #words: SharedWords;
  readonly #page: Element;
  #code: string | null = null;

  constructor(area: Area, words: SharedWords, page: Element) {
    this.#area = area;
    this.#words = words;
    this.#page = page;
  }

  say(error: unknown): void {
    this.#code = error instanceof SectionUnavailable ? error.code : "";
    void this.#show();
  }

  /** There is something to see: what is still on its way is not shown over it. */
  end(): void {
    this.#code = null;
  }

  async #show(): Promise<void> {
    try {
      const [{ Unavailable }, words] = await Promise.all([import("./unavailable.tsx"), withArea(this.#words, UNAVAILABLE)]);
      if (this.#code !== null) render(<Unavailable area={this.#area} words={words} code={this.#code} />, this.#page);
    } catch {
      setTimeout(() => this.#code !== null && void this.#show(), ASKED_AGAIN_MS);
    }
  }
}
