/** The first page: sign in, then my sections. */
import { startSession } from "../../section/session.ts";
import { startPage } from "../../section/start_page.tsx";
import { draw } from "../../section/watched.ts";
import { loadWords } from "../../words/words.ts";
import { HomePage, prepareHome } from "./page.tsx";

async function open(): Promise<void> {
  const page = document.getElementById("page");
  if (page === null) return;
  const words = await loadWords("home");
  startPage(words, { hasOwnForm: true });
  void startSession();
  prepareHome(words);
  draw(() => <HomePage words={words} />, page);
}

void open();
