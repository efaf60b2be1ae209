/**
 * Random interleavings of everything that happens to an outbox, against the promise: every value that was shown as on this
 * computer or drafted is recorded exactly once, in order per cell, or stands as a card; and nothing leaves the outbox before
 * it is recorded. `SEEDS=100-300 node test.mjs outbox/test/model` plays other seeds; a failure names its own.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CellName, KeptEdit } from "../src/index.ts";
import { rescue, restore } from "../src/rescue.ts";
import { Server } from "./server.ts";
import type { Mode } from "./server.ts";
import { Tab, World } from "./world.ts";

const STEPS = 60;
const SECTIONS = [1, 2];
const CELLS: CellName[] = [1, 2, 3, 4].map((student) => ({ kind: "score", item: 5, student }));

interface Typed {
  readonly tab: Tab;
  readonly section: number;
  readonly cell: CellName;
  readonly value: string;
  readonly startedAt: number;
  readonly enteredAt: number;
  /** When `put` said that it is on disk; 0 while it has not. */
  storedAt: number;
  inMemory: boolean;
  edit?: KeptEdit;
}

class Play {
  readonly world: World;
  readonly server: Server;
  readonly typed: Typed[] = [];
  readonly decided = new Set<string>();
  /**
   * Sent from the disk. What is sent on leaving, or by a tab that has lost its disk, another tab or a transaction that was given up
   * may have replaced on the disk at that moment: then both are known to the server, and only the later one is kept.
   */
  readonly sent = new Set<string>();
  /**
   * Cells of which something was sent on leaving, before it was on disk. Another tab's edit of the same cell that got there first it
   * has not seen: the server has an open conflict of that one, and its snapshot says so, not this browser.
   */
  readonly early = new Set<string>();
  readonly log: string[] = [];
  private steps = 0;
  private values = 0;

  constructor(seed: number) {
    this.world = new World(seed);
    this.server = new Server(this.world);
    this.server.isBad = ({ value }) => Number((value as { score: string }).score) % 17 === 3;
  }

  private pick = <T>(from: readonly T[]): T => from[Math.floor(this.world.random() * from.length)]!;

  private open(): Tab {
    const tab: Tab = this.world.open(((url: string, init: RequestInit) => {
      const isFromDisk = !init.keepalive && tab.outbox.status().storage !== "memory";
      for (const { edit_id, student } of (JSON.parse(init.body as string) as { edits: KeptEdit[] }).edits) {
        if (isFromDisk) this.sent.add(edit_id);
        else if (!this.typed.some(({ edit }) => edit?.edit_id === edit_id)) this.early.add(`${/sections.(\d+)/.exec(url)![1]}/${student}`);
      }
      return this.server.fetch(url, init);
    }) as never);
    tab.outbox.on("recorded", ({ edits }) => {
      if (tab.isDead) return;
      for (const { edit_id } of edits) assert.ok(this.server.records.has(edit_id), `${edit_id} has left the outbox, and is not recorded`);
    });
    return tab;
  }

  private tab(): Tab {
    return this.world.tabs.length ? this.pick(this.world.tabs) : this.open();
  }

  private put(): void {
    const tab = this.tab();
    const section = this.pick(SECTIONS);
    const cells = CELLS.filter(() => this.world.random() < 0.4);
    const changes = cells.map((cell) => {
      const head = this.world.random() < 0.8 ? this.server.headOf(`${section}/${cell.kind}/${cell.item}/${cell.student}`)?.edit.edit_id : null;
      return { ...cell, base: tab.outbox.newest(section, cell)?.edit_id ?? head ?? null, value: { score: String(++this.values) } };
    });
    const all = changes.map((change): Typed => ({
      tab, section, cell: change, value: change.value.score, startedAt: this.steps, enteredAt: this.world.now, storedAt: 0, inMemory: false,
    }));
    this.typed.push(...all);
    for (const cell of cells) for (const card of tab.outbox.kept(section)) {
      if (card.student === cell.student && card.state !== "queued") this.decided.add(card.edit_id); // typed on
    }
    void tab.outbox.put(section, changes).then((rows) => {
      if (tab.isDead) return;
      rows.forEach((edit, i) => Object.assign(all[i]!, { edit, storedAt: this.steps, inMemory: tab.outbox.status().storage === "memory" }));
    });
  }

