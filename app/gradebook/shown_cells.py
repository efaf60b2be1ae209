"""Cells as a reader is shown them: recorded ones with the journal's heads laid over, as columns of equal length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Raw, Struct

from app.drafts.codec import CELL
from app.gradebook.context import dashed, rfc3339
from app.model.kinds import NAME_OF_KIND
from app.records.edits import FullHeadRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from app.drafts.codec import Head

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


def row_of_head(place: CellPlace, head: Head) -> FullHeadRow:
    """Return a head of the journal as a row."""
    return FullHeadRow(*place, head.cell_version, head.edit_id, head.author_id, head.entered_ms, head.value.decode())


def columns_of(rows: Sequence[FullHeadRow], drafted: Collection[CellPlace]) -> Cells:
    """Return rows as columns, in their order. Column by column: a section of 200 cells is opened often."""
    if not rows:
        return Cells([], [], [], [], [], [], [], [], [])
    kinds, items, students, versions, edit_ids, authors, moments, values = zip(*rows, strict=True)
    return Cells(
        kind=[NAME_OF_KIND[kind] for kind in kinds],
        item=list(items),
        student=list(students),
        edit_id=[dashed(edit_id) for edit_id in edit_ids],
        cell_version=[version or None for version in versions],
        state=["drafted" if row[:3] in drafted else "recorded" for row in rows]
        if drafted
        else ["recorded"] * len(rows),
        value=[Raw(b"null" if value is None else value.encode()) for value in values],
        author_id=list(authors),
        entered_at=[rfc3339(max(0, ms)) for ms in moments],
    )
