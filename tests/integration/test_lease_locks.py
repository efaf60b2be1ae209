"""Who locks several partitions locks them in order, or a flusher and a save past the journal wait for each other."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import asyncpg
import pytest

from app.records import leases

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.settings import Settings

LEASE_MS = 60_000
WAIT_S_MAX = 20.0
OWNER = uuid.UUID(int=7)
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock'"


async def renew(connection: asyncpg.Connection, epochs: leases.Epochs) -> None:
    await leases.renew_leases(connection, OWNER, epochs, LEASE_MS)


async def release(connection: asyncpg.Connection, epochs: leases.Epochs) -> None:
    await leases.release_leases(connection, OWNER, list(epochs))


async def retire(connection: asyncpg.Connection, _: leases.Epochs) -> None:
    await leases.retire_flusher(connection, OWNER)


async def touch(connection: asyncpg.Connection, epochs: leases.Epochs) -> None:
    await leases.touch_leases(connection, OWNER, epochs, LEASE_MS, {})


async def hold(connection: asyncpg.Connection, epochs: leases.Epochs) -> None:
    await leases.hold_partitions(connection, dict.fromkeys(epochs, 1))


@pytest.mark.parametrize("locking", [renew, release, retire, touch, hold])
async def test_who_waits_for_the_first_partition_holds_no_later_one(
    settings: Settings, locking: Callable[[asyncpg.Connection, leases.Epochs], Awaitable[None]]
) -> None:
    first, second, looking = [await asyncpg.connect(settings.database_url) for _ in range(3)]
    try:
        epochs = await leases.take_leases(first, OWNER, 64, LEASE_MS)
        lowest = min(epochs)
        # What is written last lies last in the table, and is read last where nothing says otherwise.
        await first.execute("UPDATE flush_partition SET batches = batches + 1 WHERE partition_id = $1", lowest)
        await second.execute("SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_nestloop = off")
        async with first.transaction():
            await first.execute("SELECT 1 FROM flush_partition WHERE partition_id = $1 FOR UPDATE", lowest)
            waiting = asyncio.ensure_future(locking(second, epochs))
            async with asyncio.timeout(WAIT_S_MAX):
                while not await looking.fetchval(WAITING, second.get_server_pid()):
                    await asyncio.sleep(0.01)
            later = [partition for partition in epochs if partition != lowest]
            free = "SELECT partition_id FROM flush_partition WHERE partition_id = ANY ($1) FOR UPDATE SKIP LOCKED"
            assert len(await looking.fetch(free, later)) == len(later)
        async with asyncio.timeout(WAIT_S_MAX):
            await waiting
    finally:
        for connection in (first, second, looking):
            connection.terminate()
