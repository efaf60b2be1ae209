/** One's own edits of a cell, laid over what stands in it (docs/protocol.md, rule 11). Pure: the same in, the same out. */
import type { Head, KeptEdit } from "@inkfast/outbox";
import { isOlder } from "./standing.ts";
import type { OpenConflict, Place, ShownCell, Standing } from "./types.ts";

/** What there is to know of one cell. */
export interface CellLayers {
  readonly standing: Standing | undefined;
  /** One's own edits of the cell that the outbox keeps, oldest first. */
  readonly kept: readonly KeptEdit[];
  readonly isStoring: boolean;
  /** The standing was read from this computer's disk: it may be old, and is no news of anybody. */
  readonly isFromDisk: boolean;
  /** One's own open conflict of the cell, that the outbox does not know: it was typed on another computer. */
  readonly elsewhere: OpenConflict | undefined;
  readonly me: number;
  readonly nameOf: (author_id: number) => string | null;
}

const ENDED: Readonly<Partial<Record<KeptEdit["state"], Place>>> = {
  conflict: "conflict",
  rejected: "rejected",
  quarantined: "quarantined",
};
const EMPTY: ShownCell = { value: null, place: "settled", edit_id: null, author_id: null, author_name: null, entered_at: null };

export function showCell(layers: CellLayers): ShownCell {
  const { standing, kept } = layers;
  const mine = kept[kept.length - 1];
  if (mine === undefined || isOvertaken(mine, layers)) return showStanding(layers);
  const shown = { value: mine.value, edit_id: mine.edit_id, author_id: layers.me, author_name: layers.nameOf(layers.me) };
  const own = { ...shown, entered_at: mine.entered_at, kept: mine };
  if (mine.state === "conflict") return { ...own, place: "conflict", head: newest(mine, standing, layers) };
  const ended = ENDED[mine.state];
  if (ended !== undefined) return { ...own, place: ended };
  if (mine.state === "drafted" || mine.state === "recorded") return { ...own, place: "settled" };
  const place = layers.isStoring ? "storing" : "queued";
  return standing !== undefined && isNews(standing, layers) ? { ...own, place, theirs: headOf(standing, layers) } : { ...own, place };
}

function showStanding({ standing, elsewhere, nameOf }: CellLayers): ShownCell {
  if (standing === undefined) return elsewhere === undefined ? EMPTY : { ...EMPTY, place: "conflict", head: null };
  const { edit_id, value, author_id, entered_at } = standing;
  const shown = { value, edit_id, author_id, author_name: nameOf(author_id), entered_at };
  if (elsewhere === undefined) return { ...shown, place: "settled" };
  return { ...shown, place: "conflict", head: headOf(standing, { nameOf }) };
}

/** The server holds mine, and something stands that was entered over it: that is what the cell shows. */
function isOvertaken(mine: KeptEdit, { standing, kept }: CellLayers): boolean {
  if (mine.state !== "drafted" && mine.state !== "recorded") return false;
  if (standing === undefined || standing.version === null || mine.cell_version === undefined) return false;
  return standing.version > mine.cell_version && !kept.some(({ edit_id }) => edit_id === standing.edit_id);
}

/** Something stands that none of my edits of the cell has seen: a colleague's, of which my edit may become a conflict. */
function isNews(standing: Standing, { kept, me, isFromDisk }: CellLayers): boolean {
  if (isFromDisk || standing.author_id === me) return false;
  const isSeen = kept.some(
    ({ edit_id, base, head, cell_version }) =>
      edit_id === standing.edit_id ||
      base === standing.edit_id ||
      head?.edit_id === standing.edit_id ||
      (cell_version !== undefined && standing.version !== null && standing.version <= cell_version),
  );
  return !isSeen;
}

/** What stands against mine by now. An outcome has the version of its head beside it, an exception within. */
function newest({ head = null, cell_version }: KeptEdit, standing: Standing | undefined, layers: CellLayers): Head | null {
  if (standing === undefined || layers.kept.some(({ edit_id }) => edit_id === standing.edit_id)) return head;
  if (head === null) return headOf(standing, layers);
  const known = { ...head, version: head.cell_version ?? cell_version ?? null };
  return isOlder(known, standing) ? headOf(standing, layers) : head;
}

export function headOf(standing: Standing, { nameOf }: Pick<CellLayers, "nameOf">): Head {
  const { edit_id, value, author_id, entered_at, version } = standing;
  const name = nameOf(author_id);
  return { edit_id, value, author_id, entered_at, ...(name === null ? {} : { author_name: name }), ...(version === null ? {} : { cell_version: version }) };
}
