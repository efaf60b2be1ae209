/** What opens beside the grid: dialogs, panels, the card of a cell, and their words. Fetched when one of them is first wanted. */
import { withArea, type Key, type Words } from "../../words/words.ts";
import type { Desk } from "./desk.ts";


export type BesideWords = Words<Key<"gradebook"> | Key<"gradebook_beside"> | Key<"refusals">>;
/** The desk as these parts see it: with their words. */
export type BesideDesk = Desk & { readonly words: BesideWords };

export interface Beside {
  readonly parts: typeof import("./parts.tsx");
  readonly desk: BesideDesk;
}

/** Without a network the service worker has them. Rejects where it has not. */
export async function fetchBeside(desk: Desk): Promise<Beside> {
  const [parts] = await Promise.all([import("./parts.tsx"), withArea(desk.words, "gradebook_beside"), withArea(desk.words, "refusals")]);
  return { parts, desk: desk as BesideDesk };
}
