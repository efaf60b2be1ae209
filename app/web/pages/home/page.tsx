/**
 * Who is not signed in sees the form; who is sees their sections, also without a network. Each is fetched for whom it is, and imports
 * the page's entry, which has run by then: so the build keeps the entry in one file.
 */
import type { VNode } from "preact";
import { later } from "../../section/later.tsx";
import { person, signInNeeded } from "../../section/session.ts";
import { changed } from "../../section/watched.ts";
import { type Key, type Words, withArea } from "../../words/words.ts";
import { Leaving, isSigningOut } from "./leaving.tsx";

export type HomeWords = Words<Key<"home">>;

interface Given {
  readonly words: HomeWords;
}

const ASKED_AGAIN_MS = 3_000;
const askAgain = (): void => void setTimeout(changed, ASKED_AGAIN_MS);

const Signed = later(async (_: Given & { readonly name: string }) => (await import("./signed.tsx")).Signed, askAgain);

const NotSigned = later(async (first: Given) => {
  const [{ NotSigned: Part }, words] = await Promise.all([import("./not_signed.tsx"), withArea(first.words, "sign_in")]);
  return () => <Part words={words} />;
}, askAgain);

/** Fetch what will be shown, while the server is asked who is there. */
export function prepareHome(words: HomeWords): void {
  if (person.value === null) NotSigned.prepare({ words });
}

export function HomePage({ words }: Given): VNode | null {
  if (isSigningOut.value) return <Leaving words={words} />;
  if (person.value !== null) return <Signed.Part words={words} name={person.value.name} />;
  return signInNeeded.value === null ? null : <NotSigned.Part words={words} />;
}
