/**
 * What others do in the sections that are open here, as it happens: one stream a browser, which its tabs share. One tab reads it
 * and passes it on; where tabs cannot share, each reads its own. It is lossy: after every gap the sections are read again, and
 * while there is no stream they are read now and then. Who is not looked at needs none, and reads its section on coming back.
 */
import type { CellColumns, Presence } from "./types.ts";
import { type StreamEnd, type StreamEvent, openStream } from "./event_stream.ts";
import { inTheNameOf, person, renew, unreachableSince } from "./session.ts";
import { StreamLease, canShare } from "./stream_lease.ts";

export interface SectionListener {
  readonly cells: (columns: CellColumns) => void;
  readonly recorded: (client_id: string, recorded_seq: number) => void;
  readonly presence: (users: readonly Presence[]) => void;
  /** Events may have been lost, or there is no stream: read the section again. `isAtOnce`: a person has just come back. */
  readonly missed: (isAtOnce: boolean) => void;
}

interface Want {
  readonly sections: readonly number[];
  readonly isHidden: boolean;
  readonly at: number;
  /** When a person last came to the tab: the section of the newest one is where they are. */
  readonly cameAt: number;
}

/** What tabs tell one another. */
type Word =
  | { readonly kind: "event"; readonly event: StreamEvent }
  | { readonly kind: "alive"; readonly fresh: readonly number[] }
  | { readonly kind: "want"; readonly tab: string; readonly want: Want }
  | { readonly kind: "who" }
  | { readonly kind: "free" };

const TICK_MS = 4_000;
const WANT_MS = 30_000;
/** Without a sign of life for so long there is no stream. */
const ALIVE_MS = 45_000;
const POLL_MS = 60_000;
/** A glance elsewhere is no reason to end a stream. */
const HIDDEN_MS = 60_000;
const AGAIN_MS_MAX = 60_000;
/** Refused for good, as for a section that is somebody else's: asked again after minutes only. */
const REFUSED_MS = 300_000;

const listeners: Map<number, Set<SectionListener>> = new Map();
let tab: TabStream | undefined;

/** Listen to a section for as long as the page is there. */
export function watchSection(section: number, listener: SectionListener): void {
  const those = listeners.get(section) ?? new Set();
  listeners.set(section, those.add(listener));
  tab ??= new TabStream(`inkfast.stream.${person.value?.user_id ?? 0}`);
  tab.lookAgain();
}

class TabStream {
  readonly #me = `${Date.now()}-${Math.random()}`;
  readonly #lease: StreamLease | undefined;
  readonly #channel: BroadcastChannel | undefined;
  readonly #wants: Map<string, Want> = new Map();
  #close: (() => void) | undefined;
  #path = "";
  #openAgainAt = 0;
  #failures = 0;
  #aliveAt = 0;
  #polledAt = Date.now();
  #cameAt = Date.now();
  #hiddenSince: number | null = null;
  #covered: readonly number[] = [];
  #isLeading = false;
  #saidAt = 0;
  #isLooking = false;

