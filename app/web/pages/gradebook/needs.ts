/** Which cells need a person: there are two values for one cell, or a value was not accepted. `concerns.ts` has what there is to say. */
import type { CellName, KeptEdit, Outbox } from "@inkfast/outbox";
import type { SectionView } from "../../section/types.ts";

/** Each as often as it has such an edit. */
export function cellsInNeed(view: Pick<SectionView, "id" | "conflicts">, outbox: Pick<Outbox, "kept">): readonly CellName[] {
  return [...view.conflicts().map(({ cell }) => cell), ...outbox.kept(view.id).filter(isRefused)];
}

export function isRefused({ state }: KeptEdit): boolean {
  return state === "rejected" || state === "quarantined";
}
