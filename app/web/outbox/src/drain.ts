/**
 * Sending: when, what, and what becomes of the answer. For each section one request at a time, a fixed window from the first
 * change on, full jitter where nobody answers, and `Retry-After` where somebody does.
 */
import type { Answer, Save } from "./edits.ts";
import { answered, fit, markSent, openOf, renumber, take, unsentOf, wire } from "./edits.ts";
import type { Disk } from "./disk.ts";
import { uuid7 } from "./ids.ts";
import { ANSWER_MS_MAX, BACKOFF_MS_MAX, BYTES_MAX, EDITS_MAX, HOLDER_LOOK_MS, HOLDER_MS_MAX, RETRY_AFTER_MS_MAX, WINDOW_MS } from "./limits.ts";
import type { Acknowledgement, OutboxOptions, OutboxStatus } from "./types.ts";

/** How one section stands with the server. Moments in milliseconds since 1970; 0, or none: never. */
interface Lane {
  readonly section: number;
  timer?: ReturnType<typeof setTimeout>;
  /** A request is on its way, with what has a number. */
  isBusy?: boolean;
  /** Nothing is sent before: a window after an answer, or what a failure costs. */
  due: number;
  /** When the first change came that is not sent. */
  since?: number | undefined;
  windowMs: number;
  editsMax: number;
  tries: number;
  /** How often in a row it was asked for nothing but what is recorded by now. */
  polls: number;
  /** The server has asked to be left alone until `due`. */
  isClosed?: boolean;
  /** Since when another tab holds the lock, at the most. */
  blockedSince?: number;
  silentSince?: number;
  /** The last edit that was sent on leaving, since the page was last seen. */
  told: number;
  /** Nothing is sent before somebody has signed in. */
  isOut?: boolean;
  /** Nothing is sent any more. */
  stuck?: OutboxStatus["stuck"];
}

export type Drain = ReturnType<typeof openDrain>;

const idsOf = (said: readonly { readonly edit_id: string }[]): string => said.map(({ edit_id }) => edit_id).join();

