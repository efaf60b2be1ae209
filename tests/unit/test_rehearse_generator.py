"""The generator's parts: timers, histogram, profiles, habits, ledger."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.rehearsal.desk import Desk, decode_snapshot
from loadtests.rehearsal.figures import Second, Totals
from loadtests.rehearsal.grants import Grant, Grants, GrantsError
from loadtests.rehearsal.habits import Habits, draw_burst, edits_per_s, meet, midway
from loadtests.rehearsal.histogram import Histogram
from loadtests.rehearsal.ledger import CompactLedger
from loadtests.rehearsal.outbox import Answer, Outcome
from loadtests.rehearsal.profiles import PROFILES
from loadtests.rehearsal.sockets import Reply, address_of
from loadtests.rehearsal.wheel import TimerWheel

if TYPE_CHECKING:
    from pathlib import Path


def fire(wheel: TimerWheel, now: float) -> list[float]:
    fired = []
    for _, due, call in wheel.due(now):
        fired.append(due)
        call(due)
    return fired


@given(st.lists(st.floats(0, 30, allow_nan=False), max_size=60), st.lists(st.floats(0.001, 3), min_size=1, max_size=60))
def test_every_timer_fires_once_and_none_early(dues: list[float], steps: list[float]) -> None:
    wheel = TimerWheel(100.0, tick_s=0.01, slots=64)  # one turn is 0.64 s: most wait for several
    for due in dues:
        wheel.add(100.0 + due, lambda _: None)
    now, fired = 100.0, []
    for step in [*steps, 40.0]:
        now += step
        for due in fire(wheel, now):
            assert due <= now
            fired.append(due)
    assert sorted(fired) == sorted(100.0 + due for due in dues)
    assert wheel.pending == 0


def test_a_late_turn_catches_up_with_a_chain_of_timers() -> None:
    wheel = TimerWheel(0.0)
    fired = []

    def again(due: float) -> None:
        fired.append(due)
        wheel.add(due + 0.01, again)

    wheel.add(0.01, again)
    fire(wheel, 0.1)
    assert fired == pytest.approx([0.01 * n for n in range(1, len(fired) + 1)])
    assert 8 <= len(fired) <= 10
    assert wheel.overdue(0.1 - 0.02) == 0
    assert wheel.overdue(10.0) == 1


def test_the_wheel_says_for_how_long_nothing_comes() -> None:
    wheel = TimerWheel(0.0, tick_s=0.01)
    assert wheel.idle_s(0.0, 0.1) == 0.1
    wheel.add(0.04, lambda _: None)
    assert 0.04 <= wheel.idle_s(0.0, 0.1) <= 0.06


@given(st.lists(st.floats(0, 100, allow_nan=False), min_size=1, max_size=300), st.sampled_from([50, 95, 99, 100]))
def test_a_percentile_is_never_flattered_and_exact_to_a_hundredth(seconds: list[float], percent: int) -> None:
    histogram = Histogram()
    for value in seconds:
        histogram.record(value)
    exact_us = sorted(int(value * 1_000_000) for value in seconds)[-(-len(seconds) * percent // 100) - 1]
    found_us = (histogram.percentile_ms(percent) or 0) * 1000
    assert exact_us - 1 <= found_us <= exact_us * 1.01 + 1


@given(st.lists(st.floats(0, 10), max_size=80), st.lists(st.floats(0, 10), max_size=80))
def test_histograms_of_two_processes_add_to_that_of_one(first: list[float], second: list[float]) -> None:
    one, two, both = Histogram(), Histogram(), Histogram()
    for histogram, values in ((one, first), (two, second), (both, [*first, *second])):
        for value in values:
            histogram.record(value)
    one.merge(Histogram.of_plain(json.loads(json.dumps(two.as_plain()))))
    assert one.summary() == both.summary()
    assert one.mean_ms() == both.mean_ms()


def test_nothing_counted_has_no_percentile() -> None:
    assert Histogram().summary() == {"p50": None, "p95": None, "p99": None, "max": None}


def test_seconds_of_processes_add_up() -> None:
    totals = Totals()
    for process in (0, 1):
        second = Second()
        second.counts["offered"] = 5
        second.errors["save: 503"] = 1
        second.gauges = {"teachers": 10, "cpu": 0.2 + process}
        second.requests["save"].record(0.1)
        second.requests[("poll", "open section")[process]].record(0.4)
        totals.add(json.loads(json.dumps(second.as_plain(1, process))))
    assert totals.counts["offered"] == 10
    assert totals.errors["save: 503"] == 2
    assert totals.gauges["teachers"] == 20
    assert totals.cpu_max == 1.2
    assert {kind: found.count for kind, found in totals.requests.items()} == {"save": 2, "poll": 1, "open section": 1}
    assert totals.histograms["request"].count == 4
    assert totals.histograms["request"].summary()["max"] == totals.requests["poll"].summary()["max"]


def test_an_active_teacher_types_as_the_model_says() -> None:
    assert 11.0 < edits_per_s(Habits()) * 60 < 12.6


def test_a_teacher_saves_polls_and_reads_as_the_page_on_sizing_says() -> None:
    habits, saves, bursts, seconds = Habits(), 0, 0, 0.0
    for teacher in range(40):
        window_over = -1.0
        now = 0.0
        for number in range(1, 30):
            burst = draw_burst(habits, 7, teacher, number, habits.burst_max)
            for gap_s in burst.gaps_s:
                now += gap_s
                if now > window_over:
                    saves, window_over = saves + 1, now + 5
            now, bursts = now + burst.pause_s, bursts + 1
        seconds += now
    assert saves / seconds == pytest.approx(0.085, rel=0.05)
    assert bursts / seconds == pytest.approx(0.0066, rel=0.05)
    assert bursts / seconds * (habits.switch_share + habits.read_share) == pytest.approx(0.006, rel=0.05)


def test_the_same_seed_types_the_same_and_another_does_not() -> None:
    drawn = [draw_burst(Habits(), seed, 17, 3, 30) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(len(burst.gaps_s) <= 30 for burst in drawn)


def test_a_crowd_that_is_met_in_the_midst_types_as_much_at_once_as_later() -> None:
    habits, window_s = Habits(), 20.0
    rng, soon = random.Random(7), 0
    for teacher in range(4_000):
        _, burst, at, due_s = meet(habits, 7, teacher, habits.burst_max, rng)
        while at < len(burst.gaps_s) and due_s < window_s:
            soon, at = soon + 1, at + 1
            due_s += burst.gaps_s[at] if at < len(burst.gaps_s) else 0.0
    # Less than in the mean by what a second burst would add within the window.
    assert edits_per_s(habits) * 0.8 < soon / 4_000 / window_s < edits_per_s(habits) * 1.05


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.999999, 1.0])
def test_who_is_met_in_the_midst_types_what_is_left_of_the_column(share: float) -> None:
    burst = draw_burst(Habits(paste_share=0.0), 1, 1, 1, 30)
    at, due_s = midway(burst, share)
    left_s = (burst.pause_s + sum(burst.gaps_s)) * (1 - share)
    assert due_s + sum(burst.gaps_s[at + 1 :]) == pytest.approx(left_s, abs=1e-3)
    assert due_s >= 0


def test_a_pasted_column_comes_at_once() -> None:
    burst = draw_burst(Habits(paste_share=1.0), 1, 1, 1, 30)
    assert burst.is_paste
    assert set(burst.gaps_s) == {0.0}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_a_profile_says_where_its_figures_are_from_and_its_curve_stays_in_bounds(profile) -> None:  # noqa: ANN001
    assert len(profile.source) > 20
    moments = [at for at, _ in profile.curve]
    assert moments == sorted(moments)
    assert (moments[0], moments[-1]) == (0.0, 1.0)
    shares = [profile.active_share(at / 100) for at in range(101)]
    assert all(0 <= share <= 1 for share in shares)
    assert max(shares) == 1.0


def test_the_design_load_is_what_everyone_types_at_once() -> None:
    profile = PROFILES["everyone-at-once"]
    assert 4_700 < profile.teachers * edits_per_s(profile.habits) < 5_500


def test_the_busiest_minute_of_the_bell_has_a_seventh_of_the_rolls() -> None:
    profile = PROFILES["attendance-bell"]
    minutes = [profile.active_share((m + 1) / 10) - profile.active_share(m / 10) for m in range(10)]
    assert 0.14 <= max(minutes) <= 0.16


def test_the_ledger_is_written_only_when_it_is_told_to_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = CompactLedger(path)
    number = ledger.client("0199f3a0-2f6e-7c11-9a44-6f1f7c1a2b3c", 7, 4001)
    ledger.sent(1.0, number, 1, 1, [(0.5, b'{"edit_id":"x"}')])
    assert path.read_bytes() == b""
    ledger.write()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == ["c", 1, "0199f3a0-2f6e-7c11-9a44-6f1f7c1a2b3c", 7, 4001]
    assert lines[1][0] == "s"
    assert lines[1][5][0][0] == lines[1][1] - 500_000
    ledger.close()


def test_an_address_is_http_and_a_header_is_found_whatever_stands_before_it() -> None:
    assert address_of("http://127.0.0.1:8000").header == b"127.0.0.1:8000"
    with pytest.raises(ValueError, match="http"):
        address_of("https://127.0.0.1")
    reply = Reply(503, b"http/1.1 503\r\nx-retry-after: 9\r\nretry-after: 2\r\n", b"", 0.0)
    assert reply.header(b"retry-after") == b"2"
    assert reply.header(b"etag") == b""


def test_who_waits_for_recorded_asks_less_and_less_often() -> None:
    planned: list[float] = []
    stage: Any = SimpleNamespace(
        ledger=CompactLedger(None),
        new_id=lambda: b"1",
        typed=lambda: None,
        heard=lambda *_: None,
        wheel=SimpleNamespace(add=lambda at, _: planned.append(at)),
    )
    about = {"section_id": 1, "title": "Rehearsal", "org_name": "R", "today": "2026-11-28"}
    cells = {"kind": [], "item": [], "student": [], "edit_id": []}
    seen = {"section": about, "students": [], "line_items": [], "cells": cells, "next_save_ms": 5_000}
    desk = Desk(stage, Grant(1, "t", (1,)), 1, decode_snapshot(json.dumps(seen).encode()))
    desk.put(0.0, "score", 7, 8, b'{"score":"1"}', b"now")
    answer = Answer([Outcome("1", "drafted")], 1, 0, [], 5_000)
    save = desk.outbox.next_save(0.0, b"now")
    waits = []
    for _ in range(6):
        desk._send_at = 0.0
        desk._accepted(save, answer, 100.0)
        waits.append(planned[-1] - 100.0)
        save, answer = desk.outbox.next_save(0.0, b"now"), Answer([], 1, 0, [], 5_000)
    assert waits == [5.0, 10.0, 20.0, 40.0, 65.0, 65.0]


def test_a_file_of_grants_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    path = tmp_path / "grants.jsonl"
    with pytest.raises(GrantsError, match="No such file"):
        Grants(path)
    path.write_text("\n")
    with pytest.raises(GrantsError, match="empty"):
        Grants(path)
    path.write_text('{"user": 1, "token": "t", "sections": []}\n')
    with pytest.raises(GrantsError, match="line 1: no sections"):
        Grants(path).of(random.randrange(5))
