"""How long clients collect edits before their next save, steered by load. Pure: whoever measures says what it found.

Clients learn a new window with their next answer, and follow it with the save after that: what is done now shows one to
two windows later. A controller that is impatient with such a delay swings. This one moves the logarithm of the window
by a fraction of what seems wrong for each window that passes, which does not swing while the fraction is below a good
third, and settles below pi/2 (`d/dt x = -k/T x(t - T)`).

The longer the window, the more load is taken for right (`DROOP`). So processes that serve the same clients come to
about the same window without a word between them: the one that asks for more than the others finds less wrong, as
generators on one grid share their load by the droop of their frequencies. Without it nothing keeps them together, for
what the load depends on is the mean of their windows.
"""

from __future__ import annotations

import math
from typing import Final

GAIN: Final = 0.4  # a little above 1 / e: it overshoots slightly, and settles
DROOP: Final = 0.2  # with twelve times the shortest window 1.6 times the load is right
# In e-folds of the load. With it a window of 60 s takes 100 s to a shortest of 5 when all have left.
EXCESS_MAX: Final = 1.4
SHOWN_ABOVE, HIDDEN_BELOW = 1.2, 1.05  # of the shortest: a hiccup of the machine is no load
_LEAST: Final = 1e-6


class Pace:
    """The window of one process, between a shortest and a longest."""

    def __init__(self, window_ms_min: int, window_ms_max: int) -> None:
        self._s_min = window_ms_min / 1000
        self._s_max = max(window_ms_min, window_ms_max) / 1000
        self._s = self._s_min
        self._is_raised = False

    def step(self, pressure: float, elapsed_s: float) -> None:
        """Move on by what was found in this time: 1 is as much as is right with the shortest window, 2 twice that."""
        right = (self._s / self._s_min) ** DROOP
        excess = math.log(max(pressure, _LEAST) / right)
        change = GAIN * min(EXCESS_MAX, max(-EXCESS_MAX, excess))
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
