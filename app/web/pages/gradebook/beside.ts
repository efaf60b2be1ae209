/** What opens beside the grid: dialogs, panels, the card of a cell, and their words. Fetched when one of them is first wanted. */
import { withArea, type Key, type Words } from "../../words/words.ts";
import type { Desk } from "./desk.ts";

const BESIDE = { en: () => import("../../words/en/gradebook_beside.json"), es: () => import("../../words/es/gradebook_beside.json") };
const REFUSALS = { en: () => import("../../words/en/refusals.json"), es: () => import("../../words/es/refusals.json") };

export type BesideWords = Words<Key<"gradebook"> | Key<"gradebook_beside"> | Key<"refusals">>;
/** The desk as these parts see it: with their words. */
export type BesideDesk = Desk & { readonly words: BesideWords };

export interface Beside {
  readonly parts: typeof import("./parts.tsx");
  readonly desk: BesideDesk;
}

/** Without a network the service worker has them. Rejects where it has not. */
export async function fetchBeside(desk: Desk): Promise<Beside> {
  const [parts] = await Promise.all([import("./parts.tsx"), withArea(desk.words, BESIDE), withArea(desk.words, REFUSALS)]);
  return { parts, desk: desk as BesideDesk };
}
