/** One opening of an outbox, in one tab: what is kept on disk (disk.ts), sending (drain.ts), and what both say to the page. */
import { cellKey, decide, isRefused, put, shownOf, wire } from "./edits.ts";
import type { Row, State } from "./edits.ts";
import { openDrain } from "./drain.ts";
import { openDisk } from "./disk.ts";
import { uuid7 } from "./ids.ts";
import type { Outbox, OutboxEvents, OutboxOptions, OutboxStatus } from "./types.ts";

/** Open the outbox of a user. What an earlier opening left is taken over, and sent. */
export function openOutbox(options: OutboxOptions): Outbox {
  const how = { now: Date.now, random: Math.random, url: "/api/v1", name: "inkfast", ...options };
  const { now } = how;
  const user = `${how.user}`;
  const name = `${how.name}-${user}`;
  const listeners = new Set<(event: keyof OutboxEvents, detail: never) => void>();
  let recordedAt = 0;
  let asked: Promise<boolean> | undefined;
  let isPersisted = false;
  let isStatusDue = false;

  function say<K extends keyof OutboxEvents>(event: K, detail: OutboxEvents[K]): void {
    for (const hear of listeners) hear(event, detail as never);
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
    const touched = [...next.edits.values()].filter((row) => old.edits.get(row.edit_id) !== row);
    const gone = [...old.edits.values()].filter((row) => !next.edits.has(row.edit_id));
    for (const section of new Set([...touched, ...gone].map((row) => row.section))) {
      const isHere = (row: Row) => row.section === section;
      const edits = gone.filter((row) => isHere(row) && (row.sent || !outbox.newest(section, row)) && !isRefused(row));
      if (edits[0]) {
        recordedAt = now() + drain.clockOffset();
        say("recorded", { section, edits });
      }
      say("cells", { section, cells: [...touched, ...gone].filter(isHere) });
    }
    for (const edit of touched) {
      if (old.born !== undefined && isRefused(edit) && !edit.over && old.edits.get(edit.edit_id)?.state !== edit.state) say("refused", { edit });
    }
    if (isOurs) tabs?.postMessage(false);
    drain.wake();
    void sayStatus();
  }

  const disk = openDisk(name, how, changed);
  const drain = openDrain(disk, name, how, say, sayStatus);
  const tabs = globalThis.BroadcastChannel && new BroadcastChannel(name);
  if (tabs) tabs.onmessage = ({ data: isSignedIn }) => (isSignedIn ? drain.hurry() : disk.look());
  const opened = disk.look();

  const shown = <R extends Row | undefined>(row: R): R =>
    row?.state === "queued" && row.seq && drain.lane(row.section).isBusy ? { ...row, state: "sending" } : row;
  const kept = (section?: number) => shownOf(disk.peek()).filter((row) => !section || row.section === section).map(shown);

  function comeBack(): void {
    drain.hurry();
    void disk.look();
  }
  const page: Record<string, (event: Event) => void> = {
    // Chrome before 119 looks at nothing else.
    beforeunload: (event) => status()[disk.isMemory() ? "oldestUnsent" : "storing"] && ((event as BeforeUnloadEvent).returnValue = name),
    pagehide(event) {
      drain.leave();
      if ((event as PageTransitionEvent).persisted) disk.rest();
    },
    visibilitychange: () => (document.hidden ? drain.leave() : comeBack()),
    online: comeBack,
  };
  for (const event in page) addEventListener(event, page[event]!);

  async function persist(): Promise<void> {
    asked ??= navigator.storage.persist();
    isPersisted = await asked;
    void sayStatus();
  }

  function status(section?: number): OutboxStatus {
    const count = { storing: 0, queued: 0, sending: 0, drafted: 0, recorded: 0, conflict: 0, rejected: 0, quarantined: 0 };
    const lanes = drain.lanes().filter((lane) => !section || lane.section === section);
    const edits = kept(section);
    for (const edit of edits) count[disk.isStored(edit) ? edit.state : "storing"]++;
    return {
      ...count, conflicts: count.conflict,
      oldestUnsent: first(edits.map(({ state, entered_at }) => /que|sen/.test(state) && Date.parse(entered_at))),
      lastAcknowledged: drain.lastAcknowledged() || null, lastRecorded: recordedAt || null,
      offlineSince: first(lanes.map((lane) => lane.silentSince)), retryAt: first(lanes.map((lane) => lane.tries && lane.due)),
      signInRequired: lanes.some((lane) => lane.isOut), stuck: lanes.find((lane) => lane.stuck)?.stuck ?? null,
      storage: disk.isMemory() ? "memory" : isPersisted ? "persistent" : "best-effort",
    };
  }

  const outbox: Outbox = {
    user, kept, status,
    async put(section, changes) {
      const entered_at = new Date(now()).toISOString();
      const typed = changes.map((change) => JSON.parse(JSON.stringify(wire({ ...change, edit_id: uuid7(now()), entered_at }))));
      const stored = disk.run((state) => put(state, section, typed), true);
      say("cells", { section, cells: changes });
      void sayStatus();
      const edits = await stored;
      persist().catch(() => {}); // where there is no such thing
      return edits;
    },
    newest: (section, cell) => shown(disk.newest().get(cellKey(section, cell))),
    isStoring(section, cell) {
      const edit = outbox.newest(section, cell);
      return !!edit && !disk.isStored(edit);
    },
    async settle(edit_id, choice, head) {
      const row = disk.peek().edits.get(edit_id);
      const stands = head === undefined ? row?.head : head;
      if (row?.state !== "conflict" || row.over || (choice === "theirs" && !stands)) throw new Error("no open conflict");
      await outbox.put(row.section, [{
        ...row, value: (choice === "mine" ? row : stands!).value, base: stands?.edit_id ?? null, resolves: [edit_id],
      }]);
    },
    dismiss: (edit_id) => disk.run((state) => decide(state, edit_id), true),
    open(section, next_save_ms) {
      drain.pace(section, next_save_ms);
      return opened;
    },
    recorded: drain.ask,
    isOwn: (client_id) => drain.clients.has(client_id),
    flush: drain.hurry,
    signedIn() {
      drain.hurry();
      tabs?.postMessage(true);
    },
    on(event, listener) {
      const hear = async (said: string, detail: never) => said === event && listener(detail);
      listeners.add(hear);
      return () => listeners.delete(hear);
    },
    acknowledgements: () => opened.then(() => [...disk.kept().acks.values()].reverse()),
    run: disk.run as never,
    clockOffset: drain.clockOffset,
    async close() {
      drain.close();
      for (const event in page) removeEventListener(event, page[event]!);
      await disk.close();
      tabs?.close();
    },
  };
  return outbox;
}

/** The earliest of these moments; null for none. */
const first = (moments: (number | false | undefined)[]): number | null => (moments.filter(Boolean) as number[]).sort((a, b) => a - b)[0] ?? null;
