"""What a thread had of a core, as the test says: for what `Patience` and `Load` make of a timer that fires late."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from app.core_time import CoreSeconds

if TYPE_CHECKING:
    import pytest


class Starved:
    """In place of CoreTime: all the time since it was made, times `share`, was waited for a core."""

    counts_waiting = True

    def __init__(self, share: float = 1.0) -> None:
        self._share = share
        self._began_s = asyncio.get_running_loop().time()

    def look(self) -> CoreSeconds:
        """Return what was waited so far."""
        return CoreSeconds(0.0, self._share * self._elapsed_s())

    def _elapsed_s(self) -> float:
        return asyncio.get_running_loop().time() - self._began_s

    def close(self) -> None:
        """Nothing is open."""


class Busy(Starved):
    """The same of a thread that ran all the time."""

    def look(self) -> CoreSeconds:
        """Return what was run so far."""
        return CoreSeconds(self._elapsed_s(), 0.0)


class Uncounted(Starved):
    """The same of a thread whose waiting nobody counts."""

    counts_waiting = False

    def look(self) -> CoreSeconds:
        """Return that it did nothing."""
        return CoreSeconds(0.0, 0.0)


class JumpingClock:
    """The running loop's clock, which can jump: nothing went on meanwhile."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.jumped_s = 0.0
        patch.setattr(asyncio.get_running_loop(), "time", lambda: time.monotonic() + self.jumped_s)

    async def jump(self, seconds: float) -> None:
        """Return when all whose time has come by that have heard of it."""
        self.jumped_s += seconds
        for _ in range(10):  # turns of the loop: the timer, whom it wakes, and whom they wake
            await asyncio.sleep(0)
