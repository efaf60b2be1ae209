"""A flusher that dies between any two of its steps: everything is recorded once, in order, by whoever comes next."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import redis

from app.drafts.codec import pack_drain, unpack_entry
from app.drafts.keys import STREAM, partition_of
from app.drafts.store import DraftStore
from app.drafts.topology import Topology
from app.gradebook.recording.recorder import Recorder
from tests.faults.desk import Desk, assert_all_is_well
from tests.world import (
    CO_TEACHER,
    OTHER_SECTION,
    SECTION,
    STUDENTS,
    Tab,
    api_process,
    fetch,
    flush_all,
    make_school,
    running_flusher,
)
from workers.flusher import Flusher

if TYPE_CHECKING:
    from pathlib import Path

    from app.settings import Settings
    from loadtests.ledger import Ledger

LEASE_MS = 400
POINTS = [
    "before it reads",
    "after it has read",
    "before it has written",
    "before COMMIT",
    "between COMMIT and drain",
    "after one of two partitions is drained",
    "between drain and the next read",
]


class DiedError(BaseException):
    """The process is gone: nothing behind this line is executed, not even what handles errors."""


class Dying(Flusher):
    """A flusher that dies once, at one point."""

    def __init__(self, settings: Settings, topology: Topology, point: str) -> None:
        super().__init__(settings, DyingStore(topology, point))
        self._point = point

    async def _connect(self) -> Any:
        connection = await super()._connect()
        if not isinstance(self._recorder, DyingRecorder):
            self._recorder = DyingRecorder(connection, self._point)
        return connection

    async def die(self) -> None:
        """Run until the point is reached; the connection to PostgreSQL is cut there, as the kernel would."""
        try:
            with pytest.raises(DiedError):
                await self._run_to_death()
        finally:
            assert self._connection is not None
            self._connection.terminate()

    async def _run_to_death(self) -> None:
        async with asyncio.timeout(60):
            await self.run(asyncio.Event())
            await self._drained()


class DyingStore(DraftStore):
    def __init__(self, topology: Topology, point: str) -> None:
        super().__init__(topology)
        self._point = point

    async def read_entries(self, *arguments: Any, **named: Any) -> Any:
        if self._point == "before it reads":
            raise DiedError
        found = await super().read_entries(*arguments, **named)
        if self._point == "after it has read":
            raise DiedError
        return found

    async def drain(self, settled: Any) -> Any:
        if self._point == "between COMMIT and drain":
            raise DiedError
        if self._point == "after one of two partitions is drained":
            partition = min(settled)
            await super().drain({partition: settled[partition]})
            raise DiedError
        await super().drain(settled)
        if self._point == "between drain and the next read":
            raise DiedError


class DyingRecorder(Recorder):
    def __init__(self, connection: Any, point: str) -> None:
        super().__init__(connection)
        self._point = point

    async def _transact(self, batch: Any, fence: Any, write: Any) -> Any:
        async def dying(batch: Any, held: Any) -> Any:
            if self._point == "before it has written":
                raise DiedError
            drains = await write(batch, held)
            if self._point == "before COMMIT":
                raise DiedError
            return drains

        return await super()._transact(batch, fence, dying)


async def _die(settings: Settings, point: str) -> None:
    topology = Topology(settings.redis_url)
    try:
        await Dying(settings, topology, point).die()
    finally:
        topology.close()


@pytest.mark.parametrize("point", POINTS)
async def test_a_flusher_dies(school: Settings, ledger: Ledger, ledger_path: Path, point: str) -> None:
    settings = msgspec.structs.replace(school, lease_ms=LEASE_MS)
    async with api_process(settings) as process:
        mine, theirs = Desk(process, ledger), Desk(process, ledger, CO_TEACHER)
        elsewhere = Desk(process, ledger, section_id=OTHER_SECTION)
        for desk, item in ((mine, 7001), (elsewhere, 7101)):
            for score in range(3):
                for student in STUDENTS:
                    desk.type(score, student, item)
            await desk.save()
        theirs.type(9)
        await theirs.save()
        await _die(settings, point)
        mine.type(4)  # typing goes on meanwhile, on top of what is nowhere yet, or in both stores
        await mine.save(lose_answer=True)
        await mine.save()
        async with running_flusher(settings):
            for desk in (mine, theirs, elsewhere):
                await desk.until_recorded()
    report = await assert_all_is_well(school, ledger_path)
    assert report.counts["acknowledged"] == 32
    assert [
        tuple(r) for r in await fetch(school, "SELECT status::text, count(*) FROM edit_log GROUP BY 1 ORDER BY 1")
    ] == [
        ("A", 31),
        ("C", 1),
    ]


async def test_a_late_drain_leaves_alone_what_came_again_under_the_same_stream_id(settings: Settings) -> None:
    """The journal was lost between COMMIT and drain, the edit was sent again with more, and its stream id repeats."""
    await make_school(settings.database_url)
    async with api_process(settings) as process:
        tab = Tab(process)
        first = tab.edit(101, "1")
        await tab.save(first)
        partition, stream = partition_of(SECTION), STREAM[partition_of(SECTION)]
        (old,) = await process.store.read_entries([partition], 10)
        entry = unpack_entry(old.stream_id, old.raw)
        drain = pack_drain(old.stream_id, entry.edits[0].edit_id, entry.header, 1, as_journaled=True)
        with redis.Redis.from_url(settings.redis_url) as journal:
            journal.flushall()
            await Tab(process, client_id=tab.client_id).save(first, tab.edit(102, "2"))
            (new,) = journal.xrange(stream)
            journal.xdel(stream, new[0])
            journal.delete(stream)
            journal.xadd(stream, new[1], id=old.stream_id)
            assert await process.store.drain({partition: [(SECTION, drain)]}) == 0
            assert journal.xlen(stream) == 1
            assert (await process.store.read_section(SECTION)).unrecorded == 2
        await flush_all(settings)
        assert len(await fetch(settings, "SELECT 1 FROM edit_log WHERE status = 'A'")) == 2
