"""Signs of life from the event loop, for the supervisor that started this process (docs/adr/0010).

They come from the loop itself: a process that is stopped, or whose loop is blocked, must fall silent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

BEAT_S: Final = 0.5
ALIVE: Final = b"."
READY: Final = b"r"


async def beat(descriptor: int | None, is_ready: Callable[[], bool] = lambda: True) -> None:
    """Write a byte into this pipe every 0.5 s: READY or ALIVE, as `is_ready` says.

    Ends only when nobody reads the pipe any more; at once without a pipe (there is no supervisor). Never raises.
    """
    if descriptor is None:
        return
    try:
        os.set_blocking(descriptor, False)
        while True:
            with contextlib.suppress(BlockingIOError):  # the supervisor is frozen, and has hours of beats to read
                os.write(descriptor, READY if is_ready() else ALIVE)
            await asyncio.sleep(BEAT_S)
    except OSError:
        return
