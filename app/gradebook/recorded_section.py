"""A section as PostgreSQL has it: read once, shown with the journal's heads over it, and kept for when it is away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import Raw

from app.drafts.codec import CELL
from app.errors import NotFoundError
from app.gradebook.context import head_of_row, rfc3339
from app.gradebook.rules import today_in
from app.model.kinds import NAME_OF_KIND
from app.records import edits as records
from app.records import sections

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.drafts.codec import Head
    from app.records.pool import Connection, Row

RESERVED_MIN, RESERVED_BLOCK = 10, 20  # ids of columns that a teacher can make without asking again
Merged = dict[bytes, "tuple[Head, str]"]
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
    facts = await read_facts(connection, section_id)
    if columns is None:
        rows = await records.read_section_cells(connection, section_id)
    else:
        rows = await records.read_columns(connection, section_id, columns)
    conflicts = await records.read_open_conflicts(connection, facts["school_year"], section_id)
    students = await sections.read_section_students(connection, section_id, today_in(facts["time_zone"]))
    line_items = await sections.read_line_items(connection, section_id)
    reserved = await _reserved(connection, section_id)
    authors = {row.author_id for row in rows} | {c["author_id"] for c in conflicts}
    authors |= {head.author_id for head in heads.values() if head.is_drafted}
    return RecordedSection(
        as_of_ms,
        dict(facts),
        [dict(row) for row in students],
        [_line_item(row) for row in line_items],
        reserved,
        rows,
        [_conflict(row) for row in conflicts],
        await sections.read_section_names(connection, section_id, sorted(authors)),
        await sections.read_section_teachers(connection, section_id) if with_teachers else NO_TEACHERS,
    )


async def read_facts(connection: Connection, section_id: int) -> Row:
    """Return what PostgreSQL says of a section itself; NotFoundError if there is none."""
    facts = await sections.read_section_facts(connection, section_id)
    if facts is None:
        raise NotFoundError("no such section")
    return facts


async def _reserved(connection: Connection, section_id: int) -> list[int]:
    reserved = await sections.read_line_item_reservations(connection, section_id)
    if len(reserved) < RESERVED_MIN:
        reserved += await sections.reserve_line_items(connection, section_id, RESERVED_BLOCK - len(reserved))
    return reserved


def _line_item(row: Row) -> dict[str, Any]:
    bounds = {bound: f"{row[bound]:f}" for bound in ("result_value_min", "result_value_max")}
    return dict(row) | bounds


def _conflict(row: Row) -> dict[str, Any]:
    return {
        "edit_id": str(row["edit_id"]),
        "kind": NAME_OF_KIND[row["kind"]],
        "item": row["item"],
        "student": row["student_id"],
        "value": Raw((row["value"] or "null").encode()),
        "author_id": row["author_id"],
        "entered_at": rfc3339(row["entered_ms"]),
    }


def merge(heads: dict[bytes, Head], rows: Iterable[records.FullHeadRow], *, records_are_away: bool = False) -> Merged:
    """Lay the journal's heads over the recorded cells; return (head, state) by cell.

    A drafted head wins over an older record. A clean head never does, being a copy of a record, unless PostgreSQL is
    away: then the rows are a copy too, and the newer of the two is shown.
    """
    merged = {CELL.pack(r.kind, r.item, r.student_id): (head_of_row(r), "recorded") for r in rows}
    for cell, head in heads.items():
        if not head.is_drafted and not records_are_away:
            continue
        recorded = merged.get(cell)
        if recorded is None or head.is_provisional or head.cell_version > recorded[0].cell_version:
            merged[cell] = (head, "drafted" if head.is_drafted else "recorded")
    return merged
