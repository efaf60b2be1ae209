"""Clocks that stand still while the machine does: how long something took is not how long the machine slept."""

from __future__ import annotations

import threading
import time
from typing import Self

TICK_S = 0.01
TICK_S_MAX = 0.05  # what a tick counts at most, however late it comes


class Awake:
    """`with Awake() as took: …`; then `took.seconds`. What the block waits for counts, also where it blocks its loop.

    A machine on which many tests run at once stops for seconds now and then, and with it this stopwatch.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _tick(self) -> None:
        before = time.monotonic()
        while not self._is_over.wait(TICK_S):
            before = self._count(before)
        self._count(before)

    def _count(self, before: float) -> float:
        now = time.monotonic()
        self.seconds += min(now - before, TICK_S_MAX)
        return now


class AwakeClock:
    """In place of the module `time`, for what looks at it more often than TICK_S_MAX: no look finds more than that."""

    process_time, time = staticmethod(time.process_time), staticmethod(time.time)

    def __init__(self) -> None:
        self._looking = threading.Lock()
        self._real = self._now = time.monotonic()

    def monotonic(self) -> float:
        """Return the moment, in seconds of this clock."""
        with self._looking:
            real = time.monotonic()
            self._now += min(real - self._real, TICK_S_MAX)
            self._real = real
            return self._now

    def wait(self, seconds: float) -> None:
        """Return when so many seconds of this clock have passed."""
        until = self.monotonic() + seconds
        while self.monotonic() < until:
            time.sleep(TICK_S)
