/**
 * Sending: when, what, and what becomes of the answer. For each section one request at a time, a fixed window from the first
 * change on, full jitter where nobody answers, and `Retry-After` where somebody does.
 */
import type { Answer, Save, State } from "./edits.ts";
import { BYTES_MAX, EDITS_MAX, answered, fit, fits, gap, isUnsent, markSent, ofSection, take, wire, workOf } from "./edits.ts";
import type { Disk } from "./disk.ts";
import { uuid7 } from "./ids.ts";
import { alone } from "./tabs.ts";
import type { Acknowledgement } from "./types.ts";

const ANSWER_MS_MAX = 15_000;
const HOLDER_MS_MAX = 30_000; // then a tab that holds the lock is taken to be frozen
const BACKOFF_MS_MAX = 60_000;
const RETRY_AFTER_MS_MAX = 3_600_000;
const KEEPALIVE_BYTES_MAX = 64_000; // of all such requests in flight; the limit is 65,536

/** How one section stands with the server. Moments in milliseconds since 1970; 0: never. */
export interface Lane {
  readonly section: number;
  timer: ReturnType<typeof setTimeout> | undefined;
  isBusy: boolean;
  /** To be sent as soon as the request that is on its way is answered. */
  isUrgent: boolean;
  /** When the first change came that is not sent. */
  since: number;
  answeredAt: number;
  windowMs: number;
  editsMax: number;
  polls: number;
  tries: number;
  retryAt: number;
  /** Until then the server has asked to be left alone. */
  closedUntil: number;
  blockedSince: number;
  offlineSince: number;
  isSignedOut: boolean;
  stuck: { readonly status: number; readonly code: string } | null;
}

export interface Wire {
  readonly url: string;
  readonly headers: () => Record<string, string>;
  readonly fetch: typeof fetch;
  readonly now: () => number;
  readonly random: () => number;
  readonly name: string;
}

export interface Told {
  acknowledged(ack: Acknowledgement): void;
  status(): void;
}

