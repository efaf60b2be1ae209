/** What the grid shows: a section's students and columns as they are arranged now, and the scores in their words. */
import type { CellKey, ColumnHead, GridCell, GridEntry, GridModel, GridVerdict, Mark } from "../../grid/model.ts";
import type { LineItem, Place, GradebookView, ShownCell, Student } from "../../section/types.ts";
import { arrangedColumns, byName, nameOf, numberOf, PLAIN, spokenName, type Arrangement } from "./arrangement.ts";
import type { arrangedRows } from "./arranging.ts";
import { commentOf, flagsOf, isSame, scoreOf, type GradebookWords, type Score } from "./score.ts";
import { statisticsOf, type Statistics } from "./statistics.ts";

/** How a typed text becomes a score, and a score the text that would be typed for it. */
export interface ScoreReader {
  read(text: string, column: LineItem): { readonly score: Score } | { readonly sentence: string };
  write(score: Score): string;
}

type Listener = Parameters<GridModel["onChange"]>[0];

/** The worst comes first: a cell whose comment was refused is marked, though its score is settled. */
const WORST: readonly Place[] = ["conflict", "rejected", "quarantined", "storing", "queued", "settled"];
const MARKS: Readonly<Record<Place, Mark>> = {
  settled: "none",
  storing: "storing",
  queued: "queued",
  conflict: "conflict",
  rejected: "rejected",
  quarantined: "rejected",
};
/** A column is as wide as its head needs, within limits: 60 columns are many, and a score is four digits. */
const COLUMN_PX = { least: 84, most: 160, quick: 150, title: 7.8, detail: 6.4, picture: 46, beside: 18 } as const;

export class GradebookModel implements GridModel {
  arrangement: Arrangement = PLAIN;
  /** Arranges students in another way than by name, once it is here. */
  arranger: typeof arrangedRows | undefined;
  #students: readonly Student[] = [];
  #items: readonly LineItem[] = [];
  #hasPictures = false;
  #everybody: readonly number[] = [];
  #rowsByKey = new Map<string, number>();
  #columnsByKey = new Map<string, number>();
  readonly #listeners = new Set<Listener>();
  readonly #statistics = new Map<number, Statistics | undefined>();
  /** Told when the disk could not take an entry at all. */
  onFailure: (error: unknown) => void = () => undefined;

  readonly view: GradebookView;
  readonly words: GradebookWords;
  readonly #reader: ScoreReader;

