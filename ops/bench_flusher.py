"""The flusher as `inkfast bench` measures it: the service's own Flusher over a journal that is full already.

A process of its own, started by ops/bench.py. It takes the leases and flushes the first batches (statements are being
prepared), says "ready", waits for "go", flushes until the journal is empty, and answers with rows, seconds and CPU.
It stands in ops because load tests may not import the service.
"""

from __future__ import annotations

import asyncio
import cProfile
import sys
import time

import uvloop

from app.drafts.store import DraftStore
from app.drafts.topology import Topology
from app.settings import Settings
from loadtests.bench.plan import GO, READY, Recorded, encode
from ops.environment import environment
from workers.flusher import Flusher

WARM_UP_BATCHES = 2


class SteppedFlusher(Flusher):
    """One turn of the flusher's own loop at a time."""

    async def step(self) -> int:
        """Keep the leases and record one batch; return its rows."""
        await self._keep_leases()
        return await self.flush()


async def measure(profile_path: str | None) -> Recorded:
    """Do as the module says."""
    settings = Settings.from_env(environment())
    topology = Topology(settings.redis_url)
    await topology.learn()
    flusher = SteppedFlusher(settings, DraftStore(topology))
    for _ in range(WARM_UP_BATCHES):
        await flusher.step()
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    if sys.stdin.buffer.readline() != GO:
        sys.exit(1)
    profile = cProfile.Profile()
    if profile_path:
        profile.enable()
    before = flusher.recorded_rows
    began, cpu_s = time.perf_counter(), time.process_time()
    while await flusher.step():
        pass
    elapsed_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    if profile_path:
        profile.disable()
        profile.dump_stats(profile_path)
    stop = asyncio.Event()
    stop.set()
    await flusher.run(stop)  # gives the leases back
    topology.close()
    return Recorded(flusher.recorded_rows - before, elapsed_s, cpu_s)


def main() -> None:
    """Print the result as one line of JSON; an argument is where a profile is to be written."""
    profile_path = sys.argv[1] if len(sys.argv) > 1 else None
    sys.stdout.buffer.write(encode(uvloop.run(measure(profile_path))) + b"\n")


if __name__ == "__main__":
    main()
