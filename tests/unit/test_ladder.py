"""The memory ladder: what each share of the journal's memory means, and that nothing flaps at an edge."""

from __future__ import annotations

import pytest

from app.gradebook.ladder import RUNGS, STAY_PERCENT, Ladder, rung_at


@pytest.mark.parametrize(
    ("percent", "window_ms", "reports_are_off", "is_full"),
    [
        (0, 2_000, False, False),
        (59.9, 2_000, False, False),
        (60, 5_000, False, False),
        (74.9, 5_000, False, False),
        (75, 15_000, True, False),
        (85, 60_000, True, False),
        (91.9, 60_000, True, False),
        (92, 60_000, True, True),
        (140, 60_000, True, True),
    ],
)
def test_each_share_of_the_memory(percent: float, window_ms: int, *, reports_are_off: bool, is_full: bool) -> None:
    ladder = Ladder(2_000)
    ladder.look(int(percent * 1000), 100_000)
    assert (ladder.save_window_ms, ladder.reports_are_off, ladder.is_full) == (window_ms, reports_are_off, is_full)
    assert ladder.percent == pytest.approx(percent)


def test_a_longer_window_of_the_settings_stays() -> None:
    ladder = Ladder(20_000)
    ladder.look(80, 100)
    assert ladder.save_window_ms == 20_000
    ladder.look(86, 100)
    assert ladder.save_window_ms == 60_000


def test_a_server_without_a_limit_is_never_full() -> None:
    ladder = Ladder(5_000)
    ladder.look(10**12, 0)
    assert (ladder.percent, ladder.is_full) == (0.0, False)


def test_out_of_sight_it_stays_where_it_was() -> None:
    ladder = Ladder(5_000)
    ladder.look(93, 100)
    ladder.lose_sight()
    assert ladder.percent is None
    assert ladder.is_full


@pytest.mark.parametrize("rung", range(1, len(RUNGS)))
def test_a_rung_is_left_only_well_below_it(rung: int) -> None:
    edge = RUNGS[rung].percent
    assert rung_at(edge - 0.1) == rung - 1
    assert rung_at(edge - 0.1, rung) == rung
    assert rung_at(edge - STAY_PERCENT + 0.01, rung) == rung
    assert rung_at(edge - STAY_PERCENT, rung) == rung - 1


def test_it_climbs_and_falls_several_rungs_at_once() -> None:
    assert rung_at(95, 0) == len(RUNGS) - 1
    assert rung_at(3, len(RUNGS) - 1) == 0
    assert rung_at(84, len(RUNGS) - 1) == 3, "two below 92, and not yet two below 85"
