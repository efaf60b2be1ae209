"""The usual alternative to the save path: each request is one PostgreSQL transaction, committed before the answer.

The same rows as the service records in the end (current value and history), with no more indexes than each table's
primary key, no checks, no receipt. Its pool is of the size that was fastest on the reference machine.
"""

from __future__ import annotations

import datetime as dt
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import msgspec
from litestar import Litestar, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody

from loadtests.bench.wire import Answer, Save, acknowledge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from loadtests.bench.wire import ScoreValue

POOL_SIZE = 16
AUTHOR = 1
SCHEMA = Path(__file__).with_name("direct.sql")
UPSERT = """
INSERT INTO direct_cell AS c (section_id, kind, item, student_id, cell_version, edit_id, value, author_id, entered_at)
VALUES ($1, 1, $2, $3, 1, $4, $5, $6, $7)
ON CONFLICT (section_id, kind, item, student_id) DO UPDATE
SET cell_version = c.cell_version + 1, edit_id = EXCLUDED.edit_id, value = EXCLUDED.value,
    author_id = EXCLUDED.author_id, entered_at = EXCLUDED.entered_at
"""
HISTORY = """
INSERT INTO direct_history (
  section_id, edit_id, kind, item, student_id, base_id, value, author_id, client_id, client_seq, entered_at, received_at
) VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
_encode = msgspec.json.Encoder().encode


def encode_value(value: ScoreValue) -> str:
    """Return a score as PostgreSQL takes it."""
    return _encode(value).decode()


@post("/api/v1/sections/{section_id:int}/edits", status_code=200)
async def save(section_id: FromPath[int], data: JSONBody[Save], state: State) -> Answer:
    """Write, commit, answer."""
    received_at = dt.datetime.now(dt.UTC)
    values = [encode_value(e.value) for e in data.edits]
    cells = [
        (section_id, e.item, e.student, e.edit_id, v, AUTHOR, e.entered_at)
        for e, v in zip(data.edits, values, strict=True)
    ]
    history = [
        (section_id, e.edit_id, e.item, e.student, e.base, v, AUTHOR, data.client_id, e.seq, e.entered_at, received_at)
        for e, v in zip(data.edits, values, strict=True)
    ]
    async with state.pool.acquire() as connection, connection.transaction():
        await connection.executemany(UPSERT, cells)
        await connection.executemany(HISTORY, history)
    return acknowledge(data)


@asynccontextmanager
async def connected(app: Litestar) -> AsyncIterator[None]:
    """Make the tables if need be, and hold the pool."""
    url = os.environ["DATABASE_URL"]  # noqa: TID251 -- a program of its own, started by ops/bench/command.py
    async with asyncpg.create_pool(url, min_size=POOL_SIZE, max_size=POOL_SIZE) as pool:
        await pool.execute(SCHEMA.read_text())
        app.state.pool = pool
        yield


app = Litestar([save], lifespan=[connected], openapi_config=None, logging_config=None)
