/** The last receipts of this browser: what the district has confirmed, and when. */
import { render } from "preact";
import { startPage } from "../../section/start_page.tsx";
import { loadWords } from "../../words/words.ts";
import { ReceiptsPage } from "./page.tsx";

async function open(): Promise<void> {
  const page = document.getElementById("page");
  if (page === null) return;
  const words = await loadWords("home");
  startPage(words);
  render(<ReceiptsPage words={words} />, page);
}

void open();
