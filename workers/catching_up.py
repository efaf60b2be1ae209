"""How fast a flusher catches up after PostgreSQL was away: what waited, how long it took, how much came in meanwhile.

It is told what the flusher sees, and says when there is something to report. Saves are counted (entries of the
journal), because a backlog is counted in them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from app.telemetry import Event, log

AWAY_S_MIN: Final = 1.0  # a shorter break is a restart of a connection, and nobody's outage
CAUGHT_UP_SAVES: Final = 50
CAUGHT_UP_S: Final = 1.0  # what came in within this time is no backlog


class CaughtUp(NamedTuple):
    """A backlog that is recorded. `times_arrival`: how many times as fast as saves came in; None if none did."""

    away_s: float
    backlog_saves: int
    edits: int
    saves: int
    seconds: float
    edits_per_s: float
    times_arrival: float | None


class CatchingUp:
    """What one flusher has seen since PostgreSQL went away. Moments are seconds of any steady clock."""

    def __init__(self) -> None:
        self._away_since: float | None = None
        self._back_at: float | None = None
        self._away_s = 0.0
        self._backlog = 0
        self._edits = 0
        self._saves = 0

    def lost(self, now: float) -> None:
        """Note that PostgreSQL cannot be used; the first of several losses counts."""
        if self._away_since is None and self._back_at is None:
            self._away_since = now

    def sees(self, waiting: int, now: float) -> int | CaughtUp | None:
        """Take note of the saves that wait in the journal, PostgreSQL being there.

        Returns the backlog at the first look after an outage, what became of it when it is recorded, else None.
        """
        if self._away_since is not None:
            self._away_s, self._away_since = now - self._away_since, None
            if self._away_s < AWAY_S_MIN:
                return None
            self._back_at, self._backlog, self._edits, self._saves = now, waiting, 0, 0
            return waiting
        if self._back_at is None:
            return None
        seconds = max(0.001, now - self._back_at)
        arrived = max(0, self._saves + waiting - self._backlog)
        if waiting > max(CAUGHT_UP_SAVES, arrived / seconds * CAUGHT_UP_S):
            return None
        self._back_at = None
        times = self._saves / arrived if arrived else None
        return CaughtUp(self._away_s, self._backlog, self._edits, self._saves, seconds, self._edits / seconds, times)

    def recorded(self, edits: int, saves: int) -> None:
        """Count what was just committed."""
        self._edits += edits
        self._saves += saves


def report(found: int | CaughtUp | None) -> None:
    """Log what was seen: the backlog when PostgreSQL is back, the pace when it is recorded."""
    if isinstance(found, CaughtUp):
        log(
            Event.CAUGHT_UP,
            away_s=round(found.away_s, 1),
            backlog_saves=found.backlog_saves,
            edits=found.edits,
            saves=found.saves,
            seconds=round(found.seconds, 1),
            edits_per_s=round(found.edits_per_s, 1),
            times_arrival=round(found.times_arrival, 1) if found.times_arrival is not None else None,
        )
    elif found is not None:
        log(Event.RECORDS_BACK, backlog_saves=found)
