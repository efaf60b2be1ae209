/**
 * Sending: when, what, and what becomes of the answer. For each section one request at a time, a fixed window from the first
 * change on, full jitter where nobody answers, and `Retry-After` where somebody does.
 */
import type { Answer, Save } from "./edits.ts";
import { BYTES_MAX, EDITS_MAX, answered, fit, fits, markSent, openOf, renumber, take, unsentOf, wire } from "./edits.ts";
import type { Disk } from "./disk.ts";
import { uuid7 } from "./ids.ts";
import { alone } from "./tabs.ts";
import type { Acknowledgement, OutboxOptions } from "./types.ts";

const ANSWER_MS_MAX = 15_000;
const HOLDER_MS_MAX = 30_000; // then a tab that holds the lock is taken to be frozen
const BACKOFF_MS_MAX = 60_000;
const RETRY_AFTER_MS_MAX = 3_600_000;

/** How one section stands with the server. Moments in milliseconds since 1970; 0, or none: never. */
interface Lane {
  readonly section: number;
  timer?: ReturnType<typeof setTimeout>;
  isBusy?: boolean;
  /** Nothing is sent before: a window after an answer, or what a failure costs. */
  due: number;
  /** When the first change came that is not sent. */
  since?: number;
  windowMs: number;
  editsMax: number;
  tries: number;
  /** How often in a row it was asked for nothing but what is recorded by now. */
  polls: number;
  /** The server has asked to be left alone until `due`. */
  isClosed?: boolean;
  /** Since when another tab holds the lock. */
  blockedSince?: number;
  offlineSince?: number;
  /** Nothing is sent before somebody has signed in, or at all: the answer that said so. */
  halt?: { readonly status: number; readonly code: string } | undefined;
}

export type Drain = ReturnType<typeof openDrain>;

export const needsSignIn = ({ halt }: Lane): boolean => /40[13]/.test(`${halt?.status}`);

