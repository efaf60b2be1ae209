/** The list of one's sections: from the disk at once, then from the network. */
import { watched } from "./watched.ts";
import { openPageStore } from "./outbox.ts";
import { ask, askAgainMs } from "./session.ts";
import type { KeptList, Snapshots } from "./snapshots.ts";
import { type ListedSection, type Snapshot, keyOf } from "./types.ts";

export interface SectionList {
  readonly sections: readonly ListedSection[];
  /** By the server's clock; milliseconds since 1970. */
  readonly asOf: number;
  readonly isFromDisk: boolean;
  readonly recordsAreAway: boolean;
}

/** null while nothing is known: neither does the disk know, nor has the server answered. */
export const sectionList = watched<SectionList | null>(null);
/** The server was asked and did not answer with a list: its code, or `unreachable`. */
export const listProblem = watched<string | null>(null);

let timer: ReturnType<typeof setTimeout> | undefined;

/** Rejects never; what is missing is in `listProblem`, and is asked for again by itself where that can change anything. */
export async function loadList(tries = 0): Promise<void> {
  clearTimeout(timer);
  const { snapshots } = await openPageStore();
  if (sectionList.value === null) {
    const kept = await snapshots.readList();
    if (kept !== undefined) sectionList.value = { ...asList(kept), isFromDisk: true };
  }
  try {
    const answer = await ask("/api/v1/sections");
    if (!answer.ok) {
      listProblem.value = ((await answer.json().catch(() => ({}))) as { code?: string }).code ?? "unreachable";
      return loadAgain(answer, tries);
    }
    const list = (await answer.json()) as KeptList;
    listProblem.value = null;
    sectionList.value = { ...asList(list), isFromDisk: false };
    await snapshots.keepList(list);
  } catch {
    listProblem.value = "unreachable";
    loadAgain(null, tries);
  }
}

function loadAgain(answer: Response | null, tries: number): void {
  const pause_ms = askAgainMs(answer, tries);
  clearTimeout(timer);
  if (pause_ms !== null) timer = setTimeout(() => void loadList(tries + 1), pause_ms);
}

function asList(list: KeptList): Omit<SectionList, "isFromDisk"> {
  return { sections: list.sections, asOf: Date.parse(list.as_of), recordsAreAway: list.records_are_away };
}

/** Titles and names of a section, as far as this computer has seen it: for what is told about single cells. */
export async function keptSection(section: number): Promise<Snapshot | undefined> {
  const { snapshots } = await openPageStore();
  const { kept } = await snapshots.read(section);
  try {
    return kept === undefined ? undefined : (JSON.parse(kept.text) as Snapshot);
  } catch {
    return undefined;
  }
}

/**
 * Whether the roll of today was taken, as far as this computer knows; null if it has not seen the section today. A colleague may
 * have taken it since.
 */
export async function isRollTaken(section: number): Promise<boolean | null> {
  const { outbox, snapshots } = await openPageStore();
  await outbox.open(section);
  const day = await seenToday(snapshots, section);
  if (day === null) return null;
  const isOfToday = (kind: string, item: number): boolean => kind === "roll_taken" && Math.floor(item / 100) === day.item;
  return (
    day.isTaken(isOfToday) || outbox.kept(section).some(({ kind, item, state }) => isOfToday(kind, item) && state !== "rejected" && state !== "quarantined")
  );
}

async function seenToday(
  snapshots: Snapshots,
  section: number,
): Promise<{ readonly item: number; readonly isTaken: (is: (kind: string, item: number) => boolean) => boolean } | null> {
  const { kept, learnt } = await snapshots.read(section);
  if (kept === undefined) return null;
  const { section: facts, cells } = JSON.parse(kept.text) as Snapshot;
  const zoned = new Intl.DateTimeFormat("en-CA", { timeZone: facts.time_zone, year: "numeric", month: "2-digit", day: "2-digit" });
  if (zoned.format(Date.now()) !== facts.today) return null;
  const names = new Set([...cells.kind.map((kind, i) => keyOf({ kind, item: cells.item[i]!, student: 0 })), ...learnt.map(keyOf)]);
  return {
    item: Number(facts.today.replace(/-/g, "")),
    isTaken: (is) => [...names].some((key) => is(key.split("/")[0]!, Number(key.split("/")[1]))),
  };
}
