/** The first page: sign in, then my sections. */
import { render } from "preact";
import { startSession } from "../../section/session.ts";
import { startPage } from "../../section/start_page.tsx";
import { loadWords } from "../../words/words.ts";
import { HomePage } from "./page.tsx";

async function open(): Promise<void> {
  const page = document.getElementById("page");
  if (page === null) return;
  const words = await loadWords("home");
  startPage(words, { hasOwnForm: true });
  void startSession();
  render(<HomePage words={words} />, page);
}

void open();
