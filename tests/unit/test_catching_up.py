"""What a flusher reports after PostgreSQL was away."""

from __future__ import annotations

import logging

import pytest

from workers.catching_up import CatchingUp, CaughtUp, report


def test_a_backlog_is_reported_at_its_begin_and_at_its_end() -> None:
    catching = CatchingUp()
    assert catching.sees(10, 0.0) is None, "nothing was away"
    catching.lost(10.0)
    catching.lost(50.0)
    assert catching.sees(6_000, 70.0) == 6_000
    # 200 saves a second come in, 1,200 go out: 6 seconds for 6,000.
    for second in range(1, 6):
        catching.recorded(3_600, 1_200)
        assert catching.sees(6_000 - second * 1_000, 70.0 + second) is None
    catching.recorded(3_600, 1_200)
    found = catching.sees(0, 76.0)
    assert isinstance(found, CaughtUp)
    assert (found.away_s, found.backlog_saves, found.edits, found.saves) == (60.0, 6_000, 21_600, 7_200)
    assert (found.seconds, found.edits_per_s) == (6.0, 3_600.0)
    assert found.times_arrival == pytest.approx(6.0)
    assert catching.sees(0, 77.0) is None, "once"


def test_what_came_in_within_a_second_is_no_backlog() -> None:
    catching = CatchingUp()
    catching.lost(0.0)
    catching.sees(10_000, 10.0)
    catching.recorded(30_000, 14_800)
    found = catching.sees(200, 20.0)  # 5,000 came in within 10 s
    assert isinstance(found, CaughtUp)
    assert found.times_arrival == pytest.approx(14_800 / 5_000)


def test_without_anything_coming_in_there_is_nothing_to_compare_with() -> None:
    catching = CatchingUp()
    catching.lost(0.0)
    assert catching.sees(100, 5.0) == 100
    catching.recorded(300, 100)
    found = catching.sees(0, 6.0)
    assert isinstance(found, CaughtUp)
    assert found.times_arrival is None


def test_a_short_break_is_nobodys_outage() -> None:
    catching = CatchingUp()
    catching.lost(5.0)
    assert catching.sees(500, 5.5) is None
    assert catching.sees(0, 6.0) is None


def test_a_second_outage_before_the_first_is_made_good_belongs_to_it() -> None:
    catching = CatchingUp()
    catching.lost(0.0)
    assert catching.sees(1_000, 10.0) == 1_000
    catching.lost(11.0)
    assert catching.sees(1_000, 20.0) is None
    catching.recorded(1_000, 1_000)
    found = catching.sees(0, 30.0)
    assert isinstance(found, CaughtUp)
    assert (found.backlog_saves, found.seconds) == (1_000, 20.0)


def test_it_is_logged_in_plain_numbers(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="inkfast"):
        report(None)
        report(6_000)
        report(CaughtUp(60.04, 6_000, 21_600, 7_200, 6.0, 3_600.0, 6.0))
    said = [(record.getMessage(), record.fields) for record in caplog.records]  # type: ignore[attr-defined]  # ours
    assert said == [
        ("records.back", {"backlog_saves": 6_000}),
        (
            "records.caught_up",
            {
                "away_s": 60.0,
                "backlog_saves": 6_000,
                "edits": 21_600,
                "saves": 7_200,
                "seconds": 6.0,
                "edits_per_s": 3_600.0,
                "times_arrival": 6.0,
            },
        ),
    ]