export function openDrain(disk: Disk, wired: Wire, told: Told) {
  const { now, random } = wired;
  const lanes = new Map<number, Lane>();
  const sending = new Set<string>();
  const clients = new Set<string>();
  let left = new Set<string>(); // sent on leaving, since the page was last seen
  let leavingBytes = 0;
  let clockOffset = 0;
  let acknowledgedAt = 0;
  let isClosed = false;

  function lane(section: number): Lane {
    let found = lanes.get(section);
    if (!found) {
      found = {
        section, timer: undefined, isBusy: false, isUrgent: false, since: 0, answeredAt: 0, windowMs: 5_000, editsMax: EDITS_MAX,
        polls: 0, tries: 0, retryAt: 0, closedUntil: 0, blockedSince: 0, offlineSince: 0, isSignedOut: false, stuck: null,
      };
      lanes.set(section, found);
    }
    return found;
  }

  const isHeld = (of: Lane): boolean => isClosed || of.isBusy || of.isSignedOut || !!of.stuck;

  function schedule(of: Lane): void {
    clearTimeout(of.timer);
    const work = workOf(disk.kept(), of.section);
    if (isHeld(of) || !work) return;
    const window = work === 1 ? Math.min(of.windowMs * 2 ** of.polls, Math.max(of.windowMs, BACKOFF_MS_MAX)) : of.windowMs;
    const due = Math.max(work === 2 ? of.since + window : 0, of.answeredAt + window, of.retryAt);
    of.timer = setTimeout(() => drain(of), Math.max(0, (of.isUrgent && work === 2 ? of.closedUntil : due) - now()));
  }

  async function drain(of: Lane): Promise<void> {
    if (isHeld(of)) return;
    of.isBusy = true;
    const isForced = of.blockedSince > 0 && now() - of.blockedSince >= HOLDER_MS_MAX;
    const isDone = await alone(`${wired.name}/${of.section}`, isForced, () => save(of));
    of.isBusy = false;
    if (isDone) of.blockedSince = 0;
    else {
      of.blockedSince ||= now();
      of.retryAt = now() + 500 + random() * 1_000;
    }
    schedule(of);
    told.status();
  }

  async function save(of: Lane): Promise<void> {
    of.isUrgent = false;
    const asked = await disk.run((state) => (workOf(state, of.section) ? take(state, of.section, of.editsMax, uuid7(now())) : null));
    if (!asked || isClosed) return;
    of.since = 0;
    for (const { edit_id } of asked.edits) sending.add(edit_id);
    told.status();
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), ANSWER_MS_MAX);
    try {
      await take_in(of, asked, await post(asked, { signal: stop.signal }));
    } catch {
      failed(of, true);
    } finally {
      clearTimeout(timer);
      for (const { edit_id } of asked.edits) sending.delete(edit_id);
    }
  }

  const address = (section: number): string => `${wired.url}/sections/${section}/edits`;

  function bodyOf({ client_id, seen_seq, edits }: Save): string {
    clients.add(client_id);
    return JSON.stringify({ client_id, sent_at: new Date(now()).toISOString(), exceptions_seen_seq: seen_seq, edits });
  }

  const post = (asked: Save, more: RequestInit): Promise<Response> =>
    wired.fetch(address(asked.section), {
      method: "POST", credentials: "same-origin", headers: { "Content-Type": "application/json", ...wired.headers() }, body: bodyOf(asked), ...more,
    });

  async function take_in(of: Lane, asked: Save, response: Response): Promise<void> {
    const at = Date.parse(response.headers.get("Date") ?? "");
    if (at) clockOffset = at + 500 - now(); // it is cut to seconds
    const { status } = response;
    const answer: unknown = await response.json().catch(() => null);
    if (status === 200 && fits(asked, answer)) return accepted(of, asked, answer);
    of.offlineSince = 0;
    const { code, params } = (answer ?? {}) as { code?: string; params?: { expected_seq?: number } };
    if (status === 401 || status === 403) of.isSignedOut = true;
    else if (status === 409 && params?.expected_seq) {
      const { expected_seq } = params;
      await disk.run((state) => gap(state, asked, expected_seq));
      again(of);
    } else if (status === 413 && asked.edits.length > 1) {
      of.editsMax = asked.edits.length >> 1;
      again(of);
    } else if (code && [400, 413, 415, 422].includes(status)) of.stuck = { status, code };
    else failed(of, status === 200, response.headers.get("Retry-After"));
  }

  /** Send at once, the first time; with patience where that goes on. */
  function again(of: Lane): void {
    if (of.tries) failed(of, false);
    else of.tries = of.isUrgent = 1 as never;
  }

  async function accepted(of: Lane, asked: Save, answer: Answer): Promise<void> {
    const at = now() + clockOffset;
    const before = disk.kept();
    const ack = await disk.run((state) => answered(state, asked, answer, at));
    const isNews = asked.edits.length > 0 || disk.kept() !== before;
    of.answeredAt = now();
    of.polls = isNews ? 0 : of.polls + 1;
    if (answer.next_save_ms >= 0) of.windowMs = Math.min(answer.next_save_ms, 600_000);
    of.tries = of.retryAt = of.closedUntil = of.offlineSince = 0;
    acknowledgedAt = at;
    if (ack) told.acknowledged(ack);
  }

  function failed(of: Lane, isSilent: boolean, retryAfter?: string | null): void {
    const asked = Number(retryAfter ?? NaN) * 1_000 || Date.parse(retryAfter ?? "") - now() - clockOffset;
    if (asked > 0) of.closedUntil = now() + Math.min(asked, RETRY_AFTER_MS_MAX);
    of.retryAt = asked > 0 ? of.closedUntil : now() + random() * Math.min(BACKOFF_MS_MAX, 1_000 * 2 ** of.tries);
    of.tries++;
    if (isSilent) of.offlineSince ||= now();
  }

  /**
   * The page may be gone in a moment: say everything that is unsent now, from memory, as a client of its own that only does
   * this, since numbers are given on disk and that takes time. An edit is known by its id alone, so all of it may come again.
   */
  function leave(): void {
    const state: State = disk.kept();
    for (const of of lanes.values()) {
      if (isClosed || of.isSignedOut || of.stuck || of.closedUntil > now()) continue;
      const unsent = ofSection(state, of.section).filter((row) => isUnsent(state, row) && !left.has(row.edit_id));
      const rows = fit(unsent, EDITS_MAX, Math.min(BYTES_MAX, KEEPALIVE_BYTES_MAX - leavingBytes));
      if (!rows.length || leavingBytes > KEEPALIVE_BYTES_MAX / 2) continue;
      const asked = { section: of.section, client_id: uuid7(now()), seen_seq: 0, edits: rows.map((row, i) => wire(row, i + 1)) };
      for (const { edit_id } of asked.edits) left.add(edit_id);
      void disk.run((kept) => markSent(kept, [...left]), []);
      if (typeof Request === "function" && !("keepalive" in Request.prototype)) {
        navigator.sendBeacon?.(address(of.section), new Blob([bodyOf(asked)], { type: "application/json" }));
        continue;
      }
      const bytes = JSON.stringify(asked).length;
      leavingBytes += bytes;
      post(asked, { keepalive: true })
        .then((response) => (response.ok ? take_in(of, asked, response) : undefined))
        .catch(() => {})
        .finally(() => (leavingBytes -= bytes));
    }
  }

  return {
    lanes, lane, sending, clients, leave, schedule,
    clockOffset: () => clockOffset,
    acknowledgedAt: () => acknowledgedAt,
    /** Look at every section that keeps something. `typedAt`: when the first change of it came, where that is new. */
    wake(): void {
      for (const { section } of disk.kept().rows.values()) lane(section);
      for (const of of lanes.values()) schedule(of);
    },
    flush(of: Lane): void {
      of.isUrgent = true;
      schedule(of);
    },
    back(): void {
      left = new Set();
      for (const of of lanes.values()) {
        of.isSignedOut = false;
        of.retryAt = of.closedUntil;
        schedule(of);
      }
    },
    close(): void {
      isClosed = true;
      for (const of of lanes.values()) clearTimeout(of.timer);
    },
  };
}
