/** One section in the list: where to go, and what still waits in it. */
import type { OutboxStatus } from "@inkfast/outbox";
import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { outboxOfPage } from "../../section/outbox.ts";
import { isRollTaken, sectionList } from "../../section/section_list.ts";
import { serverNow } from "../../section/server_clock.ts";
import type { ListedSection } from "../../section/types.ts";
import type { HomeWords } from "./page.tsx";

interface CardProps {
  readonly section: ListedSection;
  readonly words: HomeWords;
  /** Of all sections: when it changes, this one's is read again. */
  readonly status: OutboxStatus | null;
}

export function SectionCard({ section, words, status }: CardProps): VNode {
  const [own, setOwn] = useState<OutboxStatus | null>(null);
  const [isTaken, setTaken] = useState<boolean | null>(null);
  // A page that was left open over night is of another day now; and the list is read again whenever somebody comes back to it.
  const list = sectionList.value;
  const { day: today } = words.read(serverNow());
  const { section_id, course_title, title, periods, class_code, org_name, students } = section;
  useEffect(() => {
    void outboxOfPage().then((outbox) => setOwn(outbox.status(section_id)));
  }, [status, section_id]);
  useEffect(() => {
    void isRollTaken(section_id).then(setTaken, () => setTaken(null));
  }, [list, today, section_id]);
  const facts = [org_name, class_code, words.say("home.students", { n: students })].filter((fact) => fact !== null);
  return (
    <li class="card section">
      <div>
        <h2>
          <a href={`/app/sections/${section_id}`}>
            {course_title} <span class="quiet">· {periods === null ? title : words.say("section.period", { period: periods })}</span>
          </a>
        </h2>
        <p class="quiet">{facts.join(" · ")}</p>
        <p class="badges">
          {own !== null && <Badges status={own} words={words} />}
          {isTaken === false && <span class="badge">{words.say("home.roll.not_taken")}</span>}
          {isTaken === true && (
            <span class="badge" data-tone="ok">
              {words.say("home.roll.taken")}
            </span>
          )}
        </p>
      </div>
      <div class="choices">
        <a class="button" href={`/app/sections/${section_id}`} aria-label={`${words.say("nav.grades")}: ${title}`}>
          {words.say("nav.grades")}
        </a>
        <a class="button" href={`/app/sections/${section_id}/attendance`} aria-label={`${words.say("nav.attendance")}: ${title}`}>
          {words.say("nav.attendance")}
        </a>
      </div>
    </li>
  );
}

function Badges({ status, words }: { readonly status: OutboxStatus; readonly words: HomeWords }): VNode {
  const unsent = status.queued + status.sending + status.storing;
  const waiting = status.conflicts + status.rejected + status.quarantined;
  return (
    <>
      {unsent > 0 && (
        <span class="badge" data-tone="warn">
          {words.say("home.unsent", { n: unsent })}
        </span>
      )}
      {waiting > 0 && (
        <span class="badge" data-tone="bad">
          {words.say("home.waiting", { n: waiting })}
        </span>
      )}
    </>
  );
}
