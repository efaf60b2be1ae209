"""Outlives the supervisor by a few seconds, to end whatever it left: for `kill -9`, also of grandchildren.

Reads lines from the supervisor: "+pid" for a process group that was started, "-pid" for one that is gone. At end of
file the supervisor is dead. It inherits the lock on the data directory, so that the next supervisor starts only when
all of this one's processes are gone. Run as a file with `python -I -S`; standard library only.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

GRACE_S = 8.0  # on Linux the kernel has already asked each child to stop; this is how long it may take


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:  # noqa: PTH123 -- pathlib loads slowly
            return stat.read().rpartition(")")[2].split()[0] not in {"Z", "X"}  # a zombie has ended
    except ProcessLookupError:
        return False
    except OSError:
        return sys.platform != "linux"


def main() -> None:
    """Wait for the supervisor's end, then for its children's, and kill what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    if sys.platform != "linux":
        for group in groups:
            with contextlib.suppress(ProcessLookupError):
                os.kill(group, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while groups:
        for group in tuple(groups):
            # A leader may finish its work; what outlived its leader works for nobody.
            if not _alive(group) or time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)
                groups.discard(group)
        time.sleep(0.05)


if __name__ == "__main__":
    main()
