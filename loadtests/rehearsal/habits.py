"""How a teacher types: bursts down a column with log-normal gaps, pauses between columns, and what happens in pauses.

The figures are those of the workload model (docs/rehearsals/index.md names the sources): the keystroke-level model of
Card, Moran and Newell gives 2.2 to 3.4 s a cell; bursts of a class's column, median gap 2.6 s, median pause 45 s make
11.8 cells a minute over an active hour, and a section is opened or looked at anew every two to three minutes.
"""

from __future__ import annotations

import math
import random
from array import array
from typing import NamedTuple

GAP_S_MAX, PAUSE_S_MAX = 30.0, 600.0
MET_S_MAX = 300.0  # one in fifty takes longer with its pause, and is met a little too seldom


class Habits(NamedTuple):
    """Times in seconds; shares are of the pauses between two bursts (what is left over is only a pause)."""

    gap_s: float = 2.6
    gap_sigma: float = 0.55
    pause_s: float = 45.0
    pause_sigma: float = 0.8
    burst_min: int = 24
    burst_max: int = 36
    paste_share: float = 0.03  # a burst that arrives at once: fill down, or a pasted column
    correction_share: float = 0.04  # of edits: one of the last cells is typed again
    switch_share: float = 0.6  # opens another section
    read_share: float = 0.3  # looks at the same one anew
    roll_share: float = 0.0  # takes the roll instead of typing a column
    leave_after_bursts: int = 0  # 0: stays
    first_look_s: float = 8.0  # median, from the open section to the first key
    exceptions_share: float = 0.06  # of a class: not present
    backlog_max: int = 0  # edits typed before the run, and never sent
    begins_midway: bool = True  # the first pause is part of one, so that a crowd does not type in step


class Burst(NamedTuple):
    """One burst as it was drawn: gaps before each edit, and numbers to make values from."""

    gaps_s: array[float]
    numbers: array[int]
    pause_s: float
    then: float  # decides what the pause is used for
    is_paste: bool


def draw_burst(habits: Habits, seed: int, teacher: int, number: int, size_max: int) -> Burst:
    """Return a teacher's burst of this number: the same for the same seed, whatever the service does meanwhile."""
    rng = random.Random((seed * 1_000_003 + teacher) * 10_007 + number)
    size = min(size_max, rng.randint(habits.burst_min, habits.burst_max))
    is_paste = rng.random() < habits.paste_share
    gaps = array("f", [0.0]) * size
    if not is_paste:
        mean = math.log(habits.gap_s)
        for at in range(size):
            gaps[at] = min(GAP_S_MAX, rng.lognormvariate(mean, habits.gap_sigma))
    numbers = array("L", [rng.getrandbits(24) for _ in range(size)])
    pause_s = min(PAUSE_S_MAX, rng.lognormvariate(math.log(habits.pause_s), habits.pause_sigma))
    return Burst(gaps, numbers, pause_s, rng.random(), is_paste)


def meet(habits: Habits, seed: int, teacher: int, size_max: int, rng: random.Random) -> tuple[int, Burst, int, float]:
    """Return (number of the burst, the burst, edit in it, seconds until that) of a teacher who is met at any moment.

    That is in a pause or in the midst of a burst, and the longer one takes, the sooner it is met. Begun together, a
    crowd would type a column at once, 1.7 times what it types in the mean.
    """
    number = 1
    while True:
        burst = draw_burst(habits, seed, teacher, number, size_max)
        if rng.random() * MET_S_MAX < burst.pause_s + sum(burst.gaps_s):
            return (number, burst, *midway(burst, rng.random()))
        number += 1


def midway(burst: Burst, share: float) -> tuple[int, float]:
    """Return (edit, seconds until it is typed) when `share` of a pause and the burst after it has passed."""
    passed_s = share * (burst.pause_s + sum(burst.gaps_s)) - burst.pause_s
    for at, gap_s in enumerate(burst.gaps_s):
        passed_s -= gap_s
        if passed_s < 0:
            return at, -passed_s
    return len(burst.gaps_s) - 1, 0.0


def edits_per_s(habits: Habits, bursts: int = 400) -> float:
    """Return what one teacher types in the mean, by drawing bursts: for the arithmetic of profiles and sizes."""
    edits, seconds = 0, 0.0
    for number in range(bursts):
        burst = draw_burst(habits, 7, number % 40, number, habits.burst_max)
        edits += len(burst.gaps_s)
        seconds += sum(burst.gaps_s) + burst.pause_s
    return edits / seconds
