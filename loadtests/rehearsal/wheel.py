"""A timer wheel: tens of thousands of timers, each set and fired in a few list operations.

Every slot is a short span of time. A timer further away than one turn of the wheel waits in its slot until its turn
comes. None fires early; what is late by how much is for the caller to measure, from the moment it was due.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TICK_S = 0.005
SLOTS = 8192  # a power of two: 41 s in one turn

Timer = tuple[int, float, "Callable[[float], None]"]  # tick, moment it is due, what is called with that moment


class TimerWheel:
    """Times are seconds of one monotonic clock, which the caller reads."""

    def __init__(self, now: float, *, tick_s: float = TICK_S, slots: int = SLOTS) -> None:
        if slots & (slots - 1):
            raise ValueError("the number of slots is a power of two")
        self._origin = now
        self._per_s = 1 / tick_s
        self._mask = slots - 1
        self._slots: list[list[Timer]] = [[] for _ in range(slots)]
        self._tick = 0  # everything up to this tick has fired
        self.pending = 0

    def overdue(self, now: float) -> int:
        """Return how many timers should have fired by now, and have not."""
        return sum(due < now for slot in self._slots for _, due, _ in slot)

    def add(self, due: float, call: Callable[[float], None]) -> None:
        """Call `call(due)` once it is due; what is due already fires with the next tick."""
        tick = int((due - self._origin) * self._per_s) + 1
        if tick <= self._tick:
            tick = self._tick + 1
        self._slots[tick & self._mask].append((tick, due, call))
        self.pending += 1

    def idle_s(self, now: float, longest_s: float) -> float:
        """Return how long nothing comes due, at most so long."""
        ticks = int(longest_s * self._per_s)
        for ahead in range(1, ticks + 1):
            if self._slots[(self._tick + ahead) & self._mask]:
                return max(0.0, self._origin + (self._tick + ahead) / self._per_s - now)
        return longest_s

    def due(self, now: float) -> Iterator[Timer]:
        """Yield the timers that have come due, tick by tick, with those that are set meanwhile and are overdue too."""
        last = int((now - self._origin) * self._per_s)
        while self._tick < last:
            self._tick = tick = self._tick + 1
            slot = self._slots[tick & self._mask]
            if not slot:
                continue
            later = [timer for timer in slot if timer[0] > tick]
            fired = [timer for timer in slot if timer[0] <= tick] if later else slot
            self._slots[tick & self._mask] = later
            self.pending -= len(fired)
            yield from fired
