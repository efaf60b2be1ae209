"""The announcement of maintenance, and what has to be read before it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.records.statements import load

if TYPE_CHECKING:
    from app.records.pool import Connection


class MaintenanceRow(NamedTuple):
    """What was announced last; milliseconds since 1970."""

    until_ms: int
    reason: str
    time_zone: str
    changed_ms: int


async def read_maintenance(connection: Connection) -> MaintenanceRow | None:
    """Return what was announced last, or None if nothing ever was."""
    row = await connection.fetchrow(load("read_maintenance"))
    return MaintenanceRow(*row.values()) if row else None


async def write_maintenance(
    connection: Connection, until_ms: int, reason: str, time_zone: str, changed_ms: int
) -> None:
    """Announce; what was announced before is forgotten, unless it was said later than this."""
    await connection.execute(load("write_maintenance"), until_ms, reason, time_zone, changed_ms)


async def read_district_time_zone(connection: Connection) -> str | None:
    """Return the time zone of the district, else of most of its schools; None without any."""
    zone: str | None = await connection.fetchval(load("read_district_time_zone"))
    return zone


async def list_taught_section_ids(connection: Connection, after: int, limit: int) -> list[int]:
    """Return sections that somebody teaches, in order, those after an id first."""
    return [row[0] for row in await connection.fetch(load("list_taught_section_ids"), after, limit)]


async def list_teacher_ids(connection: Connection, after: int, limit: int) -> list[int]:
    """Return users who teach a section, in order, those after an id first."""
    return [row[0] for row in await connection.fetch(load("list_teacher_ids"), after, limit)]


async def count_taught(connection: Connection) -> tuple[int, int]:
    """Return how many sections are taught, and by how many users."""
    (row,) = await connection.fetch(load("count_taught"))
    return row["section_count"], row["teacher_count"]
