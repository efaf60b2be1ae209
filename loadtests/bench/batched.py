"""The better alternative to the save path: PostgreSQL itself, with the saves of all who wait in one transaction.

The tables, checks and answer are those of direct.py. What arrives while a transaction is under way goes into the next
one, so that one commit serves many teachers; two are under way at most, on connections of their own.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg
from litestar import Litestar, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody

from loadtests.bench.direct import AUTHOR, HISTORY, SCHEMA, UPSERT, encode_value
from loadtests.bench.wire import Answer, Save, acknowledge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TRANSACTIONS_MAX = 2
SAVES_MAX = 200  # in one transaction


class Waiting(NamedTuple):
    """A save that waits for its commit."""

    section_id: int
    data: Save
    received_at: dt.datetime
    done: asyncio.Future[None]


class Batches:
    """Writes what waits."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []
        self._came = asyncio.Event()

    async def write(self, section_id: int, data: Save) -> None:
        """Return when the save is committed."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(section_id, data, dt.datetime.now(dt.UTC), done))
        self._came.set()
        await done

    async def run(self, connection: asyncpg.Connection[Any]) -> None:
        """Commit for ever: all that waits, then all that has come meanwhile."""
        while True:
            await self._came.wait()
            some, self._waiting = self._waiting[:SAVES_MAX], self._waiting[SAVES_MAX:]
            if not self._waiting:
                self._came.clear()
            if not some:
                continue
            cells, history = _rows(some)
            async with connection.transaction():
                await connection.executemany(UPSERT, cells)
                await connection.executemany(HISTORY, history)
            for waiting in some:
                waiting.done.set_result(None)


def _rows(some: list[Waiting]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    cells, history = [], []
    for section_id, data, received_at, _ in some:
        for e in data.edits:
            value = encode_value(e.value)
            cells.append((section_id, e.item, e.student, e.edit_id, value, AUTHOR, e.entered_at))
            position = (AUTHOR, data.client_id, e.seq, e.entered_at, received_at)
            history.append((section_id, e.edit_id, e.item, e.student, e.base, value, *position))
    cells.sort()  # two transactions that lock the same rows lock them in the same order
    return cells, history


@post("/api/v1/sections/{section_id:int}/edits", status_code=200)
async def save(section_id: FromPath[int], data: JSONBody[Save], state: State) -> Answer:
    """Wait for the commit, answer."""
    await state.batches.write(section_id, data)
    return acknowledge(data)


@asynccontextmanager
async def connected(app: Litestar) -> AsyncIterator[None]:
    """Make the tables if need be, and write as long as the application runs."""
    url = os.environ["DATABASE_URL"]  # noqa: TID251 -- a program of its own, started by ops/bench/rounds.py
    app.state.batches = Batches()
    async with asyncpg.create_pool(url, min_size=TRANSACTIONS_MAX, max_size=TRANSACTIONS_MAX) as pool:
        await pool.execute(SCHEMA.read_text())
        connections = [await pool.acquire() for _ in range(TRANSACTIONS_MAX)]
        tasks = [asyncio.create_task(app.state.batches.run(connection)) for connection in connections]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


app = Litestar([save], lifespan=[connected], openapi_config=None, logging_config=None)
