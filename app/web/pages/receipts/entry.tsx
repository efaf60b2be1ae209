/** The last receipts of this browser: what the district has confirmed, and when. */
import { startPage } from "../../section/start_page.tsx";
import { draw } from "../../section/watched.ts";
import { loadWords } from "../../words/words.ts";
import { ReceiptsPage } from "./page.tsx";

async function open(): Promise<void> {
  const page = document.getElementById("page");
  if (page === null) return;
  const words = await loadWords("receipts");
  startPage(words);
  draw(() => <ReceiptsPage words={words} />, page);
}

void open();
