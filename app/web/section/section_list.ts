/** The list of one's sections: from the disk at once, then from the network. */
import type { KeptEdit } from "@inkfast/outbox";
import { watched } from "./watched.ts";
import { openPageStore } from "./outbox.ts";
import { serverNow } from "./server_clock.ts";
import { ask, askAgainMs } from "./session.ts";
import { showCell } from "./shown_cell.ts";
import { type Snapshots, doneOf, resultOf } from "./snapshots.ts";
import { StandingCells } from "./standing.ts";
import { type Learnt, type ListedSection, type Snapshot, keyOf } from "./types.ts";

interface KeptList {
  readonly sections: readonly ListedSection[];
  readonly as_of: string;
  readonly records_are_away: boolean;
}

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
    const kept = await readList(snapshots);
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
    await keepList(snapshots, list);
  } catch {
    listProblem.value = "unreachable";
    loadAgain(null, tries);
  }
}

export function readList(snapshots: Snapshots): Promise<KeptList | undefined> {
  return snapshots.use((database) => resultOf<KeptList | undefined>(snapshots.begin(database, "list").objectStore("list").get("mine")));
}

export async function keepList(snapshots: Snapshots, list: KeptList): Promise<void> {
  await snapshots.use((database) => {
    const transaction = snapshots.begin(database, "list", "readwrite");
    transaction.objectStore("list").put(list, "mine");
    return doneOf(transaction);
  });
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
 * have taken it since, or taken it back.
 */
export async function isRollTaken(section: number): Promise<boolean | null> {
  const { outbox, snapshots } = await openPageStore();
  await outbox.open(section);
  const { kept, learnt } = await snapshots.read(section);
  if (kept === undefined) return null;
  const snapshot = JSON.parse(kept.text) as Snapshot;
  const { time_zone, today } = snapshot.section;
  const zoned = new Intl.DateTimeFormat("en-CA", { timeZone: time_zone, year: "numeric", month: "2-digit", day: "2-digit" });
  return zoned.format(serverNow()) === today ? isTakenToday(snapshot, learnt, outbox.kept(section)) : null;
}

/** What says so is the newest entry: one's own, unless it was refused or lost against another one; else what stands. */
export function isTakenToday(snapshot: Snapshot, learnt: readonly Learnt[], kept: readonly KeptEdit[]): boolean {
  const key = keyOf({ kind: "roll_taken", item: Number(snapshot.section.today.replace(/-/g, "")) * 100, student: 0 });
  const standing = new StandingCells();
  standing.replace(snapshot, 0);
  standing.learn([...learnt].sort((a, b) => a.at - b.at));
  const cell = showCell({
    standing: standing.get(key),
    kept: kept.filter((edit) => keyOf(edit) === key && edit.state !== "rejected" && edit.state !== "quarantined"),
    isStoring: false,
    isFromDisk: true,
    elsewhere: undefined,
    me: 0,
    nameOf: () => null,
  });
  const value = cell.place === "conflict" ? cell.head?.value : cell.value;
  return (value as { taken?: unknown } | null | undefined)?.taken === true;
}
