/** Whose work was left on this computer when they signed out: the form says it, and their outbox is opened by nobody else. */
import { remember, rememberedJson } from "./remembered.ts";

export interface LeftWork {
  readonly user_id: number;
  readonly name: string;
  /** How many changes no server holds. */
  readonly n: number;
}

const LEFT = "inkfast.left_work";

export function leftWork(): readonly LeftWork[] {
  const found = rememberedJson(LEFT);
  return Array.isArray(found) ? (found as LeftWork[]).filter(({ n, name }) => n > 0 && typeof name === "string") : [];
}

/** Note what somebody leaves behind; with 0 that nothing is left. */
export function noteLeftWork(work: LeftWork): void {
  const others = leftWork().filter(({ user_id }) => user_id !== work.user_id);
  remember(LEFT, JSON.stringify(work.n > 0 ? [...others, work] : others));
}
