"""A flusher that dies between any two of its steps: everything is recorded once, in order, by whoever comes next."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from app.drafts.store import DraftStore
from app.drafts.topology import Topology
from app.gradebook.recording.recorder import Recorder
from tests.faults.desk import Desk, assert_all_is_well
from tests.world import CO_TEACHER, OTHER_SECTION, STUDENTS, api_process, fetch, running_flusher
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
        async with asyncio.timeout(10):
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
