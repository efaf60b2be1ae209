/** The work on the roll: what is shown, and what a tap or a key does. Components read what it watches; every entry goes through here. */
import type { Head, KeptEdit, Outbox } from "@inkfast/outbox";
import { serverNow } from "../../section/server_clock.ts";
import type { SectionView } from "../../section/types.ts";
import { changed, derived, watched } from "../../section/watched.ts";
import type { Key, Words } from "../../words/words.ts";
import { dayToShow } from "./day.ts";
import { type Category, type Mark, type Roll, type RollChange, type Row, choose, readMark, readRoll, take } from "./roll.ts";
import { type Order, bySeat, byName, keepOrder, keptOrder, keptSeats } from "./seating.ts";
import { type Step, isSame, stepOf, takeBack, withStep } from "./steps.ts";

export type AttendanceWords = Words<Key<"attendance">>;
/** What opens beside the roll has these too: it brings them along. */
export type BesideWords = Words<Key<"attendance"> | Key<"attendance_beside"> | Key<"refusals">>;
export type Conflict = ReturnType<SectionView["conflicts"]>[number];
export type Shown = "roll" | "week";

/** What has just been said to the teacher. `step`: it can be taken back. */
export interface Notice {
  readonly says: string;
  readonly tone?: "warn" | "bad";
  readonly step?: Step;
}

export class RollCall {
  readonly view: SectionView;
  readonly words: AttendanceWords;
  readonly me: number;
  /** The day at the school, by the later of what the section and the clock say: a page stays open over night, also without a network. */
  readonly today = watched("");
  readonly day = watched("");
  readonly shown = watched<Shown>("roll");
  readonly order = watched<Order>("name");
  readonly seats = watched<readonly number[]>([]);
  /** False once this browser has refused to remember the order. */
  readonly isOrderKept = watched(true);
  readonly notice = watched<Notice | null>(null);
  /** The student whose time and note are open; or the list of seats. */
  readonly opened = watched<number | "seats" | null>(null);
  readonly outbox: Pick<Outbox, "settle" | "dismiss">;
  private asked = new URLSearchParams();
  private steps: readonly Step[] = [];
  /** Conflicts of equal values: settled without asking, once. */
  private readonly settled = new Set<string>();

  readonly students = derived(() => {
    const named = byName(this.view.students, (a, b) => this.words.compare(a, b));
    return this.order.value === "seating" ? bySeat(named, this.seats.value) : named;
  });
  readonly roll = derived<Roll>(() => {
    return readRoll(this.view, this.students.value, this.day.value);
  });
  readonly conflicts = derived<readonly Conflict[]>(() => {
    return this.view.conflicts().filter(({ cell, isOwn }) => isOwn && (cell.kind === "attendance" || cell.kind === "roll_taken"));
  });

  constructor(view: SectionView, words: AttendanceWords, outbox: Pick<Outbox, "settle" | "dismiss">, me: number) {
    this.view = view;
    this.words = words;
    this.outbox = outbox;
    this.me = me;
    const owner = this.owner();
    this.order.value = keptOrder(owner);
    this.seats.value = keptSeats(owner);
    view.onChange(() => {
      this.turn();
      this.lookAgain();
    });
    this.lookAgain();
  }

  /** What the address asks for. What is open belongs to what was shown, and closes with it. */
  show(query: URLSearchParams): void {
    const [{ today }, now] = [this.view.facts, this.words.read(serverNow()).day];
    this.asked = query;
    this.today.value = now > today ? now : today;
    const day = dayToShow(query.get("day"), this.today.value);
    const shown = query.get("view") === "week" ? "week" : "roll";
    if (day === this.day.value && shown === this.shown.value) return;
    this.day.value = day;
    this.shown.value = shown;
    this.notice.value = null;
    this.opened.value = null;
  }

  /** Look whether the day has turned. Where the address names none, the new one is shown, and said; then what was tapped on is gone. */
  turn(): boolean {
    const before = this.day.value;
    this.show(this.asked);
    if (this.day.value === before) return false;
    this.notice.value = { says: this.words.say("attendance.turned", { day: this.words.day(this.day.value) }), tone: "warn" };
    return true;
  }

  /** Show another day, or the other way, under its address. */
  goTo(day: string, shown: Shown): void {
    history.pushState(null, "", this.href(day, shown));
    this.show(new URLSearchParams(location.search));
  }

  /** The address of a day, in the roll or in the week. */
  href(day: string, shown: Shown = "roll"): string {
    const query = new URLSearchParams({ ...(day === this.today.value ? {} : { day }), ...(shown === "week" ? { view: shown } : {}) });
    const text = query.toString();
    return `/app/sections/${this.view.id}/attendance${text === "" ? "" : `?${text}`}`;
  }

  /** The time by the school's clock if the roll is today's; what is entered about another day did not happen now. */
  now(): string | undefined {
    return this.day.value === this.today.value ? this.words.read(serverNow()).clock : undefined;
  }

