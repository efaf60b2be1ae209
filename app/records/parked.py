"""Edits that wait in the history for the edit that they are based on. One typed coroutine per statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.records.binary_copy import NO_ID
from app.records.edits import pg_uuid
from app.records.statements import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.records.pool import Connection


class ParkedEdit(NamedTuple):
    """A parked edit, with all that judging and applying it needs; ids as 16 bytes, the value is JSON text."""

    school_year: int
    section_id: int
    edit_id: bytes
    kind: int
    item: int
    student_id: int
    base: bytes
    author_id: int
    client_id: bytes
    client_seq: int
    entered_ms: int
    value: str | None
    resolves: tuple[bytes, ...]


class WaitingEdit(NamedTuple):
    """An edit that is held and not judged yet, as who reads its cell (kind, item, student) may be shown it."""

    cell: tuple[int, int, int]
    edit_id: bytes
    base: bytes
    author_id: int
    entered_ms: int
    value: str | None


class Unparked(NamedTuple):
    """What became of a parked edit: A, C or R."""

    school_year: int
    section_id: int
    edit_id: bytes
    status: str
    cell_version: int | None
    base: bytes
    code: str | None
    params: str | None


async def read_parked_edits(connection: Connection, sections: Sequence[int]) -> list[ParkedEdit]:
    """Return the parked edits of some sections, oldest first."""
    rows = await connection.fetch(load("read_parked_edits"), sections)
    return [
        ParkedEdit(
            row["school_year"],
            row["section_id"],
            row["edit_id"].bytes,
            row["kind"],
            row["item"],
            row["student_id"],
            row["base_id"].bytes if row["base_id"] else NO_ID,
            row["author_id"],
            row["client_id"].bytes,
            row["client_seq"],
            row["entered_ms"],
            row["value"],
            tuple(i.bytes for i in row["resolves"] or ()),
        )
        for row in rows
    ]


async def read_parked_age(connection: Connection) -> tuple[int, float]:
    """Return how many edits are parked, and for how many seconds the first of them has been."""
    (row,) = await connection.fetch(load("read_parked_age"))
    return row["parked"], row["oldest_s"] or 0.0


async def park_edits(connection: Connection, rows: Sequence[tuple[int, int, bytes]]) -> None:
    """List edits (school year, section, edit id) that the history has just got with status P."""
    if rows:
        years, sections, ids = zip(*rows, strict=True)
        await connection.execute(load("park_edits"), years, sections, [pg_uuid(i) for i in ids])


async def unpark_edits(connection: Connection, rows: Sequence[Unparked]) -> None:
    """Write what became of parked edits, within the transaction that holds their partitions."""
    if rows:
        years, sections, ids, statuses, versions, bases, codes, params = zip(*rows, strict=True)
        await connection.execute(
            load("unpark_edits"),
            years,
            sections,
            [pg_uuid(i) for i in ids],
            statuses,
            versions,
            [pg_uuid(i) if i != NO_ID else None for i in bases],
            codes,
            params,
        )


async def count_parked(connection: Connection, moved: Mapping[int, int]) -> None:
    """Count the parked edits of partitions (partition → how many more) in the transaction that holds them."""
    moved = {partition: by for partition, by in moved.items() if by}
    if moved:
        await connection.execute(load("count_parked"), sorted(moved), [moved[p] for p in sorted(moved)])