  constructor(view: GradebookView, words: GradebookWords, reader: ScoreReader) {
    this.view = view;
    this.words = words;
    this.#reader = reader;
    this.#lay();
    view.onChange((cells) => this.#take(cells));
  }

  /** Draw the pictures of the columns: they count every score there is, and the first one is typed before. */
  drawPictures(): void {
    this.#hasPictures = true;
    for (const listener of this.#listeners) listener(undefined);
  }

  /** Show it in another way; the only thing, besides a changed roster, that moves rows. */
  arrange(change: Partial<Arrangement>): void {
    this.arrangement = { ...this.arrangement, ...change };
    this.#lay();
    for (const listener of this.#listeners) listener(undefined);
  }

  rows(): number {
    return this.#students.length;
  }

  columns(): number {
    return this.#items.length;
  }

  rowKey(row: number): string {
    return String(this.#students[row]?.student_id ?? "");
  }

  columnKey(column: number): string {
    return String(this.#items[column]?.line_item_id ?? "");
  }

  rowOf(key: string): number {
    return this.#rowsByKey.get(key) ?? -1;
  }

  columnOf(key: string): number {
    return this.#columnsByKey.get(key) ?? -1;
  }

  student(row: number): Student | undefined {
    return this.#students[row];
  }

  item(column: number): LineItem | undefined {
    return this.#items[column];
  }

  rowHead(row: number): ReturnType<GridModel["rowHead"]> {
    const student = this.#students[row];
    if (student === undefined) return { text: "" };
    const text = nameOf(student);
    return student.is_active ? { text } : { text, note: this.words.say("student.left"), isMuted: true };
  }

  columnHead(column: number): ColumnHead {
    const item = this.#items[column];
    if (item === undefined) return { title: "", width: COLUMN_PX.least };
    const { title, result_value_max: max, due_date, assign_date } = item;
    const day = due_date ?? assign_date;
    const detail = [this.words.say("column.of", { max }), ...(day ? [this.words.day(day, "short")] : [])].join(" · ");
    const found = this.#hasPictures ? this.statisticsOfItem(item) : undefined;
    const needed = Math.max(title.length * COLUMN_PX.title, detail.length * COLUMN_PX.detail + COLUMN_PX.picture) + COLUMN_PX.beside;
    const width = Math.round(Math.min(COLUMN_PX.most, Math.max(COLUMN_PX.least, needed)));
    return {
      title: item.is_hidden ? this.words.say("column.hidden_title", { title }) : title,
      detail,
      width: this.arrangement.only === null ? width : COLUMN_PX.quick,
      ...(this.arrangement.sortBy === item.line_item_id ? { sort: this.arrangement.isDescending ? "descending" : "ascending" } : {}),
      ...(found ? { picture: { bars: found.bars, label: this.inSentences(found, item) } } : {}),
    };
  }

  cell(row: number, column: number): GridCell {
    const at = this.#at(row, column);
    if (at === undefined) return { text: "", mark: "none", flags: [], hasComment: false, says: "" };
    const shown = this.#ask(at.item.line_item_id, at.student.student_id);
    const comment = this.#commentAt(at.item.line_item_id, at.student.student_id);
    const value = scoreOf(shown.value);
    const place = WORST.find((worse) => shown.place === worse || comment.place === worse) ?? "settled";
    const hasComment = commentOf(comment.value) !== "";
    const warning = place === "rejected" ? undefined : this.#warning(value, at.item);
    const flags = [...flagsOf(value, this.words), ...(warning ? [{ letter: "!", words: warning, tone: "warn" as const }] : [])];
    return {
      text: value.score ?? "",
      mark: shown.theirs ? "theirs" : MARKS[place],
      flags,
      hasComment,
      says: this.#says(shown, place),
      ...(at.student.is_active ? {} : { isMuted: true }),
    };
  }

  cellName(row: number, column: number): string {
    const at = this.#at(row, column);
    if (at === undefined) return "";
    const { title, result_value_max: max } = at.item;
    return this.words.say("cell.name", { name: spokenName(at.student), title, max });
  }

  text(row: number, column: number): string {
    const at = this.#at(row, column);
    return at === undefined ? "" : this.written(at.item.line_item_id, at.student.student_id);
  }

  /** The text that would be typed for a score, shown now or not. */
  written(item: number, student: number): string {
    return this.#reader.write(scoreOf(this.#ask(item, student).value));
  }

  seen(row: number, column: number): string | null {
    const at = this.#at(row, column);
    return at === undefined ? null : this.#ask(at.item.line_item_id, at.student.student_id).edit_id;
  }

  judge({ row, column, text, key }: GridEntry): GridVerdict {
    const at = this.#at(row, column, key);
    if (at === undefined) return { isTaken: false, sentence: this.words.say("entry.nowhere") };
    const found = this.#reader.read(text, at.item);
    if ("sentence" in found) return { isTaken: false, sentence: found.sentence };
    const warning = this.#warning(found.score, at.item);
    return warning === undefined ? { isTaken: true } : { isTaken: true, warning };
  }

  enter(entries: readonly GridEntry[]): readonly GridVerdict[] {
    const changes: Parameters<GradebookView["enter"]>[0][number][] = [];
    const verdicts = entries.map((entry): GridVerdict => {
      const at = this.#at(entry.row, entry.column, entry.key);
      const found = at && this.#reader.read(entry.text, at.item);
      if (at === undefined || found === undefined || "sentence" in found) return this.judge(entry);
      const [item, student] = [at.item.line_item_id, at.student.student_id];
      const base = entry.seen === undefined ? {} : { base: entry.seen as string | null };
      const shown = this.#ask(item, student);
      // What is shown already is not entered again, unless it is a colleague's that the person has not seen.
      const isNews = entry.seen !== undefined && entry.seen !== shown.edit_id;
      if (isNews || !isSame(found.score, shown.value)) changes.push({ kind: "score", item, student, value: found.score, ...base });
      return this.judge(entry);
    });
    if (changes.length > 0) this.view.enter(changes).catch((error: unknown) => this.onFailure(error));
    return verdicts;
  }

  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Statistics of a column over everybody in the section, shown or not; without who is exempt, and what was not accepted. */
  statisticsOfItem(item: LineItem): Statistics | undefined {
    const id = item.line_item_id;
    if (!this.#statistics.has(id)) {
      const scores: number[] = [];
      for (const { student_id } of this.view.students) {
        const { value, place } = this.#ask(id, student_id);
        const score = place === "rejected" || place === "quarantined" ? undefined : numberOf(value);
        if (score !== undefined) scores.push(score);
      }
      this.#statistics.set(id, statisticsOf(scores, Number(item.result_value_min), Number(item.result_value_max)));
    }
    return this.#statistics.get(id);
  }

  /** "28 scores, mean 15.2, median 16, from 9 to 20." */
  inSentences(found: Statistics, item: LineItem): string {
    const number = (value: number): number => Math.round(value * 10) / 10;
    return this.words.say("column.statistics", {
      n: found.count,
      title: item.title,
      mean: number(found.mean),
      median: number(found.median),
      lowest: number(found.lowest),
      highest: number(found.highest),
    });
  }

  #at(row: number, column: number, key?: CellKey): { readonly student: Student; readonly item: LineItem } | undefined {
    const student = key ? this.view.students.find((one) => `${one.student_id}` === key.rowKey) : this.#students[row];
    const item = key ? this.view.lineItems.find((one) => `${one.line_item_id}` === key.columnKey) : this.#items[column];
    return student && item ? { student, item } : undefined;
  }

  #ask(item: number, student: number): ShownCell {
    return this.view.cell({ kind: "score", item, student });
  }

  #commentAt(item: number, student: number): ShownCell {
    return this.view.cell({ kind: "comment", item, student });
  }

  #says(shown: ShownCell, place: Place): string {
    const { words } = this;
    return [shown.theirs && words.say("place.theirs"), place !== "settled" && words.say(`place.${place}`)].filter(Boolean).join("; ");
  }

  /** A score outside the range is entered as it was typed, so that it is kept, and said at once: the server may not take it. */
  #warning({ score }: Score, item: LineItem): string | undefined {
    const { result_value_min: min, result_value_max: max } = item;
    if (score === undefined) return undefined;
    if (Number(score) < Number(min)) return this.words.say("cell.below_minimum", { min });
    if (Number(score) <= Number(max)) return undefined;
    return this.words.say(item.is_extra_credit ? "cell.extra_credit" : "cell.over_maximum", { max });
  }

