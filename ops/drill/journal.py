"""The few things that a drill does to the journal by hand."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from app.drafts.keys import PARTITIONS, STREAM
from app.drafts.topology import Topology

if TYPE_CHECKING:
    from app.settings import Settings


def command(settings: Settings, *words: Any, partition: int = 0) -> Any:
    """Return the answer of the server that has this partition; JournalUnavailableError when it is away."""
    return asyncio.run(_command(settings, partition, words))


async def _command(settings: Settings, partition: int, words: tuple[Any, ...]) -> Any:
    topology = Topology(settings.redis_url)
    try:
        return await topology.call(partition, *words)
    finally:
        topology.close()


def entry_of_today(settings: Settings) -> tuple[int, bytes] | None:
    """Return any entry that waits in the journal, with its partition; None while all streams are empty."""
    return asyncio.run(_entry(settings))


async def _entry(settings: Settings) -> tuple[int, bytes] | None:
    topology = Topology(settings.redis_url)
    try:
        for partition in range(PARTITIONS):
            for _, fields in await topology.call(partition, "XRANGE", STREAM[partition], "-", "+", "COUNT", "1"):
                return partition, fields[1]
    finally:
        topology.close()
    return None


def busy_partitions(settings: Settings) -> list[int]:
    """Return the partitions into which something has been written."""
    return asyncio.run(_busy(settings))


async def _busy(settings: Settings) -> list[int]:
    topology = Topology(settings.redis_url)
    try:
        found = [p for p in range(PARTITIONS) if await topology.call(p, "EXISTS", STREAM[p])]
    finally:
        topology.close()
    return found


def count_entries(settings: Settings, format_: int | None = None) -> int:
    """Return how many entries wait that are of this format, or of any."""
    return asyncio.run(_count(settings, format_))


async def _count(settings: Settings, format_: int | None) -> int:
    topology = Topology(settings.redis_url)
    try:
        found = 0
        for partition in range(PARTITIONS):
            entries = await topology.call(partition, "XRANGE", STREAM[partition], "-", "+")
            found += sum(format_ in {None, fields[1][0]} for _, fields in entries)
        return found
    finally:
        topology.close()
