/** The status line: in the same place on every page. Seen at once; heard seldom, and only when the state is another one. */
import type { Outbox, OutboxStatus } from "@inkfast/outbox";
import type { VNode } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";
import { type SharedWords, withArea } from "../words/words.ts";
import { outboxOfPage } from "./outbox.ts";
import { outboxStatus } from "./outbox_status.ts";
import { serverNow } from "./server_clock.ts";
import { maintenanceUntil, watchService } from "./service_status.ts";
import { signInNeeded, unreachableSince } from "./session.ts";
import { type StatusSentence, describe, titleOf } from "./status.ts";
import type { SectionView } from "./types.ts";
import { changed } from "./watched.ts";
import { isWithoutWorker } from "./worker_registration.ts";

interface LineProps {
  readonly words: SharedWords;
  /** The section that the page shows; none on a page of all sections. */
  readonly view?: SectionView;
  /** On such a page: how old the list of them is. */
  readonly shown?: Pick<SectionView, "asOf" | "isFromDisk" | "recordsAreAway"> | undefined;
  /** How many texts of this page could not be read. */
  readonly unread?: number;
  /** Go to the first entry that waits for a person; the button is there only with it. */
  readonly onGo?: () => void;
  /** The title of the page without what is not sent. */
  readonly title: string;
}

const STORING_IS_SAID_MS = 300;
const LOOKED_AGAIN_MS = 20_000;
const HEARD_AGAIN_MS = 10_000;
const ASKED_AGAIN_MS = 5_000;

/** What is said in trouble, once it is here. */
let trouble: typeof import("./trouble.tsx") | null = null;
let coming: Promise<void> | undefined;

/** Fetch it with its words. Where neither the network nor this computer has it, it is asked for again. */
function fetchTrouble(words: SharedWords): void {
  coming ??= Promise.all([import("./trouble.tsx"), withArea(words, "trouble")]).then(
    ([found]) => {
      trouble = found;
      changed();
    },
    () => {
      coming = undefined;
      setTimeout(changed, ASKED_AGAIN_MS);
    },
  );
}

/** The line of a page. There is one, and it is drawn anew with the page. */
export function StatusLine(props: LineProps): VNode {
  const [line] = useState(() => new Line());
  useLayoutEffect(() => line.begin(props.view), []);
  const drawn = line.draw(props);
  useLayoutEffect(() => line.entitle(props));
  return drawn;
}

/** What the line keeps between two drawings. */
class Line {
  #storingSince: number | null = null;
  #storing: ReturnType<typeof setTimeout> | undefined;
  #saying: ReturnType<typeof setTimeout> | undefined;
  #sentence: StatusSentence | undefined;
  /** What was heard last, and when; nothing before another state than that of the beginning. */
  #heard: { state?: StatusSentence["state"]; at: number; text: string; isUrgent: boolean } = { at: 0, text: "", isUrgent: false };
  #outbox: Outbox | undefined;

  /** Look again now and then, and when the section is another; until what is returned is called. */
  begin(view: SectionView | undefined): () => void {
    watchService();
    // There is a time in it.
    const timer = setInterval(changed, LOOKED_AGAIN_MS);
    const stop = view?.onChange((cells) => cells === undefined && changed());
    if (view !== undefined) {
      void outboxOfPage().then((outbox) => {
        this.#outbox = outbox;
        changed();
      });
    }
    return () => {
      clearInterval(timer);
      stop?.();
      clearTimeout(this.#storing);
      clearTimeout(this.#saying);
    };
  }

  entitle({ title, words }: LineProps): void {
    const entitled = titleOf(title, this.#sentence?.unsent ?? 0, words);
    if (document.title !== entitled) document.title = entitled;
  }

  /** Storing takes a moment, and is not spoken of before: what is said before it stays. */
  #isStoring({ storing }: OutboxStatus): boolean {
    if (storing === 0) {
      this.#storingSince = null;
      return false;
    }
    this.#storingSince ??= performance.now();
    const left = this.#storingSince + STORING_IS_SAID_MS - performance.now();
    clearTimeout(this.#storing);
    if (left > 0) this.#storing = setTimeout(changed, left);
    return left <= 0;
  }

  #describe(all: OutboxStatus, { words, view, shown = view, unread = 0 }: LineProps): StatusSentence {
    const facts = {
      all: this.#isStoring(all) ? all : { ...all, storing: 0 },
      here: view && this.#outbox?.status(view.id),
      now: serverNow(),
      signIn: signInNeeded.value,
      unreachableSince: unreachableSince.value,
      asOf: shown !== undefined && (shown.isFromDisk || shown.recordsAreAway) ? shown.asOf : null,
      isFromDisk: shown?.isFromDisk ?? false,
      recordsAreAway: shown?.recordsAreAway ?? false,
      maintenanceUntil: maintenanceUntil.value,
      unread,
    };
    return describe(facts, words, trouble);
  }

  /** What is heard: on a change of state only, at most once in ten seconds; at once only what needs a person at once. */
  #hearSoon(state: StatusSentence["state"]): void {
    this.#heard.state ??= state;
    if (this.#sentence?.state === state && !this.#sentence.isComing) return;
    clearTimeout(this.#saying);
    if (this.#heard.state === state) return;
    const isUrgent = state === "rejected" || state === "nowhere";
    this.#saying = setTimeout(
      () => {
        const { state: now, text, note } = this.#sentence!;
        this.#heard = { state: now, at: Date.now(), text: note === null ? text : `${text} ${note}`, isUrgent };
        changed();
      },
      isUrgent ? 0 : Math.max(0, this.#heard.at + HEARD_AGAIN_MS - Date.now()),
    );
  }

  draw(props: LineProps): VNode {
    const { words, onGo } = props;
    const label = { class: "status", role: "group", "aria-label": words.say("status.label") } as const;
    // Before the disk has answered nothing is known, and nothing is said.
    if (outboxStatus.value === null) return <div {...label} />;
    const sentence = this.#describe(outboxStatus.value, props);
    if (sentence.isComing || isWithoutWorker.value) fetchTrouble(words);
    if (!sentence.isComing) this.#hearSoon(sentence.state);
    this.#sentence = sentence;
    const { text, isUrgent } = this.#heard;
    return (
      <div {...label} data-tone={sentence.tone} data-state={sentence.state}>
        <span class="dot" data-mark={sentence.mark} aria-hidden="true" />
        <span>
          {sentence.text}
          {sentence.note !== null && <span class="quiet"> {sentence.note}</span>}
        </span>
        {trouble && sentence.offer && <trouble.Offer offer={sentence.offer} words={words} onGo={onGo} />}
        <span class="heard" role="status">
          {!isUrgent && text}
        </span>
        <span class="heard" role="alert">
          {isUrgent && text}
        </span>
      </div>
    );
  }
}