  #lay(): void {
    const { view, arrangement } = this;
    this.#everybody = view.students.map(({ student_id }) => student_id);
    this.#items = arrangedColumns(view.lineItems, arrangement);
    const looked = arrangement.only === null ? arrangedColumns(view.lineItems, { ...arrangement, only: null }) : this.#items;
    this.#students =
      this.arranger?.(view.students, looked, arrangement, (item, student) => this.#ask(item, student), this.words) ??
      [...view.students].sort(byName(this.words));
    this.#rowsByKey = new Map(this.#students.map(({ student_id }, row) => [String(student_id), row]));
    this.#columnsByKey = new Map(this.#items.map(({ line_item_id }, column) => [String(line_item_id), column]));
  }

  #take(cells: readonly { kind: string; item: number; student: number }[] | undefined): void {
    if (cells === undefined || cells.some(({ kind }) => kind === "line_item")) {
      this.#statistics.clear();
      this.#layIfOthers();
      for (const listener of this.#listeners) listener(undefined);
      return;
    }
    const changed: { row: number; column: number }[] = [];
    for (const { kind, item, student } of cells) {
      if (kind !== "score" && kind !== "comment") continue;
      if (kind === "score") this.#statistics.delete(item);
      const [row, column] = [this.rowOf(String(student)), this.columnOf(String(item))];
      if (row >= 0 && column >= 0) changed.push({ row, column });
    }
    if (changed.length > 0) for (const listener of this.#listeners) listener(changed);
  }

  /** Rows keep their order while the same students are there: what others type moves nobody. */
  #layIfOthers(): void {
    const { view } = this;
    const known = new Set(this.#everybody);
    const isSame = view.students.length === known.size && view.students.every(({ student_id }) => known.has(student_id));
    if (!isSame) {
      this.#lay();
      return;
    }
    const byId = new Map(view.students.map((student) => [student.student_id, student]));
    this.#students = this.#students.map((student) => byId.get(student.student_id) ?? student);
    this.#items = arrangedColumns(view.lineItems, this.arrangement);
    this.#columnsByKey = new Map(this.#items.map(({ line_item_id }, column) => [String(line_item_id), column]));
  }
}
