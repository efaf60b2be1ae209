"""What happens between processes: delays, order within a connection, and connections that are lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.simulation.clock import Loop, Process

SPIKE_S_MAX = 1.5


class Network:
    """One for all. `loss` and `spikes` are chances per message."""

    def __init__(self, loop: Loop, rng: random.Random) -> None:
        self._loop = loop
        self._rng = rng
        self.loss = 0.0
        self.spikes = 0.0
        self._next: dict[tuple[int, str], float] = {}
        self._alive: list[object] = []  # so that ids are not used twice
        self.is_healed = False
        self.closed: dict[tuple[str, str], float] = {}  # which process does not reach which, and until when

    def delay_s(self) -> float:
        delay = self._rng.uniform(0.0001, 0.002)
        if not self.is_healed and self._rng.random() < self.spikes:
            delay += self._rng.uniform(0, SPIKE_S_MAX)
        return delay

    def fate(self) -> str:
        """Of one message: '' arrives; else the connection is lost before it, or after it and before its answer."""
        if self.is_healed or self._rng.random() >= self.loss:
            return ""
        return self._rng.choice(("lost before", "lost after"))

    def later(
        self, line: object, direction: str, process: Process, callback: Callable[..., object], *args: object
    ) -> None:
        """Deliver on a connection, in the order of sending."""
        key = id(line), direction
        if key not in self._next:
            self._alive.append(line)
        at = max(self._next.get(key, 0.0) + 1e-7, self._loop.time() + self.delay_s())
        self._next[key] = at
        process.call_at(at, callback, *args)

    def close(self, source: Process, target: Process, seconds: float) -> None:
        self.closed[source.name, target.name] = self._loop.time() + seconds

    async def reaches(self, source: Process, target: Process) -> bool:
        """Wait for a connection to be made; False: refused."""
        await asyncio.sleep(self.delay_s())
        if self.is_healed:
            return True
        return self.closed.get((source.name, target.name), 0.0) <= self._loop.time() and self.fate() == ""
