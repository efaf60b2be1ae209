/** One opening of an outbox, in one tab: what is kept on disk (disk.ts), sending (drain.ts), and what both say to the page. */
import { cellKey, decide, isRefused, put } from "./edits.ts";
import type { Row, State } from "./edits.ts";
import { openDisk } from "./disk.ts";
import { openDrain } from "./drain.ts";
import { uuid7 } from "./ids.ts";
import { checked, rescueFile, takeIn } from "./rescue.ts";
import { channel } from "./tabs.ts";
import type { Change, KeptEdit, Outbox, OutboxEvents, OutboxOptions } from "./types.ts";

/** Open the outbox of a user. What an earlier opening left is taken over, and sent. */
export function openOutbox(options: OutboxOptions): Outbox {
  const { now = Date.now, random = Math.random, name: prefix = "inkfast" } = options;
  const user = `${options.user}`;
  const name = `${prefix}-${user}`;
  const listeners: [string, (detail: never) => void][] = [];
  let recordedAt = 0;
  let isOpened = false;
  let isPersisted: boolean | undefined;
  let isStatusDue = false;

  function say<K extends keyof OutboxEvents>(event: K, detail: OutboxEvents[K]): void {
    for (const [of, listener] of [...listeners]) if (of === event) listener(detail as never);
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
    const touched = grouped([...next.rows.values()].filter((row) => old.rows.get(row.edit_id) !== row));
    const gone = [...old.rows.values()].filter((row) => !next.rows.has(row.edit_id));
    const recorded = grouped(gone.filter((row) => row.sent && !isRefused(row)));
    for (const { client_id } of next.positions.values()) drain.clients.add(client_id);
    if (recorded.size) recordedAt = now() + drain.clockOffset();
    for (const [section, edits] of recorded) say("recorded", { section, edits });
    for (const [section, cells] of grouped([...[...touched.values()].flat(), ...gone])) say("cells", { section, cells });
    for (const edit of isOpened ? [...touched.values()].flat() : []) {
      if (isRefused(edit) && !edit.over && old.rows.get(edit.edit_id)?.state !== edit.state) say("refused", { edit });
    }
    if (isOurs) tabs.tell("rows");
    drain.wake();
    void sayStatus();
  }

  let factory = options.indexedDB;
  try {
    factory ??= indexedDB;
  } catch {
    // forbidden, or missing: in memory, then
  }
  const disk = openDisk(name, factory, now, options.makeRoom, changed);
  const drain = openDrain(
    disk, name, options.url ?? "/api/v1", options.headers ?? (() => ({})), options.fetch ?? ((...args) => fetch(...args)), now, random,
    (ack) => say("acknowledged", ack), sayStatus,
  );
  const look = () => disk.run(() => {});
  const tabs = channel(name, (word) => (word === "in" ? drain.hurry(true) : look()));
  const opened = look().then(() => {
    isOpened = true;
  });

  // What is shown, found by cell; made anew when something has changed.
  let seen: State | undefined;
  let newest = new Map<string, Row>();
  const keyIn = (section: number, cell: Parameters<typeof cellKey>[0]) => `${section}/${cellKey(cell)}`;
  function view(): Row[] {
    const state = disk.view();
    const rows = [...state.rows.values()].filter((row) => !row.over);
    if (state !== seen) newest = new Map(rows.map((row) => [keyIn(row.section, row), row]));
    seen = state;
    return rows;
  }
  const shown = (edit: KeptEdit): KeptEdit => (edit.state === "queued" && drain.sending.has(edit.edit_id) ? { ...edit, state: "sending" } : edit);

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

  async function enter(section: number, changes: readonly Change[]): Promise<readonly KeptEdit[]> {
    const entered_at = new Date(now()).toISOString();
    const typed = changes.map((change) => JSON.parse(JSON.stringify({ ...change, edit_id: uuid7(now()), entered_at })));
    drain.lane(section).since ||= now();
    const kept = disk.run((state) => put(state, section, typed), typed.map((change) => ({ ...change, section })));
    say("cells", { section, cells: changes });
    void sayStatus();
    const rows = await kept;
    persist().catch(() => {}); // where there is no such thing
    return rows;
  }

  const outbox: Outbox = {
    put: enter,
    kept: (section) => view().filter((row) => row.section === section).map(shown),
    newest(section, cell) {
      if (disk.view() !== seen) view();
      const edit = newest.get(keyIn(section, cell));
      return edit && shown(edit);
    },
    isStoring: (section, cell) => disk.storing().some((one) => keyIn(one.section, one) === keyIn(section, cell)),
    async settle(edit_id, choice, head) {
      const row = disk.view().rows.get(edit_id);
      const stands = head === undefined ? row?.head : head;
      if (row?.state !== "conflict" || row.over || (choice === "theirs" && !stands)) throw new Error("not an open conflict, or nobody knows theirs");
      const { kind, item, student, value, resolves = [] } = row;
      await enter(row.section, [{
        kind, item, student, value: choice === "mine" ? value : stands!.value, base: stands ? stands.edit_id : null, resolves: [edit_id, ...resolves],
      }]);
    },
    async dismiss(edit_id) {
      await disk.run((state) => {
        const row = state.rows.get(edit_id);
        if (row && isRefused(row)) decide(state, row);
      }, []);
    },
    async open(section) {
      drain.lane(section);
      await opened;
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
      tabs.tell("in");
    },
    status(section) {
      const isMeant = (one: { section: number }) => !section || one.section === section;
      const count = { queued: 0, sending: 0, drafted: 0, recorded: 0, conflict: 0, rejected: 0, quarantined: 0 };
      let oldestUnsent = Infinity;
      for (const row of view().filter(isMeant)) {
        count[shown(row).state]++;
        if (row.state === "queued") oldestUnsent = Math.min(oldestUnsent, Date.parse(row.entered_at));
      }
      const storing = disk.storing().filter(isMeant).length;
      const lanes = [...drain.lanes.values()].filter(isMeant);
      const first = (...moments: number[]) => {
        const moment = Math.min(...moments.map((one) => one || Infinity));
        return moment < Infinity ? moment : null;
      };
      const { queued, sending, drafted, conflict: conflicts, rejected, quarantined } = count;
      return {
        storing, queued: Math.max(0, queued - storing), sending, drafted, conflicts, rejected, quarantined, oldestUnsent: first(oldestUnsent),
        lastAcknowledged: first(drain.acknowledgedAt()), lastRecorded: first(recordedAt),
        offlineSince: first(...lanes.map((lane) => lane.offlineSince)), retryAt: first(...lanes.map((lane) => lane.tries && lane.due)),
        signInRequired: lanes.some((lane) => lane.isSignedOut), stuck: lanes.map((lane) => lane.stuck).find(Boolean) ?? null,
        storage: disk.isMemory() ? "memory" : isPersisted ? "persistent" : "best-effort",
      };
    },
    on(event, listener) {
      const one: (typeof listeners)[0] = [event, listener];
      listeners.push(one);
      return () => void listeners.splice(listeners.indexOf(one) >>> 0, 1);
    },
    acknowledgements: () => opened.then(disk.acks),
    rescue: () => look().then(() => rescueFile(disk.view(), user, now() + drain.clockOffset())),
    async restore(file) {
      const sections = checked(file, user);
      return disk.run((state) => takeIn(state, sections));
    },
    clockOffset: drain.clockOffset,
    async close() {
      drain.close();
      for (const type of heard) globalThis.removeEventListener?.(type, onPage);
      tabs.close();
      await disk.close();
    },
  };
  return outbox;
}

const grouped = <T extends { section: number }>(rows: T[]): Map<number, T[]> => {
  const sections = new Map<number, T[]>();
  for (const row of rows) sections.set(row.section, [...(sections.get(row.section) ?? []), row]);
  return sections;
};
