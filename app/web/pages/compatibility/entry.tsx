/** What this browser can and cannot do for a teacher, tried on the spot; also for who is not signed in. */
import { render } from "preact";
import { startPage } from "../../section/start_page.tsx";
import { loadWords } from "../../words/words.ts";
import { CompatibilityPage } from "./page.tsx";

async function open(): Promise<void> {
  const page = document.getElementById("page");
  if (page === null) return;
  const words = await loadWords({ en: () => import("../../words/en/compatibility.json"), es: () => import("../../words/es/compatibility.json") });
  startPage(words, { hasOwnForm: true });
  render(<CompatibilityPage words={words} />, page);
}

void open();
