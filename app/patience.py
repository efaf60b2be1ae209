"""Limits on the silence of others, which do not run while this process itself was held up.

On a machine that has more to do than it can, a server that is well answers late, and whoever takes it for away makes
it worse: a save past the journal costs four times one through it (docs/benchmarks.md). What tells the two apart is
whether this thread got a core when it wanted one. And where nothing went on at all, because the machine was moved to
another host, say, or stopped for a moment, there was nobody to be silent.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from app.core_time import CoreTime, Ticks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TICK_S: Final = 0.1  # how exact a limit is; a look takes 25 µs


class Patience:
    """The limits of one event loop, by a clock that stands still while its thread waited for a core.

    The clock runs at half speed at least while anything goes on, so that a limit lasts at most twice as long, but for
    what the machine stood still. To be closed.
    """

    def __init__(self) -> None:
        self._core = CoreTime()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._forgiven_s = 0.0
        self._limits: dict[asyncio.Timeout, float] = {}
        self._next: asyncio.TimerHandle | None = None

    def time(self) -> float:
        """Return the moment, in seconds of this clock."""
        return (self._loop or self._begin()).time() - self._forgiven_s

    @asynccontextmanager
    async def timeout_at(self, until_s: float) -> AsyncIterator[None]:
        """Raise TimeoutError in what is done here once this clock is at `until_s`; at most a tick later."""
        if until_s <= self.time():
            async with asyncio.timeout(0):
                yield
            return
        async with asyncio.timeout(None) as limit:
            self._limits[limit] = until_s
            try:
                yield
            finally:
                del self._limits[limit]

    def _begin(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()
        ticks = Ticks(self._core, self._loop.time())
        self._next = self._loop.call_later(TICK_S, self._tick, self._loop, ticks)
        return self._loop

    def _tick(self, loop: asyncio.AbstractEventLoop, ticks: Ticks) -> None:
        real_s = loop.time()
        tick = ticks.next(real_s, TICK_S)
        self._forgiven_s += tick.stood_still + min(tick.waited, (tick.seconds - tick.stood_still) / 2)
        now_s = real_s - self._forgiven_s
        for limit, until_s in self._limits.items():
            if until_s <= now_s and not limit.expired():
                limit.reschedule(real_s)
        self._next = loop.call_later(TICK_S, self._tick, loop, ticks)

    def close(self) -> None:
        """Stand still from now on: what is limited yet ends by other means."""
        if self._next is not None:
            self._next.cancel()
        self._core.close()


@asynccontextmanager
async def patiently(seconds: float) -> AsyncIterator[None]:
    """Raise TimeoutError in what is done here after so long, by a `Patience` of its own."""
    patience = Patience()
    try:
        async with patience.timeout_at(patience.time() + seconds):
            yield
    finally:
        patience.close()
