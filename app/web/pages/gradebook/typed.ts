/** How typed texts become scores here, with sentences for what cannot be read. */
import type { Language } from "../../words/words.ts";
import type { ScoreReader } from "./model.ts";
import type { GradebookWords, Status } from "./score.ts";

const CODES: Readonly<Record<Language, readonly (readonly [string, Status])[]>> = {
  en: [["ex", "exempt"], ["mi", "missing"], ["la", "late"], ["in", "incomplete"]],
  es: [["ex", "exempt"], ["fa", "missing"], ["ta", "late"], ["in", "incomplete"]],
};

/** The codes of the legend, in the person's language. */
export function codesOf(language: Language): readonly (readonly [string, Status])[] {
  return CODES[language];
}

export function readerOf(words: GradebookWords): ScoreReader {
  const codes = new Map([...CODES.en, ...CODES.es]);
  const written = new Map(codesOf(words.language).map(([code, status]) => [status, code]));
  return {
    read: (text) => {
      const found = /^(-?\d{1,6}(?:[.,]\d{1,4})?)?((?:\s*[a-z]{2})*)$/i.exec(text.trim());
      const status = (found?.[2] ?? "").toLowerCase().split(/\s+/).filter(Boolean).map((code) => codes.get(code));
      if (!found || status.includes(undefined)) return { sentence: text };
      return { score: { ...(found[1] ? { score: found[1].replace(",", ".") } : {}), ...(status.length ? { status: status as Status[] } : {}) } };
    },
    write: ({ score, status }) => [score, ...(status ?? []).map((one) => written.get(one))].filter(Boolean).join(" "),
  };
}
