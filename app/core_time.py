"""How much of a core this thread had, and how much it wanted: tells an overloaded machine from a silent server."""

from __future__ import annotations

import os
import time
from typing import Final, NamedTuple

STILL_S_MIN: Final = 0.1


class CoreSeconds(NamedTuple):
    """Since the thread began. `waited`: it was ready, and no core was free for it."""

    ran: float
    waited: float


class Tick(NamedTuple):
    """What a timer finds: how long ago it was set, how long the thread ran and waited, and the machine stood still."""

    seconds: float
    ran: float
    waited: float
    stood_still: float


class CoreTime:
    """The counts of the thread that makes this; to be closed.

    Linux has them in `/proc/thread-self/schedstat`, in nanoseconds (Documentation/scheduler/sched-stats.rst). Where it
    has not, the time that the thread ran is known, and `waited` stays 0. A look takes 25 µs.
    """

    def __init__(self) -> None:
        try:
            self._counts = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._counts = -1

    def look(self) -> CoreSeconds:
        """Return both, as of now."""
        if self._counts < 0:
            return CoreSeconds(time.thread_time(), 0.0)
        ran_ns, waited_ns, *_ = os.pread(self._counts, 100, 0).split()
        return CoreSeconds(int(ran_ns) / 1e9, int(waited_ns) / 1e9)

    @property
    def counts_waiting(self) -> bool:
        """Whether `waited` is known."""
        return self._counts >= 0

    def close(self) -> None:
        """Look no more."""
        if self._counts >= 0:
            os.close(self._counts)
            self._counts = -1


class Ticks:
    """The ticks of a timer that is set anew each time it fires, in the thread that makes this.

    It fires late because its thread had other work (`ran`), or got no core (`waited`), or because nothing went on here
    at all: the machine was moved or stopped, or this process was, or it made a call that blocks. Then it `stood_still`,
    and cannot know what others did meanwhile. Less than STILL_S_MIN is what any timer is late.
    """

    def __init__(self, core: CoreTime, now_s: float) -> None:
        self._core = core
        self._at_s, self._before = now_s, core.look()

    def next(self, now_s: float, interval_s: float) -> Tick:
        """Return what the timer finds that was set for `interval_s` at the tick before, and fires now."""
        seconds, looked = now_s - self._at_s, self._core.look()
        ran, waited = looked.ran - self._before.ran, looked.waited - self._before.waited
        self._at_s, self._before = now_s, looked
        still = seconds - interval_s - ran - waited
        return Tick(seconds, ran, waited, still if still > STILL_S_MIN and self._core.counts_waiting else 0.0)
