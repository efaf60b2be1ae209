/**
 * The view against a small model of a server: random entries, answers, a colleague, events that come late or not at all, and
 * snapshots that were read before or after them. What must hold after each step, whatever the order was.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CellName, KeptEdit, Outbox } from "@inkfast/outbox";
import { chance } from "../../outbox/test/chance.ts";
import { learntFrom } from "../standing.ts";
import { type CellColumns, type Snapshot, keyOf } from "../types.ts";
import { SectionWithColumns } from "../columns.ts";
import { FakeOutbox } from "./fake_outbox.ts";

const ME = 4;
const RUIZ = 12;
const CELLS: readonly CellName[] = [1, 2, 3].map((student) => ({ kind: "score", item: 1, student }));
const RUNS = 300;
const STEPS = 80;

interface Stands {
  readonly edit_id: string;
  readonly value: unknown;
  readonly author: number;
  readonly version: number;
}

class World {
  now = 1_000;
  readonly outbox = new FakeOutbox();
  readonly heads: Map<string, Stands> = new Map();
  readonly versions: Map<string, number> = new Map();
  readonly shownVersion: Map<string, number> = new Map();
  readonly events: (readonly [CellName, Stands])[] = [];
  inFlight: { readonly snapshot: Snapshot; readonly asked: number } | undefined;
  made = 0;
  readonly view: SectionWithColumns;
  readonly chance: () => number;

  constructor(seed: number) {
    this.chance = chance(seed);
    this.view = new SectionWithColumns(1, this.snapshot(), [], false, {
      outbox: this.outbox as unknown as Outbox,
      me: { user_id: ME, name: "David Ramos" },
      refresh: async () => undefined,
      refreshSoon: () => undefined,
      remember: () => undefined,
      forget: () => undefined,
    });
  }

  pick<T>(of: readonly T[]): T {
    return of[Math.floor(this.chance() * of.length)]!;
  }

  columns(stands: readonly (readonly [CellName, Stands])[]): CellColumns {
    return {
      kind: stands.map(([{ kind }]) => kind),
      item: stands.map(([{ item }]) => item),
      student: stands.map(([{ student }]) => student),
      edit_id: stands.map(([, { edit_id }]) => edit_id),
      cell_version: stands.map(([, { version }]) => version),
      state: stands.map(() => "drafted"),
      value: stands.map(([, { value }]) => value),
      author_id: stands.map(([, { author }]) => author),
      entered_at: stands.map(() => "2026-11-06T22:00:00.000Z"),
    };
  }

  snapshot(): Snapshot {
    const stands = CELLS.flatMap((cell) => (this.heads.has(keyOf(cell)) ? [[cell, this.heads.get(keyOf(cell))!] as const] : []));
    return {
      section: { section_id: 1 } as Snapshot["section"], students: [], line_items: [], reserved_line_item_ids: [], cells: this.columns(stands),
      conflicts: [], authors: { [RUIZ]: "Ms. Ruiz" }, records_are_away: false, as_of: "2026-11-06T22:00:00.000Z", next_save_ms: 5000,
    };
  }

  stand(cell: CellName, edit_id: string, value: unknown, author: number): number {
    const version = (this.heads.get(keyOf(cell))?.version ?? 0) + 1;
    const stands = { edit_id, value, author, version };
    this.heads.set(keyOf(cell), stands);
    this.versions.set(edit_id, version);
    this.events.push([cell, stands]);
    return version;
  }

  /** The server takes my oldest unsent edit. */
  send(): void {
    const edit = this.outbox.edits.find(({ state }) => state === "queued");
    if (edit === undefined) return;
    const head = this.heads.get(keyOf(edit));
    const isMineBefore = this.outbox.edits.some((one) => one.edit_id === edit.base && one.state === "conflict");
    if (!isMineBefore && (head?.edit_id ?? null) === edit.base) {
      this.outbox.answer(edit.edit_id, "drafted", { cell_version: this.stand(edit, edit.edit_id, edit.value, ME) });
      return;
    }
    const told = head === undefined ? null : { edit_id: head.edit_id, value: head.value, author_id: head.author, entered_at: "", cell_version: head.version };
    this.outbox.answer(edit.edit_id, "conflict", { head: told });
    for (const older of this.outbox.edits.filter((one) => one.state === "conflict" && one !== edit && keyOf(one) === keyOf(edit) && one.edit_id !== edit.edit_id))
      this.outbox.leave(older.edit_id);
  }

  async step(): Promise<void> {
    this.now += 1 + Math.floor(this.chance() * 5);
    const cell = this.pick(CELLS);
    const what = this.chance();
    if (what < 0.25) await this.view.enter([{ ...cell, value: { score: String((this.made += 1)) } }]);
    else if (what < 0.45) this.send();
    else if (what < 0.55) this.stand(cell, `ruiz-${(this.made += 1)}`, { score: `r${this.made}` }, RUIZ);
    else if (what < 0.75) this.hear(this.chance() < 0.2);
    else if (what < 0.85) this.inFlight ??= { snapshot: this.snapshot(), asked: this.now };
    else if (what < 0.93) this.answered();
    else this.record();
  }

  hear(isLost: boolean): void {
    const [cell, stands] = this.events.shift() ?? [];
    if (cell === undefined || stands === undefined || isLost) return;
    const columns = this.columns([[cell, stands]]);
    this.view.learn(columns, learntFrom(columns, this.now));
  }

  answered(): void {
    if (this.inFlight === undefined) return;
    this.view.take(this.inFlight.snapshot, this.inFlight.asked);
    this.inFlight = undefined;
  }

  record(): void {
    const oldest = this.outbox.edits.find(({ state }) => state !== "conflict");
    if (oldest?.state === "drafted") this.outbox.leave(oldest.edit_id);
  }

  check(): void {
    for (const cell of CELLS) {
      const key = keyOf(cell);
      const shown = this.view.cell(cell);
      const mine: KeptEdit | undefined = this.outbox.newest(1, cell);
      if (mine !== undefined && mine.state !== "drafted") {
        assert.deepEqual(shown.value, mine.value, "what I typed last is shown until the server holds it");
        assert.equal(shown.place, mine.state === "conflict" ? "conflict" : "queued");
      } else {
        assert.equal(shown.place, "settled");
        const version = this.versions.get(shown.edit_id ?? "") ?? 0;
        assert.ok(version >= (this.shownVersion.get(key) ?? 0), "what stands never falls back to what stood before");
        this.shownVersion.set(key, version);
      }
      if (shown.theirs !== undefined) assert.equal(shown.theirs.author_id, RUIZ);
    }
  }

  async settle(): Promise<void> {
    while (this.outbox.edits.some(({ state }) => state === "queued")) this.send();
    for (const edit of [...this.outbox.edits]) this.outbox.leave(edit.edit_id);
    while (this.events.length > 0) this.hear(false);
    this.now += 10;
    this.inFlight = { snapshot: this.snapshot(), asked: this.now };
    this.answered();
    for (const cell of CELLS) {
      const head = this.heads.get(keyOf(cell));
      assert.deepEqual(this.view.cell(cell).value, head?.value ?? null, "in the end the view shows what stands");
      assert.equal(this.view.cell(cell).edit_id, head?.edit_id ?? null);
    }
  }
}

test(`${RUNS} random schedules of entries, answers, events and snapshots`, async (t) => {
  let world = new World(0);
  t.mock.method(Date, "now", () => world.now);
  for (let seed = 1; seed <= RUNS; seed += 1) {
    world = new World(seed);
    try {
      for (let step = 0; step < STEPS; step += 1) {
        await world.step();
        world.check();
      }
      await world.settle();
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});