  /** A student's row as it is at this moment, which a slow screen may not show yet. */
  rowOf(student: number | string | undefined): Row | undefined {
    return this.roll.value.rows.find((row) => String(row.student.student_id) === String(student));
  }

  /** A category for a student: one tap or key. */
  choose(student: number, category: Category): void {
    if (this.turn()) return;
    const row = this.rowOf(student);
    const change = row && choose(row, category, this.roll.value.item, this.now());
    if (row && change) void this.enter([change], this.saysMark(row, readMark(change.value)));
  }

  /** "The roll is taken." Not while a mark was refused: then it would say more than is true. */
  takeRoll(): void {
    if (this.turn()) return;
    const roll = this.roll.value;
    if (roll.refused.length > 0) {
      this.notice.value = { says: this.words.say("roll.refused", { n: roll.refused.length }), tone: "bad" };
      return;
    }
    const changes = take(roll);
    if (changes.length > 0) void this.enter(changes, this.words.say("step.roll"));
  }

  /** Take the newest step back, where nobody has changed it since. */
  async undo(): Promise<void> {
    const step = this.steps[this.steps.length - 1];
    if (step === undefined) return;
    this.steps = this.steps.slice(0, -1);
    const { changes, left } = takeBack(this.view, step);
    this.notice.value =
      left === 0
        ? { says: this.words.say("step.undone", { what: step.says }) }
        : { says: this.words.say("step.undone_part", { n: left }), tone: "warn" };
    if (changes.length > 0) await this.keep(changes);
  }

  /** Decide between two values, as they were shown. Where that is decided by now, what is shown is looked at again. */
  async settle({ cell, mine, head }: Conflict, choice: "mine" | "theirs"): Promise<void> {
    if (isKept(mine)) return this.outbox.settle(mine.edit_id, choice, head).catch(changed);
    const value = choice === "mine" ? mine.value : (head?.value ?? { category: null });
    await this.keep([{ ...cell, value, base: head?.edit_id ?? null, resolves: [mine.edit_id] }]);
  }

  /** One's own conflict about a student of this day, or about the roll itself (student 0). */
  conflictOf(kind: "attendance" | "roll_taken", student: number): Conflict | undefined {
    const { item } = this.roll.value;
    return this.conflicts.value.find(({ cell }) => cell.kind === kind && cell.item === item && cell.student === student);
  }

  setOrder(order: Order): void {
    this.order.value = order;
    this.isOrderKept.value = keepOrder(this.owner(), order);
  }

  nameOf({ student }: Pick<Row, "student">): string {
    return [student.family_name, student.given_name].filter(Boolean).join(", ");
  }

  /** A mark in words: "Tardy, 8:07 am, bus was late". */
  saysValue(value: unknown): string {
    const mark = readMark(value);
    return [this.words.say(`category.${mark.category ?? "none"}`), ...this.detailsOf(mark)].join(", ");
  }

  /** What a mark has beside its category: when, and the note. */
  detailsOf({ arrival_time, note }: Mark): readonly string[] {
    const time = arrival_time === undefined ? undefined : this.words.timeOfDay(arrival_time);
    return [time, note].filter((text) => text !== undefined);
  }

  /** Who entered it, unless it was oneself or a roster import. */
  byWhom(author: { readonly author_id: number | null; readonly author_name?: string | null }): string | null {
    const { author_id, author_name } = author;
    if (author_id === null || author_id === 0 || author_id === this.me) return null;
    return author_name ?? this.view.authorName(author_id) ?? this.words.say("choice.somebody");
  }

  /** What has been done, where this was entered. */
  saysMark(row: Row, mark: Mark): string {
    return this.words.say("step.mark", { name: this.nameOf(row), mark: this.saysValue(mark) });
  }

  /** Enter this as one step, or as more of the last one; it is spoken of where it is the shown day's. Returns what is kept. */
  enter(changes: readonly RollChange[], says: string, isMore?: boolean): Promise<readonly KeptEdit[]> {
    const step = stepOf(this.view, changes, says);
    this.steps = withStep(this.steps, step, isMore);
    if (changes[0]?.item === this.roll.value.item) this.notice.value = { says, step };
    return this.keep(changes);
  }

  private async keep(changes: readonly RollChange[]): Promise<readonly KeptEdit[]> {
    try {
      return await this.view.enter(changes);
    } catch {
      this.notice.value = { says: this.words.say("step.not_kept"), tone: "bad" };
      return [];
    }
  }

  /** Whose order it is of which section. */
  owner(): { readonly user_id: number; readonly section_id: number } {
    return { user_id: this.me, section_id: this.view.id };
  }

  private lookAgain(): void {
    changed();
    for (const conflict of this.conflicts.value) {
      if (conflict.head === null || this.settled.has(conflict.mine.edit_id) || !isSame(conflict.mine.value, conflict.head.value)) continue;
      this.settled.add(conflict.mine.edit_id);
      // Two teachers have entered the same: there is nothing to choose, and both entries stay in the history.
      void this.settle(conflict, "theirs");
    }
  }
}

function isKept(mine: KeptEdit | Head): mine is KeptEdit {
  return "state" in mine;
}