/** `how` has the defaults filled in; `name` is that of this outbox. */
export function openDrain(
  disk: Disk, name: string, how: Required<Pick<OutboxOptions, "url" | "headers" | "fetch" | "now" | "random">>,
  acknowledged: (ack: Acknowledgement) => void, changed: () => void,
) {
  const { now, random } = how;
  const lanes = new Map<number, Lane>();
  const sending = new Set<string>();
  const clients = new Set<string>();
  const left = new Set<string>(); // sent on leaving, since the page was last seen
  let clockOffset = 0;
  let acknowledgedAt = 0;
  let isOver = false;

  function lane(section: number): Lane {
    let of = lanes.get(section);
    if (!of) lanes.set(section, (of = { section, due: 0, windowMs: 5_000, editsMax: EDITS_MAX, tries: 0, polls: 0 }));
    return of;
  }

  /** The window begins with the oldest change that nobody has sent, whichever tab it was typed in. */
  function schedule(of: Lane): void {
    clearTimeout(of.timer);
    const [unsent] = unsentOf(disk.kept(), of.section);
    if (unsent) of.since ||= Math.min(now(), Date.parse(unsent.entered_at));
    else if (!openOf(disk.kept(), of.section).length) return;
    if (isOver || of.isBusy || of.halt) return;
    // While PostgreSQL is behind, a district that asks in every window would keep it there.
    const pause = Math.min(BACKOFF_MS_MAX, of.windowMs * (2 ** of.polls - 1));
    of.timer = setTimeout(() => drain(of), Math.max(of.due, unsent ? of.since! + of.windowMs : of.due + pause) - now());
  }

  async function drain(of: Lane): Promise<void> {
    of.isBusy = true;
    const isForced = now() - of.blockedSince! >= HOLDER_MS_MAX;
    if (await alone(`${name}/${of.section}`, isForced, () => save(of))) delete of.blockedSince;
    else {
      of.blockedSince ||= now();
      of.due = now() + 500 + random() * 1_000;
    }
    of.isBusy = false;
    schedule(of);
    changed();
  }

  async function save(of: Lane): Promise<void> {
    const asked = await disk.run((state) => take(state, of.section, of.editsMax, uuid7(now())));
    of.since = 0;
    for (const { edit_id } of asked.edits) sending.add(edit_id);
    changed();
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), ANSWER_MS_MAX);
    try {
      await post(of, asked, { signal: stop.signal });
    } catch {
      of.offlineSince ||= now();
      failed(of);
    }
    clearTimeout(timer);
    for (const { edit_id } of asked.edits) sending.delete(edit_id);
  }

  /** Send a request, and take its answer in; rejects where there is none. */
  async function post(of: Lane, asked: Save, extra: RequestInit): Promise<void> {
    const { client_id, edits } = asked;
    clients.add(client_id);
    const body = JSON.stringify({ client_id, sent_at: new Date(now()).toISOString(), exceptions_seen_seq: asked.seen_seq, edits });
    const type = "application/json";
    const to = `${how.url}/sections/${of.section}/edits`;
    if (extra.keepalive && !("keepalive" in Request.prototype)) {
      navigator.sendBeacon(to, new Blob([body], { type }));
      return;
    }
    const response = await how.fetch(to, { method: "POST", credentials: "same-origin", headers: { "Content-Type": type, ...how.headers() }, body, ...extra });
    const { status, headers } = response;
    const answer: (Answer & { code?: string }) | null = await response.json().catch(() => null);
    const at = Date.parse(headers.get("Date")!);
    if (at) clockOffset = at + 500 - now(); // it is cut to seconds
    if (status === 200) await takeIn(of, asked, answer);
    else if (!extra.keepalive) await refused(of, asked, status, answer?.code, headers.get("Retry-After")); // that was an extra
  }

  async function takeIn(of: Lane, asked: Save, answer: Answer | null): Promise<void> {
    if (!fits(asked, answer)) throw new TypeError();
    acknowledgedAt = now() + clockOffset;
    const ack = await disk.run((state) => answered(state, asked, answer, acknowledgedAt));
    if (answer.next_save_ms >= 0) of.windowMs = answer.next_save_ms;
    of.due = now() + of.windowMs;
    of.isClosed = false;
    of.tries = of.offlineSince = 0;
    of.polls = asked.edits.length ? 0 : of.polls + 1;
    if (ack) acknowledged(ack);
  }

  async function refused(of: Lane, asked: Save, status: number, code: string | undefined, retryAfter: string | null): Promise<void> {
    of.offlineSince = 0;
    const isMalformed = code && (/400|415|422/.test(`${status}`) || (status === 413 && !asked.edits[1]));
    if (isMalformed || /40[13]/.test(`${status}`)) of.halt = { status, code: code! };
    else {
      if (status === 409) await disk.run((state) => renumber(state, of.section)); // something before these is missing
      if (status === 413) {
        of.editsMax = (asked.edits.length + 1) >> 1;
        of.tries = 0;
      }
      failed(of, retryAfter);
    }
  }

  function failed(of: Lane, retryAfter?: string | null): void {
    const ms = Number(retryAfter) * 1_000;
    of.isClosed = ms > 0;
    of.due = now() + (of.isClosed ? Math.min(ms, RETRY_AFTER_MS_MAX) : random() * Math.min(BACKOFF_MS_MAX, 1_000 * 2 ** of.tries));
    of.tries++;
  }

  /**
   * The page may be gone in a moment: say everything that is unrecorded now, from memory, as a client of its own that only
   * does this, since numbers are given on disk and that takes time. From the oldest unrecorded edit on, as nothing of this
   * client is known to be held and a gap would go unnoticed. An edit is known by its id alone, so all of it may come again.
   */
  function leave(): void {
    let bytesMax = BYTES_MAX; // of all such requests in flight; what is too much is refused by the browser
    const state = disk.view();
    lanes.forEach((of, section) => {
      const open = openOf(disk.kept(), section).filter((row) => state.rows.has(row.edit_id)); // on disk, and not about to be replaced
      const rows = fit(open, EDITS_MAX, bytesMax);
      const isNews = unsentOf(state, section).some((row) => rows.includes(row) && !left.has(row.edit_id));
      const edits = rows.map((row, i) => wire(row, i + 1));
      if (!isNews || of.halt || of.isClosed) return;
      bytesMax -= JSON.stringify(edits).length;
      for (const { edit_id } of rows) left.add(edit_id);
      void disk.run((state) => markSent(state, rows), []);
      post(of, { section, client_id: uuid7(now()), seen_seq: 0, edits }, { keepalive: true }).catch(() => {});
    });
  }

  return {
    lanes, lane, sending, clients, schedule, leave,
    clockOffset: () => clockOffset,
    acknowledgedAt: () => acknowledgedAt,
    /** The server has said, beside a snapshot, how long to collect: what is typed already, too. */
    pace(of: Lane, ms?: number): void {
      if (ms! >= 0) of.windowMs = ms!;
      schedule(of);
    },
    /** Look at every section that keeps something. */
    wake(): void {
      for (const { section } of disk.kept().rows.values()) lane(section);
      lanes.forEach(schedule);
    },
    /** Try at once, unless the server has asked for patience. `isSignedIn`: also where it had asked for a sign-in. */
    hurry(isSignedIn: boolean): void {
      left.clear();
      for (const of of lanes.values()) {
        if (isSignedIn && needsSignIn(of)) of.halt = undefined;
        if (!of.isClosed) of.due = 0;
        of.since = unsentOf(disk.view(), of.section).length && 1;
        schedule(of);
      }
    },
    close(): void {
      isOver = true;
      lanes.forEach((of) => clearTimeout(of.timer));
    },
  };
}
