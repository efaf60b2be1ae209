"""Find the edits of a batch that PostgreSQL refuses to store, so that the others need not wait for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.gradebook.recording.batches import Refusal
from app.records.edits import apply_edits
from app.records.pool import is_poison, sqlstate_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.records.binary_copy import HistoryRow
    from app.records.pool import Connection


async def find_poison(connection: Connection, rows: Sequence[HistoryRow]) -> dict[bytes, Refusal]:
    """Return why PostgreSQL refuses which of these rows, found by halving; nothing of them is left behind.

    Within a transaction, in savepoints of which each is rolled back. Infrastructure errors pass through.
    """
    found: dict[bytes, Refusal] = {}
    waiting = [rows]
    while waiting:
        part = waiting.pop()
        error = await _try(connection, part)
        if error is None:
            continue
        if len(part) == 1:
            state = sqlstate_of(error) or "XX000"
            found[part[0].edit_id] = Refusal("refused_by_database", None, state, str(error)[:500])
            continue
        middle = len(part) // 2
        waiting += [part[middle:], part[:middle]]
    return found


async def _try(connection: Connection, rows: Sequence[HistoryRow]) -> Exception | None:
    savepoint = connection.transaction()
    await savepoint.start()
    try:
        await apply_edits(connection, rows, ())
    except Exception as error:
        if is_poison(error):
            return error
        raise
    finally:
        await savepoint.rollback()
    return None
