"""A thread that waits for a core for a share of its time, as the test says: for what is limited by `Patience`."""

from __future__ import annotations

import asyncio

from app.core_time import CoreSeconds


class Starved:
    """In place of CoreTime: all the time since it was made, times `share`, was waited for a core."""

    def __init__(self, share: float = 1.0) -> None:
        self._share = share
        self._began_s = asyncio.get_running_loop().time()

    def look(self) -> CoreSeconds:
        """Return what was waited so far."""
        return CoreSeconds(0.0, self._share * (asyncio.get_running_loop().time() - self._began_s))

    def close(self) -> None:
        """Nothing is open."""