  private decide(): void {
    const tab = this.tab();
    const cards = SECTIONS.flatMap((section) => tab.outbox.kept(section)).filter(({ state }) => state === "conflict" || state === "rejected");
    if (!cards.length) return;
    const card = this.pick(cards);
    this.decided.add(card.edit_id);
    const act = card.state === "conflict" && card.head ? tab.outbox.settle(card.edit_id, this.pick(["mine", "theirs"])) : tab.outbox.dismiss(card.edit_id);
    act.catch(() => {}); // decided in another tab meanwhile
  }

  private readonly acts: [number, string, () => void | Promise<void>][] = [
    [30, "put", () => this.put()],
    [25, "pass", () => this.world.pass(this.pick([50, 400, 3_000, 9_000, 40_000]))],
    [10, "mode", () => { this.server.mode = this.pick<Mode>(["ok", "ok", "ok", "ok", "503", "500", "cut", "lost", "hang", "401", "portal"]); }],
    [8, "modes", () => { this.server.modes = [this.pick<Mode>(["cut", "lost", "500", "ok"]), this.pick<Mode>(["cut", "ok", "ok"])]; }],
    [10, "flush", () => this.server.flush()],
    [4, "journal lost", () => this.server.loseJournal()],
    [5, "colleague", () => this.server.colleague(this.pick(SECTIONS), this.pick(CELLS), { score: "7" })],
    [4, "late refusals", () => { const n = this.pick([2, 3, 1e9]); this.server.isLateBad = ({ value }) => Number((value as { score: string }).score) % n === 0; }],
    [5, "open", () => { if (this.world.tabs.length < 3) this.open(); }],
    [5, "kill", () => { if (this.world.tabs.length) this.tab().kill({ keepsLocks: this.world.random() < 0.3, commits: this.world.random() < 0.5 }); }],
    [3, "close", () => { if (this.world.tabs.length > 1) void this.tab().close(); }],
    [5, "terminate", () => this.tab().terminate()],
    [3, "disk faults", () => { this.tab().diskFaults = this.pick([1, 2, 3, 6]); }],
    [4, "slow disk", () => { Object.assign(this.tab(), { openMs: this.pick([0, 4_000, 15_000]), flushMs: this.pick([0, 200, 12_000]) }); }],
    [5, "decide", () => this.decide()],
    [5, "look", () => this.world.look(this.world.visibility === "hidden" ? "visible" : "hidden")],
    [4, "kept for going back", async () => {
      this.world.say("pagehide", { persisted: true });
      await this.world.pass(this.pick([50, 20_000]));
      this.world.say("pageshow", { persisted: true });
    }],
    [3, "sign in", () => this.tab().outbox.signedIn()],
    [2, "restore", async () => { const { outbox } = this.tab(); if (outbox.status().storage !== "memory") void rescue(outbox).then((file) => restore(outbox, file)); }],
    [3, "event", () => { for (const { section, body } of this.server.requests.slice(-2)) this.tab().outbox.recorded(section, body.client_id, 9); }],
  ];

  async run(): Promise<void> {
    const total = this.acts.reduce((sum, [weight]) => sum + weight, 0);
    this.open();
    for (this.steps = 1; this.steps <= STEPS; this.steps++) {
      let at = this.world.random() * total;
      const [, name, act] = this.acts.find(([weight]) => (at -= weight) < 0)!;
      this.log.push(`${name} (${this.world.tabs.length} tabs, ${this.server.mode})`);
      await act();
      if (this.world.random() < 0.6) await this.world.settle();
    }
    await this.heal();
    this.check();
    this.world.end();
  }

