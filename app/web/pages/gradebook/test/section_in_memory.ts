/** A section without a server and without a disk, for the tests of this page. */
import type { CellName, Head, KeptEdit } from "@inkfast/outbox";
import { keyOf, type LineItem, type SectionFacts, type GradebookView, type ShownCell, type Student } from "../../../section/types.ts";
import english from "../../../words/en/gradebook.json" with { type: "json" };
import besideEnglish from "../../../words/en/gradebook_beside.json" with { type: "json" };
import refusalsEnglish from "../../../words/en/refusals.json" with { type: "json" };
import sharedEnglish from "../../../words/en/shared.json" with { type: "json" };
import spanish from "../../../words/es/gradebook.json" with { type: "json" };
import besideSpanish from "../../../words/es/gradebook_beside.json" with { type: "json" };
import refusalsSpanish from "../../../words/es/refusals.json" with { type: "json" };
import sharedSpanish from "../../../words/es/shared.json" with { type: "json" };
import { Words } from "../../../words/words.ts";
import type { ScoreReader } from "../model.ts";
import type { BesideWords } from "../beside.ts";
import type { Score } from "../score.ts";

export const ENGLISH: BesideWords = new Words("en", { ...sharedEnglish, ...english, ...besideEnglish, ...refusalsEnglish });
export const SPANISH: BesideWords = new Words("es", { ...sharedSpanish, ...spanish, ...besideSpanish, ...refusalsSpanish });

export function student(student_id: number, given_name: string, family_name: string, is_active = true): Student {
  return { student_id, given_name, family_name, identifier: `1000${student_id}`, grades: "09", is_active };
}

export function column(line_item_id: number, title: string, max: string, more: Partial<LineItem> = {}): LineItem {
  return {
    line_item_id,
    title,
    description: null,
    category_id: null,
    category_title: null,
    grading_period: null,
    assign_date: null,
    due_date: null,
    result_value_min: "0",
    result_value_max: max,
    is_extra_credit: false,
    position: line_item_id,
    is_hidden: false,
    ...more,
  };
}

const EMPTY: ShownCell = { value: null, place: "settled", edit_id: null, author_id: null, author_name: null, entered_at: null };
const FACTS: SectionFacts = {
  section_id: 1,
  title: "Algebra 1, period 1",
  course_title: "Algebra 1",
  class_code: null,
  periods: "1",
  location: null,
  org_name: "Alder High School",
  time_zone: "America/Los_Angeles",
  today: "2026-11-22",
  school_year: 2027,
};

/** Reads plain numbers, and "la" behind them: the real reader has tests of its own. */
export const READER: ScoreReader = {
  read: (text) => {
    const found = /^(-?\d+(?:\.\d+)?)?\s*(la)?$/.exec(text.trim());
    if (found === null) return { sentence: `“${text}” is not a score.` };
    const score: Score = { ...(found[1] ? { score: found[1] } : {}), ...(found[2] ? { status: ["late"] } : {}) };
    return { score };
  },
  write: ({ score, status }) => [score, ...(status?.includes("late") ? ["la"] : [])].filter(Boolean).join(" "),
};

export class SectionInMemory implements GradebookView {
  readonly id = 1;
  readonly facts = FACTS;
  students: readonly Student[];
  lineItems: readonly LineItem[];
  asOf = Date.parse("2026-11-22T22:16:02.570Z");
  isFromDisk = false;
  recordsAreAway = false;
  others: GradebookView["others"] = [];
  /** Every change that was entered, as it was entered. */
  readonly entered: Parameters<GradebookView["enter"]>[0][number][] = [];
  private readonly held: Map<string, ShownCell> = new Map();
  private readonly listeners: Set<(cells: readonly CellName[] | undefined) => void> = new Set();

  constructor(students: readonly Student[], lineItems: readonly LineItem[]) {
    this.students = students;
    this.lineItems = lineItems;
  }

  reservedIds(): readonly number[] {
    return [901, 902].filter((id) => this.lineItems.every(({ line_item_id }) => line_item_id !== id));
  }

  cell(name: CellName): ShownCell {
    return this.held.get(keyOf(name)) ?? EMPTY;
  }

  conflicts(): ReturnType<GradebookView["conflicts"]> {
    return [];
  }

  async enter(changes: Parameters<GradebookView["enter"]>[0]): Promise<readonly KeptEdit[]> {
    for (const change of changes) {
      this.entered.push(change);
      this.hold(change, change.value, { place: "queued" });
    }
    return [];
  }

  /** Put something into a cell, and say so. */
  hold(name: CellName, value: unknown, more: Partial<ShownCell> & { theirs?: Head } = {}): void {
    const edit_id = more.edit_id ?? `edit-${this.held.size}-${keyOf(name)}`;
    this.held.set(keyOf(name), { ...EMPTY, value, author_id: 4, ...more, edit_id });
    this.tell([{ kind: name.kind, item: name.item, student: name.student }]);
  }

  tell(cells: readonly CellName[] | undefined): void {
    for (const listener of this.listeners) listener(cells);
  }

  authorName(author_id: number): string | null {
    return author_id === 12 ? "Ms. Ruiz" : null;
  }

  onChange(listener: (cells: readonly CellName[] | undefined) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async refresh(): Promise<void> {
    this.tell(undefined);
  }
}
