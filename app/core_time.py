"""How much of a core this thread had, and how much it wanted: tells an overloaded machine from a silent server."""

from __future__ import annotations

import os
import time
from typing import NamedTuple


class CoreSeconds(NamedTuple):
    """Since the thread began. `waited`: it was ready, and no core was free for it."""

    ran: float
    waited: float


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

    def close(self) -> None:
        """Look no more."""
        if self._counts >= 0:
            os.close(self._counts)
            self._counts = -1
