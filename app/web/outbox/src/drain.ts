/**
 * Sending: when, what, and what becomes of the answer. For each section one request at a time, a fixed window from the first
 * change on, full jitter where nobody answers, and `Retry-After` where somebody does.
 */
import type { Answer, Save } from "./edits.ts";
import { BYTES_MAX, EDITS_MAX, answered, fit, fits, gap, isUnsent, markSent, openOf, take, wire, workOf } from "./edits.ts";
import type { Disk } from "./disk.ts";
import { uuid7 } from "./ids.ts";
import { alone } from "./tabs.ts";
import type { Acknowledgement, OutboxStatus } from "./types.ts";

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
  /** Nothing is sent before: a window after an answer, or what a failure costs. */
  due: number;
  /** When the first change came that is not sent. */
  since: number;
  windowMs: number;
  editsMax: number;
  tries: number;
  /** The server has asked to be left alone until `due`. */
  isClosed: boolean;
  /** Since when another tab holds the lock. */
  blockedSince: number;
  offlineSince: number;
  isSignedOut: boolean;
  stuck: OutboxStatus["stuck"];
}

export function openDrain(
  disk: Disk, name: string, url: string, headers: () => Record<string, string>, ask: typeof fetch, now: () => number, random: () => number,
  acknowledged: (ack: Acknowledgement) => void, changed: () => void,
) {
  const lanes = new Map<number, Lane>();
  const sending = new Set<string>();
  const clients = new Set<string>();
  const left = new Set<string>(); // sent on leaving, since the page was last seen
  let keepaliveBytes = KEEPALIVE_BYTES_MAX;
  let clockOffset = 0;
  let acknowledgedAt = 0;
  let isOver = false;

  function lane(section: number): Lane {
    if (!lanes.has(section)) {
      lanes.set(section, {
        section, timer: undefined, isBusy: false, due: 0, since: 0, windowMs: 5_000, editsMax: EDITS_MAX, tries: 0, isClosed: false,
        blockedSince: 0, offlineSince: 0, isSignedOut: false, stuck: null,
      });
    }
    return lanes.get(section)!;
  }

  function schedule(of: Lane): void {
    clearTimeout(of.timer);
    const work = workOf(disk.kept(), of.section);
    if (isOver || of.isBusy || of.isSignedOut || of.stuck || !work) return;
    of.timer = setTimeout(() => drain(of), Math.max(of.due, work > 1 ? of.since + of.windowMs : 0) - now());
  }

  async function drain(of: Lane): Promise<void> {
    of.isBusy = true;
    const isForced = of.blockedSince > 0 && now() - of.blockedSince >= HOLDER_MS_MAX;
    if (await alone(`${name}/${of.section}`, isForced, () => save(of))) of.blockedSince = 0;
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
      failed(of, "");
    }
    clearTimeout(timer);
    for (const { edit_id } of asked.edits) sending.delete(edit_id);
  }

  /** Send a request, and take its answer in; rejects where there is none. */
  async function post(of: Lane, asked: Save, how: RequestInit): Promise<void> {
    const { section, client_id, seen_seq, edits } = asked;
    clients.add(client_id);
    const body = JSON.stringify({ client_id, sent_at: new Date(now()).toISOString(), exceptions_seen_seq: seen_seq, edits });
    const type = "application/json";
    const to = `${url}/sections/${section}/edits`;
    if (how.keepalive && !("keepalive" in Request.prototype)) {
      navigator.sendBeacon(to, new Blob([body], { type }));
      return;
    }
    const response = await ask(to, { method: "POST", credentials: "same-origin", headers: { "Content-Type": type, ...headers() }, body, ...how });
    const { status } = response;
    const answer: Answer & { code?: string; params?: { expected_seq: number } } = await response.json().catch(() => null);
    const at = Date.parse(response.headers.get("Date")!);
    if (at) clockOffset = at + 500 - now(); // it is cut to seconds
    if (status === 200) {
      if (!fits(asked, answer)) throw new TypeError();
      acknowledgedAt = now() + clockOffset;
      const ack = await disk.run((state) => answered(state, asked, answer, acknowledgedAt));
      if (answer.next_save_ms >= 0) of.windowMs = answer.next_save_ms;
      of.due = now() + of.windowMs;
      of.isClosed = false;
      of.tries = of.offlineSince = 0;
      if (ack) acknowledged(ack);
      return;
    }
    if (how.keepalive) return; // it was an extra
    of.offlineSince = 0;
    const { code, params } = answer ?? {};
    if (status === 401 || status === 403) of.isSignedOut = true;
    else if (code && (/400|415|422/.test(`${status}`) || (status === 413 && !asked.edits[1]))) of.stuck = { status, code };
    else {
      if (status === 409 && params) await disk.run((state) => gap(state, asked, params.expected_seq));
      if (status === 413) {
        of.editsMax = (asked.edits.length + 1) >> 1;
        of.tries = 0;
      }
      failed(of, response.headers.get("Retry-After"));
    }
  }

  function failed(of: Lane, retryAfter: string | null): void {
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
    for (const of of lanes.values()) {
      const state = disk.view();
      const open = openOf(disk.kept(), of.section).filter((row) => state.rows.has(row.edit_id)); // on disk, and not about to be replaced
      const rows = fit(open, EDITS_MAX, Math.min(BYTES_MAX, keepaliveBytes));
      const isNews = rows.some((row) => isUnsent(state, row) && !left.has(row.edit_id));
      const edits = rows.map((row, i) => wire(row, i + 1));
      const bytes = JSON.stringify(edits).length;
      if (isOver || !isNews || of.isSignedOut || of.stuck || of.isClosed || bytes > keepaliveBytes) continue;
      keepaliveBytes -= bytes;
      for (const { edit_id } of rows) left.add(edit_id);
      void disk.run((state) => markSent(state, rows), []);
      void post(of, { section: of.section, client_id: uuid7(now()), seen_seq: 0, edits }, { keepalive: true })
        .catch(() => {})
        .then(() => (keepaliveBytes += bytes));
    }
  }

  return {
    lanes, lane, sending, clients, schedule, leave,
    clockOffset: () => clockOffset,
    acknowledgedAt: () => acknowledgedAt,
    /** Look at every section that keeps something. */
    wake(): void {
      for (const { section } of disk.kept().rows.values()) lane(section);
      lanes.forEach(schedule);
    },
    /** Try at once, unless the server has asked for patience. `isSignedIn`: also where it had asked for a sign-in. */
    hurry(isSignedIn: boolean): void {
      left.clear();
      for (const of of lanes.values()) {
        if (isSignedIn) of.isSignedOut = false;
        if (!of.isClosed) of.due = 0;
        of.since = 0;
        schedule(of);
      }
    },
    close(): void {
      isOver = true;
      lanes.forEach((of) => clearTimeout(of.timer));
    },
  };
}
