"""A section as it is opened, and the lists of sections: one question each, answered as of one moment.

Nine small questions took five times as long, most of it for planning and for the way to and fro.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from app.records.binary_copy import NO_ID
from app.records.edits import FullHeadRow
from app.records.parked import WaitingEdit
from app.records.statements import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from app.records.pool import Connection

FACTS = (
    "section_id",
    "title",
    "school_year",
    "class_code",
    "periods",
    "location",
    "course_title",
    "org_id",
    "org_name",
    "time_zone",
    "is_hidden",
)
_decode_rows = msgspec.json.Decoder(list[dict[str, Any]]).decode
_decode_names = msgspec.json.Decoder(dict[int, str]).decode
_decode_teachers = msgspec.json.Decoder(list[tuple[int, str]]).decode


class ConflictRow(Struct):
    """An open conflict; `value` is JSON, as PostgreSQL writes it."""

    kind: int
    item: int
    student_id: int
    edit_id: str
    author_id: int
    value: Raw
    entered_ms: int


_decode_conflicts = msgspec.json.Decoder(list[ConflictRow]).decode
_Parked = tuple[tuple[int, int, int], UUID, UUID | None, int, int, str | None]
_decode_parked = msgspec.json.Decoder(list[_Parked]).decode


class OpenedSection(NamedTuple):
    """What PostgreSQL says of a section. Dates and scores are texts, as answers show them."""

    incarnation: str
    facts: dict[str, Any]
    students: list[dict[str, Any]]
    line_items: list[dict[str, Any]]
    reserved: list[int]
    conflicts: list[ConflictRow]
    names: dict[int, str]  # of authors, and of everybody who teaches or has taught it
    teachers: dict[int, str]  # who teaches it today, the one in charge first
    cells: list[FullHeadRow]
    parked: list[WaitingEdit]  # oldest first; like the cells, only where they are asked for


async def open_section(
    connection: Connection, section_id: int, authors: Sequence[int], *, with_cells: bool, with_teachers: bool
) -> OpenedSection | None:
    """Return a section; None if there is no such section. `authors`: whose names are wanted besides."""
    row = await connection.fetchrow(load("open_section"), section_id, authors, with_cells, with_teachers)
    if row is None:
        return None
    return OpenedSection(
        str(row["incarnation"]),
        {name: row[name] for name in FACTS},
        _decode_rows(row["students"] or b"[]"),
        _decode_rows(row["line_items"] or b"[]"),
        row["reserved"] or [],
        _decode_conflicts(row["conflicts"] or b"[]"),
        _decode_names(row["names"] or b"{}"),
        dict(_decode_teachers(row["teachers"] or b"[]")),
        cells_of(row, "cell_students"),
        [
            WaitingEdit(cell, edit_id.bytes, base.bytes if base else NO_ID, author_id, entered_ms, value)
            for cell, edit_id, base, author_id, entered_ms, value in _decode_parked(row["parked"] or b"[]")
        ],
    )


def cells_of(row: asyncpg.Record, students: str = "students") -> list[FullHeadRow]:
    """Return cells that came as columns of equal length."""
    if row["kinds"] is None:
        return []
    names = ("kinds", "items", students, "versions", "edit_ids", "authors", "moments", "cell_values")
    return list(map(FullHeadRow._make, zip(*(row[name] for name in names), strict=True)))


async def list_taught_sections(connection: Connection, user_id: int) -> list[dict[str, Any]]:
    """Return summaries of the sections that a user teaches today, in the order of a teacher's day."""
    return [dict(row) for row in await connection.fetch(load("list_taught_sections"), user_id)]
