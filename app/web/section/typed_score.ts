/**
 * What was typed into a cell, as a score: read kindly, and never guessed at. What could mean two numbers, or none, is refused with a reason;
 * the grid keeps the text. app/model/typed_text.py reads for the plain page: what both accept means the same to both
 * (typed_score.cases.json, which the tests of either read). Numbers are digits, never floats: 33.3% of 7 is 2.331.
 */

export type ScoreStatus =
  | "exempt" | "missing" | "late" | "incomplete" | "in_progress" | "not_submitted" | "submitted" | "partially_graded";

/** As docs/protocol.md has it: a decimal string, flags beside it, both or neither. */
export interface TypedScore { readonly score?: string; readonly status?: readonly ScoreStatus[] }

/** What the reading depends on: a column's range. A LineItem is one. */
export interface ScoreColumn {
  readonly result_value_min: string;
  readonly result_value_max: string;
  readonly is_extra_credit: boolean;
}

export type ScoreReason =
  | "score_not_a_number"
  /** A letter, and no scale says what it is worth: this column takes numbers. */
  | "score_letter_without_scale"
  | "score_of_another_maximum"
  | "score_comma_is_ambiguous"
  | "score_too_long"
  | "score_out_of_range";

/** `warning`: taken, and above the maximum; the column allows extra credit. */
export type ReadScore =
  | { readonly value: TypedScore; readonly warning?: "score_above_maximum" }
  | { readonly reason: ScoreReason; readonly params: Readonly<Record<string, string>> };

/** The letters of a district and the percentage that each stands for, such as `B+` and `88`. */
export type LetterScale = ReadonlyMap<string, string>;

/** Entry codes. The first one of a status is how it is written; Spanish ones are read in either language, as on the plain page. */
export const CODES: readonly (readonly [code: string, status: ScoreStatus])[] = [
  ["ex", "exempt"], ["mi", "missing"], ["la", "late"], ["in", "incomplete"], ["co", "submitted"],
  ["ip", "in_progress"], ["ns", "not_submitted"], ["pg", "partially_graded"], ["fa", "missing"], ["ta", "late"],
];
/** The keys of PowerSchool, alone or behind a score. */
export const KEYS: readonly (readonly [key: string, status: ScoreStatus])[] = [[".", "submitted"], ["*", "late"], ["/", "missing"]];

const TEXT_CHARS_MAX = 40;
const WHOLE_DIGITS_MAX = 6;
const PART_DIGITS_MAX = 4;
const TYPED = /^([-0-9.,]*)(?:\s*\/\s*([0-9.,]+)|\s*(%))?\s*([a-z]{2}(?:\s+[a-z]{2})*|[.*/])?$/;
const SIGNS: Readonly<Record<string, string>> = { "−": "-", "－": "-", "．": ".", "，": ",", "／": "/", "％": "%", "＊": "*" };

class Refusal {
  readonly reason: ScoreReason;

  constructor(reason: ScoreReason) {
    this.reason = reason;
  }
}

/** The score and the flags of `17,5`, `17/20`, `85%`, `16 la`, `ex`; no text is an emptied cell. */
export function readScore(text: string, column: ScoreColumn, scale?: LetterScale): ReadScore {
  const { result_value_min: min, result_value_max: max, is_extra_credit } = column;
  try {
    const value = read(plainOf(text), max, scale);
    const { score } = value;
    const isAbove = score !== undefined && compare(score, max) > 0;
    if (score !== undefined && (compare(score, min) < 0 || (isAbove && !is_extra_credit))) throw new Refusal("score_out_of_range");
    return isAbove ? { value, warning: "score_above_maximum" } : { value };
  } catch (error) {
    if (error instanceof Refusal) return { reason: error.reason, params: { typed: text.trim().slice(0, TEXT_CHARS_MAX), min, max } };
    throw error;
  }
}

/** The text that would be typed for a score; `readScore` reads it back to the same. `codes`: how the statuses are written. */
export function writeScore({ score, status = [] }: TypedScore, codes: readonly (readonly [string, ScoreStatus])[] = CODES): string {
  const code = (wanted: ScoreStatus) => [...codes, ...CODES].find(([, one]) => one === wanted)?.[0];
  return [score, ...status.map(code)].filter((part) => part !== undefined).join(" ");
}

