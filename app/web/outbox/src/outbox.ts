/** One opening of an outbox, in one tab: what is kept on disk (disk.ts), sending (drain.ts), and what both say to the page. */
import { cellKey, decide, isRefused, put } from "./edits.ts";
import type { Row, State } from "./edits.ts";
import { openDisk } from "./disk.ts";
import type { Disk } from "./disk.ts";
import { needsSignIn, openDrain } from "./drain.ts";
import type { Drain } from "./drain.ts";
import { uuid7 } from "./ids.ts";
import { channel } from "./tabs.ts";
import type { CellName, Change, KeptEdit, Outbox, OutboxEvents, OutboxOptions, OutboxStatus } from "./types.ts";

/** Open the outbox of a user. What an earlier opening left is taken over, and sent. */
export function openOutbox(options: OutboxOptions): Outbox {
  const how = {
    now: Date.now, random: Math.random, url: "/api/v1", headers: () => ({}), fetch: (...args: Parameters<typeof fetch>) => fetch(...args), ...options,
  };
  const { now } = how;
  const user = `${how.user}`;
  const name = `${how.name ?? "inkfast"}-${user}`;
  const listeners = new Set<{ readonly event: string; readonly listener: (detail: never) => void }>();
  let recordedAt = 0;
  let isOpened = false;
  let isPersisted: boolean | undefined;
  let isStatusDue = false;

  function say<K extends keyof OutboxEvents>(event: K, detail: OutboxEvents[K]): void {
    for (const one of [...listeners]) if (one.event === event) one.listener(detail as never);
  }

  /** Many things change the status at once: it is said once for all of them. */
  async function sayStatus(): Promise<void> {
    if (isStatusDue) return;
    isStatusDue = true;
    await undefined;
    isStatusDue = false;
    say("status", outbox.status());
  }

  function changed(old: State, next: State, isOurs: boolean): void {
    const touched = [...next.rows.values()].filter((row) => old.rows.get(row.edit_id) !== row);
    const gone = [...old.rows.values()].filter((row) => !next.rows.has(row.edit_id));
    const cells = [...touched, ...gone];
    for (const { client_id } of next.positions.values()) drain.clients.add(client_id);
    for (const section of new Set(cells.map((row) => row.section))) {
      const isHere = (row: Row) => row.section === section;
      const edits = gone.filter((row) => isHere(row) && row.sent && !isRefused(row));
      if (edits.length) {
        recordedAt = now() + drain.clockOffset();
        say("recorded", { section, edits });
      }
      say("cells", { section, cells: cells.filter(isHere) });
    }
    for (const edit of touched) {
      if (isOpened && isRefused(edit) && !edit.over && old.rows.get(edit.edit_id)?.state !== edit.state) say("refused", { edit });
    }
    if (isOurs) tabs?.postMessage("rows");
    drain.wake();
    void sayStatus();
  }

  let factory = how.indexedDB;
  try {
    factory ??= indexedDB;
  } catch {
    // forbidden, or missing: in memory, then
  }
  const disk = openDisk(name, factory, now, how.makeRoom, changed);
  const drain = openDrain(disk, name, how, (ack) => say("acknowledged", ack), sayStatus);
  const look = () => disk.run(() => {});
  const tabs = channel(name, (word) => (word === "in" ? drain.hurry(true) : look()));
  const opened = look().then(() => {
    isOpened = true;
  });

  const keyIn = (section: number, cell: CellName) => `${section}/${cellKey(cell)}`;
  const shown = (row: Row): KeptEdit => (row.state === "queued" && drain.sending.has(row.edit_id) ? { ...row, state: "sending" } : row);
  const rows = () => [...disk.view().rows.values()].filter((row) => !row.over);
  // The newest edit of each cell; made anew when something has changed.
  let seen: State | undefined;
  let newest: Map<string, Row>;

  function onPage(event: Event): void {
    const { type } = event;
    if (type === "beforeunload") {
      if (disk.storing().length) event.preventDefault();
    } else if (type === "pagehide" || (type[0] === "v" && document.visibilityState === "hidden")) drain.leave();
    else {
      drain.hurry(true);
      void look();
    }
  }
  const heard = ["visibilitychange", "pagehide", "online", "beforeunload"];
  for (const type of heard) globalThis.addEventListener?.(type, onPage);

  async function persist(): Promise<void> {
    if (isPersisted !== undefined) return;
    isPersisted = false;
    const { storage } = navigator;
    isPersisted = (await storage.persisted()) || (await storage.persist());
    void sayStatus();
  }

  const outbox: Outbox = {
    user,
    async put(section, changes) {
      const entered_at = new Date(now()).toISOString();
      const typed = changes.map((change) => JSON.parse(JSON.stringify({ ...change, edit_id: uuid7(now()), entered_at })));
      const kept = disk.run((state) => put(state, section, typed), changes.map((change) => ({ ...change, section })));
      say("cells", { section, cells: changes });
      void sayStatus();
      const edits = await kept;
      persist().catch(() => {}); // where there is no such thing
      return edits;
    },
    kept: (section) => rows().filter((row) => row.section === section).map(shown),
    newest(section, cell) {
      if (seen !== disk.view()) {
        seen = disk.view();
        newest = new Map(rows().map((row) => [keyIn(row.section, row), row]));
      }
      const row = newest.get(keyIn(section, cell));
      return row && shown(row);
    },
    isStoring: (section, cell) => disk.storing().some((one) => keyIn(one.section, one) === keyIn(section, cell)),
    async settle(edit_id, choice, head) {
      const row = disk.view().rows.get(edit_id);
      const stands = head === undefined ? row?.head : head;
      if (row?.state !== "conflict" || row.over || (choice === "theirs" && !stands)) throw new Error("no open conflict, or theirs is not known");
      const { kind, item, student, value, resolves = [] } = row;
      const change: Change = {
        kind, item, student, value: choice === "mine" ? value : stands!.value, base: stands ? stands.edit_id : null, resolves: [edit_id, ...resolves],
      };
      await outbox.put(row.section, [change]);
    },
    dismiss: (edit_id) =>
      disk.run((state) => {
        const row = state.rows.get(edit_id);
        if (row && isRefused(row)) decide(state, row);
      }, []),
    open(section, next_save_ms) {
      drain.pace(drain.lane(section), next_save_ms);
      return opened;
    },
    recorded(section, client_id) {
      const lane = drain.lane(section);
      if (!outbox.isOwn(client_id) || lane.tries) return;
      lane.due = 0;
      drain.schedule(lane);
    },
    isOwn: (client_id) => drain.clients.has(client_id),
    flush: () => drain.hurry(false),
    signedIn() {
      drain.hurry(true);
      tabs?.postMessage("in");
    },
    status: (section) => statusOf(rows().map(shown), disk, drain, recordedAt, isPersisted, section),
    on(event, listener) {
      const one = { event, listener };
      listeners.add(one);
      return () => void listeners.delete(one);
    },
    acknowledgements: () => opened.then(disk.acks),
    run: disk.run as never,
    clockOffset: drain.clockOffset,
    async close() {
      drain.close();
      for (const type of heard) globalThis.removeEventListener?.(type, onPage);
      tabs?.close();
      await disk.close();
    },
  };
  return outbox;
}

