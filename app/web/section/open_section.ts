/** Open a section: from the disk at once, then from the network, and what others do as it happens. */
import { watchSection } from "./events.ts";
import { type PageStore, openPageStore } from "./outbox.ts";
import { ZONE, remember } from "./remembered.ts";
import { serverNow } from "./server_clock.ts";
import { ask, askAgainMs, startSession } from "./session.ts";
import type { KeptSnapshot } from "./snapshots.ts";
import { learntFrom, moment } from "./standing.ts";
import type { Learnt, Snapshot } from "./types.ts";
import type { SectionOfPage } from "./view.ts";

/**
 * The section cannot be shown: `code` is the server's (`not_permitted`, `not_found`, …), or `unreachable`. `again_ms` is when it
 * may be asked for again; null where that changes nothing.
 */
export class SectionUnavailable extends Error {
  readonly code: string;
  readonly again_ms: number | null;
  constructor(code: string, again_ms: number | null) {
    super(code);
    this.code = code;
    this.again_ms = again_ms;
  }
}

/** How long the disk may take before the network is asked without knowing what the disk has. */
const DISK_MS_MAX = 500;
const SOON_MS = 8_000;
const STREAM_MS_MAX = 700;

interface Read {
  readonly text: string;
  readonly snapshot: Snapshot;
  readonly etag: string;
  readonly asked: number;
}

/** The kind of view that a page shows. */
export type Kind<V extends SectionOfPage> = new (...given: ConstructorParameters<typeof SectionOfPage>) => V;

/** Resolves as soon as there is something to show. Rejects with `SectionUnavailable`. Waits while nobody is signed in. */
export async function openSection<V extends SectionOfPage>(id: number, tries: number, View: Kind<V>): Promise<V> {
  const who = await startSession();
  const store = await openPageStore();
  const { outbox, snapshots } = store;
  const [disk] = await Promise.all([atMost(DISK_MS_MAX, snapshots.read(id)), outbox.open(id)]);
  const kept = disk?.kept === undefined ? undefined : parsed(disk.kept);
  const section = new OpenSection<V>(id, store, kept?.etag ?? null);
  const around = {
    outbox,
    me: who,
    refresh: () => section.refresh(),
    refreshSoon: () => section.refreshSoon(),
    remember: (learnt: readonly Learnt[]) => void snapshots.write(id, { learnt }),
    forget: (forgotten: readonly string[]) => void snapshots.write(id, { forgotten }),
  };
  if (kept !== undefined) section.show(new View(id, kept.snapshot, disk?.learnt ?? [], true, around));
  else {
    const read = await readSection(id, null, tries);
    if (read === null) throw new SectionUnavailable("unreachable", askAgainMs(null, tries));
    section.show(new View(id, read.snapshot, [], false, around), read);
  }
  return section.watched((client_id, recorded_seq) => outbox.recorded(id, client_id, recorded_seq));
}

function parsed(kept: KeptSnapshot): { readonly snapshot: Snapshot; readonly etag: string } | undefined {
  try {
    return { snapshot: JSON.parse(kept.text) as Snapshot, etag: kept.etag };
  } catch {
    return undefined;
  }
}

async function atMost<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  return Promise.race([work, new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), ms))]);
}

/** Ask for a section; null if it still is what this tag names. */
async function readSection(id: number, etag: string | null, tries = 0): Promise<Read | null> {
  const asked = moment();
  const fail = (): never => {
    throw new SectionUnavailable("unreachable", askAgainMs(null, tries));
  };
  const answer = await ask(`/api/v1/sections/${id}`, etag === null ? {} : { headers: { "If-None-Match": etag } }).catch(fail);
  if (answer.status === 304) return null;
  if (!answer.ok) {
    const problem = (await answer.json().catch(() => ({}))) as { code?: string };
    throw new SectionUnavailable(problem.code ?? "unreachable", askAgainMs(answer, tries));
  }
  const text = await answer.text().catch(fail);
  return { text, snapshot: JSON.parse(text) as Snapshot, etag: answer.headers.get("etag") ?? "", asked };
}

/** What keeps a view fresh: one question at a time, and one more if something happened meanwhile. */
class OpenSection<V extends SectionOfPage> {
  readonly #id: number;
  readonly #store: PageStore;
  #etag: string | null;
  #view!: V;
  #refreshing: Promise<void> | undefined;
  #isAskedAgain = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #opening: ReturnType<typeof setTimeout> | undefined;

  constructor(id: number, store: PageStore, etag: string | null) {
    this.#id = id;
    this.#store = store;
    this.#etag = etag;
  }

  show(view: V, read?: Read): void {
    remember(ZONE, view.facts.time_zone);
    this.#view = view;
    if (read !== undefined) this.#keep(read, []);
  }

  watched(recorded: (client_id: string, recorded_seq: number) => void): V {
    watchSection(this.#id, {
      cells: (columns) => this.#view.learn(columns, learntFrom(columns, moment())),
      presence: (users) => this.#view.meet(users),
      recorded,
      missed: (isAtOnce) => this.#missed(isAtOnce),
    });
    // Read once, when the stream is there: nothing falls between them. If it does not come, without it.
    if (this.#view.isFromDisk) this.#opening = setTimeout(() => this.#missed(true), STREAM_MS_MAX);
    return this.#view;
  }

  #missed(isAtOnce: boolean): void {
    // A whole district may lose its stream at once, and does not come back at once.
    if (this.#opening === undefined) return this.refreshSoon(isAtOnce ? 1_000 : SOON_MS);
    clearTimeout(this.#opening);
    this.#opening = undefined;
    void this.refresh().catch(() => undefined);
  }

  async refresh(): Promise<void> {
    if (this.#refreshing !== undefined) {
      this.#isAskedAgain = true;
      return this.#refreshing;
    }
    this.#refreshing = this.#ask().finally(() => {
      this.#refreshing = undefined;
      if (this.#isAskedAgain) this.refreshSoon(500);
      this.#isAskedAgain = false;
    });
    return this.#refreshing;
  }

  refreshSoon(within_ms: number = SOON_MS): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.refresh().catch(() => undefined);
    }, Math.random() * within_ms);
  }

  async #ask(): Promise<void> {
    // What other tabs have done first: an edit that has gone is taken for recorded, until the section says otherwise.
    await atMost(DISK_MS_MAX, this.#store.outbox.run(() => {}));
    const asked = moment();
    const read = await readSection(this.#id, this.#etag);
    if (read === null) void this.#store.snapshots.write(this.#id, { forgotten: this.#view.confirm(asked, serverNow()) });
    else this.#keep(read, this.#view.take(read.snapshot, read.asked));
  }

  /** What has just come from the server; what a snapshot on disk says of the next save is as old as it. */
  #keep({ text, etag, snapshot }: Read, forgotten: readonly string[]): void {
    this.#etag = etag;
    void this.#store.outbox.open(this.#id, snapshot.next_save_ms);
    void this.#store.snapshots.write(this.#id, { kept: { section: this.#id, etag, text }, forgotten });
  }
}
