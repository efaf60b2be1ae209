"""A section as PostgreSQL has it: read once, shown with the journal's heads over it, and kept for when it is away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.errors import NotFoundError
from app.model.kinds import NAME_OF_KIND
from app.model.written import rfc3339
from app.records import edits as records
from app.records import sections
from app.records.opening import open_section
from app.records.parked import WaitingEdit, read_parked_edits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.drafts.codec import Head
    from app.records.opening import ConflictRow
    from app.records.pool import Connection, Row

# Ids of columns that a teacher can make without asking again. Each more costs every first opening: it is a row.
RESERVED_MIN, RESERVED_BLOCK = 10, 12
NO_TEACHERS: Final[dict[int, str]] = {}


class RecordedSection(NamedTuple):
    """What one look at PostgreSQL found at `as_of_ms` (by this server's clock, before the look)."""

    as_of_ms: int
    facts: dict[str, Any]
    students: list[dict[str, Any]]
    line_items: list[dict[str, Any]]
    reserved: list[int]
    rows: list[records.FullHeadRow]
    conflicts: list[dict[str, Any]]  # as an answer shows them
    names: dict[int, str]  # of authors
    teachers: dict[int, str] = NO_TEACHERS  # who teaches it, the one in charge first; only where it is to be kept
    incarnation: str = ""  # of the database that said so; without it, nobody knows
    parked: Sequence[WaitingEdit] = ()  # what waits for its base; not kept, as it may have been judged since


async def read_recorded(
    connection: Connection,
    section_id: int,
    as_of_ms: int,
    heads: dict[bytes, Head],
    columns: Sequence[tuple[int, int]] | None = None,
    *,
    with_teachers: bool = False,
) -> RecordedSection:
    """Return the section, with the cells of these columns (kind, item) or all; NotFoundError if there is none.

    Reserves ids for columns to be made, where few are left. `heads` are the journal's, for the names of their authors.
    """
    authors = {head.author_id for head in heads.values() if head.is_drafted}
    rows: list[records.FullHeadRow] = []
    parked: Sequence[WaitingEdit] = ()
    if columns is not None:
        parked = await read_parked(connection, section_id)  # first: what is judged between the two is in both
        rows = await records.read_columns(connection, section_id, columns)
    authors |= {row.author_id for row in rows}
    found = await open_section(
        connection, section_id, sorted(authors), with_cells=columns is None, with_teachers=with_teachers
    )
    if found is None:
        raise NotFoundError("no such section")
    reserved = found.reserved
    if len(reserved) < RESERVED_MIN:
        reserved = reserved + await sections.reserve_line_items(connection, section_id, RESERVED_BLOCK - len(reserved))
    return RecordedSection(
        as_of_ms,
        found.facts,
        found.students,
        found.line_items,
        reserved,
        found.cells if columns is None else rows,
        [_conflict(row) for row in found.conflicts],
        found.names,
        found.teachers,
        found.incarnation,
        found.parked if columns is None else parked,
    )


async def read_parked(connection: Connection, section_id: int) -> list[WaitingEdit]:
    """Return what waits in a section for the edit that it is based on, oldest first."""
    return [
        WaitingEdit((e.kind, e.item, e.student_id), e.edit_id, e.base, e.author_id, e.entered_ms, e.value)
        for e in await read_parked_edits(connection, [section_id])
    ]


async def read_facts(connection: Connection, section_id: int) -> Row:
    """Return what PostgreSQL says of a section itself; NotFoundError if there is none."""
    facts = await sections.read_section_facts(connection, section_id)
    if facts is None:
        raise NotFoundError("no such section")
    return facts


def _conflict(row: ConflictRow) -> dict[str, Any]:
    return {
        "edit_id": row.edit_id,
        "kind": NAME_OF_KIND[row.kind],
        "item": row.item,
        "student": row.student_id,
        "value": row.value,
        "author_id": row.author_id,
        "entered_at": rfc3339(row.entered_ms),
    }
