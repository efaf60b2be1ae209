"""Several flushers: they share the partitions, take over from one that is gone, and shut out one that was frozen."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import psutil
import pytest

from app.drafts.store import DraftStore
from app.drafts.topology import Topology
from app.gradebook.recording.recorder import Recorder
from ops.environment import environment
from tests.conftest import SECRET_KEY
from tests.faults.desk import Desk, assert_all_is_well
from tests.world import STUDENTS, api_process, fetch, running_flusher
from workers.flusher import Flusher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from app.settings import Settings
    from loadtests.ledger import Ledger

ROOT = Path(__file__).resolve().parents[2]
LEASE_MS = 600
TAKEOVER_S_MAX = 60  # many leases: the machine may be busy


@pytest.fixture
def short_leases(school: Settings) -> Settings:
    return msgspec.structs.replace(school, lease_ms=LEASE_MS)


async def until(condition: Callable[[], Coroutine[Any, Any, bool]], what: str) -> None:
    try:
        async with asyncio.timeout(TAKEOVER_S_MAX):
            while not await condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"not in time: {what}")


async def _held_by(settings: Settings, flusher: Flusher) -> int:
    return len(await fetch(settings, "SELECT 1 FROM flush_partition WHERE owner = $1", flusher.owner))


class Gone:
    """A flusher that can be killed: no last batch, nothing given back."""

    def __init__(self, flusher: Flusher, task: asyncio.Task[None]) -> None:
        self.flusher = flusher
        self._task = task

    async def kill(self) -> None:
        while not self._task.done():  # a roll-back that fails takes the place of the cancellation
            self._task.cancel()
            await asyncio.wait([self._task], timeout=0.1)
        if self.flusher._connection is not None:
            self.flusher._connection.terminate()


@contextlib.asynccontextmanager
async def _killable(settings: Settings, make: Any = Flusher) -> AsyncIterator[Gone]:
    topology = Topology(settings.redis_url)
    flusher = make(settings, DraftStore(topology))
    gone = Gone(flusher, asyncio.create_task(flusher.run(asyncio.Event())))
    try:
        yield gone
    finally:
        await gone.kill()
        topology.close()


async def test_two_flushers_share_the_partitions_and_one_takes_over(
    short_leases: Settings, ledger: Ledger, ledger_path: Path
) -> None:
    async with api_process(short_leases) as process, _killable(short_leases) as one:
        desk = Desk(process, ledger)
        desk.type(1)
        await desk.until_recorded()
        async with running_flusher(short_leases) as other:

            async def shared() -> bool:
                return await _held_by(short_leases, one.flusher) == await _held_by(short_leases, other) == 32

            await until(shared, "32 partitions each")
            desk.type(2)
            await desk.until_recorded()
            await one.kill()
            desk.type(3)
            await desk.until_recorded()

            async def taken_over() -> bool:
                return await _held_by(short_leases, other) == 64

            await until(taken_over, "64 partitions for who is left")
    await assert_all_is_well(short_leases, ledger_path)


async def test_a_flusher_that_stops_gives_its_partitions_back_at_once(school: Settings, ledger: Ledger) -> None:
    """With leases of ten minutes: nobody waits for one to run out."""
    school = msgspec.structs.replace(school, lease_ms=600_000)
    async with api_process(school) as process:
        desk = Desk(process, ledger)
        for score in (1, 2):
            async with running_flusher(school):
                desk.type(score)
                await desk.until_recorded()


class Frozen(Flusher):
    """Stands still between reading a batch and writing it."""

    def __init__(self, settings: Settings, store: DraftStore) -> None:
        super().__init__(settings, store)
        self.stands = asyncio.Event()
        self.go_on = asyncio.Event()
        self.first: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def _record(self, batch: Any) -> Any:
        self.stands.set()
        await self.go_on.wait()
        recorded = False
        try:
            recorded = await super()._record(batch)
        finally:
            if not self.first.done():
                self.first.set_result(recorded)
        return recorded


async def test_a_flusher_frozen_past_its_lease_writes_nothing(
    short_leases: Settings, ledger: Ledger, ledger_path: Path
) -> None:
    async with api_process(short_leases) as process, _killable(short_leases, Frozen) as frozen:
        desk = Desk(process, ledger)
        for student in STUDENTS:
            desk.type(1, student)
        await desk.save()
        await asyncio.wait_for(frozen.flusher.stands.wait(), TAKEOVER_S_MAX)
        async with running_flusher(short_leases):
            await desk.until_recorded()
            for student in STUDENTS:
                desk.type(2, student)
            await desk.until_recorded()
            frozen.flusher.go_on.set()
            assert not await asyncio.wait_for(frozen.flusher.first, TAKEOVER_S_MAX)
            desk.type(3)
            await desk.until_recorded()
    report = await assert_all_is_well(short_leases, ledger_path)
    assert report.counts["applied"] == 11


class StuckRecorder(Recorder):
    """Stops for ever inside its transaction, with the rows of its partitions locked: a machine without power."""

    async def _transact(self, batch: Any, fence: Any, write: Any) -> Any:
        async def stuck(batch: Any, held: Any) -> Any:
            await write(batch, held)
            await asyncio.Event().wait()

        return await super()._transact(batch, fence, stuck)


class Stuck(Flusher):
    async def _connect(self) -> Any:
        connection = await super()._connect()
        if not isinstance(self._recorder, StuckRecorder):
            self._recorder = StuckRecorder(connection)
        return connection


async def test_a_flusher_stuck_in_its_transaction_keeps_nobody_waiting(
    short_leases: Settings, ledger: Ledger, ledger_path: Path
) -> None:
    async with api_process(short_leases) as process, _killable(short_leases, Stuck):
        desk = Desk(process, ledger)
        desk.type(1)
        await desk.save()
        in_transaction = (
            "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"
        )

        async def stuck() -> bool:
            return bool(await fetch(short_leases, in_transaction))

        await until(stuck, "the transaction that does not end")
        async with running_flusher(short_leases):
            await desk.until_recorded(TAKEOVER_S_MAX)
    await assert_all_is_well(short_leases, ledger_path)


@pytest.fixture
def flusher_process(short_leases: Settings, tmp_path: Path) -> Iterator[psutil.Process]:
    own = {
        "DATABASE_URL": short_leases.database_url,
        "REDIS_URL": short_leases.redis_url,
        "INKFAST_SECRET_KEY": SECRET_KEY,
        "INKFAST_LEASE_MS": str(LEASE_MS),
    }
    with (tmp_path / "flusher.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "workers.main", "flusher"],
            cwd=ROOT,
            env={**environment(), **own},
            stderr=log,
        )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        assert process.wait(60) == 0


async def test_a_flusher_process_stopped_by_a_signal_comes_back_to_nothing(
    short_leases: Settings, ledger: Ledger, ledger_path: Path, flusher_process: psutil.Process
) -> None:
    """SIGSTOP under load, past its lease; SIGCONT under load. Whatever it was in the middle of does no harm."""
    async with api_process(short_leases) as process:
        desk = Desk(process, ledger)
        desk.type(0)
        await desk.until_recorded()
        for score in range(5):
            for student in STUDENTS:
                desk.type(score, student)
            await desk.save()
        flusher_process.suspend()
        async with running_flusher(short_leases) as other:

            async def taken_over() -> bool:
                return await _held_by(short_leases, other) == 64

            await until(taken_over, "the partitions of the stopped process")
            desk.type(19)
            await desk.until_recorded()
            flusher_process.resume()

            async def shared() -> bool:
                return await _held_by(short_leases, other) < 64

            await until(shared, "a share of the partitions for the process that is back")
            for score in range(5):
                desk.type(score)
                await desk.until_recorded()
    report = await assert_all_is_well(short_leases, ledger_path)
    assert report.counts["applied"] == 32
