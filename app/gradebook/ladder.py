"""The memory ladder: how full the journal is decides how often clients save, and when it takes no more edits.

While PostgreSQL is away the journal grows. Longer windows put more edits into one save, which takes less memory and
less work; near the top the rest of the memory is kept for what recording needs, and edits go elsewhere.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from app import telemetry
from app.jitter import jittered
from app.model.pace import Pace


class Rung(NamedTuple):
    """What holds from a share of the journal's memory on."""

    percent: float
    save_window_ms: int
    reports_are_off: bool
    is_full: bool


RUNGS: Final = (
    Rung(0, 0, reports_are_off=False, is_full=False),
    Rung(60, 5_000, reports_are_off=False, is_full=False),
    Rung(75, 15_000, reports_are_off=True, is_full=False),
    Rung(85, 60_000, reports_are_off=True, is_full=False),
    Rung(92, 60_000, reports_are_off=True, is_full=True),
)
STAY_PERCENT: Final = 2.0  # a rung is left only when memory is this far below it: no flapping at its edge
RETRY_AFTER_S: Final = 30
JITTER_MAX: Final = 1.2  # of the window


def rung_at(percent: float, standing_on: int = 0) -> int:
    """Return the rung (an index of RUNGS) for this share of the memory, coming from another one."""
    highest = max(i for i, rung in enumerate(RUNGS) if rung.percent <= max(0.0, percent))
    while highest < standing_on and percent <= RUNGS[standing_on].percent - STAY_PERCENT:
        standing_on -= 1
    return max(highest, standing_on)


class Ladder:
    """Where this process stands on the ladder, as it last saw the journal's fullest server.

    The save window is the longer one of what the memory and what the load of this process ask for.
    """

    def __init__(self, window_ms: int, window_ms_max: int = 0) -> None:
        self.pace = Pace(window_ms, window_ms_max)
        self._at = 0
        self.percent: float | None = None

    def look(self, used_bytes: int, bytes_max: int) -> None:
        """Take a reading; a server without a limit stands on the ground."""
        self.percent = 100 * used_bytes / bytes_max if bytes_max > 0 else 0.0
        before, self._at = self._at, rung_at(self.percent, self._at)
        telemetry.JOURNAL_MEMORY.set(self.percent / 100)
        if before != self._at:
            telemetry.log(telemetry.Event.MEMORY_RUNG_CHANGED, percent=round(self.percent, 1), rung=self._at)

    def lose_sight(self) -> None:
        """Forget how full the journal is: it cannot be asked. Where this process stands stays as it was."""
        self.percent = None

    @property
    def save_window_ms(self) -> int:
        """How long clients are to collect edits before their next save."""
        return max(self.pace.window_ms, RUNGS[self._at].save_window_ms)

    def next_save_ms(self) -> int:
        """Return the window for one client: under load a little different for each, so that none march in step."""
        window_ms = self.save_window_ms
        return round(jittered(window_ms, 1.0, JITTER_MAX)) if self.pace.is_raised else window_ms

    @property
    def reports_are_off(self) -> bool:
        """Whether what can wait is refused."""
        return RUNGS[self._at].reports_are_off

    @property
    def is_full(self) -> bool:
        """Whether the journal takes no more edits."""
        return RUNGS[self._at].is_full