/** `how` has the defaults filled in; `name` is that of this outbox. */
export function openDrain(
  disk: Disk, name: string, how: OutboxOptions & Required<Pick<OutboxOptions, "now" | "random">>,
  say: (event: "acknowledged", ack: Acknowledgement) => void, changed: () => void,
) {
  const { now, random } = how;
  const lanes: Record<number, Lane> = {};
  const clients = new Set<string>();
  let clockOffset = 0;
  let lastAcknowledged = 0;
  let isOver = false;

  const all = () => Object.values(lanes);
  const lane = (section: number) => (lanes[section] ??= { section, due: 0, windowMs: WINDOW_MS, editsMax: EDITS_MAX, tries: 0, polls: 0, told: 0 });

  /** The window begins with the oldest change that nobody has sent, whichever tab it was typed in. */
  function schedule(of: Lane): void {
    const [unsent] = unsentOf(disk.peek(), of.section);
    clearTimeout(of.timer);
    of.since = unsent && (of.since || Math.min(now(), Date.parse(unsent.entered_at)));
    if (isOver || of.isBusy || of.isOut || of.stuck || !openOf(disk.peek(), of.section).length) return;
    // While PostgreSQL is behind, a district that asks in every window would keep it there.
    const pause = Math.min(BACKOFF_MS_MAX, of.windowMs * (2 ** of.polls - 1));
    of.timer = setTimeout(() => drain(of), Math.min(RETRY_AFTER_MS_MAX, Math.max(of.due, of.since ? of.since + of.windowMs : of.due + pause) - now()));
  }

  /**
   * Under a lock that no other tab holds: a frozen one keeps it, and is not waited for longer than half a minute. None of it
   * is needed for being right: two tabs may send the same twice, which has no second effect.
   */
  async function drain(of: Lane): Promise<void> {
    let saved: Promise<void> | undefined;
    of.isBusy = true;
    of.blockedSince ||= now();
    of.due = now() + HOLDER_LOOK_MS; // where another tab sends
    const isForced = now() - of.blockedSince >= HOLDER_MS_MAX;
    try {
      await navigator.locks.request(`${name}/${of.section}`, { ifAvailable: true }, (lock) => (lock || isForced ? (saved = save(of)) : undefined));
    } catch {
      await (saved ?? save(of)); // there are no locks, or this page may not use them
    }
    of.isBusy = false;
    schedule(of);
    changed();
  }

  async function save(of: Lane): Promise<void> {
    const asked = await disk.run((state) => take(state, of.section, of.editsMax, uuid7(now())));
    of.since = of.blockedSince = 0;
    changed();
    const stop = new AbortController();
    setTimeout(() => stop.abort(), ANSWER_MS_MAX);
    try {
      await post(of, asked, stop.signal);
    } catch {
      of.silentSince ||= now();
      failed(of);
    }
  }

  /** Send a request, and take its answer in; rejects where there is none. Without a `signal` the page may be gone before that. */
  async function post(of: Lane, asked: Save, signal: AbortSignal | null): Promise<void> {
    const { section, client_id, edits } = asked;
    clients.add(client_id);
    const body = JSON.stringify({ client_id, sent_at: new Date(now()).toISOString(), exceptions_seen_seq: asked.seen_seq, edits });
    const type = "application/json";
    const to = `${how.url}/sections/${section}/edits`;
    const given = how.headers?.(); // where it throws nothing is sent, and by no beacon, which has none
    if (!signal && !("keepalive" in Request.prototype)) {
      navigator.sendBeacon(to, new Blob([body], { type }));
      return;
    }
    const response = await (how.fetch ?? fetch)(to, {
      method: "POST", headers: { "Content-Type": type, ...given }, body, keepalive: !signal, signal,
    });
    const { status, headers } = response;
    const answer: Answer & { code?: string } = await response.json().catch(() => null);
    const at = Date.parse(headers.get("Date")!);
    if (at) clockOffset = at + 500 - now(); // it is cut to seconds
    if (status === 200) {
      // What a captive portal says is not that; and throws, here or before.
      if (!idsOf([...answer.outcomes, ...answer.exceptions]).startsWith(idsOf(edits))) throw answer;
      lastAcknowledged = now() + clockOffset;
      const ack = await disk.run((state) => answered(state, asked, answer, lastAcknowledged));
      if (answer.next_save_ms >= 0) of.windowMs = answer.next_save_ms;
      of.due = now() + of.windowMs;
      of.isClosed = false;
      of.tries = of.silentSince = 0;
      of.polls = edits.length ? 0 : of.polls + 1;
      if (ack) say("acknowledged", ack);
      return;
    }
    if (!signal) return; // that was an extra
    of.silentSince = 0;
    of.isOut = [401, 403].includes(status);
    if (answer?.code && ([400, 415, 422].includes(status) || (status === 413 && !edits[1]))) of.stuck = { status, code: answer.code };
    else {
      if (status === 409) await disk.run((state) => renumber(state, section)); // something before these is missing
      if (status === 413) of.editsMax = (edits.length + 1) >> 1 || 1;
      // Who has signed in, and is refused again, is not asked again and again for that.
      failed(of, of.isOut && of.tries ? WINDOW_MS : +headers.get("Retry-After")! * 1_000);
    }
  }

  /** `ms`: how long the server has asked to be left alone. */
  function failed(of: Lane, ms = 0): void {
    of.isClosed = ms > 0;
    of.due = now() + (of.isClosed ? Math.min(ms, RETRY_AFTER_MS_MAX) : random() * Math.min(BACKOFF_MS_MAX, 1_000 * 2 ** of.tries));
    of.tries++;
  }

  /**
   * The page may be gone in a moment: say everything that is unrecorded now, from memory, as a client of its own that only
   * does this, since numbers are given on disk and that takes time: what was typed last may never get there. From the oldest unrecorded edit on, as nothing of this
   * client is known to be held and a gap would go unnoticed. An edit is known by its id alone, so all of it may come again.
   */
  function leave(): void {
    let bytesMax = BYTES_MAX; // of all such requests in flight; what is too much is refused by the browser
    for (const of of all()) {
      const { section } = of;
      const rows = fit(openOf(disk.peek(), section), EDITS_MAX, bytesMax);
      const isNews = rows.some((row) => row.n > of.told && row.state === "queued");
      const edits = rows.map((row, i) => wire(row, i + 1));
      if (!isNews || of.isOut || of.stuck || of.isClosed) continue;
      bytesMax -= JSON.stringify(edits).length;
      of.told = rows[rows.length - 1]!.n;
      void disk.run((state) => markSent(state, rows), true);
      post(of, { section, client_id: uuid7(now()), seen_seq: 0, edits }, null).catch(() => {});
    }
  }

  return {
    lanes: all, lane, clients, leave,
    clockOffset: () => clockOffset,
    lastAcknowledged: () => lastAcknowledged,
    /** The server has said, beside a snapshot, how long to collect: what is typed already, too. */
    pace(section: number, ms?: number): void {
      if (ms! >= 0) lane(section).windowMs = ms!;
      schedule(lane(section));
    },
    /** Some of what this client has sent is settled: ask at once how. */
    ask(section: number, client_id: string): void {
      const of = lane(section);
      if (!clients.has(client_id) || of.tries) return;
      of.due = 0;
      schedule(of);
    },
    /** Look at every section that keeps something. */
    wake(): void {
      for (const { client_id } of disk.kept().sections.values()) clients.add(client_id);
      for (const { section } of disk.kept().edits.values()) lane(section);
      all().forEach(schedule);
    },
    /** Try at once, unless the server has asked for patience; also where it had asked for a sign-in. */
    hurry(): void {
      for (const of of all()) {
        of.told = 0;
        of.isOut = false;
        if (!of.isClosed) of.due = 0;
        of.since = 1;
        schedule(of);
      }
    },
    close(): void {
      isOver = true;
      all().forEach(schedule);
    },
  };
}