  /** Everything works again. A tab that has only its memory gets its disk back, as it would sooner or later. */
  private async heal(): Promise<void> {
    Object.assign(this.server, { mode: "ok", modes: [], isLateBad: () => false });
    for (const tab of this.world.tabs) Object.assign(tab, { diskFaults: 0, openMs: 0, flushMs: 0 });
    this.world.look("visible");
    if (!this.world.tabs.length) this.open();
    for (let round = 0; round < 40; round++) {
      for (const { outbox } of this.world.tabs) outbox.signedIn();
      await this.world.pass(31_000);
      this.server.flush();
      if (this.world.tabs.every(this.isQuiet)) break;
    }
  }

  /** Nothing is kept but cards. */
  private isQuiet = ({ outbox }: Tab): boolean =>
    outbox.status().storing === 0 && SECTIONS.every((section) => outbox.kept(section).every(({ state }) => /^(con|rej|qua)/.test(state)));

  private check(): void {
    const { records } = this.server;
    for (const tab of this.world.tabs) assert.ok(this.isQuiet(tab), `not quiet: ${JSON.stringify(tab.outbox.status())}`);
    const stored = this.typed.filter(({ storedAt, inMemory, tab }) => storedAt > 0 && (!inMemory || this.world.tabs.includes(tab)));
    for (const one of stored) {
      if (records.has(one.edit!.edit_id)) continue;
      assert.ok(!this.sent.has(one.edit!.edit_id), `${one.value} was sent, and is not recorded`);
      const later = this.typed.some((two) => two !== one && this.isSameCell(one, two) && two.enteredAt >= one.enteredAt);
      assert.ok(later || this.decided.size > 0, `${one.value} was on disk, was not replaced, and is not recorded`);
    }
    this.checkOrder(stored);
    this.checkCards();
  }

  private isSameCell = (one: Typed, two: Typed): boolean => one.section === two.section && one.cell.student === two.cell.student;

  /** Of what took effect; a conflict or a rejection has none, whenever it is recorded. */
  private checkOrder(stored: Typed[]): void {
    const order = [...this.server.records].filter(([, { status }]) => status === "applied").map(([id]) => id);
    for (const one of stored) for (const two of stored) {
      if (!this.isSameCell(one, two) || one.storedAt >= two.startedAt || one.inMemory || two.inMemory) continue;
      const [first, second] = [one, two].map(({ edit }) => order.indexOf(edit!.edit_id));
      assert.ok(first! < 0 || second! < 0 || first! <= second!, `${one.value} was typed before ${two.value}, and recorded after it`);
    }
  }

  /** What was refused, and nobody has decided, is still shown; and nothing is a card that was not refused. */
  private checkCards(): void {
    for (const { outbox } of this.world.tabs) {
      if (outbox.status().storage === "memory") continue;
      const cards = new Map(SECTIONS.flatMap((section) => outbox.kept(section)).map((card) => [card.edit_id, card]));
      const own = [...this.server.records.values()].filter(({ isOwn }) => isOwn);
      for (const [i, { status, edit, section }] of own.entries()) {
        const id = edit.edit_id;
        if (this.typed.some((one) => one.edit?.edit_id === id && one.inMemory && !this.world.tabs.includes(one.tab))) continue;
        if (status === "applied" || this.decided.has(id) || !this.sent.has(id) || edit.resolves) continue;
        const later = this.early.has(`${section}/${edit.student}`) || own.slice(i + 1).some((two) => two.section === section && two.edit.student === edit.student);
        assert.ok(cards.has(id) || later, `${JSON.stringify(edit.value)} is ${status}, and no card says so`);
      }
      for (const [id, { state }] of cards) assert.equal(this.server.records.get(id)?.status, state, "a card that says something else");
    }
  }
}

const [from, to] = (process.env["SEEDS"] ?? "1-25").split("-").map(Number) as [number, number];
test(`seeds ${from} to ${to}: nothing is lost, doubled or out of order`, async () => {
  for (let seed = from; seed <= to; seed++) {
    const play = new Play(seed);
    try {
      await play.run();
    } catch (error) {
      console.error(`seed ${seed}: SEEDS=${seed}-${seed} plays it again\n${play.log.join("\n")}`);
      throw error;
    }
  }
});
