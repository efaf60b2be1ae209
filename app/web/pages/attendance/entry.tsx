/** Open the attendance page of the section that the address names. */
import { openSectionPage } from "../../section/section_page.tsx";
import { person } from "../../section/session.ts";
import { SectionOfPage } from "../../section/view.ts";
import { AttendancePage, undoByKey } from "./page.tsx";
import { RollCall } from "./roll_call.ts";

const TURN_MS = 5_000;

void openSectionPage("attendance", SectionOfPage, (view, outbox, words) => {
  const call = new RollCall(view, words, outbox, person.value?.user_id ?? 0);
  const follow = (): void => call.show(new URLSearchParams(location.search));
  follow();
  window.addEventListener("popstate", follow);
  setInterval(() => call.turn(), TURN_MS);
  document.addEventListener("keydown", (event) => undoByKey(event, call));
  return () => <AttendancePage call={call} />;
});
