"""Four times the teachers that a process can serve, on virtual time: it stays up, goes on saving, and comes back.

The process is an event loop: in each turn everything that is ready goes one step on, and a save takes several. Teachers
are outboxes: edits come whatever happens, one save is on its way, and who is not answered in ten seconds asks again,
while the process still works for the request that nobody waits for any more. That is how services collapse.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field

import pytest

from app.errors import OverloadedError
from app.gradebook.load import TICK_S, Load
from app.model.pace import Pace

STEPS, STEP_S, REFUSAL_S = 4, 0.000_25, 0.000_1
CAPACITY = 1 / (STEPS * STEP_S)  # saves a second
WINDOW_S, EDIT_EVERY_S, PATIENCE_S = 1.0, 0.5, 10.0
FITTING = int(CAPACITY * 0.8 * (WINDOW_S + EDIT_EVERY_S))  # teachers who are served well


@dataclass
class Request:
    """A save on its way; `edits`: how many it carries, `serial`: of its teacher's requests."""

    teacher: int
    serial: int
    edits: int
    sent_at: float
    steps: int = STEPS


@dataclass
class District:
    """Teachers and one process. `is_controlled`: whether it steers the window and refuses."""

    is_controlled: bool = True
    now: float = 0.0
    saved: list[tuple[float, int, float]] = field(default_factory=list)  # when, edits, age of the request
    refused: int = 0

    def __post_init__(self) -> None:
        self._rng = random.Random(7)
        self.pace = Pace(int(WINDOW_S * 1000), 60_000)
        self.load = Load(self.pace)
        self._due: list[tuple[float, int, int, str]] = []
        self._serial: dict[int, int] = {}
        self._unsent: dict[int, float] = {}  # since when edits wait that no request has carried
        self._ready: list[Request] = []
        self._tick_due, self._ticked_at, self._busy_s = TICK_S, 0.0, 0.0

    def arrive(self, teachers: int) -> None:
        for teacher in range(len(self._serial), len(self._serial) + teachers):
            self._serial[teacher], self._unsent[teacher] = 0, self.now
            self._plan(teacher, self._rng.uniform(0, WINDOW_S + EDIT_EVERY_S))

    def leave(self, teachers: int) -> None:
        for teacher in list(self._unsent)[:teachers]:
            del self._unsent[teacher]

    def _plan(self, teacher: int, after_s: float, what: str = "send") -> None:
        heapq.heappush(self._due, (self.now + after_s, teacher, self._serial[teacher], what))

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self._turn()

    def _turn(self) -> None:
        began = self.now
        while self._due and self._due[0][0] <= self.now:
            self._send(*heapq.heappop(self._due)[1:])
        ready, self._ready = self._ready, []
        for request in ready:
            self._go_on(request)
        self._busy_s += self.now - began
        if self.now == began:
            self.now = min(self._tick_due, self._due[0][0] if self._due else self._tick_due)
        if self.now >= self._tick_due:
            elapsed_s = self.now - self._ticked_at
            if self.is_controlled:
                self.load.measured(min(1.0, self._busy_s / elapsed_s), self.now - self._tick_due, elapsed_s)
            self._ticked_at, self._tick_due, self._busy_s = self.now, self.now + TICK_S, 0.0

    def _send(self, teacher: int, serial: int, what: str) -> None:
        if teacher not in self._unsent or serial != self._serial[teacher]:
            return  # went home, or was answered meanwhile
        self._serial[teacher] += 1
        edits = 1 + int((self.now - self._unsent[teacher]) / EDIT_EVERY_S)
        self._ready.append(Request(teacher, self._serial[teacher], edits, self.now))
        self._plan(teacher, PATIENCE_S + (self._rng.uniform(0, 2.0) if what == "again" else 0.0), "again")

    def _go_on(self, request: Request) -> None:
        if request.steps == STEPS:
            try:
                self.load.admit("saving")
            except OverloadedError as error:
                self._refuse(request, float(error.retry_after_s or 1))
                return
            self.load.saves_in_progress += 1
        self.now += STEP_S
        request.steps -= 1
        if request.steps:
            self._ready.append(request)
            return
        self.load.saves_in_progress -= 1
        self.load.saves_ended += 1
        if request.teacher in self._unsent and request.serial == self._serial[request.teacher]:
            self.saved.append((self.now, request.edits, self.now - request.sent_at))
            self._serial[request.teacher] += 1
            self._unsent[request.teacher] = self.now
            self._plan(request.teacher, self.pace.window_ms / 1000 + self._rng.uniform(0, 2 * EDIT_EVERY_S))

    def _refuse(self, request: Request, retry_after_s: float) -> None:
        self.now += REFUSAL_S
        self.refused += 1
        if request.teacher in self._unsent and request.serial == self._serial[request.teacher]:
            self._serial[request.teacher] += 1
            self._plan(request.teacher, self._rng.uniform(1, 3) * retry_after_s)

    def edits_per_s(self, from_s: float, to_s: float) -> float:
        return sum(edits for at, edits, _ in self.saved if from_s <= at < to_s) / (to_s - from_s)

    def oldest_s(self, from_s: float, to_s: float) -> float:
        return max((age for at, _, age in self.saved if from_s <= at < to_s), default=float("inf"))


def test_four_times_as_many_are_served_and_then_half_as_many_at_once() -> None:
    district = District()
    district.arrive(FITTING)
    district.run(20)
    most = district.edits_per_s(10, 20)
    assert district.refused == 0
    district.arrive(3 * FITTING)
    district.run(60)
    assert district.edits_per_s(30, 80) > 0.9 * most, "all the while"
    assert district.edits_per_s(60, 80) > 3.5 * most, "with the longer window all that is typed is saved"
    assert district.oldest_s(60, 80) < 1.0
    district.leave(int(3.5 * FITTING))
    district.run(30)
    assert district.oldest_s(105, 110) < 0.5
    assert district.load.refusing == []


def test_it_is_the_control_that_does_it() -> None:
    district = District(is_controlled=False)
    district.arrive(FITTING)
    district.run(20)
    most = district.edits_per_s(10, 20)
    district.arrive(15 * FITTING)  # so many that a turn's worth of requests outlives its clients' patience
    district.run(60)
    assert district.edits_per_s(60, 80) < 0.9 * most


@pytest.mark.parametrize("times", [8, 16])
def test_more_than_that_does_not_make_it_collapse(times: int) -> None:
    district = District()
    district.arrive(FITTING)
    district.run(20)
    most = district.edits_per_s(10, 20)
    district.arrive((times - 1) * FITTING)
    district.run(90)
    assert district.edits_per_s(80, 110) > 0.9 * most
    assert district.oldest_s(100, 110) < PATIENCE_S
