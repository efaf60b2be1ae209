"""Statements that only the demo district needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.records.statements import load

if TYPE_CHECKING:
    from app.records.pool import Connection

# The sequence behind each table's ids.
SEQUENCES = {
    "org": "org_org_id_seq",
    "academic_session": "academic_session_academic_session_id_seq",
    "course": "course_course_id_seq",
    "user_account": "user_account_user_id_seq",
    "section": "section_section_id_seq",
    "category": "category_category_id_seq",
    "line_item": "line_item_id_seq",
}


async def demo_reserve_ids(connection: Connection, table: str, count: int) -> int:
    """Take `count` ids in a row and return the first; they are gone even if the transaction is rolled back."""
    return int(await connection.fetchval(load("demo_reserve_ids"), SEQUENCES[table], count))


async def demo_read_counts(connection: Connection) -> dict[str, int] | None:
    """Return how much there is of a demo district, or None if there is none."""
    row = await connection.fetchrow(load("demo_read_counts"))
    return dict(row) if row else None
