"""What load does to arriving work: the least urgent is refused first, and reading goes one piece a turn."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from app.errors import OverloadedError
from app.gradebook.load import (
    AGE_S_MAX,
    FEW,
    HANDFUL,
    LOOK_BACK_S,
    REFUSED_PER_S_GOOD,
    RETRY_AFTER_S,
    RETRY_AFTER_S_MAX,
    SAVE_S_GOOD,
    TICK_S,
    Load,
    Turns,
)
from app.model.pace import Pace
from tests.starved import Busy, JumpingClock, Starved

if TYPE_CHECKING:
    from collections.abc import Callable

TICKS = int(LOOK_BACK_S / TICK_S)


def load_with(lag_s: float) -> Load:
    load = Load(Pace(5_000, 60_000))
    for _ in range(TICKS):
        load.measured(0.1, lag_s, TICK_S)
    return load


@pytest.mark.parametrize(
    ("lag_s", "refusing"),
    [
        (0.0, []),
        (0.1, []),
        (0.25, ["reports"]),
        (0.32, ["reports", "sign_on"]),
        (2.0, ["reports", "sign_on", "reading"]),
        (5.0, ["reports", "sign_on", "reading", "saving"]),
    ],
)
def test_the_least_urgent_is_refused_first(lag_s: float, refusing: list[str]) -> None:
    load = load_with(lag_s)
    assert load.refusing == refusing
    for work in AGE_S_MAX:
        if work in refusing:
            with pytest.raises(OverloadedError) as refused:
                load.admit(work)
            assert refused.value.retry_after_s
        else:
            load.admit(work)


def test_a_burst_that_was_worked_off_is_no_load() -> None:
    load = load_with(0.0)
    for lag_s in (30.0, 0.01) * 20:
        load.measured(0.1, lag_s, TICK_S)
        assert load.refusing == []
        assert load.pressure < 1


def test_a_process_that_has_just_begun_refuses_nothing() -> None:
    load = Load(Pace(5_000, 60_000))
    load.measured(1.0, 0.9, TICK_S)
    assert load.refusing == []


def test_a_tick_that_comes_late_for_longer_than_is_looked_back_counts_at_once() -> None:
    """Each turn of the event loop takes six seconds: eight of them would be a minute without an answer."""
    load = load_with(0.0)
    load.measured(1.0, 6.0, 6.25)
    assert load.refusing == list(AGE_S_MAX)
    for _ in range(TICKS + 1):
        load.measured(0.1, 0.0, TICK_S)
    assert load.refusing == []


@pytest.mark.parametrize(("busy", "lag_s", "saves"), [(0.96, 0.0, 0), (0.1, 0.2, 0), (0.1, 0.0, 100)])
def test_each_measure_alone_makes_the_window_longer(busy: float, lag_s: float, saves: int) -> None:
    pace = Pace(5_000, 60_000)
    load = Load(pace)
    load.saves_in_progress = saves
    for _ in range(600):
        load.saves_ended += 25  # of 100: each takes a second
        load.measured(busy, lag_s, TICK_S)
    assert load.pressure > 1
    assert pace.window_ms > 10_000
    load.saves_in_progress = 0
    for _ in range(1_200):
        load.measured(0.1, 0.0, TICK_S)
    assert pace.window_ms == 5_000


@pytest.mark.parametrize(("in_progress", "a_tick", "age_s"), [(400, 25, 4.0), (400, 1_000, 0.1), (FEW - 1, 0, 0.0)])
def test_how_long_a_save_takes_that_comes_now(in_progress: int, a_tick: int, age_s: float) -> None:
    load = Load(Pace(5_000, 60_000))
    load.saves_in_progress = in_progress
    for _ in range(40):
        load.saves_ended += a_tick
        load.measured(0.1, 0.0, TICK_S)
    assert load.age_s == pytest.approx(age_s)


def _refuse(load: Load, times: int) -> int:
    """Refuse so many readings on their way; return how long the last of them is to stay away."""
    retry_after_s = 0
    for _ in range(times):
        with pytest.raises(OverloadedError) as refused, load.serving("reading"):
            raise OverloadedError("no connection became free", retry_after_s=1)
        retry_after_s = refused.value.retry_after_s or 0
    return retry_after_s


def test_many_who_are_refused_stay_away_for_longer() -> None:
    """Two thousand whom nobody serves: told a few seconds each time, they would be refused 330 times a second."""
    load = load_with(0.0)
    assert _refuse(load, 1) == RETRY_AFTER_S["reading"]
    coming = {0: 2_000.0}  # by tick; what is told is spread from one to three times (app/api/problems.py)
    came = []
    for tick in range(720):
        refused = coming.pop(tick, 0.0)
        came.append(refused)
        stay_s = _refuse(load, max(1, round(refused)))
        first, last = int(stay_s / TICK_S), int(3 * stay_s / TICK_S)
        for later in range(first, last):
            coming[tick + later] = coming.get(tick + later, 0.0) + refused / (last - first)
        load.measured(0.1, 0.0, TICK_S)
    assert sum(came[-80:]) / (80 * TICK_S) < 2 * REFUSED_PER_S_GOOD
    assert RETRY_AFTER_S["reading"] < _refuse(load, 1) <= RETRY_AFTER_S_MAX
    for _ in range(1_200):
        load.measured(0.1, 0.0, TICK_S)
    assert _refuse(load, 1) == RETRY_AFTER_S["reading"]


def test_who_names_a_longer_time_is_believed_and_others_are_not_touched() -> None:
    load = load_with(0.0)
    with pytest.raises(OverloadedError) as refused, load.serving("reports"):
        raise OverloadedError("later", retry_after_s=300)
    assert refused.value.retry_after_s == 300
    with pytest.raises(KeyError), load.serving("reading"):
        raise KeyError


def test_saves_that_take_long_make_the_window_longer_before_a_queue_stands() -> None:
    """Now 200 in progress and now none: each takes a quarter of a second, and none that comes now waits."""
    load = load_with(0.0)
    for tick in range(40):
        load.saves_in_progress = 200 * (tick % 2)
        load.saves_ended += 100
        load.measured(0.1, 0.0, TICK_S)
    assert load.pressure == pytest.approx(((100 - HANDFUL) / 400 / SAVE_S_GOOD) ** 0.5)
    assert load.refusing == []


@pytest.mark.parametrize(
    ("in_progress", "a_tick", "says"), [(20, 1, "nothing"), (20, 50, "load"), (HANDFUL, 13, "nothing")]
)
def test_where_there_are_few_one_that_waits_says_nothing(in_progress: int, a_tick: int, says: str) -> None:
    """Of a few in all they wait for a store, of four hundred they are the load; and a slow disk is none."""
    load = load_with(0.0)
    load.saves_in_progress = in_progress
    for _ in range(TICKS):
        load.saves_ended += a_tick
        load.measured(0.1, 0.0, TICK_S)
    assert says == ("load" if load.pressure > 1 else "nothing")
    assert load.refusing == []


async def test_it_measures_by_itself() -> None:
    load = Load(Pace(5_000, 60_000))
    load.saves_in_progress = 10_000
    running = asyncio.create_task(load.run())
    async with asyncio.timeout(30):
        while not load.refusing:  # so many are in progress, and none ends
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(("core", "refusing"), [(partial(Starved, 0.0), []), (Busy, list(AGE_S_MAX))])
async def test_a_machine_that_stood_still_has_not_been_slow_for_two_seconds(
    core: Callable[[], Starved], refusing: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a loop that took ten seconds for one turn all is refused, after a machine that was moved nothing."""
    clock = JumpingClock(monkeypatch)
    monkeypatch.setattr("app.gradebook.load.CoreTime", core)
    load, late = Load(Pace(5_000, 60_000)), asyncio.Event()
    measured = load.measured

    def measured_late(busy: float, lag_s: float, elapsed_s: float) -> None:
        if not late.is_set():
            measured(busy, lag_s, elapsed_s)
        if lag_s > 9:
            late.set()

    monkeypatch.setattr(load, "measured", measured_late)
    running = asyncio.create_task(load.run())
    await asyncio.sleep(0)
    await clock.jump(10.0)
    async with asyncio.timeout(30):
        await late.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert load.refusing == refusing


async def test_in_each_turn_one_reading_and_every_save() -> None:
    turns, order = Turns(), list[str]()

    async def read() -> None:
        await turns.take()
        order.append("reading")

    async def save() -> None:
        for _ in range(6):
            order.append("saving")
            await asyncio.sleep(0)

    await asyncio.gather(*(read() for _ in range(4)), save())
    places = [at for at, what in enumerate(order) if what == "reading"]
    assert len(places) == 4
    assert all(later - earlier > 1 for earlier, later in pairwise(places)), order


async def test_without_saves_readings_follow_each_other_and_who_leaves_holds_nobody_up() -> None:
    turns, done = Turns(), list[int]()

    async def read(number: int) -> None:
        await turns.take()
        done.append(number)

    tasks = [asyncio.create_task(read(n)) for n in range(5)]
    await asyncio.sleep(0)
    tasks[2].cancel()
    async with asyncio.timeout(10):
        await asyncio.gather(*tasks, return_exceptions=True)
    assert done == [0, 1, 3, 4]
    async with asyncio.timeout(10):
        await read(9)
