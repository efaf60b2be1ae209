/** A computer for tests: a clock, timers, locks and channels that only move when told to, and disks that fail when told to. */
import "fake-indexeddb/auto";
import { IDBFactory as Factory, IDBOpenDBRequest as OpenRequest } from "fake-indexeddb";
import { openOutbox } from "../src/index.ts";
import { chance } from "./chance.ts";
import type { KeptEdit, Outbox, OutboxEvents, OutboxOptions } from "../src/index.ts";

interface Timer { readonly at: number; readonly id: number; readonly run: () => void }

export class World {
  now = Date.UTC(2026, 10, 6, 22, 0, 0);
  readonly random: () => number;
  factory = new Factory();
  /** Transactions and openings that have not ended. */
  busy = 0;
  /** Those that live. */
  readonly tabs: Tab[] = [];
  private readonly all: Tab[] = [];
  readonly held = new Map<string, object>();
  readonly listeners = new Map<string, Set<(event: unknown) => void>>();
  visibility: "visible" | "hidden" = "visible";
  private timers: Timer[] = [];
  private lastTimer = 0;

  constructor(seed = 1) {
    this.random = chance(seed);
    this.install();
  }

  private install(): void {
    const set = (name: string, value: unknown) => Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    set("setTimeout", (run: () => void, ms = 0) => {
      const timer = { at: this.now + ms, id: ++this.lastTimer, run };
      this.timers.push(timer);
      return timer.id;
    });
    set("clearTimeout", (id: number) => (this.timers = this.timers.filter((timer) => timer.id !== id)));
    set("navigator", { locks: { request: (name: string, _: object, work: (lock: object | null) => Promise<void>) => this.lock(name, work) } });
    set("BroadcastChannel", channelClass());
    const hear = (name: string, listener: (event: unknown) => void) => {
      if (!this.listeners.has(name)) this.listeners.set(name, new Set());
      this.listeners.get(name)!.add(listener);
    };
    const forget = (name: string, listener: (event: unknown) => void) => this.listeners.get(name)?.delete(listener);
    set("addEventListener", hear);
    set("removeEventListener", forget);
    const world = this;
    set("document", { addEventListener: hear, removeEventListener: forget, get hidden() { return world.visibility === "hidden"; } });
  }

  private async lock(name: string, work: (lock: object | null) => Promise<void>): Promise<void> {
    if (this.held.has(name)) return work(null);
    const lock = {};
    this.held.set(name, lock);
    try {
      await work(lock);
    } finally {
      if (this.held.get(name) === lock) this.held.delete(name);
    }
  }

  /** Say an event of the window or the document. */
  /** Returns the event as the listeners have left it. */
  say(name: string, event: object = {}): Record<string, unknown> {
    const said = { type: name, ...event };
    for (const listener of [...(this.listeners.get(name) ?? [])]) listener(said);
    return said;
  }

  look(visibility: "visible" | "hidden"): void {
    this.visibility = visibility;
    this.say("visibilitychange");
  }

