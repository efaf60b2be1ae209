"""Cells as a reader is shown them: recorded ones with what is drafted laid over, as columns of equal length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Raw, Struct

from app.drafts.codec import CELL, Head
from app.model.chain import NO_ID
from app.model.kinds import NAME_OF_KIND
from app.model.written import dashed_ids, moments
from app.records.edits import FullHeadRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from app.records.parked import WaitingEdit

CellPlace = tuple[int, int, int]  # kind, item, student


class Cells(Struct):
    """Cells as columns of equal length: small, fast to parse, and they compress well."""

    kind: list[str]
    item: list[int]
    student: list[int]
    edit_id: list[str]
    cell_version: list[int | None]
    state: list[str]
    value: list[Raw]
    author_id: list[int]
    entered_at: list[str]


def lay_over(
    heads: dict[bytes, Head], rows: Iterable[FullHeadRow], *, records_are_away: bool = False
) -> tuple[list[FullHeadRow], set[CellPlace]]:
    """Return what stands in each cell, in the order of cells, and which of them are drafted.

    A drafted head wins over an older record. A clean head never does, being a copy of a record, unless PostgreSQL is
    away: then the rows are a copy too, and the newer of the two is shown.
    """
    over = {CELL.unpack(cell): head for cell, head in heads.items() if head.is_drafted or records_are_away}
    if not over:
        return sorted(rows), set()
    stands = {row[:3]: row for row in rows}
    drafted = set()
    for place, head in over.items():
        recorded = stands.get(place)
        if recorded is None or head.is_provisional or head.cell_version > recorded.cell_version:
            stands[place] = row_of_head(place, head)
            if head.is_drafted:
                drafted.add(place)
    return sorted(stands.values()), drafted


def without_overtaken(
    heads: dict[bytes, Head], rows: Iterable[FullHeadRow], chained: Collection[bytes]
) -> dict[bytes, Head]:
    """Leave out the end of each chain of drafts under which something else was recorded: it will be a conflict.

    `chained`: un-recorded edits of such chains. What was recorded of the chain itself is no such thing.
    """
    ends = {CELL.unpack(cell): head for cell, head in heads.items() if head.is_drafted and not head.is_provisional}
    if not ends:  # as in most sections that are opened, of which each has a thousand rows
        return heads
    items = {item for _, item, _ in ends}  # few columns are typed in at a time: most rows are passed over by one look
    gone = {
        CELL.pack(*row[:3])
        for row in rows
        if row.item in items
        and (head := ends.get(row[:3])) is not None
        and row.cell_version > head.root_version
        and row.edit_id not in chained
    }
    return {cell: head for cell, head in heads.items() if cell not in gone} if gone else heads


def with_waiting(
    heads: dict[bytes, Head],
    rows: Sequence[FullHeadRow],
    parked: Sequence[WaitingEdit],
    unjudged: Sequence[WaitingEdit] = (),
    *,
    chained: Collection[bytes] = (),
    bases_are_hidden: bool = False,
    records_are_away: bool = False,
) -> dict[bytes, Head]:
    """Return the journal's heads, and on top of them the edits that nobody has judged yet: for PostgreSQL to do so.

    Whoever typed one was told that it is held, and what she is shown is what her next edit of the cell is based on: a
    waiting edit stands where its base does. While a store is away, that may be hidden in it: then (`bases_are_hidden`)
    the edit stands unless what is shown was typed later. A parked edit is judged as soon as its base is recorded: it
    stands before what was typed on that base in the journal (`chained`). Both in the order in which they will be
    judged, and of cells of which `rows` has what is recorded.
    """
    waiting = [*parked, *unjudged]
    if not waiting:
        return heads
    heads = dict(heads)
    shown = {row[:3]: row for row in lay_over(heads, rows, records_are_away=records_are_away)[0]}
    ids = {edit.edit_id for edit in waiting}
    first_on: dict[tuple[CellPlace, bytes], WaitingEdit] = {}
    for edit in waiting:
        first_on.setdefault((edit.cell, edit.base), edit)

    def climb(cell: CellPlace, stands: bytes, version: int = 0) -> None:
        """`version`: of what stands, 0 where nobody knows it."""
        while (edit := first_on.pop((cell, stands), None)) is not None:
            stands, version = edit.edit_id, version and version + 1
            value = (edit.value or "null").encode()
            heads[CELL.pack(*cell)] = Head(
                version, stands, edit.author_id, edit.entered_ms, value, is_drafted=True, is_provisional=not version
            )

    for cell in dict.fromkeys(edit.cell for edit in waiting):
        row = shown.get(cell)
        climb(cell, row.edit_id if row else NO_ID, row.cell_version if row else 0)
    for edit in parked:
        if edit.base in chained and edit.edit_id not in chained:  # else it has come again, and is in the chain
            climb(edit.cell, edit.base)
    for edit in list(first_on.values()) if bases_are_hidden else ():
        row = shown.get(edit.cell)
        if edit.base not in ids and (row is None or row.entered_ms <= edit.entered_ms):
            climb(edit.cell, edit.base)
    return heads


def row_of_head(place: CellPlace, head: Head) -> FullHeadRow:
    """Return a head of the journal as a row."""
    return FullHeadRow(*place, head.cell_version, head.edit_id, head.author_id, head.entered_ms, head.value.decode())


def columns_of(rows: Sequence[FullHeadRow], drafted: Collection[CellPlace]) -> Cells:
    """Return rows as columns, in their order. Column by column: a section of 200 cells is opened often."""
    if not rows:
        return Cells([], [], [], [], [], [], [], [], [])
    kinds, items, students, versions, edit_ids, authors, entered_ms, values = zip(*rows, strict=True)
    value_of = {value: Raw(value or "null") for value in set(values)}  # a class has few different scores
    return Cells(
        kind=[NAME_OF_KIND[kind] for kind in kinds],
        item=list(items),
        student=list(students),
        edit_id=dashed_ids(edit_ids),
        cell_version=[version or None for version in versions],
        state=["drafted" if row[:3] in drafted else "recorded" for row in rows]
        if drafted
        else ["recorded"] * len(rows),
        value=[value_of[value] for value in values],
        author_id=list(authors),
        entered_at=moments(entered_ms),
    )
