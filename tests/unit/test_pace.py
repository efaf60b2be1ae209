"""The save window under load, on a simulated service: it converges, it does not swing, and it comes back."""

from __future__ import annotations

import heapq
import math
import random
from typing import NamedTuple

import pytest

from app.gradebook.load import BUSY_GOOD, LAG_S_GOOD
from app.model.pace import DROOP, EXCESS_MAX, GAIN, HIDDEN_BELOW, SHOWN_ABOVE, Pace

TICK_S = 0.25
GAP_S = 5.0  # from an answer to the next change of a cell, in the mean; then the window begins
WINDOW_S, LONGEST_S = 5.0, 60.0


class Seen(NamedTuple):
    """One moment of a simulated service."""

    at_s: float
    window_s: float
    busy: float
    queue_s: float


class Service:
    """Serves so many saves a second; the others wait. Clients save a window after their next change."""

    def __init__(self, teachers: int, capacity: float, seed: int = 1, *, is_steered: bool = True) -> None:
        self._rng = random.Random(seed)
        self._capacity = capacity
        self._pace = Pace(int(WINDOW_S * 1000), int(LONGEST_S * 1000))
        self._is_steered = is_steered
        self._due = [(self._rng.uniform(0, WINDOW_S + GAP_S), n) for n in range(teachers)]
        heapq.heapify(self._due)
        self._waiting: list[int] = []
        self._gone: set[int] = set()
        self._now_s = 0.0
        self._busy = [0.0] * 8
        self.seen: list[Seen] = []

    def leave(self, share: float) -> None:
        """Let so many teachers go home."""
        people = sorted({n for _, n in self._due} | set(self._waiting))
        self._gone |= set(people[: int(len(people) * share)])

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self._now_s + seconds
        while self._now_s < until:
            self._now_s += TICK_S
            while self._due and self._due[0][0] <= self._now_s:
                self._waiting.append(heapq.heappop(self._due)[1])
            able = int(self._capacity * TICK_S)
            served, self._waiting = self._waiting[:able], self._waiting[able:]
            for teacher in served:
                if teacher not in self._gone:
                    wait_s = self._pace.window_ms / 1000 + self._rng.expovariate(1 / GAP_S)
                    heapq.heappush(self._due, (self._now_s + wait_s, teacher))
            self._busy = [*self._busy[1:], len(served) / able]
            busy = sum(self._busy) / len(self._busy)
            queue_s = len(self._waiting) / self._capacity
            if self._is_steered:
                self._pace.step(max(busy / BUSY_GOOD, queue_s / LAG_S_GOOD), TICK_S)
            self.seen.append(Seen(self._now_s, self._pace.window_ms / 1000, busy, queue_s))

    def windows(self, from_s: float) -> list[float]:
        """Return what the window was from a moment on."""
        return [seen.window_s for seen in self.seen if seen.at_s >= from_s]


def swings(windows: list[float], share: float) -> int:
    """Return how often the window turned round after a way of more than this share."""
    turns, direction, edge = 0, 0, windows[0]
    for window in windows:
        if direction >= 0 and window < edge * (1 - share):
            turns += direction > 0
            direction, edge = -1, window
        elif direction <= 0 and window > edge * (1 + share):
            turns += direction < 0
            direction, edge = 1, window
        edge = max(edge, window) if direction > 0 else min(edge, window) if direction < 0 else edge
    return turns


def test_a_quiet_service_saves_as_often_as_it_is_set() -> None:
    service = Service(teachers=400, capacity=100)
    service.run(120)
    assert set(service.windows(0)) == {WINDOW_S}


@pytest.mark.parametrize("times", [1.5, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_too_many_teachers_make_it_longer_until_they_fit_and_then_it_rests(times: float, seed: int) -> None:
    service = Service(teachers=int(1_000 * times), capacity=100, seed=seed)  # 1,000 of them are just what it can serve
    service.run(300)
    late = [seen for seen in service.seen if seen.at_s > 180]
    assert max(seen.queue_s for seen in late) < 0.25
    assert sum(seen.busy for seen in late) / len(late) < 0.95
    assert max(seen.window_s for seen in late) < 1.3 * min(seen.window_s for seen in late)
    assert swings(service.windows(0), 0.1) <= 2
    unsteered = Service(teachers=int(1_000 * times), capacity=100, seed=seed, is_steered=False)
    unsteered.run(300)
    assert unsteered.seen[-1].queue_s > 3  # so it is the window that did it


def test_it_comes_back_when_the_load_has_gone() -> None:
    service = Service(teachers=4_000, capacity=100)
    service.run(240)
    raised = service.windows(0)[-1]
    assert raised > 3 * WINDOW_S
    service.leave(0.9)
    service.run(240)
    assert service.windows(0)[-1] == WINDOW_S
    assert swings(service.windows(240), 0.1) == 0


def test_it_stays_between_its_bounds() -> None:
    pace = Pace(5_000, 60_000)
    for _ in range(4_000):
        pace.step(100.0, TICK_S)
    assert pace.window_ms == 60_000
    for _ in range(8_000):
        pace.step(0.0, TICK_S)
    assert (pace.window_ms, pace.is_raised) == (5_000, False)
    narrow = Pace(5_000, 1_000)  # a longest below the shortest is none
    narrow.step(4.0, 100.0)
    assert narrow.window_ms == 5_000


def test_it_rests_where_the_load_is_right_for_its_window() -> None:
    pace = Pace(5_000, 60_000)
    for _ in range(8_000):
        pace.step(1.5, TICK_S)
    assert pace.window_ms == pytest.approx(5_000 * 1.5 ** (1 / DROOP), rel=0.01)


def test_processes_that_serve_the_same_teachers_come_to_one_window() -> None:
    """One has asked for six times as much as the other; what each measures is the same, and a good deal of chance."""
    rng = random.Random(5)
    paces = [Pace(5_000, 60_000), Pace(5_000, 60_000)]
    while paces[1].window_ms < 30_000:
        paces[1].step(4.0, TICK_S)
    for tick in range(4 * 900):
        mean_s = sum(pace.window_ms for pace in paces) / 2 / 1000
        for pace in paces:
            pace.step(20.0 / mean_s * rng.lognormvariate(0, 0.3), TICK_S)
        if tick > 4 * 600:
            longer, shorter = max(pace.window_ms for pace in paces), min(pace.window_ms for pace in paces)
            assert longer < 1.3 * shorter


def test_a_hiccup_is_not_shown() -> None:
    pace = Pace(5_000, 60_000)
    pace.step(100.0, 1.0)
    assert pace.window_ms == 5_000
    assert SHOWN_ABOVE > HIDDEN_BELOW


def test_one_late_step_moves_it_by_no_more_than_one_window_would() -> None:
    pace, patient = Pace(5_000, 60_000), Pace(5_000, 60_000)
    for _ in range(8):
        pace.step(2.0, 5.0)
        patient.step(2.0, 5.0)
    pace.step(0.1, 3_600.0)  # the process was frozen for an hour
    assert pace.window_ms > 0.9 * patient.window_ms * math.exp(-GAIN * EXCESS_MAX)
