"""The flusher as `inkfast bench` measures it: the service's own Flusher over a journal that is full already.

A process of its own, started by ops/bench/rounds.py, with as many lanes as workers/main.py would run. It takes the
leases and flushes the first batches (statements are being prepared), says "ready", waits for "go", flushes until the
journal is empty, and answers with rows, seconds and CPU. It stands in ops, for load tests may not import the service.
"""

from __future__ import annotations

import asyncio
import cProfile
import sys
import time

import uvloop

from app.drafts.store import DraftStore
from app.drafts.topology import Topology
from app.garbage import keep_what_stays
from app.records import leases
from app.settings import Settings
from loadtests.bench.plan import GO, READY, Recorded, encode
from ops.environment import environment
from workers.flusher import PARTITIONS, POLL_S, Flusher

WARM_UP_BATCHES = 2
STUCK_S = 15.0  # longer than a lease


class Lane(Flusher):
    """One lane of a flusher process, one turn of its own loop at a time."""

    async def announce(self) -> None:
        """Be counted before any lane takes its share of the partitions."""
        await leases.announce_flusher(await self._connect(), self.owner, self._settings.lease_ms)

    async def step(self) -> int:
        """Keep the leases and record one batch; return its rows."""
        await self._keep_leases()
        return await self.flush()

    async def finish(self) -> None:
        """Record until the journal is empty, or nothing moves any more (the audit then says what is missing)."""
        loop = asyncio.get_running_loop()
        moved_at = loop.time()
        while True:
            if await self.step():
                moved_at = loop.time()
            elif not any(await self._store.lengths(range(PARTITIONS))) or loop.time() > moved_at + STUCK_S:
                return
            else:
                await asyncio.sleep(POLL_S)


async def measure(profile_path: str | None) -> None:
    """Do as the module says."""
    settings = Settings.from_env(environment())
    topology = Topology(settings.redis_url)
    await topology.learn()
    lanes = [Lane(settings, DraftStore(topology)) for _ in range(settings.flush_lanes)]
    for step in (Lane.announce, *[Lane.step] * WARM_UP_BATCHES):
        await asyncio.gather(*(step(lane) for lane in lanes))
    keep_what_stays()
    _say(READY)
    if sys.stdin.buffer.readline() != GO:
        sys.exit(1)
    profile = cProfile.Profile()
    if profile_path:
        profile.enable()
    before = sum(lane.recorded_rows for lane in lanes)
    began, cpu_s = time.perf_counter(), time.process_time()
    await asyncio.gather(*(lane.finish() for lane in lanes))
    elapsed_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    if profile_path:
        profile.disable()
        profile.dump_stats(profile_path)
    _say(encode(Recorded(sum(lane.recorded_rows for lane in lanes) - before, elapsed_s, cpu_s)) + b"\n")
    sys.stdin.buffer.readline()  # whoever asked still wants to see PostgreSQL's processes as they are
    stop = asyncio.Event()
    stop.set()
    await asyncio.gather(*(lane.run(stop) for lane in lanes))  # gives the leases back
    topology.close()


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    uvloop.run(measure(sys.argv[1] if len(sys.argv) > 1 else None))
