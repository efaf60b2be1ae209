/**
 * What stands in the cells of a section on the server, as far as this computer knows: the last snapshot, and over it what was
 * learnt since, from events and from the answers to one's own saves.
 *
 * A snapshot that was asked for when something had been learnt contains it, or something newer. Only while the records are away is
 * it a copy that may be older; then, and for what was learnt while the answer was on its way, the versions of the cell decide.
 */
import type { CellName } from "@inkfast/outbox";
import { type CellColumns, type Learnt, type Snapshot, type Standing, keyOf, nameOf } from "./types.ts";

let told = 0;

/** Now, and after every moment that was told before: what is asked for and what is learnt have an order within a millisecond too. */
export function moment(): number {
  return (told = Math.max(told + 1, Date.now()));
}

export class StandingCells {
  #base: Map<string, Standing & CellName> = new Map();
  readonly #later: Map<string, Learnt> = new Map();

  get(key: string): Standing | undefined {
    return this.#later.get(key) ?? this.#base.get(key);
  }

  /** What was learnt and is not in the snapshot yet. */
  learnt(): IterableIterator<Learnt> {
    return this.#later.values();
  }

  *cells(): IterableIterator<readonly [string, Standing & CellName]> {
    for (const [key, standing] of this.#base) yield [key, this.#later.get(key) ?? standing];
    for (const [key, learnt] of this.#later) if (!this.#base.has(key)) yield [key, learnt];
  }

  /** Take a snapshot that was asked for at `asked`. Returns the cells that changed, and what it has made superfluous. */
  replace(snapshot: Snapshot, asked: number): { readonly changed: readonly CellName[]; readonly superfluous: readonly string[] } {
    const before = new Map(this.cells());
    this.#base = new Map(standingsOf(snapshot.cells));
    const superfluous = this.#settle(snapshot.records_are_away, asked);
    const changed: CellName[] = [];
    for (const [key, now] of this.cells()) {
      if (before.get(key)?.edit_id !== now.edit_id) changed.push(nameOf(now));
      before.delete(key);
    }
    for (const gone of before.values()) changed.push(nameOf(gone));
    return { changed, superfluous };
  }

  /** The snapshot that is here still stands, as of `asked`: what was learnt before is in it. */
  confirm(recordsAreAway: boolean, asked: number): { readonly changed: readonly CellName[]; readonly superfluous: readonly string[] } {
    const before = new Map(this.#later);
    const superfluous = this.#settle(recordsAreAway, asked);
    return { changed: superfluous.map((key) => nameOf(before.get(key)!)), superfluous };
  }

  /** Lay what was learnt over the snapshot, oldest first. Returns what was news. */
  learn(news: readonly Learnt[]): Learnt[] {
    return news.filter((learnt) => {
      const key = keyOf(learnt);
      const known = this.get(key);
      if (known !== undefined && isOlder(learnt, known)) return false;
      this.#later.set(key, learnt);
      return known?.edit_id !== learnt.edit_id || known.version !== learnt.version;
    });
  }

  /** An edit turned out not to stand: it is no standing of its cell any more. */
  withdraw(edit_id: string, cell: CellName): boolean {
    const key = keyOf(cell);
    return this.#later.get(key)?.edit_id === edit_id && this.#later.delete(key);
  }

  #settle(recordsAreAway: boolean, asked: number): string[] {
    const superfluous: string[] = [];
    for (const [key, learnt] of this.#later) {
      const standing = this.#base.get(key);
      const isIn = learnt.at <= asked && !recordsAreAway;
      if (isIn || (standing !== undefined && (standing.edit_id === learnt.edit_id || isOlder(learnt, standing)))) superfluous.push(key);
    }
    for (const key of superfluous) this.#later.delete(key);
    return superfluous;
  }
}

/** Whether the versions say so; without them nobody knows. */
export function isOlder(one: Standing, other: Standing): boolean {
  return one.version !== null && other.version !== null && one.version < other.version;
}

function* standingsOf(columns: CellColumns): IterableIterator<readonly [string, Standing & CellName]> {
  for (let i = 0; i < columns.kind.length; i += 1) {
    const standing = {
      kind: columns.kind[i]!,
      item: columns.item[i]!,
      student: columns.student[i]!,
      edit_id: columns.edit_id[i]!,
      value: columns.value[i],
      author_id: columns.author_id[i]!,
      entered_at: columns.entered_at[i]!,
      version: columns.cell_version[i] ?? null,
    };
    yield [keyOf(standing), standing];
  }
}

/** The cells of an event, as learnt at a `moment`. */
export function learntFrom(columns: CellColumns, at: number): Learnt[] {
  return [...standingsOf(columns)].map(([, standing]) => ({ ...standing, at }));
}
