/**
 * Which tab of a browser holds the stream that all of them share. It is a lease of some seconds, renewed while the tab runs, and
 * taken under a lock that is held for an instant: a tab that was frozen, or put aside by the browser, keeps neither, and another
 * one goes on without it.
 */
import { remember, rememberedJson } from "./remembered.ts";

const LEASE_MS = 12_000;
/** A tab in the background leaves the stream to one that is looked at, for longer than the browser slows its timers. */
const HIDDEN_WAITS_MS = 75_000;
const REFUSED_MAX = 3;

interface Lease {
  readonly tab: string;
  readonly until: number;
}

export class StreamLease {
  readonly #name: string;
  readonly #tab: string;
  #refused = 0;

  constructor(name: string, tab: string) {
    this.#name = name;
    this.#tab = tab;
  }

  /** Whether this tab has it; takes it if it is free, and renews it if it is this tab's. */
  async hold(isHidden: boolean, now: number = Date.now()): Promise<boolean> {
    if (!this.#isFree(isHidden, now)) return this.#renew(now);
    const locks = globalThis.navigator?.locks;
    if (locks === undefined || this.#refused >= REFUSED_MAX) return this.#take(isHidden, now);
    return locks.request(this.#name, { ifAvailable: true }, (lock) => {
      this.#refused = lock === null ? this.#refused + 1 : 0;
      return lock === null ? false : this.#take(isHidden, now);
    });
  }

  release(): void {
    if (this.#read()?.tab === this.#tab) remember(this.#name, null);
  }

  #take(isHidden: boolean, now: number): boolean {
    return this.#isFree(isHidden, now) ? this.#write(now) : this.#renew(now);
  }

  #renew(now: number): boolean {
    return this.#read()?.tab === this.#tab && this.#write(now);
  }

  #write(now: number): boolean {
    return remember(this.#name, JSON.stringify({ tab: this.#tab, until: now + LEASE_MS }));
  }

  #isFree(isHidden: boolean, now: number): boolean {
    const lease = this.#read();
    // A lease far ahead was written before the clock was put back.
    return lease === null || lease.until + (isHidden ? HIDDEN_WAITS_MS : 0) < now || lease.until > now + 2 * LEASE_MS;
  }

  #read(): Lease | null {
    const found = rememberedJson(this.#name) as Lease | null;
    return typeof found?.until === "number" ? found : null;
  }
}

/** Whether tabs of this browser can share anything. */
export function canShare(): boolean {
  return typeof BroadcastChannel === "function" && navigator.locks !== undefined && remember("inkfast.shares", "yes");
}
