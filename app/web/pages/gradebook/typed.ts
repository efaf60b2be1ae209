/** How typed texts become scores here, with sentences for what cannot be read. */
import { CODES, readScore, writeScore, type ScoreStatus } from "../../section/typed_score.ts";
import type { Language } from "../../words/words.ts";
import type { ScoreReader } from "./model.ts";
import type { GradebookWords } from "./score.ts";

type Codes = readonly (readonly [code: string, status: ScoreStatus])[];

const SPANISH: Codes = [["fa", "missing"], ["ta", "late"]];
/** No score is below this: the range is not this reader's business. A score outside it is kept as typed, and the model warns. */
const ANY = { result_value_min: "-999999", is_extra_credit: true };

/** The codes of the legend, in the person's language. All of them are read in either. */
export function codesOf(language: Language): Codes {
  const own = new Map(language === "es" ? SPANISH.map(([code, status]) => [status, code]) : []);
  const first = new Map([...CODES].reverse().map(([code, status]) => [status, code]));
  return [...new Set(CODES.map(([, status]) => status))].map((status) => [own.get(status) ?? first.get(status)!, status]);
}

export function readerOf(words: GradebookWords): ScoreReader {
  const codes = codesOf(words.language);
  return {
    read: (text, column) => {
      const found = readScore(text, { ...ANY, result_value_max: column.result_value_max });
      if ("value" in found) return { score: found.value };
      return { sentence: words.say(found.reason === "score_out_of_range" ? "entry.score_too_long" : `entry.${found.reason}`, found.params) };
    },
    write: (score) => writeScore(score, codes),
  };
}
