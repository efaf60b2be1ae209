/**
 * Every sentence of the pages, in the person's language. A page loads one language of two dictionaries: what pages share, and
 * its own. The English keys are the type; a key that Spanish lacks, or has beyond English, fails `tsc` (`every_key.ts`).
 *
 *     const w = await loadWords("gradebook");
 *     w.say("status.queued", { n: 12 })     // "12 changes are on this computer, not yet at the district"
 *
 * `{name}` in a sentence is replaced by the value of that name; numbers are written as the language writes them. A sentence
 * that depends on a count is an object of plural forms, chosen by the value named `n`.
 */
import type attendance from "./en/attendance.json";
import type gradebook from "./en/gradebook.json";
import type home from "./en/home.json";
import type shared from "./en/shared.json";
import { Calendar } from "./calendar.ts";

export type Language = "en" | "es";
export const LANGUAGES: readonly Language[] = ["en", "es"];

/** The dictionaries of the areas. The pages of receipts and of compatibility have their words in `home`. */
export interface Areas {
  readonly home: typeof home;
  readonly gradebook: typeof gradebook;
  readonly attendance: typeof attendance;
}
export type SharedKey = keyof typeof shared;
export type Key<Area extends keyof Areas> = SharedKey | Extract<keyof Areas[Area], string>;
export type Values = Readonly<Record<string, string | number>>;

/** A sentence, or its plural forms. */
export type Sentence = string | Readonly<Record<string, string>>;
export type Dictionary = Readonly<Record<string, Sentence>>;

/** What a part used by several pages asks for: it knows the shared keys only. Every `Words` is one. */
export type SharedWords = Words<SharedKey>;

const LOCALES: Readonly<Record<Language, string>> = { en: "en-US", es: "es-US" };
const CHOICE = "inkfast.language";

export class Words<K extends string> extends Calendar {
  readonly language: Language;
  private readonly dictionary: Dictionary;
  private readonly plural: Intl.PluralRules;
  private readonly digits: Intl.NumberFormat;

  constructor(language: Language, dictionary: Dictionary) {
    super(LOCALES[language]);
    this.language = language;
    this.dictionary = dictionary;
    this.plural = new Intl.PluralRules(this.locale);
    this.digits = new Intl.NumberFormat(this.locale, { maximumFractionDigits: 4 });
  }

  /** The sentence of this key. A value that was not given stays visible as `{name}`, so that nobody reads a wrong sentence. */
  say(key: K | SharedKey, values: Values = {}): string {
    return this.fill(this.dictionary[key], key, values);
  }

  /**
   * Whether there is a sentence of this key: for keys that are made from what a server said, such as `code.…`. It is typed as a
   * shared key, so that any `Words` can be handed to a part that knows only those.
   */
  has(key: string): key is SharedKey {
    return this.dictionary[key] !== undefined;
  }

  number(value: number): string {
    return this.digits.format(value);
  }

  /** A moment inside a sentence: "at 2:41 pm", or with the day if that is not today. `now` is the server's time if known. */
  at(moment: number | string, now: number = Date.now()): string {
    const { hour, time, day } = this.read(moment);
    const at = this.fill(this.dictionary["time.at"], "time.at", { n: hour, time });
    if (day === this.read(now).day) return at;
    return this.fill(this.dictionary["time.at_on_day"], "time.at_on_day", { at, day: this.day(day) });
  }

  private fill(sentence: Sentence | undefined, key: string, values: Values): string {
    if (sentence === undefined) return key;
    const text = typeof sentence === "string" ? sentence : (sentence[this.plural.select(Number(values["n"]))] ?? sentence["other"] ?? key);
    const filled = text.replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name];
      return value === undefined ? whole : typeof value === "number" ? this.digits.format(value) : value;
    });
    // "a las 2:41 p. m." ends a sentence with the period that it has already.
    return filled.replace(/\.\.(?=\s|$)/g, ".");
  }
}

type Load = () => Promise<{ readonly default: Dictionary }>;
/** One chunk each; a browser fetches the two of its language and page. */
const DICTIONARIES: Readonly<Record<Language, Readonly<Record<"shared" | keyof Areas, Load>>>> = {
  en: {
    shared: () => import("./en/shared.json"),
    home: () => import("./en/home.json"),
    gradebook: () => import("./en/gradebook.json"),
    attendance: () => import("./en/attendance.json"),
  },
  es: {
    shared: () => import("./es/shared.json"),
    home: () => import("./es/home.json"),
    gradebook: () => import("./es/gradebook.json"),
    attendance: () => import("./es/attendance.json"),
  },
};

/** The words of an area in this language, or in the one that was chosen; the document says which language it is in. */
export async function loadWords<Area extends keyof Areas>(area: Area, language: Language = chosenLanguage()): Promise<Words<Key<Area>>> {
  const [shared, own] = await Promise.all([DICTIONARIES[language].shared(), DICTIONARIES[language][area]()]);
  if (typeof document !== "undefined") document.documentElement.lang = language;
  return new Words(language, { ...shared.default, ...own.default });
}

/** The language chosen on this computer; else the first of the browser's own that there is; else English. */
export function chosenLanguage(): Language {
  const wanted = [read(CHOICE), ...(typeof navigator === "undefined" ? [] : (navigator.languages ?? [navigator.language]))];
  for (const tag of wanted) {
    const found = LANGUAGES.find((language) => tag?.toLowerCase().split("-")[0] === language);
    if (found) return found;
  }
  return "en";
}

/** Remember a language on this computer. The page shows it when it is loaded anew; false if this browser cannot remember. */
export function chooseLanguage(language: Language): boolean {
  try {
    localStorage.setItem(CHOICE, language);
    return true;
  } catch {
    return false;
  }
}

/** What this browser remembers; null also where it may not remember anything. */
function read(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}
