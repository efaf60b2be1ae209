"""How Python's garbage collector runs in a process that serves."""

from __future__ import annotations

import gc

# Objects allocated and not freed before the youngest are looked at, and collections before the older ones are. Python's
# own (700, 10, 10) suit a program in which what is alive after 700 allocations stays; here 64 saves are waiting. What
# runs in circles and is not freed by its count can so take some 10 MB before it is found.
THRESHOLDS = (50_000, 10, 10)


def keep_what_stays() -> None:
    """Spare the collector what lives as long as the process; call it once everything is open.

    Nearly everything of a request is freed by its reference count. The collector promoted what was only waiting for an
    fsync, and then walked the whole of the framework again: it was in 15 % of the samples of the loop.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
