/**
 * What a client does (docs/protocol.md), without any I/O: pure steps over what an outbox keeps. The twin of
 * loadtests/outbox.py, for many sections and many tabs.
 *
 * A step is run inside a transaction, on a copy; it may be run again on newer state when the disk fails between, so each is
 * idempotent. Rows are never changed, only replaced: what is the same object is the same edit in the same state.
 */
import { ACKS_MAX, BYTES_MAX } from "./limits.ts";
import type { CellName, Change, Head, KeptEdit, Acknowledgement } from "./types.ts";

/** An edit as it lies on disk. */
export interface Row extends KeptEdit {
  /** The order of all edits; that of `seq` within a section. */
  readonly n: number;
  /** It may have left this computer: from then on it is never changed. */
  readonly sent?: boolean;
  /** PostgreSQL has judged: a later `drafted` does not take that back. */
  readonly final?: boolean;
  /** A person has decided, or typed on: no card any more, though the server has not settled it yet. */
  readonly over?: boolean;
  /** The server has settled it: a card that is kept here for the person, and not sent again. */
  readonly done?: boolean;
}

/** Where the one client of a section stands; see `renumber` for when there is another one. */
export interface Position {
  readonly section: number;
  readonly client_id: string;
  readonly next_seq: number;
  readonly drafted_seq: number;
  /** All up to there has been answered to this client at some time: no position may pass it. */
  readonly heard_seq: number;
  readonly seen_seq: number;
}

export interface State {
  edits: Map<string, Row>;
  sections: Map<number, Position>;
  /** The last ones, oldest first. */
  acks: Map<number, Acknowledgement>;
  /** The database that this was read from, and the last transaction in it, of any tab. */
  born?: string | undefined;
  rev?: string | undefined;
}

/** A change with what it was given when it was typed. */
export interface Typed extends Change {
  readonly edit_id: string;
  readonly entered_at: string;
}

/** One request. No edits: a poll. */
export interface Save {
  readonly section: number;
  readonly client_id: string;
  readonly seen_seq: number;
  readonly edits: readonly (Typed & { readonly seq: number })[];
}

interface Outcome {
  readonly edit_id: string;
  readonly outcome: KeptEdit["state"];
  readonly seq?: number;
  readonly cell_version?: number;
  readonly head?: Head | null;
  readonly code?: string;
  readonly params?: Record<string, string>;
}

export interface Answer {
  readonly outcomes: readonly Outcome[];
  readonly drafted_seq: number;
  readonly recorded_seq: number;
  readonly exceptions: readonly Outcome[];
  readonly next_save_ms: number;
  readonly receipt: string | null;
}

/** Of nothing: an empty one. */
export const copy = (state?: Partial<State>): State => ({
  ...state, edits: new Map(state?.edits), sections: new Map(state?.sections), acks: new Map(state?.acks),
});
export const isRefused = ({ state }: KeptEdit): boolean => /con|rej|qua/.test(state);
export const cellKey = (section: number, cell: CellName): string => [section, cell.kind, cell.item, cell.student].join();
export const shownOf = (state: State): Row[] => [...state.edits.values()].filter((row) => !row.over);
/** The newest edit of each cell. */
export const newestOf = (state: State): Map<string, Row> => new Map(shownOf(state).map((row) => [cellKey(row.section, row), row]));
/** What the server has not settled of a section. */
export const openOf = (state: State, section: number): Row[] =>
  [...state.edits.values()].filter((row) => row.section === section && !row.done);
const set = (state: State, row: Row): unknown => state.edits.set(row.edit_id, row);

/** Put edits back in their order, which a Map keeps otherwise by itself; returns the highest number. */
export function sort(state: State): number {
  const rows = [...state.edits].sort(([, a], [, b]) => a.n - b.n);
  state.edits = new Map(rows);
  return rows.pop()?.[1].n ?? 0;
}

/** Rule 2: keep changes. Returns the edits that stand for them now. */
export function put(state: State, section: number, changes: readonly Typed[]): Row[] {
  const newest = newestOf(state);
  let n = sort(state);
  for (const change of changes) {
    if (state.edits.has(change.edit_id)) continue; // the disk had it, and failed to say so
    const key = cellKey(section, change);
    const old = newest.get(key);
    const isFree = old && !old.sent && old.entered_at <= change.entered_at; // never sent, nor typed later in another tab: may be replaced
    const { resolves = [] } = change;
    // What a person decides by this, or no longer wants to say: what that was to resolve, this does.
    const over = old && (isFree || !resolves.length) ? [...resolves, old.edit_id] : resolves;
    const row: Row = {
      ...change, section, state: "queued", n: isFree ? old.n : ++n,
      base: resolves.length || !old ? change.base : isFree ? old.base : old.edit_id,
      resolves: [...new Set([...resolves, ...over.flatMap((id) => state.edits.get(id)?.resolves ?? [])])].slice(0, 20),
    };
    for (const id of over) decide(state, id);
    if (isFree) state.edits.delete(old.edit_id);
    newest.set(key, row);
    set(state, row);
  }
  sort(state);
  return changes.map((change) => newest.get(cellKey(section, change))!);
}

