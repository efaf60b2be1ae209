"""Periodic upkeep that is not the flush: the journal's memory, and what can be forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from app.drafts.keys import PARTITIONS
from app.errors import InkfastError
from app.records.accounts import delete_forgotten_grant_revocations
from app.telemetry import Event, log

if TYPE_CHECKING:
    from app.drafts.store import DraftStore
    from app.records.pool import Pool
    from app.settings import Settings

MEMORY_EVERY_S = 5.0
FORGET_EVERY_S = 3_600.0
IDLE_S_MIN = 60  # a section touched within the last minute keeps its heads
SECTIONS_PER_ROUND = 200


class Housekeeping:
    """The upkeep of one installation; running it twice is harmless."""

    def __init__(self, settings: Settings, store: DraftStore, pool: Pool) -> None:
        self._settings = settings
        self._store = store
        self._pool = pool

    async def run(self, stop: asyncio.Event) -> None:
        """Look after both stores until `stop` is set; a store that is away is tried again later."""
        loop = asyncio.get_running_loop()
        forget_at = 0.0
        while not stop.is_set():
            try:
                await self.relieve_memory()
                if loop.time() >= forget_at:
                    async with self._pool.acquire() as connection:
                        await delete_forgotten_grant_revocations(connection)
                    forget_at = loop.time() + FORGET_EVERY_S
            except InkfastError as error:
                log(Event.FLUSH_FAILED, level=logging.WARNING, error=error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), MEMORY_EVERY_S)

    async def relieve_memory(self, idle_s_min: int = IDLE_S_MIN) -> int:
        """Evict clean heads, longest idle first, until memory is below its share; return the fields removed.

        Drafted edits are never touched: what is left above the share is un-recorded, and only recording it helps.
        """
        removed = 0
        for partition in range(PARTITIONS):
            if not await self._is_full(partition):
                continue
            idle = await self._store.idle_seconds(partition, await self._store.sections(partition))
            sections = [section for seconds, section in idle if seconds >= idle_s_min]
            for start in range(0, len(sections), SECTIONS_PER_ROUND):
                removed += await self._store.evict(partition, sections[start : start + SECTIONS_PER_ROUND])
                if not await self._is_full(partition):
                    break
        if removed:
            log(Event.CLEAN_HEADS_EVICTED, fields_removed=removed)
        return removed

    async def _is_full(self, partition: int) -> bool:
        used, limit = await self._store.memory(partition)
        return limit > 0 and used * 100 > limit * self._settings.journal_memory_clean_percent_max
