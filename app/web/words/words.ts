/**
 * Every sentence of the pages, in the person's language. A page fetches one language of two dictionaries: what pages share, and
 * its own; a part that is fetched later brings a third (`withArea`). They are JSON, and no script. The English keys are the type; a key
 * that Spanish lacks, or has beyond English, fails `tsc` (`every_key.ts`).
 *
 *     const w = await loadWords("gradebook");
 *     w.say("status.queued", { n: 12 })     // "12 changes are on this computer, not yet at the district"
 *
 * `{name}` in a sentence is replaced by the value of that name; numbers are written as the language writes them. A sentence
 * that depends on a count is an object of plural forms, chosen by the value named `n`.
 */
import type attendance from "./en/attendance.json";
import type attendance_beside from "./en/attendance_beside.json";
import type compatibility from "./en/compatibility.json";
import type gradebook from "./en/gradebook.json";
import type gradebook_beside from "./en/gradebook_beside.json";
import type home from "./en/home.json";
import type receipts from "./en/receipts.json";
import type refusals from "./en/refusals.json";
import type sign_in from "./en/sign_in.json";
import type shared from "./en/shared.json";
import type trouble from "./en/trouble.json";
import type unavailable from "./en/unavailable.json";
import { remember, remembered } from "../section/remembered.ts";
import { Calendar } from "./calendar.ts";

export type Language = "en" | "es";
export const LANGUAGES: readonly Language[] = ["en", "es"];

/** The dictionaries of the areas. */
export interface Areas {
  readonly home: typeof home;
  readonly gradebook: typeof gradebook;
  /** The dialogs and panels, which open beside the grid. */
  readonly gradebook_beside: typeof gradebook_beside;
  readonly attendance: typeof attendance;
  /** The forms and the week, which open beside the roll. */
  readonly attendance_beside: typeof attendance_beside;
  readonly receipts: typeof receipts;
  /** Why an entry was not accepted. */
  readonly refusals: typeof refusals;
  /** The form, which is there only while somebody has to sign in. */
  readonly sign_in: typeof sign_in;
  /** How the work stands, when it does not stand as it should. */
  readonly trouble: typeof trouble;
  /** Why a section cannot be shown. */
  readonly unavailable: typeof unavailable;
  readonly compatibility: typeof compatibility;
}
export type SharedKey = keyof typeof shared;
export type Key<Area extends keyof Areas> = KeyOf<Areas[Area]>;
type KeyOf<D> = SharedKey | Extract<keyof D, string>;
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
  #dictionary: Dictionary;
  readonly #plural: Intl.PluralRules;
  readonly #digits: Intl.NumberFormat;

  constructor(language: Language, dictionary: Dictionary) {
    super(LOCALES[language]);
    this.language = language;
    this.#dictionary = dictionary;
    this.#plural = new Intl.PluralRules(this.locale);
    this.#digits = new Intl.NumberFormat(this.locale, { maximumFractionDigits: 4 });
  }

  /** The sentence of this key. A value that was not given stays visible as `{name}`, so that nobody reads a wrong sentence. */
  say(key: K | SharedKey, values: Values = {}): string {
    return this.#fill(this.#dictionary[key], key, values);
  }

  /**
   * Whether there is a sentence of this key: for keys that are made from what a server said, such as `code.…`. It is typed as a
   * shared key, so that any `Words` can be handed to a part that knows only those.
   */
  has(key: string): key is SharedKey {
    return this.#dictionary[key] !== undefined;
  }

  /** From now on with these sentences too. */
  learn<More extends string>(more: Dictionary): Words<K | More> {
    this.#dictionary = { ...this.#dictionary, ...more };
    return this as unknown as Words<K | More>;
  }

  /** A moment inside a sentence: "at 2:41 pm", or with the day if that is not today. `now` is the server's time if known. */
  at(moment: number | string, now: number = Date.now()): string {
    const { hour, time, day } = this.read(moment);
    const at = this.#fill(this.#dictionary["time.at"], "time.at", { n: hour, time });
    if (day === this.read(now).day) return at;
    return this.#fill(this.#dictionary["time.at_on_day"], "time.at_on_day", { at, day: this.day(day) });
  }

  #fill(sentence: Sentence | undefined, key: string, values: Values): string {
    if (sentence === undefined) return key;
    const text = typeof sentence === "string" ? sentence : (sentence[this.#plural.select(Number(values["n"]))] ?? sentence["other"] ?? key);
    const filled = text.replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name];
      return value === undefined ? whole : typeof value === "number" ? this.#digits.format(value) : value;
    });
    // "a las 2:41 p. m." ends a sentence with the period that it has already.
    return filled.replace(/\.\.(?=\s|$)/g, ".");
  }
}

/** What is in the names of the dictionaries of this build. */
declare const WORDS: string;

const AGAIN_MS = 4_000;

/** Rejects where it does not come: then it can be asked for again. */
async function dictionaryOf(area: keyof Areas | "shared", language: Language): Promise<Dictionary> {
  const answer = await fetch(`/app/assets/${area}-${language}.${WORDS}.json`);
  if (!answer.ok) throw new Error(`${area}: ${answer.status}`);
  return answer.json();
}

/**
 * The words of an area in this language, or in the one that was chosen; the document says which language it is in. Asked for until they
 * come: without them a page has nothing to say, not even that.
 */
export async function loadWords<A extends keyof Areas>(area: A, language: Language = chosenLanguage()): Promise<Words<Key<A>>> {
  try {
    const [common, own] = await Promise.all([dictionaryOf("shared", language), dictionaryOf(area, language)]);
    if (globalThis.document) document.documentElement.lang = language;
    return new Words(language, { ...common, ...own });
  } catch {
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS * (0.5 + Math.random())));
    return loadWords(area, language);
  }
}

/** The same words, with those of a further area as soon as this resolves: for a part of a page that is fetched when it is wanted. */
export async function withArea<K extends string, A extends keyof Areas>(words: Words<K>, area: A): Promise<Words<K | Key<A>>> {
  return words.learn<Key<A>>(await dictionaryOf(area, words.language));
}

/** The language chosen on this computer; else the first of the browser's own that there is; else English. */
export function chosenLanguage(): Language {
  const wanted = [remembered(CHOICE), ...(globalThis.navigator?.languages ?? [])];
  for (const tag of wanted) {
    const found = LANGUAGES.find((language) => tag?.toLowerCase().split("-")[0] === language);
    if (found) return found;
  }
  return "en";
}

/** Remember a language on this computer. The page shows it when it is loaded anew; false if this browser cannot remember. */
export function chooseLanguage(language: Language): boolean {
  return remember(CHOICE, language);
}
