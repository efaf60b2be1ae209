/** Open the attendance page of the section that the address names. */
import { render } from "preact";
import { SectionUnavailable, openSection } from "../../section/open_section.ts";
import { outboxOfPage } from "../../section/outbox.ts";
import { startSession } from "../../section/session.ts";
import { startPage } from "../../section/start_page.tsx";
import type { SectionView } from "../../section/types.ts";
import { draw } from "../../section/watched.ts";
import { loadWords } from "../../words/words.ts";
import { AttendancePage } from "./page.tsx";
import { type AttendanceWords, RollCall } from "./roll_call.ts";

const page = document.getElementById("page");

async function open(): Promise<void> {
  if (page === null) return;
  const words = await loadWords("attendance");
  render(<p class="empty">{words.say("attendance.opening")}</p>, page);
  startPage(words);
  const id = Number(/\/sections\/(\d+)/.exec(location.pathname)?.[1]);
  try {
    const [view, outbox, who] = await Promise.all([openSection(id), outboxOfPage(), startSession()]);
    show(page, new RollCall(view, words.inZone(view.facts.time_zone), outbox, who.user_id));
    lookAgainWhenShown(view);
  } catch (error) {
    render(<Unavailable words={words} code={error instanceof SectionUnavailable ? error.code : "unreachable"} />, page);
  }
}

function show(into: HTMLElement, call: RollCall): void {
  call.show(new URLSearchParams(location.search));
  draw(() => <AttendancePage call={call} />, into);
}

/** A page that was left open over night is of another day now. */
function lookAgainWhenShown(view: SectionView): void {
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) void view.refresh().catch(() => undefined);
  });
}

function Unavailable({ words, code }: { readonly words: AttendanceWords; readonly code: string }) {
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

void open();
