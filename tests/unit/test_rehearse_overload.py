"""What a run under overload is said to show, from rows that were made up."""

from __future__ import annotations

import pytest

from loadtests.rehearsal.profiles import PROFILES
from ops.rehearse.overload import overload_of, sentences_of, too_little
from ops.rehearse.slo import default_slo, judge

PROFILE, DURATION_S, TEACHERS, CAPACITY = PROFILES["overload"], 100.0, 4_000, 1_000


def rows_of(served: float = 1.0, trouble_s: int = 8) -> list[dict[str, float]]:
    """Teachers who save once a second arrive up to four times the capacity, and most of them leave again."""
    rows = []
    for at in range(100):
        there = int(TEACHERS * PROFILE.active_share(at / DURATION_S))
        is_over = 40 <= at < 68
        saves = min(there, CAPACITY) * (served if is_over else 1.0)
        row: dict[str, float] = {"at": at, "teachers": there, "teachers_wanted": there, "save": saves, "drafted": saves}
        row |= {"next_save_ms": 500 if there <= CAPACITY else 2_000, "errors": 0, "request_ms_p99": 20}
        if is_over or 68 <= at < 68 + trouble_s:
            row |= {"errors": 3, "request_ms_p99": 4_000, "drafted_ms_p99": 9_000}
        rows.append(row)
    return rows


def test_what_was_offered_what_was_served_and_how_long_it_took_afterwards() -> None:
    found = overload_of(rows_of(), PROFILE, DURATION_S)
    assert found["saves_per_s_peak"] == CAPACITY
    assert found["times"] == pytest.approx(4.0, abs=0.05)
    assert (found["throughput_percent"], found["recovery_s"]) == (100.0, 8)
    run = {"overload": found, "teachers_sent": 4_000, "teachers_reached": 4_000}
    (said,) = sentences_of(run)
    assert "4.0 times" in said
    assert "1,000 of 4,000 teachers were told" in sentences_of(run | {"teachers_reached": 3_000})[1]
    assert all(one.holds for one in judge(default_slo(500, 0, only_loss=False, is_overload=True), {"overload": found}))


def test_a_service_that_collapses_fails() -> None:
    found = overload_of(rows_of(served=0.5, trouble_s=31), PROFILE, DURATION_S)
    judged = judge(default_slo(500, 0, only_loss=False, is_overload=True), {"overload": found})
    assert [one.holds for one in judged] == [False, False]
    assert "50" in judged[0].failure()


def test_a_service_that_never_recovers_has_no_figure_and_fails() -> None:
    found = overload_of(rows_of(trouble_s=100), PROFILE, DURATION_S)
    assert found["recovery_s"] is None
    assert not judge({"overload_recovery_s_max": 30}, {"overload": found})[0].holds


def test_less_than_four_times_shows_nothing() -> None:
    assert not too_little({"times": 4.2})
    assert "more --teachers" in too_little({"times": 2.0})[0]
    assert too_little({"times": None})
    assert overload_of([], PROFILE, DURATION_S)["times"] is None