/**
 * A person has decided what is to become of an edit that was refused, if it was: the card goes; the edit stays until the
 * server has settled it.
 */
export function decide(state: State, edit_id: string): void {
  const row = state.edits.get(edit_id);
  if (!row || !isRefused(row)) return;
  if (row.done) state.edits.delete(edit_id);
  else set(state, { ...row, over: true });
}

/** These have left this computer, or may have: they are not changed from now on. */
export function markSent(state: State, rows: readonly Row[]): void {
  for (const { edit_id } of rows) {
    const row = state.edits.get(edit_id);
    if (row) set(state, { ...row, sent: true });
  }
}

/** Rules 1 and 5: go on as a fresh client, with everything that is kept. Without a section: in all. */
export function renumber(state: State, section?: number): void {
  for (const { seq: _, ...row } of state.edits.values()) {
    if (section && row.section !== section) continue;
    set(state, { ...row, sent: true });
    state.sections.delete(row.section);
  }
}

/** What the server does not hold, as far as this client knows; oldest first. */
export const unsentOf = (state: State, section: number): Row[] =>
  openOf(state, section).filter((row) => !(row.seq! <= state.sections.get(section)?.drafted_seq!));

/** An edit as it goes over the wire. */
export const wire = ({ edit_id, kind, item, student, base, value, entered_at, resolves }: Typed, seq?: number) => ({
  edit_id, seq, kind, item, student, base, value, entered_at, resolves: resolves?.length ? resolves : undefined,
}) as Save["edits"][0];

/** As many of these, from the first on and at least one, as fit into one request. */
export function fit(rows: readonly Row[], editsMax: number, bytesMax: number): Row[] {
  let size = 250;
  return rows.slice(0, editsMax).filter((row, i) => {
    size += new TextEncoder().encode(JSON.stringify(wire(row, 1e9))).length + 1;
    return !i || size < bytesMax;
  });
}

/** Rule 3: the next request; it begins with the oldest unacknowledged edit. New edits get their `seq` here. */
export function take(state: State, section: number, editsMax: number, freshId: string): Save {
  const position = state.sections.get(section) ?? { section, client_id: freshId, next_seq: 1, drafted_seq: 0, heard_seq: 0, seen_seq: 0 };
  let { next_seq } = position;
  const edits = fit(unsentOf(state, section), editsMax, BYTES_MAX).map((row) => {
    const seq = row.seq ?? next_seq++;
    set(state, { ...row, seq, sent: true });
    return wire(row, seq);
  });
  state.sections.set(section, { ...position, next_seq });
  return { ...position, edits };
}

/** Take one outcome in; `final`: it is an exception. */
function judge(state: State, { edit_id, outcome, code, params, head = null, cell_version }: Outcome, final?: true): void {
  const row = state.edits.get(edit_id);
  if (!row || row.done || (row.final && !final && outcome === "drafted")) return;
  const isHeld = code === "quarantined"; // sent again while it is in quarantine
  set(state, {
    ...row, state: isHeld ? code : outcome, final: final || row.final, head,
    code: isHeld && params?.["reason"] || code, params, cell_version: cell_version ?? row.cell_version,
  } as Row);
}

/** Rule 4: take an answer in. What it says of positions counts only for the client that asked. */
export function answered(state: State, { section, client_id, edits }: Save, answer: Answer, at: number): Acknowledgement | undefined {
  const { outcomes, exceptions, receipt } = answer;
  const old = state.sections.get(section);
  let recorded_seq = 0;
  if (old?.client_id === client_id) {
    // As far as one edit after the other has been answered.
    const heard_seq = edits.reduce((heard, { seq }) => (seq === heard + 1 ? seq : heard), old.heard_seq);
    const drafted_seq = Math.min(answer.drafted_seq, heard_seq);
    recorded_seq = Math.min(answer.recorded_seq, heard_seq);
    state.sections.set(section, { ...old, heard_seq, drafted_seq, seen_seq: Math.max(old.seen_seq, ...exceptions.map(({ seq = 0 }) => seq)) });
    for (const row of openOf(state, section)) {
      if (row.seq && /que|dra/.test(row.state)) set(state, { ...row, state: row.seq <= drafted_seq ? "drafted" : "queued" });
    }
  }
  for (const outcome of outcomes) judge(state, outcome);
  for (const exception of exceptions) judge(state, exception, true);
  for (const { seq, ...row } of openOf(state, section)) {
    if (!(seq! <= recorded_seq)) continue;
    // Settled: what was refused stays as a card until a person has seen it, the rest leaves.
    if (isRefused(row) && !row.over) set(state, { ...row, done: true });
    else state.edits.delete(row.edit_id);
  }
  if (!receipt) return;
  const ack = { at, section, receipt, edits: edits.map((edit, i) => ({ ...edit, outcome: outcomes[i]?.outcome as string })) };
  while (state.acks.has(ack.at)) ack.at++; // that of another section, in the same millisecond
  state.acks = new Map([...state.acks].slice(1 - ACKS_MAX)).set(ack.at, ack);
  return ack;
}
