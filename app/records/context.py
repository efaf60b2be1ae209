"""What PostgreSQL knows of one save, in one question and as of one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.records.binary_copy import NO_ID
from app.records.edits import LINKS_MAX, FoundEdit, pg_uuid
from app.records.opening import cells_of
from app.records.statements import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.records.edits import FullHeadRow
    from app.records.pool import Connection


class ContextRow(NamedTuple):
    """What PostgreSQL knows of some columns, of a client, and of some edits."""

    school_year: int
    recorded_seq: int
    has_exceptions: bool
    heads: list[FullHeadRow]
    recorded_columns: list[tuple[int, int]]
    found: dict[bytes, FoundEdit]  # by edit id


async def read_context(
    connection: Connection,
    client: tuple[int, int, bytes],
    seen_seq: int,
    columns: Sequence[tuple[int, int]],
    edit_ids: Sequence[bytes],
) -> ContextRow | None:
    """Return it for a client (section, user, client id); None if there is no such section."""
    section_id, user_id, client_id = client
    row = await connection.fetchrow(
        load("read_context"),
        section_id,
        user_id,
        pg_uuid(client_id),
        seen_seq,
        [kind for kind, _ in columns],
        [item for _, item in columns],
        [pg_uuid(raw) for raw in edit_ids],
        LINKS_MAX * max(1, len(edit_ids)),
    )
    if row is None:
        return None
    names = ("statuses", "authors", "bases", "versions", "codes", "params")
    found = zip(row["found_ids"] or (), *(row[f"found_{name}"] or () for name in names), strict=True)
    return ContextRow(
        row["school_year"],
        row["recorded_seq"] or 0,
        row["has_exceptions"],
        cells_of(row),
        list(zip(row["recorded_kinds"] or (), row["recorded_items"] or (), strict=True)),
        {
            edit_id: FoundEdit(status, author_id or 0, base or NO_ID, version or 0, code, params)
            for edit_id, status, author_id, base, version, code, params in found
        },
    )
