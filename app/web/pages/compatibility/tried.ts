/** What the browser answers when it is tried. Each answer is a sentence's key with its values; nothing is said that was not seen. */
import { clockBehind, noteServerTime } from "../../section/server_clock.ts";

export type Verdict = "yes" | "partly" | "no" | "unknown";

export interface Finding {
  readonly verdict: Verdict;
  /** Behind `can.<name>.`; the verdict itself unless it says more. */
  readonly sentence: string;
  readonly values?: Readonly<Record<string, string | number>>;
}

export type Ability = "disk" | "strict" | "lasting" | "space" | "tabs" | "leaving" | "offline" | "private" | "clock";

const found = (verdict: Verdict, values?: Finding["values"], sentence: string = verdict): Finding => ({ verdict, sentence, ...(values ? { values } : {}) });
const TRIED = "inkfast-tried";
const BYTES_OF_A_CHANGE = 500;
const CLOCK_MS_MAX = 60_000;

/** Write to a database of this page's own, and read it back. */
export async function tryDisk(): Promise<{ readonly disk: Finding; readonly strict: Finding }> {
  const started = performance.now();
  try {
    const database = await opened();
    const writing = database.transaction("tried", "readwrite", { durability: "strict" });
    const asked = (writing as { readonly durability?: string }).durability;
    const wanted = Math.random();
    writing.objectStore("tried").put(wanted, "one");
    await ended(writing);
    const reading = database.transaction("tried").objectStore("tried").get("one");
    await ended(reading.transaction!);
    database.close();
    indexedDB.deleteDatabase(TRIED);
    if (reading.result !== wanted) return { disk: found("no"), strict: found("unknown") };
    const ms = Math.max(1, Math.round(performance.now() - started));
    return { disk: found("yes", { ms }), strict: asked === "strict" ? found("yes") : found("unknown") };
  } catch {
    return { disk: found("no"), strict: found("unknown") };
  }
}

function opened(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const asking = indexedDB.open(TRIED, 1);
    asking.onupgradeneeded = () => asking.result.createObjectStore("tried");
    asking.onsuccess = () => resolve(asking.result);
    asking.onerror = asking.onblocked = () => reject(asking.error ?? new Error("blocked"));
    setTimeout(() => reject(new Error("the disk does not answer")), 5_000);
  });
}

function ended(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = transaction.onabort = () => reject(transaction.error ?? new Error("aborted"));
  });
}

export async function tryLasting(): Promise<Finding> {
  if (navigator.storage?.persisted === undefined) return found("unknown");
  return found((await navigator.storage.persisted()) ? "yes" : "partly");
}

/** Ask the browser to keep what is stored; some ask the person. */
export async function askLasting(): Promise<Finding> {
  if (navigator.storage?.persist === undefined) return found("unknown");
  return found((await navigator.storage.persist()) ? "yes" : "partly");
}

export async function trySpace(): Promise<Finding> {
  const { quota, usage = 0 } = (await navigator.storage?.estimate?.()) ?? {};
  if (quota === undefined) return found("unknown");
  const n = Math.floor((quota - usage) / BYTES_OF_A_CHANGE);
  return n < 10_000 ? found("no") : found("yes", { n: Math.min(n, 1_000_000) });
}

export function tryTabs(): Finding {
  return found(typeof BroadcastChannel === "function" && navigator.locks !== undefined ? "yes" : "partly");
}

export function tryLeaving(): Finding {
  return found(typeof Request === "function" && "keepalive" in Request.prototype ? "yes" : "partly");
}

/** Whether this very page came from the disk, or could the next time. */
export async function tryOffline(): Promise<Finding> {
  if (!("serviceWorker" in navigator) || typeof caches === "undefined") return found("no");
  if (navigator.serviceWorker.controller !== null) {
    const kept = await caches.match("/app/").catch(() => undefined);
    return kept === undefined ? found("partly", undefined, "soon") : found("yes");
  }
  return found("partly", undefined, "soon");
}

export async function tryClock(): Promise<Finding> {
  try {
    const sent = Date.now();
    noteServerTime(await fetch("/livez", { cache: "no-store" }), sent);
  } catch {
    return found("unknown");
  }
  const behind = clockBehind();
  if (behind === null) return found("unknown");
  const off = Math.abs(behind);
  return off < CLOCK_MS_MAX ? found("yes", { s: Math.max(1, Math.ceil(off / 1_000)) }) : found("no", { minutes: Math.round(off / 60_000) });
}

export function tryPrivate(): Finding {
  return found("unknown");
}
