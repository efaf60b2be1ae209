/** A score as it is stored: a decimal string, flags beside it, both or neither. How it is shown, and said. */
import type { GridCell } from "../../grid/model.ts";
import type { ScoreStatus, TypedScore } from "../../section/typed_score.ts";
import type { Key, Words } from "../../words/words.ts";

export type GradebookWords = Words<Key<"gradebook">>;

export type Score = TypedScore;
type Status = ScoreStatus;

const NONE: Score = {};
const BAD: readonly Status[] = ["missing", "not_submitted"];
const WARN: readonly Status[] = ["late", "incomplete"];

/** What a cell of kind `score` holds. What this page cannot read is no score; the history still shows it. */
export function scoreOf(value: unknown): Score {
  return typeof value === "object" && value !== null ? (value as Score) : NONE;
}

/** What a cell of kind `comment` holds. */
export function commentOf(value: unknown): string {
  const text = (value as { text?: unknown } | null)?.text;
  return typeof text === "string" ? text : "";
}

export function isEmpty(value: unknown): boolean {
  const { score, status } = scoreOf(value);
  return score === undefined && !status?.length;
}

export function isSame(a: unknown, b: unknown): boolean {
  const [one, other] = [scoreOf(a), scoreOf(b)];
  const statuses = (score: Score) => [...(score.status ?? [])].sort().join();
  return one.score === other.score && statuses(one) === statuses(other);
}

/** The flags beside a score: a letter in a box, and the word. */
export function flagsOf(value: unknown, words: GradebookWords): GridCell["flags"] {
  return (scoreOf(value).status ?? []).map((status) => ({
    letter: words.say(`letter.${status}`),
    words: words.say(`flag.${status}`),
    tone: BAD.includes(status) ? "bad" : WARN.includes(status) ? "warn" : "plain",
  }));
}

/** A score in words, for sentences and print: "17, late"; "no score". */
export function scoreInWords(value: unknown, words: GradebookWords): string {
  const { score, status } = scoreOf(value);
  const parts = [...(score === undefined ? [] : [score]), ...(status ?? []).map((flag) => words.say(`flag.${flag}`).toLowerCase())];
  return parts.length ? parts.join(", ") : words.say("value.no_score");
}
