/**
 * What a client does (docs/protocol.md), without any I/O: pure steps over what an outbox keeps. The twin of
 * loadtests/outbox.py, for many sections and many tabs.
 *
 * A step is run inside a transaction, on a copy; it may be run again on newer state when the disk fails between, so each is
 * idempotent. Rows are never changed, only replaced: what is the same object is the same edit in the same state.
 */
import type { CellName, Change, Head, KeptEdit, Acknowledgement } from "./types.ts";

export const EDITS_MAX = 200;
export const BYTES_MAX = 60_000;

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
  rows: Map<string, Row>;
  positions: Map<number, Position>;
  /** Acknowledgements that are not on disk yet: they go with the next transaction. */
  acks: Acknowledgement[];
  /** The database that this was read from, and the last transaction in it, of any tab. */
  born: string;
  rev: string;
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
  readonly head?: Head;
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

export const empty = (): State => ({ rows: new Map(), positions: new Map(), acks: [], born: "", rev: "" });
export const copy = (state: State): State => ({ ...state, rows: new Map(state.rows), positions: new Map(state.positions), acks: [...state.acks] });
export const cellKey = (cell: CellName): string => `${cell.kind}/${cell.item}/${cell.student}`;
export const isRefused = ({ state }: KeptEdit): boolean => /^(con|rej|qua)/.test(state);
const ofSection = (state: State, section: number): Row[] => [...state.rows.values()].filter((row) => row.section === section);
/** What the server has not settled. */
export const openOf = (state: State, section: number): Row[] => ofSection(state, section).filter((row) => !row.done);
const set = (state: State, row: Row): unknown => state.rows.set(row.edit_id, row);

/** Put rows back in their order, which a Map keeps otherwise by itself; returns the highest number. */
export function sort(state: State): number {
  const rows = [...state.rows].sort(([, a], [, b]) => a.n - b.n);
  state.rows = new Map(rows);
  return rows.length && rows[rows.length - 1]![1].n;
}

/** Rule 2: keep changes. Returns the edits that stand for them now. */
export function put(state: State, section: number, changes: readonly Typed[]): Row[] {
  const newest = new Map<string, Row>();
  let n = sort(state);
  for (const row of ofSection(state, section)) if (!row.over) newest.set(cellKey(row), row);
  for (const change of changes) {
    if (state.rows.has(change.edit_id)) continue; // the disk had it, and failed to say so
    const key = cellKey(change);
    const old = newest.get(key);
    const isFree = old && !old.sent && old.entered_at <= change.entered_at; // never sent, nor typed later in another tab: may be replaced
    const isCard = old && isRefused(old);
    const { resolves = [] } = change;
    const row: Row = {
      ...change, section, state: "queued", n: isFree ? old.n : ++n,
      base: resolves.length || !old ? change.base : isFree ? old.base : old.edit_id,
      resolves: [...new Set([...resolves, ...((isFree || isCard) && old.resolves || [])])].slice(0, 20),
    };
    if (isFree) state.rows.delete(old.edit_id);
    else if (isCard) decide(state, old);
    newest.set(key, row);
    set(state, row);
  }
  sort(state);
  return changes.map((change) => newest.get(cellKey(change))!);
}

/** A person has decided what is to become of a refused edit: the card goes; the edit stays until the server has settled it. */
export function decide(state: State, row: Row): void {
  if (row.done) state.rows.delete(row.edit_id);
  else set(state, { ...row, over: true });
}

/** These have left this computer, or may have: they are not changed from now on. */
export function markSent(state: State, rows: readonly Row[]): void {
  for (const { edit_id } of rows) {
    const row = state.rows.get(edit_id);
    if (row) set(state, { ...row, sent: true });
  }
}

/** Rules 1 and 5: go on as a fresh client, with everything that is kept. Without a section: in all. */
export function renumber(state: State, section?: number): void {
  for (const { seq: _, ...row } of state.rows.values()) {
    if (section && row.section !== section) continue;
    set(state, { ...row, sent: true });
    state.positions.delete(row.section);
  }
}

/** What the server does not hold, as far as this client knows; oldest first. */
export const unsentOf = (state: State, section: number): Row[] =>
  openOf(state, section).filter((row) => !(row.seq! <= (state.positions.get(section)?.drafted_seq ?? 0)));