  constructor(name: string) {
    if (canShare()) {
      this.#lease = new StreamLease(name, this.#me);
      this.#channel = new BroadcastChannel(name);
      this.#channel.onmessage = ({ data }: MessageEvent<Word>) => this.#hear(data);
    }
    setInterval(() => this.lookAgain(), TICK_MS);
    document.addEventListener("visibilitychange", () => this.#turn());
    window.addEventListener("pagehide", () => this.#leave());
    document.addEventListener("freeze", () => this.#leave());
    for (const back of ["pageshow", "online"]) window.addEventListener(back, () => this.#comeBack());
    document.addEventListener("resume", () => this.#comeBack());
  }

  /** Who leads, which sections are wanted, and whether there is a stream at all: looked at now and then, and when it may differ. */
  lookAgain(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    void this.#look().finally(() => {
      this.#isLooking = false;
    });
  }

  async #look(): Promise<void> {
    this.#sayWant();
    const wanted = this.#wantedSections();
    const wasLeading = this.#isLeading;
    this.#isLeading = wanted.length > 0 && (this.#lease === undefined ? !document.hidden : await this.#lease.hold(document.hidden));
    if (!this.#isLeading) {
      this.#lease?.release();
      this.#stop();
    } else {
      if (!wasLeading) this.#tell({ kind: "who" });
      this.#openIfDue(wanted);
    }
    this.#pollIfDue();
  }

  #openIfDue(sections: readonly number[]): void {
    const here = this.#whereTheyAre();
    const path = `/api/v1/events?sections=${sections.join(",")}${here === undefined ? "" : `&here=${here}`}`;
    const isOther = path !== this.#path;
    if (!isOther && (this.#close !== undefined || Date.now() < this.#openAgainAt)) return;
    const before = this.#close;
    // Of these there may be events that nobody has heard: those that the stream before did not have.
    let fresh = before === undefined ? sections : sections.filter((section) => !this.#covered.includes(section));
    this.#path = path;
    let isNew = true;
    const close = openStream(path, inTheNameOf(person.value), {
      alive: () => {
        this.#failures = 0;
        unreachableSince.value = null;
        // The one before is read until the new one is there, so that nothing falls between them.
        if (isNew) before?.();
        if (isNew) this.#covered = sections;
        isNew = false;
        this.#say({ kind: "alive", fresh });
        fresh = [];
      },
      event: (event) => this.#say({ kind: "event", event }),
      end: (end) => {
        if (this.#close !== close) return;
        if (isNew) before?.();
        this.#close = undefined;
        this.#covered = [];
        this.#openAgainAt = Date.now() + this.#waitAfter(end);
        setTimeout(() => this.lookAgain(), this.#openAgainAt - Date.now() + 10);
      },
    });
    this.#close = close;
  }

  #waitAfter({ status, wait_ms }: StreamEnd): number {
    if (status === 200) return wait_ms ?? 1_000 + 4_000 * Math.random();
    this.#failures += 1;
    if (status === 401) void renew();
    if (status === 403 || status === 404 || status === 422) return REFUSED_MS * (0.5 + Math.random());
    return Math.max(wait_ms ?? 0, Math.random() * Math.min(AGAIN_MS_MAX, 1_000 * 2 ** this.#failures));
  }

  #stop(): void {
    this.#close?.();
    this.#covered = [];
    this.#close = undefined;
    this.#path = "";
    this.#openAgainAt = 0;
  }

  /** Say it to the other tabs, and hear it. */
  #say(word: Word): void {
    this.#tell(word);
    this.#hear(word);
  }

  #tell(word: Word): void {
    try {
      this.#channel?.postMessage(word);
    } catch {
      // A channel that the browser has closed: the other tabs find out by the silence.
    }
  }

  #hear(word: Word): void {
    if (word.kind === "event") pass(word.event);
    else if (word.kind === "want") this.#wants.set(word.tab, word.want);
    else if (word.kind === "who") this.#sayWant(true);
    else if (word.kind === "free") this.lookAgain();
    else {
      this.#aliveAt = Date.now();
      // Who is there is told anew, and not at all when nobody is.
      for (const section of word.fresh) pass({ event: "presence", data: { section_id: section, users: [] } });
      for (const section of word.fresh) missed(false, section);
    }
    if (word.kind === "want" && this.#isLeading) this.lookAgain();
  }

  #sayWant(isAsked = false): void {
    const now = Date.now();
    this.#hiddenSince = document.hidden ? (this.#hiddenSince ?? now) : null;
    const isHidden = this.#hiddenSince !== null && now - this.#hiddenSince > HIDDEN_MS;
    const want = { sections: [...listeners.keys()], isHidden, at: now, cameAt: this.#cameAt };
    const said = this.#wants.get(this.#me);
    this.#wants.set(this.#me, want);
    const isSame = said?.isHidden === want.isHidden && said.sections.join() === want.sections.join();
    if (isSame && !isAsked && now - this.#saidAt < WANT_MS / 3) return;
    this.#saidAt = now;
    this.#tell({ kind: "want", tab: this.#me, want });
  }

  /** The sections of all tabs that are looked at, in a fixed order. */
  #wantedSections(): readonly number[] {
    const now = Date.now();
    const sections = new Set<number>();
    for (const [name, want] of this.#wants) {
      if (now - want.at > WANT_MS) this.#wants.delete(name);
      else if (!want.isHidden) for (const section of want.sections) sections.add(section);
    }
    return [...sections].sort((a, b) => a - b).slice(0, 60);
  }

  #whereTheyAre(): number | undefined {
    const seen = [...this.#wants.values()].filter(({ isHidden, sections }) => !isHidden && sections.length > 0);
    return seen.sort((a, b) => b.cameAt - a.cameAt)[0]?.sections[0];
  }

  /** Without a stream a section is read about once a minute, by who looks at it. */
  #pollIfDue(): void {
    const now = Date.now();
    if (document.hidden || listeners.size === 0) return;
    if (now - this.#aliveAt < ALIVE_MS) this.#polledAt = now;
    if (now - this.#polledAt < POLL_MS * (0.75 + Math.random() / 2)) return;
    this.#polledAt = now;
    missed(false);
  }

  #turn(): void {
    const isStale = Date.now() - this.#aliveAt > ALIVE_MS || (this.#hiddenSince !== null && Date.now() - this.#hiddenSince > HIDDEN_MS);
    if (!document.hidden) this.#cameAt = Date.now();
    if (!document.hidden && isStale) this.#comeBack();
    else this.lookAgain();
  }

  #comeBack(): void {
    this.#openAgainAt = 0;
    this.lookAgain();
    missed(true);
  }

  /** Others take over at once, and not when the lease has run out. */
  #leave(): void {
    this.#wants.delete(this.#me);
    this.#tell({ kind: "want", tab: this.#me, want: { sections: [], isHidden: true, at: Date.now(), cameAt: 0 } });
    if (!this.#isLeading) return;
    this.#isLeading = false;
    this.#lease?.release();
    this.#stop();
    this.#tell({ kind: "free" });
  }
}

/** Have this section read again, or all of them. */
function missed(isAtOnce: boolean, section?: number): void {
  const those = section === undefined ? [...listeners.values()] : [listeners.get(section) ?? []];
  for (const some of those) for (const listener of some) listener.missed(isAtOnce);
}

/** Hand an event to who listens to its section. */
function pass({ event, data }: StreamEvent): void {
  if (event === "missed") {
    missed(false);
    return;
  }
  const told = data as {
    readonly section_id: number;
    readonly cells?: CellColumns;
    readonly client_id?: string;
    readonly recorded_seq?: number;
    readonly users?: readonly Presence[];
  };
  for (const listener of listeners.get(told.section_id) ?? []) {
    if (event === "cells" && told.cells !== undefined) listener.cells(told.cells);
    else if (event === "presence") listener.presence(told.users ?? []);
    else if (event === "recorded" && told.client_id !== undefined) listener.recorded(told.client_id, told.recorded_seq ?? 0);
  }
}