/** The earliest of these; null for none. */
function first(...moments: (number | undefined)[]): number | null {
  const moment = Math.min(...moments.map((one) => one || Infinity));
  return moment < Infinity ? moment : null;
}

function statusOf(edits: KeptEdit[], disk: Disk, drain: Drain, recordedAt: number, isPersisted: boolean | undefined, section?: number): OutboxStatus {
  const isMeant = (one: { section: number }) => !section || one.section === section;
  const count = { queued: 0, sending: 0, drafted: 0, recorded: 0, conflict: 0, rejected: 0, quarantined: 0 };
  let oldestUnsent = Infinity;
  for (const { state, entered_at } of edits.filter(isMeant)) {
    count[state]++;
    if (/^(que|sen)/.test(state)) oldestUnsent = Math.min(oldestUnsent, Date.parse(entered_at));
  }
  const storing = disk.storing().filter(isMeant).length;
  const lanes = [...drain.lanes.values()].filter(isMeant);
  return {
    ...count, storing, queued: Math.max(0, count.queued - storing), conflicts: count.conflict, oldestUnsent: first(oldestUnsent),
    lastAcknowledged: first(drain.acknowledgedAt()), lastRecorded: first(recordedAt),
    offlineSince: first(...lanes.map((lane) => lane.offlineSince)), retryAt: first(...lanes.map((lane) => lane.tries && lane.due)),
    signInRequired: lanes.some(needsSignIn), stuck: lanes.find((lane) => lane.halt && !needsSignIn(lane))?.halt ?? null,
    storage: disk.isMemory() ? "memory" : isPersisted ? "persistent" : "best-effort",
  };
}
