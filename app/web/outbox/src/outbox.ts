/** One opening of an outbox, in one tab: what is kept on disk (disk.ts), sending (drain.ts), and what both say to the page. */
import { cellKey, decide, isRefused, put } from "./edits.ts";
import type { Row, State } from "./edits.ts";
import { openDisk } from "./disk.ts";
import { openDrain } from "./drain.ts";
import { uuid7 } from "./ids.ts";
import { rescueFile, takeIn } from "./rescue.ts";
import { channel } from "./tabs.ts";
import type { Acknowledgement, CellName, Change, Head, KeptEdit, Outbox, OutboxEvents, OutboxOptions, OutboxStatus } from "./types.ts";

type Listener = (detail: never) => void;

/** Open the outbox of a user. What an earlier opening left is taken over, and sent. */
export function openOutbox(options: OutboxOptions): Outbox {
  const now = options.now ?? Date.now;
  const user = String(options.user);
  const name = `${options.name ?? "inkfast"}-${user}`;
  const listeners = new Map<string, Set<Listener>>();
  let recordedAt = 0;
  let isOpened = false;
  let persisted: boolean | undefined;
  let isAnnounced = false;

  function say<K extends keyof OutboxEvents>(event: K, detail: OutboxEvents[K]): void {
    for (const listener of listeners.get(event) ?? []) (listener as (detail: OutboxEvents[K]) => void)(detail);
  }

  /** Many things change the status at once: it is said once for all of them. */
  function sayStatus(): void {
    if (isAnnounced) return;
    isAnnounced = true;
    void Promise.resolve().then(() => {
      isAnnounced = false;
      say("status", outbox.status());
    });
  }

  let factory = options.indexedDB;
  try {
    factory ??= globalThis.indexedDB; // reading it throws where storage is forbidden
  } catch {
    // in memory, then
  }
  const disk = openDisk(name, factory, now, options.makeRoom, (old, next) => {
    const touched = new Map<number, CellName[]>();
    const gone = new Map<number, Row[]>();
    const refused: Row[] = [];
    const note = <T>(of: Map<number, T[]>, section: number, what: T) => of.set(section, [...(of.get(section) ?? []), what]);
    for (const row of next.rows.values()) {
      const was = old.rows.get(row.edit_id);
      if (was === row) continue;
      note(touched, row.section, row);
      if (isRefused(row) && !row.over && was?.state !== row.state) refused.push(row);
    }
    for (const row of old.rows.values()) {
      if (next.rows.has(row.edit_id)) continue;
      note(touched, row.section, row);
      if (row.sent && !isRefused(row)) note(gone, row.section, row);
    }
    views = new WeakMap();
    if (gone.size) recordedAt = now() + drain.clockOffset();
    for (const [section, edits] of gone) say("recorded", { section, edits });
    for (const [section, cells] of touched) say("cells", { section, cells });
    if (isOpened) for (const edit of refused) say("refused", { edit });
    if (touched.size) tabs.tell("rows");
    drain.wake();
    sayStatus();
  });
  const drain = openDrain(
    disk,
    {
      url: options.url ?? "/api/v1", headers: options.headers ?? (() => ({})), fetch: options.fetch ?? ((...args) => fetch(...args)), now,
      random: options.random ?? Math.random, name,
    },
    { acknowledged: (ack: Acknowledgement) => say("acknowledged", ack), status: sayStatus },
  );
  const tabs = channel(name, (word) => {
    if (word === "in") drain.back();
    else void look();
  });
  const look = () => disk.run(() => {});
  const opened = look().then(() => {
    isOpened = true;
  });

  // What is shown of a section, made anew when something has changed.
  let views = new WeakMap<State, Map<number, { list: KeptEdit[]; newest: Map<string, KeptEdit> }>>();
  function viewOf(section: number) {
    const state = disk.view();
    let sections = views.get(state);
    if (!sections) views.set(state, (sections = new Map()));
    let view = sections.get(section);
    if (!view) {
      const list = [...state.rows.values()].filter((row) => row.section === section && !row.over);
      sections.set(section, (view = { list, newest: new Map(list.map((row) => [cellKey(row), row])) }));
    }
    return view;
  }
  const shown = (edit: KeptEdit): KeptEdit =>
    edit.state === "queued" && drain.sending.has(edit.edit_id) ? { ...edit, state: "sending" } : edit;

  const onHidden = () => {
    if (document.visibilityState === "hidden") {
      for (const lane of drain.lanes.values()) drain.flush(lane);
      drain.leave();
    } else {
      drain.back();
      void look();
    }
  };
  const onLeaving = () => drain.leave();
  const onOnline = () => drain.back();
  const onUnload = (event: Event) => {
    if (disk.storing().length) event.preventDefault();
  };
  const page = globalThis.document;
  const hear = (how: "addEventListener" | "removeEventListener") => {
    page?.[how]("visibilitychange", onHidden);
    globalThis[how]?.("pagehide", onLeaving);
    globalThis[how]?.("online", onOnline);
  };
  hear("addEventListener");

  async function persist(): Promise<void> {
    if (persisted !== undefined) return;
    persisted = false;
    const storage = globalThis.navigator?.storage;
    persisted = (await storage?.persisted?.()) || (await storage?.persist?.()) || false;
    sayStatus();
  }

  async function enter(section: number, changes: readonly Change[]): Promise<readonly KeptEdit[]> {
    const typed = changes.map((change) => ({
      ...change, value: JSON.parse(JSON.stringify(change.value)), edit_id: uuid7(now()), entered_at: new Date(now()).toISOString(),
    }));
    const lane = drain.lane(section);
    lane.since ||= now();
    const kept = disk.run((state) => put(state, section, typed), typed.map((change) => ({ ...change, section })));
    globalThis.addEventListener?.("beforeunload", onUnload);
    say("cells", { section, cells: changes });
    sayStatus();
    const rows = await kept;
    if (!disk.storing().length) globalThis.removeEventListener?.("beforeunload", onUnload);
    void persist().catch(() => {});
    return rows;
  }

  const outbox: Outbox = {
    put: enter,
    kept: (section) => viewOf(section).list.map(shown),
    newest: (section, cell) => {
      const edit = viewOf(section).newest.get(cellKey(cell));
      return edit && shown(edit);
    },
    isStoring: (section, cell) => disk.storing().some((one) => one.section === section && cellKey(one) === cellKey(cell)),
    async settle(edit_id, choice, head) {
      const row = disk.view().rows.get(edit_id);
      const stands: Head | null | undefined = head === undefined ? row?.head : head;
      if (row?.state !== "conflict" || row.over) throw new Error("not an open conflict");
      if (choice === "theirs" && !stands) throw new Error("what stands in the cell is not known");
      const { kind, item, student } = row;
      await enter(row.section, [{
        kind, item, student, value: choice === "mine" ? row.value : stands!.value, base: stands?.edit_id ?? null,
        resolves: [edit_id, ...(row.resolves ?? [])],
      }]);
    },
    async dismiss(edit_id) {
      const row = disk.kept().rows.get(edit_id);
      await disk.run((state) => {
        const seen = state.rows.get(edit_id);
        if (seen && isRefused(seen)) decide(state, seen);
      }, row && [row]);
    },
    async open(section) {
      await opened;
      drain.schedule(drain.lane(section));
    },
    recorded(section, client_id, recorded_seq) {
      const lane = drain.lane(section);
      const isNews = outbox.isOwn(client_id) && (disk.kept().positions.get(section)?.recorded_seq ?? 0) < recorded_seq;
      if (!isNews) return;
      lane.polls = 0;
      lane.answeredAt = Math.min(lane.answeredAt, now() - lane.windowMs);
      drain.schedule(lane);
    },
    isOwn: (client_id) => drain.clients.has(client_id) || [...disk.kept().positions.values()].some((one) => one.client_id === client_id),
    flush() {
      for (const lane of drain.lanes.values()) drain.flush(lane);
    },
    signedIn() {
      drain.back();
      tabs.tell("in");
    },
    status: (section) => statusOf(section),
    on(event, listener) {
      const all = listeners.get(event) ?? new Set();
      listeners.set(event, all.add(listener as Listener));
      return () => void all.delete(listener as Listener);
    },
    acknowledgements: async () => {
      await opened;
      return disk.acks();
    },
    rescue: async () => {
      await opened;
      return rescueFile(disk.view(), user, now() + drain.clockOffset());
    },
    restore: (file) => disk.run((state) => takeIn(state, file, user)),
    clockOffset: drain.clockOffset,
    async close() {
      drain.close();
      hear("removeEventListener");
      globalThis.removeEventListener?.("beforeunload", onUnload);
      tabs.close();
      await disk.close();
    },
  };

  function statusOf(section?: number): OutboxStatus {
    const isMeant = (one: { section: number }) => section === undefined || one.section === section;
    const count = new Map<string, number>();
    let oldestUnsent: number | null = null;
    for (const row of disk.view().rows.values()) {
      if (!isMeant(row) || row.over) continue;
      const { state } = shown(row);
      count.set(state, (count.get(state) ?? 0) + 1);
      if (row.state === "queued") oldestUnsent = Math.min(oldestUnsent ?? Infinity, Date.parse(row.entered_at));
    }
    const storing = disk.storing().filter(isMeant).length;
    const lanes = [...drain.lanes.values()].filter(isMeant);
    const of = (state: string) => count.get(state) ?? 0;
    const earliest = (key: "offlineSince" | "retryAt") => Math.min(...lanes.map((lane) => lane[key] || Infinity));
    const finite = (moment: number) => (moment < Infinity ? moment : null);
    return {
      storing, queued: Math.max(0, of("queued") - storing), sending: of("sending"), drafted: of("drafted"), conflicts: of("conflict"),
      rejected: of("rejected"), quarantined: of("quarantined"), oldestUnsent, lastAcknowledged: drain.acknowledgedAt() || null,
      lastRecorded: recordedAt || null, offlineSince: finite(earliest("offlineSince")), retryAt: finite(earliest("retryAt")),
      signInRequired: lanes.some((lane) => lane.isSignedOut), stuck: lanes.map((lane) => lane.stuck).find(Boolean) ?? null,
      storage: disk.isMemory() ? "memory" : persisted ? "persistent" : "best-effort",
    };
  }
  return outbox;
}
