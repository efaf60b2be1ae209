/**
 * Who is signed in. It is kept on disk, so that a page opens without a network; the server is asked to renew the grant well
 * before it ends. Where it says no, `signInNeeded` is set: the page stays as it is, with a form over it, and goes on afterwards.
 */
import { watched } from "./watched.ts";
import { remember, remembered, rememberedJson } from "./remembered.ts";
import { noteServerTime, serverNow } from "./server_clock.ts";

export interface Person {
  readonly user_id: number;
  readonly name: string;
  readonly roles: readonly string[];
  /** What they teach; null for more sections than a grant can carry. */
  readonly section_ids: readonly number[] | null;
  readonly grant_expires_at: string;
  readonly login_expires_at?: string;
}

/**
 * Why a person has to sign in: nobody has yet; the sign-in has ended; it was ended on purpose in another tab; or another person
 * has signed in in this browser, and this page shows the work of the one before.
 */
export type SignInReason = "nobody" | "ended" | "signed_out" | "other_person";

/** The server did not answer: no network, no name, or not in time. */
export class Unreachable extends Error {}

export const SIGNED_IN = "inkfast.signed_in";
/** Where the same is in the cache of this name: Firefox has what it remembers on its disk only seconds later, and a cache at once. */
const SIGNED_IN_ADDRESS = "/app/signed_in";
/** Somebody signed out while the server could not be told: it is told before anything else is asked. */
export const SIGN_OUT_DUE = "inkfast.sign_out_due";
export const SESSION = "/api/v1/session";
const ANSWER_MS_MAX = 15_000;
/** An answer that set a new login cookie may have got lost: asking again within its minute is understood. Then ever slower. */
const RENEW_AGAIN_MS = 4_000;
const RENEW_AGAIN_MS_MAX = 180_000;
const ASK_AGAIN_MS = 4_000;
const ASK_AGAIN_MS_MAX = 60_000;

/** Who this page works for, from the disk at first. It never changes from one person to another within a page. */
export const person = watched<Person | null>(rememberedPerson());
export const signInNeeded = watched<SignInReason | null>(null);
/** Who has signed in in this browser, where that is not whom this page works for. */
export const otherPerson = watched<Person | null>(null);
/** Since when questions to the server find no answer; null while the last one was answered. Milliseconds, by its clock. */
export const unreachableSince = watched<number | null>(null);

let renewing: Promise<void> | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;
let failures = 0;
const waiting: ((person: Person) => void)[] = [];

function rememberedPerson(): Person | null {
  return personIn(rememberedJson(SIGNED_IN));
}

function personIn(found: unknown): Person | null {
  return typeof (found as Person | null | undefined)?.user_id === "number" ? (found as Person) : null;
}

/** Ask the server something. A 401 renews the grant and asks once more; if that fails, `signInNeeded` is set. */
export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const first = await answer(path, init);
  if (first.status !== 401) return first;
  await renew();
  return signInNeeded.value === null ? answer(path, init) : first;
}

/** One question with a limit of time. Says whom this page works for, so that nothing is done in another person's name. */
export async function answer(path: string, init: RequestInit, who: Person | null = person.value): Promise<Response> {
  const sent = Date.now();
  const stop = new AbortController();
  const limit = setTimeout(() => stop.abort(), ANSWER_MS_MAX);
  try {
    const headers = { ...(init.headers as Record<string, string> | undefined), ...inTheNameOf(who) };
    const response = await fetch(path, { cache: "no-store", credentials: "same-origin", signal: stop.signal, ...init, headers });
    noteServerTime(response, sent);
    unreachableSince.value = null;
    return response;
  } catch (error) {
    unreachableSince.value ??= serverNow();
    throw new Unreachable(String(error));
  } finally {
    clearTimeout(limit);
  }
}

/**
 * How long to leave the server in peace before it is asked again, after so many questions without a use; null where asking again
 * changes nothing. `answer` is what it said; null for no answer.
 */
export function askAgainMs(answer: Response | null, tries: number): number | null {
  if (answer !== null && answer.status < 500 && answer.status !== 429) return null;
  const pause_ms = Math.min(ASK_AGAIN_MS * 2 ** tries, ASK_AGAIN_MS_MAX) * (0.5 + Math.random());
  return Math.max(Number(answer?.headers.get("retry-after")) * 1_000, pause_ms);
}

/** The header that names whom a request is meant for: the server refuses it when its cookie is somebody else's. */
export function inTheNameOf(who: Person | null): Record<string, string> {
  return who === null ? {} : { "Inkfast-User": String(who.user_id) };
}

/** Who is signed in: at once if the disk knows, else as soon as somebody is. */
export function startSession(): Promise<Person> {
  watch();
  const known = person.value;
  if (known === null) void renew();
  else if (isDue(known)) void renew();
  else plan(known);
  return known === null ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(known);
}