function read(plain: string, max: string, scale: LetterScale | undefined): TypedScore {
  if (!plain) return {};
  if (/^[a-z][+-]?$/.test(plain)) {
    const percent = scale?.get(plain.toUpperCase());
    if (percent === undefined) throw new Refusal("score_letter_without_scale");
    return { score: shareOf(percent, max) };
  }
  const key = KEYS.find(([one]) => one === plain);
  if (key) return { status: [key[1]] };
  const found = plain.length <= TEXT_CHARS_MAX && TYPED.exec(plain);
  if (!found) throw new Refusal("score_not_a_number");
  const [, digits = "", of, percent, codes] = found;
  const status = statusesOf(codes);
  if (!digits && (of || percent)) throw new Refusal("score_not_a_number");
  if (of && compare(numberOf(of), max) !== 0) throw new Refusal("score_of_another_maximum");
  const number = digits && numberOf(digits);
  const score = percent ? shareOf(number, max) : number;
  return { ...(score ? { score } : {}), ...(status.length ? { status } : {}) };
}

function statusesOf(codes: string | undefined): ScoreStatus[] {
  const statuses = (codes ?? "").split(" ").filter(Boolean).map((code) => {
    const known = [...CODES, ...KEYS].find(([one]) => one === code);
    if (!known) throw new Refusal("score_not_a_number");
    return known[1];
  });
  return [...new Set(statuses)];
}

/** Plain digits, signs and single spaces, in small letters; a raised 2 is no digit, for 1² is not twelve. */
function plainOf(text: string): string {
  const plain = [...text].map((letter) => (/\p{Nd}/u.test(letter) ? digitOf(letter) : (SIGNS[letter] ?? letter))).join("");
  return plain.toLowerCase().trim().split(/\s+/).join(" ");
}

/** Decimal digits come in runs of ten, each beginning with its zero. */
function digitOf(letter: string): string {
  const at = letter.codePointAt(0) as number;
  let first = at;
  while (/\p{Nd}/u.test(String.fromCodePoint(first - 1))) first--;
  return String((at - first) % 10);
}

/** A decimal string with a point, without needless zeros in front. */
function numberOf(digits: string): string {
  const found = /^(-?)([0-9]*)(?:([.,])([0-9]*))?$/.exec(digits);
  const [, sign = "", whole = "", mark, part = ""] = found ?? [];
  if (!found || !(whole || part)) throw new Refusal("score_not_a_number");
  // 1,000 is a thousand to one reader and one to another.
  if (mark === "," && part.length === 3) throw new Refusal("score_comma_is_ambiguous");
  return bounded(sign, whole.replace(/^0+(?=.)/, "") || "0", part);
}

function bounded(sign: string, whole: string, part: string): string {
  if (whole.length > WHOLE_DIGITS_MAX || part.length > PART_DIGITS_MAX) throw new Refusal("score_too_long");
  return `${sign}${whole}${part && `.${part}`}`;
}

/** So many per cent of the maximum, exactly; what has more places than a score can have is refused, and not rounded. */
function shareOf(percent: string, max: string): string {
  const [a, places] = scaled(percent);
  const [b, others] = scaled(max);
  const product = a * b;
  const count = places + others + 2;
  const digits = String(product < 0n ? -product : product).padStart(count + 1, "0");
  const part = digits.slice(-count).replace(/0+$/, "");
  return bounded(product < 0n ? "-" : "", digits.slice(0, -count), part);
}

/** The digits as one whole number, and how many of them stand behind the point. */
function scaled(number: string): [bigint, number] {
  const [whole = "", part = ""] = number.split(".");
  return [BigInt(whole + part), part.length];
}

/** Below 0 where `one` is the smaller number. */
function compare(one: string, other: string): number {
  const [a, places] = scaled(one);
  const [b, others] = scaled(other);
  const difference = a * 10n ** BigInt(others) - b * 10n ** BigInt(places);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}
