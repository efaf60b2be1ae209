/** What the tests of rules and of promises share: a world of virtual time, a server in it, and a way to type. */
import { afterEach, beforeEach } from "node:test";
import type { Change, KeptEdit } from "../src/index.ts";
import { Server } from "./server.ts";
import type { Sent } from "./server.ts";
import type { Tab } from "./world.ts";
import { World } from "./world.ts";

export let world: World;
export let server: Server;
beforeEach(() => {
  world = new World(5);
  server = new Server(world);
});

afterEach(() => world.end());

export const score = (student: number, value: string, base: string | null = null): Change => ({ kind: "score", item: 5, student, base, value: { score: value } });
export const scoreOf = ({ value }: { value: unknown }): string => (value as { score: string }).score;

export async function type(tab: Tab, ...changes: Change[]): Promise<readonly KeptEdit[]> {
  const kept = tab.outbox.put(1, changes);
  await world.settle();
  return kept;
}

/** Type, and have the browser end the transaction, as where the disk is full. */
export async function typeInVain(tab: Tab, ...changes: Change[]): Promise<void> {
  void tab.outbox.put(1, changes);
  await Promise.resolve();
  await Promise.resolve();
  tab.abort();
  await world.settle();
}

export async function opened(): Promise<Tab> {
  const tab = world.open(server.fetch);
  await world.settle();
  return tab;
}

export const scores = (edits: readonly { value: unknown }[]): string[] => edits.map(scoreOf);
export const lastSent = (): Sent[] => server.requests[server.requests.length - 1]!.body.edits;
