"""How much this process has to do: measured, told to the save window, and to whom it costs least to be turned away.

Four measures, each as a multiple of what is good. How busy the event loop's thread is, and how long saves take (as many
as are in progress, by as many as end in a second: Little's law), say how near the limit is, whoever's it is: of this
process, of the stores, of the machine that they share. Of that time the root counts: near its limit a queue grows by
far more than what comes into it (as 1 / (1 - load)), and who answers its leaps in full swings. How late a timer fires,
and how long a save takes that comes now, say that the limit was passed; of both the *least* of the last seconds counts,
so that a burst that was worked off is no load, and a queue that stands is (as in CoDel, RFC 8289).
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextlib import contextmanager
from statistics import fmean as mean
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from app import telemetry
from app.core_time import CoreTime, Ticks
from app.errors import OverloadedError
from app.model.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Iterator

Work = Literal["saving", "reading", "sign_on", "reports"]

TICK_S: Final = 0.25
# What is looked back at. A tick that comes two seconds late fills it alone: what stood for so long is no burst. But for
# what the machine stood still: then there was no queue that stood.
LOOK_BACK_S: Final = 2.0
BUSY_GOOD: Final = 0.6  # with the shortest window; with twelve times that, all of it
# In the mean, with the shortest window; with five times that 0.04: 99 of 100 take up to ten times as long, and are to
# take half a second at most (docs/adr/0019-overload-control.md has what 0.025 was like).
SAVE_S_GOOD: Final = 0.02
LAG_S_GOOD: Final = 0.1
AGE_S_GOOD: Final = 0.5
FEW: Final = 40  # saves in progress: with fewer, one that waits for a store says nothing about the next
# Saves of the last seconds, begun or ended, that make a mean; and in progress, whom a slow store keeps on a quiet day.
SAMPLE, HANDFUL = 100, 4
# From this age on, work of a kind is refused on arrival: so long would a save take that came now. What can wait goes
# first; a save is refused only where its answer would come too late for its client.
AGE_S_MAX: Final[dict[Work, float]] = {"reports": 0.2, "sign_on": 0.3, "reading": 0.35, "saving": 4.0}
# How long who is refused is asked to stay away: at least so long, and so much longer that no more come back in a
# second, to one process, than are refused for next to nothing.
RETRY_AFTER_S: Final[dict[Work, int]] = {"reports": 20, "sign_on": 5, "reading": 3, "saving": 2}
RETRY_AFTER_S_MAX: Final = 60
REFUSED_PER_S_GOOD: Final = 20


class _Tick(NamedTuple):
    elapsed_s: float
    busy: float
    lag_s: float
    saves_in_progress: int
    saves_ended: int


class Load:
    """The load of one process, and the gate that arriving work passes."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._ticks: deque[_Tick] = deque()
        self._ended_before = 0  # saves, when what is looked back at began
        self.saves_in_progress = self.saves_ended = 0  # counted by who serves them
        self.age_s = 0.0  # how long a save has taken for two seconds, at the least
        self.pressure = 0.0
        self._refused: dict[Work, int] = dict.fromkeys(RETRY_AFTER_S, 0)  # since the last tick
        self._staying_away = {work: Pace(s * 1000, RETRY_AFTER_S_MAX * 1000) for work, s in RETRY_AFTER_S.items()}

    def admit(self, work: Work) -> None:
        """Return if work of this kind may begin; OverloadedError at once if it has waited too long already."""
        if self.age_s > AGE_S_MAX[work]:
            telemetry.REFUSED.labels(work).inc()
            detail = "the service has more to do than it can"
            raise OverloadedError(detail, retry_after_s=self._retry_after_s(work))

    @contextmanager
    def serving(self, work: Work) -> Iterator[None]:
        """Admit work of this kind, and see it done; who is refused on the way stays away as long as all of its kind."""
        self.admit(work)
        try:
            yield
        except OverloadedError as error:
            error.retry_after_s = max(error.retry_after_s or 0, self._retry_after_s(work))
            raise

    def _retry_after_s(self, work: Work) -> int:
        """Count a refusal, and return how long its client is asked to stay away."""
        self._refused[work] += 1
        return round(self._staying_away[work].window_ms / 1000)

    @property
    def refusing(self) -> list[Work]:
        """What is refused now, the least urgent first."""
        return [work for work, age_s in AGE_S_MAX.items() if self.age_s > age_s]

    def measured(self, busy: float, lag_s: float, elapsed_s: float) -> None:
        """Take one tick's measures, and steer by them."""
        ticks = self._ticks
        ticks.append(_Tick(elapsed_s, busy, lag_s, self.saves_in_progress, self.saves_ended))
        looked_back_s = sum(tick.elapsed_s for tick in ticks)
        while looked_back_s - ticks[0].elapsed_s >= LOOK_BACK_S:
            looked_back_s -= ticks[0].elapsed_s
            self._ended_before = ticks.popleft().saves_ended
        lag_s = min(tick.lag_s for tick in ticks)
        ended = self.saves_ended - self._ended_before
        age_s = max(lag_s, self._save_s_min(looked_back_s, ended))
        self.age_s = age_s if looked_back_s >= LOOK_BACK_S else 0.0
        busy = sum(tick.busy * tick.elapsed_s for tick in ticks) / looked_back_s
        save = math.sqrt(self._save_s_mean(looked_back_s, ended) / SAVE_S_GOOD)
        self.pressure = max(busy / BUSY_GOOD, save, lag_s / LAG_S_GOOD, age_s / AGE_S_GOOD)
        self._pace.step(self.pressure, elapsed_s)
        telemetry.PRESSURE.set(self.pressure)
        telemetry.SAVE_WINDOW.set(self._pace.window_ms / 1000)
        for work, refused in self._refused.items():
            self._staying_away[work].step(refused / elapsed_s / REFUSED_PER_S_GOOD, elapsed_s)
            self._refused[work] = 0

    def _save_s_min(self, looked_back_s: float, ended: int) -> float:
        """Return how long a save has taken at the least: all the while so many were in progress."""
        in_progress = min(tick.saves_in_progress for tick in self._ticks)
        return in_progress * looked_back_s / max(1, ended) if in_progress >= FEW else 0.0

    def _save_s_mean(self, looked_back_s: float, ended: int) -> float:
        """Return how long a save has taken in the mean, beyond what a store takes for a handful."""
        in_progress = mean(tick.saves_in_progress for tick in self._ticks)
        if in_progress + ended < SAMPLE:
            return 0.0
        return max(0.0, in_progress - HANDFUL) * looked_back_s / max(1, ended)

    async def run(self) -> None:
        """Measure for ever. What the machine stood still is one late tick, and not as many seconds of them."""
        clock = asyncio.get_running_loop().time
        core = CoreTime()
        try:
            ticks = Ticks(core, clock())
            while True:
                await asyncio.sleep(TICK_S)
                tick = ticks.next(clock(), TICK_S)
                elapsed_s = max(TICK_S, tick.seconds - tick.stood_still)
                busy = min(1.0, tick.ran / elapsed_s)
                self.measured(busy, max(0.0, tick.seconds - TICK_S), elapsed_s)
        finally:
            core.close()


class Turns:
    """Lets one of those who wait begin in each turn of the event loop.

    What reading does in one piece (decoding, laying drafts over records, encoding: a millisecond or more) is done once
    in a turn. All saves that can go on do so in the same turn, so that none waits for more than one reading; and where
    there are none, readings follow each other without a pause.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_taken = False

    async def take(self) -> None:
        """Wait for a turn."""
        loop = asyncio.get_running_loop()
        if self._is_taken:
            turn = loop.create_future()
            self._waiting.append(turn)
            await turn
        else:
            self._is_taken = True
            loop.call_soon(self._next)

    def _next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                asyncio.get_running_loop().call_soon(self._next)
                return
        self._is_taken = False
