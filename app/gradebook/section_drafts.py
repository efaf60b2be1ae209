"""What is only drafted of a section, as a reader is shown it: the journal's heads, and what waits to be judged."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from app.drafts.codec import CELL
from app.errors import JournalUnavailableError
from app.gradebook.context import is_text
from app.gradebook.shown_cells import with_waiting, without_overtaken
from app.model.chain import PARKED
from app.model.kinds import Kind
from app.records import edits as records
from app.records.parked import WaitingEdit

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from app.drafts.codec import Head
    from app.drafts.store import DraftStore
    from app.records.edits import FullHeadRow
    from app.records.pool import Connection

# Few sections have any; without them a reader sees, for a moment, what is older.
UNJUDGED_S_MAX: Final = 0.25
Heads = dict[bytes, "Head"]


class Drafts(NamedTuple):
    """A section in the journal; nothing while that is away.

    `unjudged`: edits that stand in no cell, as PostgreSQL has yet to say whether they do; in the journal's order.
    `chained`: the other ones that are un-recorded and not refused.
    """

    heads: Heads
    unjudged: Sequence[WaitingEdit] = ()
    chained: frozenset[bytes] = frozenset()
    incarnation: str | None = None
    journal_is_away: bool = False


async def read_drafts(store: DraftStore, section_id: int) -> Drafts:
    """Return what the journal has of a section, with its unjudged edits as far as they are among the oldest there."""
    try:
        found = await store.read_section(section_id)
    except JournalUnavailableError:
        return Drafts({}, journal_is_away=True)
    unjudged = await _read_unjudged(store, section_id, found.unjudged) if found.unjudged else ()
    return Drafts(found.heads, unjudged, found.chained, found.incarnation)


async def _read_unjudged(store: DraftStore, section_id: int, wanted: Collection[bytes]) -> list[WaitingEdit]:
    try:
        async with asyncio.timeout(UNJUDGED_S_MAX):
            entries = await store.read_pending([section_id], wanted)
    except (JournalUnavailableError, TimeoutError):
        return []
    return [
        WaitingEdit(CELL.unpack(e.cell), e.edit_id, e.base, entry.user_id, e.entered_ms, e.value.decode())
        for entry in entries
        for e in entry.edits
        if e.edit_id in wanted and is_text(e.value)
    ]


async def without_judged(connection: Connection, section_id: int, drafts: Drafts) -> Drafts:
    """Leave out what PostgreSQL has judged by now, of what waited for that: what it shows is as new, or newer.

    The version of a provisional head is not known (PostgreSQL was away), so it cannot be compared. To be called before
    the cells are read.
    """
    unsure = {head.edit_id for head in drafts.heads.values() if head.is_drafted and head.is_provisional}
    unsure |= {edit.edit_id for edit in drafts.unjudged}
    if not unsure:
        return drafts
    years = await records.read_school_years(connection, [section_id])
    wanted = [(years[section_id], section_id, edit_id) for edit_id in unsure if section_id in years]
    found = await records.find_edits(connection, wanted)
    judged = {edit_id for (_, edit_id), edit in found.items() if edit.status != PARKED}
    return drafts._replace(
        heads={cell: head for cell, head in drafts.heads.items() if head.edit_id not in judged},
        unjudged=[edit for edit in drafts.unjudged if edit.edit_id not in judged],
    )


def heads_over(
    drafts: Drafts,
    rows: Sequence[FullHeadRow],
    parked: Sequence[WaitingEdit],
    columns: Sequence[tuple[int, int]] | None,
    *,
    bases_are_hidden: bool = False,
    records_are_away: bool = False,
) -> Heads:
    """Return what is to be laid over the recorded cells of some columns (kind, item; None: of all).

    Definitions of columns are left as the journal has them: what waits may be refused, and scores are checked by them.
    """

    def wanted(edits: Sequence[WaitingEdit]) -> list[WaitingEdit]:
        return [e for e in edits if e.cell[0] != Kind.LINE_ITEM and (columns is None or e.cell[:2] in columns)]

    return with_waiting(
        without_overtaken(of_columns(drafts.heads, columns), rows, drafts.chained),
        rows,
        wanted(parked),
        wanted(drafts.unjudged),
        chained=drafts.chained,
        bases_are_hidden=bases_are_hidden or drafts.journal_is_away,
        records_are_away=records_are_away,
    )


def of_columns(heads: Heads, columns: Sequence[tuple[int, int]] | None) -> Heads:
    """Return the heads of some columns (kind, item); None: of all."""
    if columns is None:
        return heads
    return {cell: head for cell, head in heads.items() if CELL.unpack(cell)[:2] in columns}
