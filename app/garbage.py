"""How Python's garbage collector runs in a process that serves."""

from __future__ import annotations

import gc

# Objects allocated and not freed before the youngest are looked at, and collections before the older ones are. Python's
# own (700, 10, 10) suit a program in which what is alive after 700 allocations stays; here 64 saves are waiting.
THRESHOLDS = (50_000, 20, 100)


def keep_what_stays() -> None:
    """Spare the collector what lives as long as the process; call it once everything is open.

    Nearly everything of a request is freed by its reference count. The collector promoted what was only waiting for an
    fsync, and then walked the whole of the framework again: 10 to 25 % of the CPU of a save, and 30 % of a flush's.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
