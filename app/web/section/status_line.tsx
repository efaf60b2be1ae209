/** The status line: in the same place on every page. Seen at once; heard seldom, and only when the state is another one. */
import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { SharedWords } from "../words/words.ts";
import { downloadRescue } from "./download.ts";
import { outboxOfPage, outboxStatus } from "./outbox.ts";
import { serverNow } from "./server_clock.ts";
import { maintenanceUntil, watchService } from "./service_status.ts";
import { signInNeeded, unreachableSince } from "./session.ts";
import { type StatusSentence, describe, titleOf } from "./status.ts";
import type { OutboxStatus } from "@inkfast/outbox";
import type { SectionView } from "./types.ts";

interface LineProps {
  readonly words: SharedWords;
  /** The section that the page shows; none on a page of all sections. */
  readonly view?: SectionView;
  /** On such a page: how old the list of them is. */
  readonly shown?: Pick<SectionView, "asOf" | "isFromDisk" | "recordsAreAway"> | undefined;
  /** Go to the first entry that waits for a person; the button is there only with it. */
  readonly onGo?: () => void;
  /** The title of the page without what is not sent. */
  readonly title: string;
}

const STORING_IS_SAID_MS = 300;
const LOOKED_AGAIN_MS = 20_000;
const HEARD_AGAIN_MS = 10_000;

/** Storing takes a moment, and is not spoken of: what is said before it stays. */
function isLasting(status: OutboxStatus, since: number): boolean {
  return status.storing > 0 && performance.now() - since >= STORING_IS_SAID_MS;
}

export function StatusLine({ words, view, shown = view, onGo, title }: LineProps): VNode {
  const sentence = useSentence(words, view, shown);
  useEffect(() => {
    document.title = titleOf(title, sentence.unsent, words);
  }, [title, sentence.unsent, words]);
  const { polite, assertive } = useAnnouncement(sentence);
  return (
    <div class="status" data-tone={sentence.tone} data-state={sentence.state} role="group" aria-label={words.say("status.label")}>
      <span class="dot" data-mark={MARKS[sentence.state]} aria-hidden="true" />
      <span>
        {sentence.text}
        {sentence.note !== null && <span class="quiet"> {sentence.note}</span>}
      </span>
      <Offer sentence={sentence} words={words} onGo={onGo} />
      <span class="heard" role="status">
        {polite}
      </span>
      <span class="heard" role="alert">
        {assertive}
      </span>
    </div>
  );
}

const MARKS: Readonly<Record<StatusSentence["state"], string>> = {
  nowhere: "rejected",
  stuck: "rejected",
  rejected: "rejected",
  quarantined: "conflict",
  conflict: "conflict",
  signed_out: "queued",
  overdue: "queued",
  offline: "queued",
  storing: "storing",
  sending: "queued",
  queued: "queued",
  drafted: "settled",
  recorded: "settled",
  nothing: "settled",
};

function Offer({ sentence, words, onGo }: { readonly sentence: StatusSentence; readonly words: SharedWords; readonly onGo: (() => void) | undefined }): VNode | null {
  if (sentence.offer === "go_to" && onGo !== undefined) {
    return (
      <button type="button" class="button" onClick={onGo}>
        {words.say("status.go_to", { n: 1 })}
      </button>
    );
  }
  if (sentence.offer === "other_section") return <a href="/app/">{words.say("status.to_sections")}</a>;
  if (sentence.offer !== "rescue") return null;
  const rescue = async (): Promise<void> => downloadRescue(await outboxOfPage());
  return (
    <button type="button" class="button" onClick={() => void rescue()}>
      {words.say("status.rescue")}
    </button>
  );
}

const NOTHING_KNOWN: OutboxStatus = {
  storing: 0,
  queued: 0,
  sending: 0,
  drafted: 0,
  conflicts: 0,
  rejected: 0,
  quarantined: 0,
  oldestUnsent: null,
  lastAcknowledged: null,
  lastRecorded: null,
  offlineSince: null,
  retryAt: null,
  signInRequired: false,
  stuck: null,
  storage: "best-effort",
};

/** The sentence of now: made anew when anything changes, and now and then, for it has a time in it. */
function useSentence(words: SharedWords, view: SectionView | undefined, shown: LineProps["shown"]): StatusSentence {
  const [, lookAgain] = useState(0);
  const storingSince = useRef<number | null>(null);
  const [here, setHere] = useState<OutboxStatus | undefined>(undefined);
  const all = outboxStatus.value ?? NOTHING_KNOWN;
  if (all.storing === 0) storingSince.current = null;
  else storingSince.current ??= performance.now();
  useEffect(watchService, []);
  useEffect(() => {
    const timer = setInterval(() => lookAgain((n) => n + 1), LOOKED_AGAIN_MS);
    const unlisten = view?.onChange((cells) => cells === undefined && lookAgain((n) => n + 1));
    return () => {
      clearInterval(timer);
      unlisten?.();
    };
  }, [view]);
  useEffect(() => {
    if (view !== undefined) void outboxOfPage().then((outbox) => setHere(outbox.status(view.id)));
  }, [view, all]);
  useEffect(() => {
    if (all.storing === 0) return undefined;
    const timer = setTimeout(() => lookAgain((n) => n + 1), STORING_IS_SAID_MS);
    return () => clearTimeout(timer);
  }, [all.storing > 0]);
  const isSaid = storingSince.current !== null && isLasting(all, storingSince.current);
  const facts = {
    all: isSaid ? all : { ...all, storing: 0 },
    here,
    now: serverNow(),
    signIn: signInNeeded.value,
    unreachableSince: unreachableSince.value,
    asOf: shown !== undefined && (shown.isFromDisk || shown.recordsAreAway) ? shown.asOf : null,
    isFromDisk: shown?.isFromDisk ?? false,
    recordsAreAway: shown?.recordsAreAway ?? false,
    maintenanceUntil: maintenanceUntil.value,
  };
  return describe(facts, words);
}

/** What is heard: on a change of state only, at most once in ten seconds; at once only what needs a person at once. */
function useAnnouncement(sentence: StatusSentence): { readonly polite: string; readonly assertive: string } {
  const [heard, hear] = useState({ polite: "", assertive: "" });
  const last = useRef({ state: sentence.state, at: 0 });
  const latest = useRef(sentence);
  latest.current = sentence;
  useEffect(() => {
    if (last.current.state === sentence.state) return undefined;
    const isUrgent = sentence.state === "rejected" || sentence.state === "nowhere";
    const say = (): void => {
      const now = latest.current;
      if (now.state === last.current.state) return;
      last.current = { state: now.state, at: Date.now() };
      const text = now.note === null ? now.text : `${now.text} ${now.note}`;
      hear(isUrgent ? { polite: "", assertive: text } : { polite: text, assertive: "" });
    };
    const timer = setTimeout(say, isUrgent ? 0 : Math.max(0, last.current.at + HEARD_AGAIN_MS - Date.now()));
    return () => clearTimeout(timer);
  }, [sentence.state]);
  return heard;
}
