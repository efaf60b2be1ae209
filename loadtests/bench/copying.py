"""The ceiling of the flusher: the same rows by a bare COPY into an unindexed table and one upsert, durably committed.

`python -m loadtests.bench.copying FIRST LAST` takes what the service has recorded for these sections, has everything
ready as Python values, says "ready", waits for "go", writes batch after batch, and answers with what it took. No
journal, no checks, no chain, one index: what PostgreSQL and its driver leave possible at this batch size.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import uvloop

from loadtests.bench.plan import GO, READY, Recorded, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = Path(__file__).with_name("copying.sql")
WARM_UP_BATCHES = 2
HISTORY = """
SELECT school_year, section_id, edit_id, kind, item, student_id, cell_version, base_id, status, code, params, value,
       author_id, acting_as, client_id, client_seq, entered_at, clock_skew_ms, received_at, recorded_at, path, resolves
FROM edit_log
WHERE section_id BETWEEN $1 AND $2 AND status = 'A'
ORDER BY received_at, client_id, client_seq
"""
CELL = ("section_id", "kind", "item", "student_id", "cell_version", "edit_id", "value", "author_id", "entered_at")
UPSERT = """
INSERT INTO copied_cell AS c (section_id, kind, item, student_id, cell_version, edit_id, value, author_id, entered_at)
SELECT * FROM unnest(
  $1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[], $5::int[], $6::uuid[], $7::jsonb[], $8::bigint[],
  $9::timestamptz[]
)
ON CONFLICT (section_id, kind, item, student_id) DO UPDATE
SET cell_version = EXCLUDED.cell_version, edit_id = EXCLUDED.edit_id, value = EXCLUDED.value,
    author_id = EXCLUDED.author_id, entered_at = EXCLUDED.entered_at
"""


class Batch:
    """Rows of one transaction, in the form that the driver takes."""

    def __init__(self, rows: Sequence[asyncpg.Record]) -> None:
        self.history = [tuple(row) for row in rows]
        # A cell can be upserted once in a statement; the last edit of a batch is what stands.
        last = {(row["section_id"], row["kind"], row["item"], row["student_id"]): row for row in rows}
        self.cells: list[tuple[Any, ...]] = list(zip(*[[r[name] for name in CELL] for r in last.values()], strict=True))

    async def write(self, connection: asyncpg.Connection) -> None:
        """Commit it."""
        async with connection.transaction():
            await connection.copy_records_to_table("copied_history", records=self.history)
            await connection.execute(UPSERT, *self.cells)


async def measure(first: int, last: int, batch_rows: int) -> None:
    """Do as the module says."""
    url = os.environ["DATABASE_URL"]  # noqa: TID251 -- a program of its own, started by ops/bench/command.py
    connection = await asyncpg.connect(url)
    await connection.execute(SCHEMA.read_text())
    rows = await connection.fetch(HISTORY, first, last)
    batches = [Batch(rows[i : i + batch_rows]) for i in range(0, len(rows), batch_rows)]
    for batch in batches[:WARM_UP_BATCHES]:
        await batch.write(connection)
    gc.collect()
    gc.freeze()  # the rows that lie ready are not walked while the clock runs
    _say(READY)
    if sys.stdin.buffer.readline() != GO:
        sys.exit(1)
    began, cpu_s = time.perf_counter(), time.process_time()
    for batch in batches[WARM_UP_BATCHES:]:
        await batch.write(connection)
    elapsed_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    _say(encode(Recorded(sum(len(batch.history) for batch in batches[WARM_UP_BATCHES:]), elapsed_s, cpu_s)) + b"\n")
    sys.stdin.buffer.readline()  # whoever asked still wants to see PostgreSQL's processes as they are
    await connection.close()


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    first_section, last_section, rows_max = (int(argument) for argument in sys.argv[1:])
    uvloop.run(measure(first_section, last_section, rows_max))
