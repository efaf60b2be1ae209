/** What has happened, and what needs a person, in sentences: where it is, whose values there are, why something was not accepted. */
import type { CellName, Head, KeptEdit } from "@inkfast/outbox";
import type { GridEvent } from "../../grid/model.ts";
import type { GradebookView } from "../../section/types.ts";
import { spokenName } from "./arrangement.ts";
import type { BesideDesk, BesideWords } from "./beside.ts";
import type { Concern } from "./concerns.ts";
import type { ActiveCell, Notice } from "./desk.ts";
import { commentOf, scoreInWords } from "./score.ts";

/** What sentences about people need. */
export interface Teller {
  readonly words: BesideWords;
  readonly view: Pick<GradebookView, "authorName">;
}

/** A value in words: a score; a comment in quotation marks; the title of a column. */
export function inWords(kind: string, value: unknown, words: BesideWords): string {
  if (kind === "comment") {
    const text = commentOf(value);
    return text ? words.say("value.comment", { text }) : words.say("value.no_comment");
  }
  if (typeof value === "string") return value;
  return kind === "line_item" ? String((value as { title?: unknown } | null)?.title ?? "") : scoreInWords(value, words);
}

/** Where it is, in words: "Ana García · Quiz 3", "Column Quiz 3". */
export function whereOf({ kind, item, student }: CellName, view: Pick<GradebookView, "students" | "lineItems">, words: BesideWords): string {
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
export function reasonOf({ code = "rejected", params = {} }: Pick<Concern, "code" | "params">, words: BesideWords): string {
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

/** An edit that ended otherwise than it was meant. */
export function refusedInWords(edit: KeptEdit, { view, words }: BesideDesk): string {
  const where = whereOf(edit, view, words);
  if (edit.state === "conflict") return words.say("attention.new.conflict", { where });
  return words.say("attention.new.refused", { where, reason: reasonOf(edit, words) });
}

/** Somebody else has changed the cell in which the teacher is typing. */
export function theirsInWords({ item, student }: ActiveCell, desk: BesideDesk): string {
  const { author_id, theirs } = desk.view.cell({ kind: "score", item: item.line_item_id, student: student.student_id });
  return desk.words.say("entry.theirs", { name: nameOf(theirs ?? (author_id === null ? null : { author_id }), desk) });
}

/** Whose cell it is, and in which column. */
export function spoken({ item, student }: ActiveCell, words: BesideWords): string {
  return words.say("cell.where", { name: spokenName(student), title: item.title });
}

type Done = Extract<GridEvent, { readonly kind: "copied" | "undone" | "redone" | "nothingTo" }>;

/** What copying, undoing and redoing have done, and what they left alone. */
export function doneInWords(event: Done, words: BesideWords): [string, Notice["tone"]] {
  if (event.kind === "copied") return [words.say("copied", { n: event.cells }), "plain"];
  if (event.kind === "nothingTo") return [words.say(`${event.what}.nothing`), "plain"];
  const { kind, cells, left, hidden } = event;
  const parts = [
    ...(cells ? [words.say(kind === "undone" ? "undo.done" : "undo.redone", { n: cells })] : []),
    ...(left ? [words.say("undo.left", { n: left })] : []),
    ...(hidden ? [words.say("undo.hidden", { n: hidden })] : []),
  ];
  return [parts.join(" "), left || hidden ? "warn" : "plain"];
}
