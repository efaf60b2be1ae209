/**
 * The service worker: the pages open without a network, also for days, and nothing else. It never touches /api, so that what is
 * saved and read goes past it; edits are in the outbox, and snapshots in a database of the page.
 *
 * A version is one cache: its pages and all their files. A new version is fetched whole before it takes over, and pages that are
 * open keep theirs: a file is looked for in every version that is kept, and its name has its digest in it. So no page ever has
 * parts of two versions. The files of old versions go when no page is open.
 */
import type { WorkerScope } from "./scope.ts";

declare const SHELL_FILES: readonly string[];
declare const SHELL_PAGES: readonly string[];
declare const SHELL_VERSION: string;

const worker = self as unknown as WorkerScope;
const PREFIX = "inkfast-shell-";
const HERE = `${PREFIX}${SHELL_VERSION}`;
const MORE = ["/app/icon.svg", "/app/manifest.webmanifest"];
/** The address that each page is fetched from; every address of the page is answered with it. */
const ADDRESSES: Readonly<Record<string, string>> = {
  home: "/app/",
  gradebook: "/app/sections/0",
  attendance: "/app/sections/0/attendance",
  receipts: "/app/receipts",
  compatibility: "/app/compatibility",
};

function pageOf(path: string): string | undefined {
  const [, page] = /^\/app\/sections\/\d+(\/attendance)?\/?$/.exec(path) ?? [null, undefined];
  if (page !== undefined) return "attendance";
  if (/^\/app\/sections\/\d+\/?$/.test(path)) return "gradebook";
  return Object.keys(ADDRESSES).find((name) => ADDRESSES[name] === path);
}

/** Fetch a version whole, or not at all: while a service is replaced, its pages may be newer than this worker. */
async function fetchVersion(): Promise<void> {
  const cache = await caches.open(HERE);
  await cache.addAll([...SHELL_FILES, ...MORE]);
  for (const name of SHELL_PAGES) {
    const address = ADDRESSES[name];
    if (address === undefined) continue;
    const page = await fetch(address, { cache: "no-cache", credentials: "omit" });
    const loads = (await page.clone().text()).match(/\/app\/assets\/[^"]+/g) ?? [];
    if (!page.ok || !loads.every((file) => SHELL_FILES.includes(file))) {
      await caches.delete(HERE);
      throw new Error(`${address} is of another version`);
    }
    await cache.put(address, page);
  }
}

async function forgetOldVersions(): Promise<void> {
  const open = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  if (open.length > 0) return;
  for (const name of await caches.keys()) if (name.startsWith(PREFIX) && name !== HERE) await caches.delete(name);
}

async function answerPage(name: string, request: Request): Promise<Response> {
  const kept = await (await caches.open(HERE)).match(ADDRESSES[name]!);
  return kept ?? fetch(request);
}

async function answerFile(request: Request): Promise<Response> {
  return (await caches.match(request.url, { ignoreVary: true })) ?? fetch(request);
}

worker.addEventListener("install", (event) => {
  // Pages that are open are served from every version that is kept, so nobody has to close theirs first.
  event.waitUntil(fetchVersion().then(() => worker.skipWaiting()));
});

worker.addEventListener("activate", (event) => {
  event.waitUntil(worker.clients.claim());
});

// A page says only this: that no worker serves it. One that was on its way while this worker became active was not claimed then.
worker.addEventListener("message", (event) => {
  event.waitUntil(worker.clients.claim());
});

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== worker.location.origin || !url.pathname.startsWith("/app/")) return;
  const name = request.mode === "navigate" ? pageOf(url.pathname) : undefined;
  if (name !== undefined && SHELL_PAGES.includes(name)) {
    event.waitUntil(forgetOldVersions());
    event.respondWith(answerPage(name, request));
  } else if (url.pathname.startsWith("/app/assets/") || MORE.includes(url.pathname)) {
    event.respondWith(answerFile(request));
  }
});
