/**
 * What a client does (docs/protocol.md), without any I/O: pure steps over what an outbox keeps. The twin of
 * loadtests/outbox.py, for many sections and many tabs.
 *
 * A step is run inside a transaction, on a copy; it may be run again on newer state when the disk fails between, so each is
 * idempotent. Rows are never changed, only replaced: what is the same object is the same edit in the same state.
 */
import type { Acknowledgement, CellName, Change, Head, KeptEdit } from "./types.ts";
import { shortForm } from "./ids.ts";

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
  readonly recorded_seq: number;
  /** All up to there has been answered to this client at some time: neither of the two may pass it. */
  readonly heard_seq: number;
  readonly seen_seq: number;
}

export interface State {
  rows: Map<string, Row>;
  positions: Map<number, Position>;
  /** Acknowledgements to be kept with the next transaction. */
  acks: Acknowledgement[];
  /** Which database this was read from, and which of its transactions was the last. */
  born: string;
  rev: number;
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
  readonly edits: readonly { readonly edit_id: string; readonly seq: number }[];
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

export const empty = (): State => ({ rows: new Map(), positions: new Map(), acks: [], born: "", rev: 0 });
export const copy = (state: State): State => ({ ...state, rows: new Map(state.rows), positions: new Map(state.positions), acks: [] });
export const cellKey = (cell: CellName): string => `${cell.kind}/${cell.item}/${cell.student}`;
export const isRefused = ({ state }: KeptEdit): boolean => state === "conflict" || state === "rejected" || state === "quarantined";
export const ofSection = (state: State, section: number): Row[] => [...state.rows.values()].filter((row) => row.section === section);

/** Put rows back in their order, which is what a Map keeps otherwise by itself. */
export function sort(state: State): void {
  state.rows = new Map([...state.rows].sort(([, a], [, b]) => a.n - b.n));
}

/** Rule 2: keep changes. Returns the edits that stand for them now. */
export function put(state: State, section: number, changes: readonly Typed[]): Row[] {
  const newest = new Map<string, Row>();
  let n = 0;
  for (const row of state.rows.values()) {
    n = row.n;
    if (row.section === section && !row.over) newest.set(cellKey(row), row);
  }
  const rows = changes.map((change) => {
    const key = cellKey(change);
    const old = newest.get(key);
    const known = state.rows.get(change.edit_id);
    if (known) return known; // the disk had it, and failed to say so
    const isFree = old && !old.sent; // never sent: may be replaced
    const resolves = [...new Set([...(change.resolves ?? []), ...((old && (isFree || isRefused(old)) && old.resolves) || [])])].slice(0, 20);
    const row: Row = {
      edit_id: change.edit_id, section, kind: change.kind, item: change.item, student: change.student,
      base: change.resolves?.length || !old ? change.base : isFree ? old.base : old.edit_id,
      value: change.value, entered_at: change.entered_at, state: "queued", n: isFree ? old.n : ++n,
      ...(resolves.length ? { resolves } : {}),
    };
    if (isFree) state.rows.delete(old.edit_id);
    else if (old && isRefused(old)) decide(state, old);
    newest.set(key, row);
    state.rows.set(row.edit_id, row);
    return row;
  });
  sort(state);
  return rows.map((row) => newest.get(cellKey(row))!);
}

/** A person has decided what is to become of a refused edit: the card goes; the edit stays until the server has settled it. */
export function decide(state: State, row: Row): void {
  if (row.done) state.rows.delete(row.edit_id);
  else state.rows.set(row.edit_id, { ...row, over: true });
}

/** These have left this computer, or may have: they are not changed from now on. */
export function markSent(state: State, ids: readonly string[]): void {
  for (const id of ids) {
    const row = state.rows.get(id);
    if (row && !row.sent) state.rows.set(id, { ...row, sent: true });
  }
}

/** Rule 1, and where rule 5 asks for it: go on as a fresh client, with everything that is kept. Without a section: in all. */
export function renumber(state: State, section?: number): void {
  for (const [id, row] of state.rows) {
    if (section !== undefined && row.section !== section) continue;
    const { seq: _, ...rest } = row;
    state.rows.set(id, { ...rest, sent: true });
  }
  if (section === undefined) state.positions.clear();
  else state.positions.delete(section);
}

/** 2: something is to be sent. 1: something is not recorded yet. */
export function workOf(state: State, section: number): 0 | 1 | 2 {
  const open = ofSection(state, section).filter((row) => !row.done);
  return open.some((row) => isUnsent(state, row)) ? 2 : open.length ? 1 : 0;
}

export const isUnsent = (state: State, row: Row): boolean =>
  !row.done && !(row.seq && row.seq <= state.positions.get(row.section)!.drafted_seq);

/** An edit as it goes over the wire. */
export const wire = ({ edit_id, kind, item, student, base, value, entered_at, resolves }: Row, seq: number) => ({
  edit_id, seq, kind, item, student, base, value, entered_at, ...(resolves ? { resolves } : {}),
});

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

/** As many of these, from the first on, as fit into one request. */
export function fit(rows: readonly Row[], editsMax: number, bytesMax: number): Row[] {
  let size = 250;
  return rows.filter((row, i) => (size += bytesOf(JSON.stringify(wire(row, 1e9))) + 1) <= bytesMax && i < editsMax || i < 1);
}

/** Rule 3: the next request; it begins with the oldest unacknowledged edit. New edits get their `seq` here. */
export function take(state: State, section: number, editsMax: number, freshId: string): Save {
  let position = state.positions.get(section) ?? {
    section, client_id: freshId, next_seq: 1, drafted_seq: 0, recorded_seq: 0, heard_seq: 0, seen_seq: 0,
  };
  const rows = fit(ofSection(state, section).filter((row) => isUnsent(state, row)), editsMax, BYTES_MAX);
  const edits = rows.map((row) => {
    const seq = row.seq ?? position.next_seq;
    if (!row.seq) {
      position = { ...position, next_seq: seq + 1 };
      state.rows.set(row.edit_id, { ...row, seq, sent: true });
    }
    return wire(row, seq);
  });
  if (edits.length || state.positions.has(section)) state.positions.set(section, position);
  return { section, client_id: position.client_id, seen_seq: position.seen_seq, edits };
}

/** Whether this is the answer to that request, and not what a captive portal makes of it. */
export function fits(save: Save, answer: unknown): answer is Answer {
  const a = answer as Answer | null;
  return (
    Array.isArray(a?.outcomes) && a!.outcomes.length === save.edits.length && Array.isArray(a!.exceptions) &&
    a!.outcomes.every((outcome, i) => outcome?.edit_id === save.edits[i]!.edit_id) && a!.drafted_seq >= 0 && a!.recorded_seq >= 0
  );
}

/** Take one outcome in; `final`: it is an exception. */
function judged(state: State, outcome: Outcome, final: boolean): void {
  const row = state.rows.get(outcome.edit_id);
  if (!row || row.done || (row.final && !final && outcome.outcome === "drafted")) return;
  const { code: _, params: __, head: ___, ...rest } = row;
  const { code, params, cell_version } = outcome;
  const isHeld = code === "quarantined"; // sent again while it is in quarantine
  state.rows.set(row.edit_id, {
    ...rest, state: isHeld ? code : outcome.outcome,
    ...(final && { final }),
    ...(cell_version && { cell_version }),
    ...(outcome.outcome === "conflict" && { head: outcome.head ?? null }),
    ...(code && { code: (isHeld && params?.["reason"]) || code }),
    ...(params && { params }),
  });
}

/** Rule 4: take an answer in. What it says of positions counts only for the client that asked. */
export function answered(state: State, save: Save, answer: Answer, at: number): Acknowledgement | undefined {
  const { section, edits } = save;
  const typed = edits.map(({ edit_id }) => state.rows.get(edit_id));
  const old = state.positions.get(section);
  if (old?.client_id === save.client_id) {
    const last = edits[edits.length - 1]?.seq ?? 0;
    const heard_seq = edits.length && edits[0]!.seq <= old.heard_seq + 1 ? Math.max(old.heard_seq, last) : old.heard_seq;
    const drafted_seq = Math.min(answer.drafted_seq, heard_seq);
    const recorded_seq = Math.max(old.recorded_seq, Math.min(answer.recorded_seq, heard_seq));
    const seen_seq = Math.max(old.seen_seq, ...answer.exceptions.map(({ seq }) => seq ?? 0));
    state.positions.set(section, { ...old, heard_seq, drafted_seq, recorded_seq, seen_seq });
    for (const row of ofSection(state, section)) {
      const held = row.seq && (row.seq <= drafted_seq ? "drafted" : "queued");
      if (held && (row.state === "queued" || row.state === "drafted")) state.rows.set(row.edit_id, { ...row, state: held });
    }
  }
  for (const outcome of answer.outcomes) judged(state, outcome, false);
  for (const exception of answer.exceptions) judged(state, exception, true);
  const settled = state.positions.get(section);
  for (const row of ofSection(state, section)) if (row.seq! <= settled!.recorded_seq) leave(state, row);
  if (!answer.receipt) return;
  const ack = {
    at, section, receipt: answer.receipt, short: shortForm(answer.receipt),
    edits: answer.outcomes.flatMap(({ edit_id, outcome }, i) => {
      const row = typed[i];
      return row ? [{ edit_id, kind: row.kind, item: row.item, student: row.student, value: row.value, outcome }] : [];
    }),
  };
  state.acks.push(ack);
  return ack;
}

/** The server has settled it: what was refused stays as a card until a person has seen it, the rest leaves. */
function leave(state: State, row: Row): void {
  const { seq: _, ...rest } = row;
  if (isRefused(row) && !row.over) state.rows.set(row.edit_id, { ...rest, done: true });
  else state.rows.delete(row.edit_id);
}

/** Rule 5: edits before these are missing. */
export function gap(state: State, save: Save, expected: number): void {
  const position = state.positions.get(save.section);
  if (position?.client_id !== save.client_id) return;
  if (ofSection(state, save.section).some(({ seq }) => seq === expected)) {
    state.positions.set(save.section, { ...position, drafted_seq: Math.min(position.drafted_seq, expected - 1) });
  } else renumber(state, save.section);
}
