/** What this browser can and cannot do for a teacher, tried on the spot; also for who is not signed in. */
import { startPage } from "../../section/start_page.tsx";
import { draw } from "../../section/watched.ts";
import { loadWords } from "../../words/words.ts";
import { CompatibilityPage } from "./page.tsx";

async function open(): Promise<void> {
  const page = document.getElementById("page");
  if (page === null) return;
  const words = await loadWords("compatibility");
  startPage(words, { hasOwnForm: true });
  draw(() => <CompatibilityPage words={words} />, page);
}

void open();
