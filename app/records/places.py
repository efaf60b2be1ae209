"""Places for a bounded number at once, and a bound for how long somebody waits for one.

Work that has waited too long is worth nothing: whoever asked has gone, or asks again. So a wait ends at its bound with
a refusal, and who could only wait in vain is refused at once, before any work was done for them.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from app import telemetry
from app.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SMOOTHING: Final = 0.1  # of the time for which a place is held


class Places:
    """First come, first served. OverloadedError tells how long the queue will take."""

    def __init__(self, places: int, wait_ms_max: int, work: str) -> None:
        self._free = max(1, places)
        self._count = max(1, places)
        self._wait_s_max = wait_ms_max / 1000
        self._work = work
        self._queue: deque[asyncio.Future[None]] = deque()
        self._hold_s = 0.0

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return len(self._queue)

    def wait_s(self) -> float:
        """Return how long the next one would wait, by how long the last ones held their places."""
        return 0.0 if self._free else (len(self._queue) + 1) * self._hold_s / self._count

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Hold a place, or raise OverloadedError."""
        if self._free and not self._queue:
            self._free -= 1
        else:
            await self._wait()
        clock = asyncio.get_running_loop().time
        began_s = clock()
        try:
            yield
        finally:
            self._hold_s += SMOOTHING * (clock() - began_s - self._hold_s)
            self._leave()

    async def _wait(self) -> None:
        expected_s = self.wait_s()
        if expected_s > self._wait_s_max:
            raise self._refusal(expected_s)
        place = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        self._tell()
        try:
            async with asyncio.timeout(self._wait_s_max):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled():
                self._leave()  # it was given in the very moment in which it was given up
            elif place in self._queue:
                self._queue.remove(place)
            if isinstance(error, TimeoutError):
                raise self._refusal(self.wait_s()) from None
            raise
        finally:
            self._tell()

    def _tell(self) -> None:
        telemetry.POOL_WAITING.labels(self._work).set(len(self._queue))

    def _refusal(self, expected_s: float) -> OverloadedError:
        telemetry.REFUSED.labels(self._work).inc()
        detail = f"no database connection became free in time for {self._work}"
        return OverloadedError(detail, retry_after_s=max(2, math.ceil(expected_s)))

    def _leave(self) -> None:
        """Give a place back, to who waits longest."""
        while self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._free += 1
