"""What PostgreSQL knows of a section: its facts, students, columns, and the history of its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.records.statements import load

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    import asyncpg

    from app.records.pool import Connection

HISTORY_ROWS_MAX = 500


async def read_section_facts(connection: Connection, section_id: int) -> asyncpg.Record | None:
    """Return a section's title, school year, school and time zone; None if there is no such section."""
    return await connection.fetchrow(load("read_section_facts"), section_id)


async def read_section_rules(connection: Connection, sections: Sequence[int]) -> list[asyncpg.Record]:
    """Return what may be typed into each of these sections: students, columns with their ranges, reserved ids."""
    return await connection.fetch(load("read_section_rules"), sections)


async def read_section_students(connection: Connection, section_id: int, today: dt.date) -> list[asyncpg.Record]:
    """Return everyone who is or was a student of the section, by name."""
    return await connection.fetch(load("read_section_students"), section_id, today)


async def read_section_teachers(connection: Connection, section_id: int) -> dict[int, str]:
    """Return the names of those who teach a section today, the primary teacher first."""
    return {row[0]: row[1] for row in await connection.fetch(load("read_section_teachers"), section_id)}


async def read_line_items(connection: Connection, section_id: int) -> list[asyncpg.Record]:
    """Return the section's columns in the order of the screen, hidden ones too."""
    return await connection.fetch(load("read_line_items"), section_id)


async def read_line_item_reservations(connection: Connection, section_id: int) -> list[int]:
    """Return the reserved column ids that no column uses yet."""
    return [row[0] for row in await connection.fetch(load("read_line_item_reservations"), section_id)]


async def reserve_line_items(connection: Connection, section_id: int, count: int) -> list[int]:
    """Reserve more column ids for the section."""
    return [row[0] for row in await connection.fetch(load("reserve_line_items"), section_id, count)]


async def read_cell_history(
    connection: Connection, school_year: int, section_id: int, cell: tuple[int, int, int]
) -> list[asyncpg.Record]:
    """Return the recorded edits of a cell (kind, item, student), newest first, at most HISTORY_ROWS_MAX."""
    return await connection.fetch(load("read_cell_history"), school_year, section_id, *cell, HISTORY_ROWS_MAX)


async def read_user_names(connection: Connection, users: Sequence[int]) -> dict[int, str]:
    """Return the display names of users."""
    return {row[0]: row[1] for row in await connection.fetch(load("read_user_names"), users)}
