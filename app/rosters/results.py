"""The gradebook of a package: line items, and results that become cells with a history.

A result is recorded as if somebody had typed it, except that nobody did: author 0, path `i`. Results are recorded a
stretch at a time, because nothing can be flushed meanwhile, and a teacher's save must not wait for a district's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from app.model.kinds import Kind
from app.records import rosters

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from app.records.pool import Connection

# 5,000 results take about 0.2 s, which is the longest that a flush waits for an import.
STRETCH_LINES = 5_000
ENTRY_KINDS = (Kind.SCORE, Kind.COMMENT)


def client_of_import(roster_import_id: int) -> UUID:
    """Return the client id under which a run's edits stand in the history; their seq is the line in results.csv."""
    return uuid5(NAMESPACE_URL, f"inkfast:roster_import:{roster_import_id}")


async def merge_line_items(connection: Connection, *, hides_absent: bool) -> rosters.MergeCounts:
    """Bring line items into their sections, except where a teacher has made the column his or her own."""
    return await rosters.roster_merge_line_item(
        connection, hides_absent=hides_absent, definition_kind=Kind.LINE_ITEM, entry_kinds=ENTRY_KINDS
    )


async def record_results(
    connection: Connection, roster_import_id: int, last_line: int, progress: Callable[[int], None]
) -> rosters.ResultCounts:
    """Record all staged results. On failure the stretches before it stay recorded; importing again goes on from there.

    A cell whose last edit is a person's is left as it is, and its row marked `kept`.
    """
    added = changed = kept = results = 0
    client_id = client_of_import(roster_import_id)
    for first in range(1, last_line + 1, STRETCH_LINES):
        counts = await rosters.roster_apply_results(
            connection, (first, first + STRETCH_LINES - 1), (Kind.SCORE, Kind.COMMENT), client_id
        )
        added += counts.added
        changed += counts.changed
        kept += counts.kept
        results += counts.results
        progress(min(first + STRETCH_LINES - 1, last_line))
    return rosters.ResultCounts(added, changed, kept, results)
