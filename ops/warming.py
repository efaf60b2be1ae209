"""Fill the snapshot cache: every section that somebody teaches, and what each teacher teaches, from PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, NamedTuple

from app.drafts.snapshots import SnapshotCache
from app.errors import NotFoundError
from app.gradebook.cached_sections import CachedSections
from app.gradebook.recorded_section import read_recorded
from app.records.maintenance import count_taught, list_taught_section_ids, list_teacher_ids
from app.records.opening import list_taught_sections
from app.records.pool import create_pool
from ops.processes import ServerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from app.drafts.snapshots import CacheFigures
    from app.records.pool import Connection, Pool
    from app.rosters.importer import Progress
    from app.settings import Settings

PAGE = 500
ANSWER_S_MAX = 10.0  # here somebody waits for the cache


class Warmed(NamedTuple):
    """What was written into the cache, and how it stands afterwards."""

    sections: int
    lists: int
    cells: int
    packed_bytes: int
    seconds: float
    refused: int
    evicted: int
    after: CacheFigures

    @property
    def not_fitting(self) -> int:
        """How many sections and lists are not in the cache: refused by it, or pushed out by others."""
        return self.refused + self.evicted


async def warm(settings: Settings, connections: int, progress: Progress) -> Warmed:
    """Keep every section and every list, over this many connections, one section in memory for each.

    ServerError if the cache does not answer; what PostgreSQL raises when it goes away meanwhile.
    """
    async with AsyncExitStack() as stack:
        cached = CachedSections(
            settings, cache := SnapshotCache(settings.snapshot_cache_url, answer_s_max=ANSWER_S_MAX)
        )
        stack.push_async_callback(cached.close)
        before = await _figures(cache)
        pool = await create_pool(settings, connections_max=connections, application_name="inkfast-maintenance")
        stack.push_async_callback(pool.close)
        began = time.monotonic()
        warming = _Warming(pool, cached, connections)
        async with pool.acquire() as connection:
            section_count, teacher_count = await count_taught(connection)
        progress.begin("sections", section_count)
        await warming.run(list_taught_section_ids, warming.keep_section, progress)
        seconds = time.monotonic() - began
        # Last, so that they are the last to be pushed out: without its list nobody finds a section.
        progress.begin("teachers' lists", teacher_count)
        await warming.run(list_teacher_ids, warming.keep_list, progress)
        after = await _figures(cache)
        evicted = after.evicted - before.evicted
        return Warmed(
            warming.sections, warming.lists, warming.cells, warming.bytes, seconds, warming.refused, evicted, after
        )


async def _figures(cache: SnapshotCache) -> CacheFigures:
    figures = await cache.figures()
    if figures is None:
        raise ServerError("the snapshot cache (INKFAST_SNAPSHOT_CACHE_URL) does not answer: is it running?")
    return figures


class _Warming:
    """Reads and writes with some workers, and counts."""

    def __init__(self, pool: Pool, cached: CachedSections, workers: int) -> None:
        self._pool = pool
        self._cached = cached
        self._workers = workers
        self.sections = self.lists = self.cells = self.bytes = self.refused = 0

    async def run(
        self,
        list_page: Callable[[Connection, int, int], Awaitable[list[int]]],
        keep: Callable[[Connection, int], Awaitable[None]],
        progress: Progress,
    ) -> None:
        """Keep everything that the pages list; the first failure ends it."""
        done, after = 0, 0
        while True:
            async with self._pool.acquire() as connection:
                page = await list_page(connection, after, PAGE)
            if not page:
                return
            after = page[-1]
            waiting = iter(page)
            tasks = [asyncio.create_task(self._work(waiting, keep)) for _ in range(self._workers)]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            done += len(page)
            progress.advance(done)

    async def _work(self, waiting: Iterator[int], keep: Callable[[Connection, int], Awaitable[None]]) -> None:
        async with self._pool.acquire() as connection:
            for one in waiting:  # shared by all workers
                await keep(connection, one)

    async def keep_section(self, connection: Connection, section_id: int) -> None:
        """Keep one section; one that has just gone is left out."""
        try:
            recorded = await read_recorded(connection, section_id, _now_ms(), {}, with_teachers=True)
        except NotFoundError:
            return
        size = await self._cached.keep_now(recorded)
        self.sections += 1
        self.cells += len(recorded.rows)
        self.bytes += size or 0
        self.refused += size is None

    async def keep_list(self, connection: Connection, user_id: int) -> None:
        """Keep what one user teaches."""
        self.lists += 1
        as_of_ms = _now_ms()
        taught = await list_taught_sections(connection, user_id)
        self.refused += not await self._cached.keep_list_now(user_id, as_of_ms, taught)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
