/** The history of a cell: what the district has, and over it what only this computer has yet. */
import type { CellName, KeptEdit } from "@inkfast/outbox";
import { ask } from "../../section/session.ts";

/** One edit of `GET …/history`; what is drafted has only the first fields. */
export interface Told {
  readonly edit_id: string;
  readonly state: string;
  readonly value: unknown;
  readonly author_id: number;
  readonly author_name?: string | null;
  readonly entered_at: string;
  readonly received_at?: string | null;
  readonly recorded_at?: string | null;
  readonly is_open?: boolean;
  readonly code?: string | null;
}

export interface Line extends Told {
  /** It has what the cell shows at the district. */
  readonly stands: boolean;
  readonly isHere: boolean;
}

export type Answer = { readonly is: "told"; readonly history: readonly Told[] } | { readonly is: "offline" | "away" };

/** Ask the district. Never throws. */
export async function askHistory(section: number, { kind, item, student }: CellName): Promise<Answer> {
  try {
    const answer = await ask(`/api/v1/sections/${section}/history?kind=${kind}&item=${item}&student=${student}`);
    if (answer.ok) return { is: "told", history: ((await answer.json()) as { history: Told[] }).history };
    return { is: answer.status === 503 ? "away" : "offline" };
  } catch {
    return { is: "offline" };
  }
}

const HERE = ["queued", "sending", "rejected", "quarantined", "conflict", "drafted"];

/** Newest first; each edit once. The district's word goes over this computer's, where it has one. */
export function linesOf(told: readonly Told[], kept: readonly KeptEdit[], me: number): readonly Line[] {
  const known = new Set(told.map(({ edit_id }) => edit_id));
  const here = kept
    .filter(({ edit_id, state }) => !known.has(edit_id) && HERE.includes(state))
    .map(({ edit_id, state, value, entered_at, code }): Line => ({ edit_id, state, value, entered_at, author_id: me, code: code ?? null, stands: false, isHere: true }))
    .reverse();
  const standing = told.find(({ state }) => state === "drafted" || state === "recorded")?.edit_id;
  return [...here, ...told.map((line): Line => ({ ...line, stands: line.edit_id === standing, isHere: false }))];
}

/** The key of the words for a state. */
export function stateKey({ state, is_open: isOpen }: Told): "queued" | "sending" | "drafted" | "recorded" | "conflict" | "conflict_open" | "rejected" | "quarantined" {
  if (state === "conflict") return isOpen === true ? "conflict_open" : "conflict";
  return state as "recorded";
}
