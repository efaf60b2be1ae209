/** Open the gradebook of the section that the address names. */
import { render } from "preact";
import { openSection, SectionUnavailable } from "../../section/open_section.ts";
import { outboxOfPage } from "../../section/outbox.ts";
import { startPage } from "../../section/start_page.tsx";
import { StatusLine } from "../../section/status_line.tsx";
import { draw } from "../../section/watched.ts";
import { loadWords } from "../../words/words.ts";
import { Desk } from "./desk.ts";
import { GradebookModel } from "./model.ts";
import { GradebookPage } from "./page.tsx";
import type { GradebookWords } from "./score.ts";
import { readerOf } from "./typed.ts";

const PARTS_AGAIN_MS = 5_000;
const PHONE = "(max-width: 599px)";

async function open(page: HTMLElement): Promise<void> {
  const words = await loadWords("gradebook");
  render(<p class="empty">{words.say("gradebook.opening")}</p>, page);
  startPage(words);
  const id = Number(/\/sections\/(\d+)/.exec(location.pathname)?.[1]);
  try {
    const [view, outbox] = await Promise.all([openSection(id), outboxOfPage()]);
    words.inZone(view.facts.time_zone);
    const desk = new Desk(view, outbox, words, new GradebookModel(view, words, readerOf(words)));
    begin(desk);
    const title = `${words.say("gradebook.title")} · ${view.facts.title}`;
    draw(
      () => (
        <GradebookPage desk={desk}>
          <StatusLine words={words} view={view} onGo={() => (desk.aside.value = "attention")} title={title} />
        </GradebookPage>
      ),
      page,
    );
    void loadParts(desk);
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) void view.refresh().catch(() => undefined);
    });
  } catch (error) {
    render(<Unavailable words={words} code={error instanceof SectionUnavailable ? error.code : "unreachable"} />, page);
  }
}

/** Once the grid is there. Without a network the service worker has them; if it has not, they are asked for again later. */
async function loadParts(desk: Desk): Promise<void> {
  try {
    const parts = await import("./parts.tsx");
    desk.parts.value = parts;
    desk.model.drawPictures();
    parts.readyToPrint(desk);
  } catch {
    setTimeout(() => void loadParts(desk), PARTS_AGAIN_MS);
  }
}

/** On a phone the page begins with one column: the first that is due and not complete, else the last. */
function begin(desk: Desk): void {
  if (!matchMedia(PHONE).matches) return;
  const items = desk.view.lineItems.filter(({ is_hidden }) => !is_hidden);
  const counted = (item: (typeof items)[number]): number => desk.model.statisticsOfItem(item)?.count ?? 0;
  const active = desk.view.students.filter(({ is_active }) => is_active).length;
  const item = items.find((one) => counted(one) < active) ?? items[items.length - 1];
  if (item) desk.arrange({ only: item.line_item_id });
}

function Unavailable({ words, code }: { readonly words: GradebookWords; readonly code: string }) {
  const key = `unavailable.${code}`;
  return (
    <main class="empty">
      <h1>{words.say("unavailable.title")}</h1>
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

const page = document.getElementById("page");
if (page !== null) void open(page);
