/** Open the gradebook of the section that the address names. */
import { SectionWithColumns } from "../../section/columns.ts";
import { onLeaving } from "../../section/leaving.ts";
import { openSectionPage } from "../../section/section_page.tsx";
import { StatusLine } from "../../section/status_line.tsx";
import { firstToDo } from "./arrangement.ts";
import { Desk } from "./desk.ts";
import { GradebookModel } from "./model.ts";
import { GradebookPage, PHONE } from "./page.tsx";
import { readyToPrint } from "./print.ts";
import { readerOf } from "./typed.ts";


void openSectionPage("gradebook", SectionWithColumns, (view, outbox, words) => {
  const desk = new Desk(view, outbox, words, new GradebookModel(view, words, readerOf(words)));
  const title = `${words.say("gradebook.title")} · ${view.facts.title}`;
  if (matchMedia(PHONE).matches) desk.arrange({ only: firstToDo(view)?.line_item_id ?? null });
  readyToPrint(desk);
  onLeaving(() => desk.grid?.entry.leave() ?? false);
  // The pictures count every score there is: the first one is typed before.
  setTimeout(() => desk.model.drawPictures());
  return () => (
    <GradebookPage desk={desk}>
      <StatusLine words={words} view={view} unread={desk.grid?.entry.refusals ?? 0} onGo={() => (desk.aside.value = "attention")} title={title} />
    </GradebookPage>
  );
});