/** An edit as it goes over the wire. */
export const wire = ({ edit_id, kind, item, student, base, value, entered_at, resolves }: Typed, seq: number) => ({
  edit_id, seq, kind, item, student, base, value, entered_at, resolves: resolves?.length ? resolves : undefined,
}) as Save["edits"][0];

/** As many of these, from the first on and at least one, as fit into one request. */
export function fit(rows: readonly Row[], editsMax: number, bytesMax: number): Row[] {
  let size = 250;
  return rows.filter((row, i) => {
    size += new TextEncoder().encode(JSON.stringify(wire(row, 1e9))).length + 1;
    return !i || (size < bytesMax && i < editsMax);
  });
}

/** Rule 3: the next request; it begins with the oldest unacknowledged edit. New edits get their `seq` here. */
export function take(state: State, section: number, editsMax: number, freshId: string): Save {
  const position = state.positions.get(section) ?? { section, client_id: freshId, next_seq: 1, drafted_seq: 0, heard_seq: 0, seen_seq: 0 };
  let { next_seq } = position;
  const edits = fit(unsentOf(state, section), editsMax, BYTES_MAX).map((row) => {
    const seq = row.seq ?? next_seq++;
    set(state, { ...row, seq, sent: true });
    return wire(row, seq);
  });
  state.positions.set(section, { ...position, next_seq });
  return { ...position, edits };
}

/** Whether this is the answer to that request, and not what a captive portal makes of it. */
export const fits = ({ edits }: Save, answer: Partial<Answer> | null): answer is Answer =>
  !!answer?.exceptions?.map && !!answer.outcomes?.map && answer.drafted_seq! + answer.recorded_seq! >= 0 &&
  answer.outcomes.map((outcome) => outcome.edit_id).join() === edits.map((edit) => edit.edit_id).join();

/** Take one outcome in; `final`: it is an exception. */
function judged(state: State, outcome: Outcome, final: boolean): void {
  const row = state.rows.get(outcome.edit_id);
  if (!row || row.done || (row.final && !final && outcome.outcome === "drafted")) return;
  const { code: _, params: __, head: ___, ...rest } = row;
  const { outcome: became, code, params, cell_version, head = null } = outcome;
  const isHeld = code === "quarantined"; // sent again while it is in quarantine
  set(state, {
    ...rest, state: isHeld ? code : became, final: final || row.final,
    ...(became === "conflict" ? { head } : code && { code: isHeld && params?.["reason"] || code, params }),
    ...(cell_version && { cell_version }),
  } as Row);
}

/** Rule 4: take an answer in. What it says of positions counts only for the client that asked. */
export function answered(state: State, save: Save, answer: Answer, at: number): Acknowledgement | undefined {
  const { section, edits } = save;
  const { outcomes, exceptions, receipt } = answer;
  const old = state.positions.get(section);
  let recorded_seq = 0;
  if (old?.client_id === save.client_id) {
    // Up to the last one of this answer, if all before it were answered too.
    const heard_seq = edits[0]?.seq! <= old.heard_seq + 1 ? Math.max(old.heard_seq, edits[edits.length - 1]!.seq) : old.heard_seq;
    const drafted_seq = Math.min(answer.drafted_seq, heard_seq);
    recorded_seq = Math.min(answer.recorded_seq, heard_seq);
    state.positions.set(section, { ...old, heard_seq, drafted_seq, seen_seq: Math.max(old.seen_seq, ...exceptions.map(({ seq = 0 }) => seq)) });
    for (const row of ofSection(state, section)) {
      if (row.seq && /^(que|dra)/.test(row.state)) set(state, { ...row, state: row.seq <= drafted_seq ? "drafted" : "queued" });
    }
  }
  for (const outcome of outcomes) judged(state, outcome, false);
  for (const exception of exceptions) judged(state, exception, true);
  for (const { seq, ...row } of ofSection(state, section)) {
    if (!(seq! <= recorded_seq)) continue;
    // Settled: what was refused stays as a card until a person has seen it, the rest leaves.
    if (isRefused(row) && !row.over) set(state, { ...row, done: true });
    else state.rows.delete(row.edit_id);
  }
  if (!receipt) return;
  const ack = { at, section, receipt, edits: edits.map((edit, i) => ({ ...edit, outcome: outcomes[i]!.outcome })) };
  state.acks.push(ack);
  return ack;
}
