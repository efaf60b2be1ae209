"""How long clients collect edits before their next save, steered by load. Pure: whoever measures says what it found.

Clients learn a new window with their next answer, and follow it with the save after that: what is done now shows one to
two windows later. A controller that is impatient with such a delay swings. This one moves the logarithm of the window
by a fraction of what seems wrong for each window that passes, which does not swing while the fraction is below a good
third (`d/dt x = -k/T x(t - T)` is free of overshoot up to k = 1/e, and stable up to pi/2); it rises with more, since a
window that is somewhat too long for a minute costs nothing. Between the two edges it stays where it is.
"""

from __future__ import annotations

import math
from typing import Final

RISE, FALL = 0.5, 0.35
HIGH: Final = 1.0  # of the pressure: above it the window grows
LOW: Final = 0.65  # below it the window shrinks; at the grain of a quarter more work it stays below HIGH
PRESSURE_MAX: Final = 4.0
# In e-folds. With the most a window of 60 s takes two minutes to its shortest; the least, kept up for the two windows
# until it shows, brings the pressure from LOW not up to HIGH.
FALL_MIN, FALL_MAX = 0.5, 1.4
SHOWN_ABOVE, HIDDEN_BELOW = 1.2, 1.05  # of the shortest: a hiccup of the machine is no load


class Pace:
    """The window of one process, between a shortest and a longest."""

    def __init__(self, window_ms_min: int, window_ms_max: int) -> None:
        self._s_min = window_ms_min / 1000
        self._s_max = max(window_ms_min, window_ms_max) / 1000
        self._s = self._s_min
        self._is_raised = False

    def step(self, pressure: float, elapsed_s: float) -> None:
        """Move on by what was found in this time: 1 is as much work as is good, 2 twice as much."""
        if pressure > HIGH:
            change = RISE * math.log(min(pressure, PRESSURE_MAX) / HIGH)
        elif pressure < LOW:
            change = -FALL * min(FALL_MAX, max(FALL_MIN, math.log(LOW / max(pressure, 1e-6))))
        else:
            return
        moved_s = self._s * math.exp(change * min(1.0, elapsed_s / self._s))
        self._s = min(self._s_max, max(self._s_min, moved_s))
        self._is_raised = self._s > self._s_min * (HIDDEN_BELOW if self._is_raised else SHOWN_ABOVE)

    @property
    def is_raised(self) -> bool:
        """Whether clients are asked to save less often than in quiet times."""
        return self._is_raised

    @property
    def window_ms(self) -> int:
        """How long clients are to collect edits."""
        return round((self._s if self._is_raised else self._s_min) * 1000)