  /** Return when nothing goes on but waiting for timers. */
  async settle(): Promise<void> {
    let turns = 0;
    for (let quiet = 0; quiet < 4; quiet = this.busy ? 0 : quiet + 1) {
      if (++turns > 20_000) throw new Error(`it never ends: ${this.busy} at the disk`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Let time pass, and everything happen that is due. */
  async pass(ms: number): Promise<void> {
    const until = this.now + ms;
    await this.settle();
    for (let fired = 0; ; fired++) {
      if (fired > 5_000) throw new Error("timers without end");
      const next = this.timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at || a.id - b.id)[0];
      if (!next) break;
      this.timers = this.timers.filter((timer) => timer !== next);
      this.now = Math.max(this.now, next.at);
      next.run();
      await this.settle();
    }
    this.now = until;
  }

  /** The pages that there are stand still: nothing is due in them, and they hold no lock. Returns how they go on. */
  freeze(): () => void {
    const { timers } = this;
    this.timers = [];
    this.held.clear();
    return () => void this.timers.push(...timers);
  }

  open(fetch: typeof globalThis.fetch, more: Partial<OutboxOptions> = {}): Tab {
    const tab = new Tab(this, fetch, more);
    this.tabs.push(tab);
    this.all.push(tab);
    return tab;
  }

  /** Nothing of it goes on in the next world, which has the same globals. */
  end(): void {
    for (const tab of this.all) void tab.outbox.close();
  }
}

/** BroadcastChannel as browsers have it: to all others of the same name, a little later. */
function channelClass(): unknown {
  const all = new Set<{ name: string; onmessage?: (event: { data: unknown }) => void }>();
  return class {
    onmessage?: (event: { data: unknown }) => void;
    readonly name: string;
    constructor(name: string) {
      this.name = name;
      all.add(this);
    }
    postMessage(data: unknown): void {
      for (const other of all) if (other !== this && other.name === this.name) setImmediate(() => all.has(other) && other.onmessage?.({ data }));
    }
    close(): void {
      all.delete(this);
    }
  };
}

/** A request that is answered as another one is, which is made later. */
class LateRequest extends OpenRequest {
  answerAs(real: IDBOpenDBRequest): void {
    const tell = (listener: unknown) => {
      Object.assign(this, { readyState: "done", result: real.result });
      (listener as (() => void) | null)?.();
    };
    real.onupgradeneeded = () => tell(this.onupgradeneeded);
    real.addEventListener("success", () => tell(this.onsuccess));
  }
}

/** A tab: one opening of the outbox, which can be killed, and whose disk can fail. */
export class Tab {
  readonly outbox: Outbox;
  isDead = false;
  /** So many of the next transactions fail, as a browser says it that has lost its connection to the disk. */
  diskFaults = 0;
  /** The disk does not answer at all. */
  isDiskGone = false;
  /** How long the disk takes to open the database, and to say that a transaction has been written. */
  openMs = 0;
  flushMs = 0;
  readonly durabilities: unknown[] = [];
  /** What was asked of the databases, in order. */
  readonly asked: string[] = [];
  readonly recorded: KeptEdit[] = [];
  readonly refused: KeptEdit[] = [];
  private readonly databases = new Set<IDBDatabase>();
  private readonly live = new Set<IDBTransaction>();

  readonly world: World;

  constructor(world: World, fetch: typeof globalThis.fetch, more: Partial<OutboxOptions>) {
    this.world = world;
    const unlessDead = (go: () => unknown) => (this.isDead ? new Promise(() => {}) : go());
    const guarded = ((url: string, init: RequestInit) =>
      unlessDead(() => Promise.resolve(fetch(url, init)).then(
        (answer) => unlessDead(() => answer),
        (error) => unlessDead(() => Promise.reject(error)),
      ))) as never;
    const indexedDB = {
      open: (name: string, version: number) => this.openDatabase(name, version),
      deleteDatabase: (name: string) => this.deleteDatabase(name),
    } as IDBFactory;
    this.outbox = openOutbox({
      user: 7, fetch: guarded, now: () => world.now, random: world.random, indexedDB, ...more,
    });
    this.outbox.on("recorded", ({ edits }) => this.isDead || this.recorded.push(...edits));
    this.outbox.on("refused", ({ edit }) => this.isDead || this.refused.push(edit));
  }

  heard<K extends keyof OutboxEvents>(event: K): OutboxEvents[K][] {
    const all: OutboxEvents[K][] = [];
    this.outbox.on(event, (detail) => void all.push(detail));
    return all;
  }

  private openDatabase(name: string, version: number): IDBOpenDBRequest {
    this.asked.push(`open ${name}`);
    if (this.isDead || this.isDiskGone) return new OpenRequest() as never;
    if (!this.openMs || name.endsWith("-log")) return this.openNow(name, version);
    const late = new LateRequest();
    setTimeout(() => late.answerAs(this.openNow(name, version)), this.openMs);
    return late as never;
  }

  private deleteDatabase(name: string): IDBOpenDBRequest {
    this.asked.push(`delete ${name}`);
    return this.isDead || this.isDiskGone ? new OpenRequest() as never : this.waitFor(this.world.factory.deleteDatabase(name) as never);
  }

  private openNow(name: string, version: number): IDBOpenDBRequest {
    const request = this.waitFor(this.world.factory.open(name, version) as never);
    request.addEventListener("success", () => this.watch(request.result));
    return request;
  }

  private waitFor(request: IDBOpenDBRequest): IDBOpenDBRequest {
    const { world } = this;
    world.busy++;
    request.addEventListener("error", () => world.busy--);
    request.addEventListener("success", () => world.busy--);
    return request;
  }

  private watch(database: IDBDatabase): void {
    const begin = database.transaction.bind(database);
    this.databases.add(database);
    database.transaction = ((stores: string[], mode: IDBTransactionMode, options: IDBTransactionOptions) => {
      if (this.isDead || this.diskFaults > 0) {
        this.diskFaults--;
        throw new DOMException("Connection to Indexed Database server lost.", "UnknownError");
      }
      const tx = begin(stores, mode, options);
      this.durabilities.push(options?.durability);
      this.live.add(tx);
      this.world.busy++;
      const end = () => {
        if (this.live.delete(tx)) this.world.busy--;
      };
      tx.addEventListener("complete", end);
      tx.addEventListener("abort", end);
      this.delay(tx);
      return tx;
    }) as never;
  }

  /** Only the one who has asked for it hears late that it is written; the disk itself goes on. */
  private delay(tx: IDBTransaction): void {
    const { flushMs } = this;
    if (!flushMs) return;
    Object.defineProperty(tx, "oncomplete", {
      set: (listener: (event: Event) => void) => tx.addEventListener("complete", (event) => void setTimeout(() => listener(event), flushMs)),
    });
  }

  /** Whether a transaction goes on. */
  get isWriting(): boolean {
    return this.live.size > 0;
  }

  /** End what goes on at the disk; what has not been committed is not. */
  abort(): void {
    for (const tx of this.live) {
      try {
        tx.abort();
      } catch {
        // it has ended by itself
      }
    }
  }

  /** The browser ends the connection to the disk, as Safari does to tabs in the background. */
  terminate(): void {
    this.abort();
    for (const database of this.databases) {
      database.close();
      if (this.world.random() < 0.5) (database as unknown as { onclose?: () => void }).onclose?.();
    }
    this.databases.clear();
  }

  /** The browser is gone, in the midst of whatever it did. A frozen tab looks the same, but for its locks. */
  kill({ keepsLocks = false, commits = false } = {}): void {
    this.isDead = true;
    if (!commits) this.abort();
    if (!keepsLocks) this.world.held.clear(); // whose they are is not known: losing one has to be harmless anyway
    this.world.tabs.splice(this.world.tabs.indexOf(this), 1);
  }

  async close(): Promise<void> {
    this.world.tabs.splice(this.world.tabs.indexOf(this), 1);
    await this.outbox.close();
  }
}
