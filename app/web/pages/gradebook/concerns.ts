/** What needs a person: two values for one cell, and what was not accepted. Each stays until it is decided or dismissed. */
import type { CellName, Head, Outbox } from "@inkfast/outbox";
import { keyOf, type SectionView } from "../../section/types.ts";
import { isRefused } from "./needs.ts";

export interface Concern {
  readonly is: "conflict" | "rejected" | "quarantined";
  readonly edit_id: string;
  readonly cell: CellName;
  /** What was typed, and when. */
  readonly value: unknown;
  readonly entered_at: string;
  /** For two values: what stands; null where it is not known yet, or the cell is empty by now. */
  readonly head: Head | null;
  /** One's own, kept by this computer; typed by oneself on another computer; typed by somebody else, who decides. */
  readonly typedBy: "here" | "elsewhere" | "somebody";
  readonly author: string | null;
  readonly code?: string;
  readonly params?: Readonly<Record<string, string>>;
}

/** All of them, conflicts first; each edit once. */
export function concernsOf(view: Pick<SectionView, "id" | "conflicts">, outbox: Pick<Outbox, "kept">): readonly Concern[] {
  const conflicts = view.conflicts().map(({ cell, mine, head, isOwn }): Concern => {
    const { edit_id, value, entered_at } = mine;
    const typedBy = "state" in mine ? "here" : isOwn ? "elsewhere" : "somebody";
    const author = "author_name" in mine ? (mine.author_name ?? null) : null;
    return { is: "conflict", edit_id, cell, value, entered_at, head, typedBy, author };
  });
  const refused = outbox.kept(view.id).filter(isRefused).map((edit): Concern => {
    const { kind, item, student, edit_id, value, entered_at, code, params } = edit;
    const why = { ...(code === undefined ? {} : { code }), ...(params === undefined ? {} : { params }) };
    const cell = { kind, item, student };
    return { is: edit.state as "rejected", edit_id, cell, value, entered_at, head: null, typedBy: "here", author: null, ...why };
  });
  return [...conflicts, ...refused];
}

/** Those of one cell, and of a comment on it. */
export function concernsAt(concerns: readonly Concern[], item: number, student: number): readonly Concern[] {
  const keys = ["score", "comment"].map((kind) => keyOf({ kind, item, student }));
  return concerns.filter(({ cell }) => keys.includes(keyOf(cell)));
}
