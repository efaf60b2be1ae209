/** What needs a person: two values for one cell, and what was not accepted. Each stays until it is decided or dismissed. */
import type { CellName, Head, KeptEdit, Outbox } from "@inkfast/outbox";
import { keyOf, type SectionView } from "../../section/types.ts";
import { spokenName } from "./arrangement.ts";
import { inWords, type GradebookWords } from "./score.ts";

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

/** What sentences about people need. */
export interface Teller {
  readonly words: GradebookWords;
  readonly view: Pick<SectionView, "authorName">;
}

type ViewOfConcerns = Pick<SectionView, "id" | "conflicts">;

/** All of them, conflicts first; each edit once. */
export function concernsOf(view: ViewOfConcerns, outbox: Pick<Outbox, "kept">): readonly Concern[] {
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

function isRefused({ state }: KeptEdit): boolean {
  return state === "rejected" || state === "quarantined";
}

/** Those of one cell, and of a comment on it. */
export function concernsAt(concerns: readonly Concern[], item: number, student: number): readonly Concern[] {
  const keys = ["score", "comment"].map((kind) => keyOf({ kind, item, student }));
  return concerns.filter(({ cell }) => keys.includes(keyOf(cell)));
}

/** Where it is, in words: "Ana García · Quiz 3", "Column Quiz 3". */
export function whereOf({ kind, item, student }: CellName, view: Pick<SectionView, "students" | "lineItems">, words: GradebookWords): string {
  if (kind === "attendance" || kind === "roll_taken") {
    const who = view.students.find(({ student_id }) => student_id === student);
    const day = words.day(dayOf(item));
    return who === undefined ? `${words.say("nav.attendance")} · ${day}` : words.say("cell.where", { name: spokenName(who), title: day });
  }
  const title = view.lineItems.find(({ line_item_id }) => line_item_id === item)?.title;
  if (kind === "line_item") return title === undefined ? words.say("attention.gone") : words.say("attention.column", { title });
  const who = view.students.find(({ student_id }) => student_id === student);
  if (who === undefined || (title === undefined && item !== 0)) return words.say("attention.gone");
  return title === undefined ? spokenName(who) : words.say("cell.where", { name: spokenName(who), title });
}

/** The day of an attendance item, `yyyy-mm-dd`. */
export function dayOf(item: number): string {
  const digits = String(Math.floor(item / 100));
  return `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6, 8)}`;
}

/** Why an edit was not accepted, as a sentence; a code that is not known here is still no secret. */
export function reasonOf({ code = "rejected", params = {} }: Pick<Concern, "code" | "params">, words: GradebookWords): string {
  const wanted = code === "quarantined" && params["reason"] ? params["reason"] : code;
  const key = `code.${wanted}`;
  return words.has(key) ? words.say(key, params) : `${words.say("code.rejected")} (${wanted})`;
}

/** Both values of a conflict, each with its author and time. */
export function sidesOf(concern: Concern, { words, view }: Teller, now: number): readonly string[] {
  const { cell, head, typedBy, author } = concern;
  const value = inWords(cell.kind, concern.value, words);
  const at = words.at(concern.entered_at, now);
  const name = nameOf(head, { words, view });
  const theirs = head
    ? words.say("conflict.theirs", { name, value: inWords(cell.kind, head.value, words), at: words.at(head.entered_at, now) })
    : words.say("conflict.theirs_unknown");
  if (typedBy === "somebody") return [theirs, words.say("conflict.theirs", { name: author ?? words.say("history.somebody"), value, at })];
  return [theirs, words.say(typedBy === "here" ? "conflict.mine" : "conflict.elsewhere", { value, at })];
}

/** Who a value is from, as far as is known here. */
export function nameOf(head: Pick<Head, "author_id" | "author_name"> | null, { words, view }: Teller): string {
  if (head?.author_id === 0) return words.say("history.import");
  return head?.author_name ?? (head && view.authorName(head.author_id)) ?? words.say("history.somebody");
}