/** A grant is renewed when less than half of what a fresh one has is left; a minute is a short one's half. */
function isDue(who: Person): boolean {
  return Date.parse(who.grant_expires_at) - serverNow() < 5 * 60_000;
}

/** Renew at a random moment of what is left, so that a district that signed in at eight does not renew at once. */
function plan(who: Person): void {
  clearTimeout(timer);
  const left = Math.max(0, Date.parse(who.grant_expires_at) - serverNow());
  timer = setTimeout(() => {
    // Another tab may have done it meanwhile.
    const kept = rememberedPerson();
    if (kept !== null && kept.user_id === who.user_id && Date.parse(kept.grant_expires_at) > Date.parse(who.grant_expires_at)) take(kept);
    else void renew();
  }, Math.max(5_000, left * (0.35 + 0.4 * Math.random())));
}

/** Ask who is signed in, which renews the grant. Never throws: without an answer everything stays as it is. */
export function renew(): Promise<void> {
  renewing ??= renewOnce().finally(() => {
    renewing = undefined;
  });
  return renewing;
}

async function renewOnce(): Promise<void> {
  try {
    if (isSignOutDue()) await tellSignOut();
    // Asked without a name: the answer says whose the cookies are.
    const response = await answer(SESSION, {}, null);
    if (response.status === 200) take((await response.json()) as Person);
    else if (response.status === 401) need(person.value === null ? "nobody" : "ended");
    else again(Number(response.headers.get("retry-after")) * 1_000);
  } catch {
    again(0);
  }
}

function again(wait_ms: number): void {
  clearTimeout(timer);
  if (person.value === null) void lookInCache();
  const pause_ms = Math.min(RENEW_AGAIN_MS * 2 ** failures, RENEW_AGAIN_MS_MAX);
  failures += 1;
  timer = setTimeout(() => void renew(), Math.max(wait_ms, pause_ms * (0.5 + Math.random())));
}

function need(why: SignInReason): void {
  clearTimeout(timer);
  // Where somebody has signed out, or somebody else has signed in, the server's answer that nobody is says no more; and what is
  // covered stays covered.
  if (why !== "ended" || signInNeeded.value === null) signInNeeded.value = why;
}

/** Nobody is remembered, and nobody answers: the cache may know who it was. */
async function lookInCache(): Promise<void> {
  const kept = await inCache(async (cache) => (await cache.match(SIGNED_IN_ADDRESS))?.json());
  const who = isSignOutDue() ? null : personIn(kept);
  if (person.value !== null) return;
  if (who === null) need("nobody");
  else take(who);
}

/** Where there is no cache, no page opens without a network either. */
async function inCache<T>(work: (cache: Cache) => Promise<T>): Promise<T | undefined> {
  try {
    return await work(await caches.open(SIGNED_IN));
  } catch {
    return undefined;
  }
}

/** Somebody is signed in. If it is not whom this page works for, the page is not theirs. */
export function take(who: Person): void {
  const mine = person.value;
  failures = 0;
  remember(SIGN_OUT_DUE, null);
  const text = JSON.stringify(who);
  remember(SIGNED_IN, text);
  void inCache((cache) => cache.put(SIGNED_IN_ADDRESS, new Response(text)));
  if (mine !== null && mine.user_id !== who.user_id) {
    otherPerson.value = who;
    need("other_person");
    return;
  }
  person.value = who;
  otherPerson.value = null;
  signInNeeded.value = null;
  plan(who);
  for (const resolve of waiting.splice(0)) resolve(who);
}

export const isSignOutDue = (): boolean => remembered(SIGN_OUT_DUE) !== null;

export async function tellSignOut(): Promise<void> {
  const { status } = await answer(SESSION, { method: "DELETE" }, null);
  // 503: the cookies were taken back, and the login session ends unused.
  if (status !== 204 && status !== 503) throw new Unreachable(String(status));
  remember(SIGN_OUT_DUE, null);
}

let isWatching = false;

/** What other tabs do, and what sleep does to timers. */
function watch(): void {
  if (isWatching || typeof window === "undefined") return;
  isWatching = true;
  window.addEventListener("storage", ({ key }) => {
    if (key !== SIGNED_IN) return;
    const found = rememberedPerson();
    if (found !== null) return take(found);
    otherPerson.value = null;
    if (person.value !== null) need("signed_out");
  });
  const look = (): void => {
    const mine = person.value;
    if (!document.hidden && mine !== null && signInNeeded.value === null && isDue(mine)) void renew();
  };
  document.addEventListener("visibilitychange", look);
  window.addEventListener("online", look);
}
