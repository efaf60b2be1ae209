/** In which order the students stand: by name, or as they sit. The seating order is kept in this browser, for this person. */
import { remember, remembered, rememberedJson } from "../../section/remembered.ts";
import type { Student } from "../../section/types.ts";

export type Order = "name" | "seating";

/** Whose order of which section. */
export interface Owner {
  readonly user_id: number;
  readonly section_id: number;
}

export const nameOf = (what: string, { user_id, section_id }: Owner): string => `inkfast.${what}.${user_id}.${section_id}`;

export function keptOrder(owner: Owner): Order {
  return remembered(nameOf("order", owner)) === "seating" ? "seating" : "name";
}

/** False where this browser cannot remember it: it is lost with the page then. */
export function keepOrder(owner: Owner, order: Order): boolean {
  return remember(nameOf("order", owner), order);
}

/** The ids of students as they sit; none if that was never said here. */
export function keptSeats(owner: Owner): readonly number[] {
  const found = rememberedJson(nameOf("seating", owner));
  return Array.isArray(found) ? found.filter((id): id is number => typeof id === "number") : [];
}

/** By family name, then given name, as the person's language sorts. */
export function byName(students: readonly Student[], compare: (a: string, b: string) => number): readonly Student[] {
  return [...students].sort((a, b) => compare(a.family_name, b.family_name) || compare(a.given_name, b.given_name) || a.student_id - b.student_id);
}

/** As they sit; who has no seat yet comes after all others, in the order given. */
export function bySeat(students: readonly Student[], seats: readonly number[]): readonly Student[] {
  const place = new Map(seats.map((id, at) => [id, at]));
  const seated = students.filter(({ student_id }) => place.has(student_id));
  seated.sort((a, b) => (place.get(a.student_id) ?? 0) - (place.get(b.student_id) ?? 0));
  return [...seated, ...students.filter(({ student_id }) => !place.has(student_id))];
}
