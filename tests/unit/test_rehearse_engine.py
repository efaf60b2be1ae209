"""The engine against a service that stalls, refuses, breaks off, and is not the one it should be."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from loadtests.rehearsal.engine import Engine, Wanted
from loadtests.rehearsal.figures import Totals
from loadtests.rehearsal.grants import Grant, Grants
from loadtests.rehearsal.habits import Habits
from loadtests.rehearsal.profiles import PROFILES
from loadtests.rehearsal.sockets import Reply
from ops.rehearse import faults
from ops.rehearse.faults import Breaker, FaultAt
from tests.awake import AwakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HURRIED = Habits(
    gap_s=0.05,
    gap_sigma=0.1,
    pause_s=0.2,
    burst_min=5,
    burst_max=8,
    first_look_s=0.05,
    begins_midway=False,
    paste_share=0,
)
WAIT_S_MAX = 20.0


class Service:
    """What it holds, and how it behaves. `behave(number of the save)` may wait, or return a status."""

    def __init__(self) -> None:
        self.held: Counter[str] = Counter()  # how often each edit was accepted
        self.clients: list[tuple[int, str]] = []
        self.saves = 0
        self.title = "Rehearsal 1, period 1"
        self.recorded = self.opens = True
        self.behave: Callable[[int], int | None] = lambda _: None
        self.reads_go_on = threading.Event()
        self.reads_go_on.set()

    def snapshot(self, section: int) -> dict[str, Any]:
        about = {"section_id": section, "title": self.title, "org_name": "R", "today": "2026-11-28"}
        return {
            "section": about,
            "students": [{"student_id": n} for n in range(1, 11)],
            "line_items": [{"line_item_id": n, "result_value_max": "20"} for n in range(1, 4)],
            "cells": {"kind": [], "item": [], "student": [], "edit_id": []},
            "next_save_ms": 200,
        }

    def save(self, section: int, body: dict[str, Any]) -> dict[str, Any]:
        edits = body["edits"]
        self.clients.append((section, body["client_id"]))
        self.held.update(edit["edit_id"] for edit in edits)
        last = edits[-1]["seq"] if edits else 1_000_000
        outcomes = [{"edit_id": edit["edit_id"], "outcome": "drafted"} for edit in edits]
        positions = {"drafted_seq": last, "recorded_seq": last if self.recorded else 0}
        return positions | {"outcomes": outcomes, "exceptions": [], "next_save_ms": 200}


def handler_of(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            service.reads_go_on.wait(WAIT_S_MAX)
            section = self.path.rsplit("/", 1)[1]
            if section.isdigit() and not service.opens:
                self.answer(503, {"code": "overloaded", "params": {}}, {"Retry-After": "0.2"})
                return
            self.answer(200, service.snapshot(int(section)) if section.isdigit() else {"sections": []})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            service.saves += 1
            status = service.behave(service.saves)
            if status == 0:
                self.close_connection = True
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
            elif status is not None:
                self.answer(status, {"code": "overloaded", "params": {}}, {"Retry-After": "1"})
            else:
                self.answer(200, service.save(int(self.path.split("/")[4]), body))

        def answer(self, status: int, body: dict[str, Any], more: dict[str, str] | None = None) -> None:
            raw = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(raw)), **(more or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> AwakeClock:
    """What the engine goes by: the seconds of a rehearsal do not pass while the machine stands still."""
    clock = AwakeClock()
    for module in ("engine", "ledger", "sockets"):
        monkeypatch.setattr(f"loadtests.rehearsal.{module}.time", clock)
    monkeypatch.setattr(Stage, "clock", clock, raising=False)
    return clock


class Stage:
    """An engine with its teachers, turned by hand."""

    clock: AwakeClock

    def __init__(
        self, folder: Path, service: Service, url: str, *, teachers: int, seconds: float, typing_from: float = 0.0
    ) -> None:
        self.service = service
        lines = [json.dumps({"user": n, "token": "t", "sections": [2 * n, 2 * n + 1]}) for n in range(1, teachers + 1)]
        (folder / "grants.jsonl").write_text("\n".join(lines))
        wanted = Wanted(
            host=url,
            profile=PROFILES["smoke"]._replace(habits=HURRIED, typing_from=typing_from),
            duration_s=seconds,
            seed=3,
            process=0,
            ledger=folder / "ledger.jsonl",
            sockets=4,
            sockets_max=4,
            timeout_s=10,
            sources=(),
            may_write_anywhere=False,
        )
        self.totals = Totals()
        self.rows: list[dict[str, Any]] = []
        self.engine = Engine(wanted, Grants(folder / "grants.jsonl"), lambda *_: None, self._second)
        self.engine.is_running = True
        for number in range(teachers):
            self.engine.add_teacher(number, 0.0)

    def _second(self, plain: dict[str, Any]) -> None:
        self.rows.append(plain)
        self.totals.add(plain)

    def turn_until(self, condition: Callable[[], object]) -> None:
        deadline = self.clock.monotonic() + WAIT_S_MAX
        while not condition():
            assert self.clock.monotonic() < deadline, "not in time"
            self.engine.turn()
            time.sleep(0.002)  # as the engine waits for its sockets

    def play(self) -> None:
        over = self.clock.monotonic() + self.engine.wanted.duration_s
        self.turn_until(lambda: self.clock.monotonic() > over and not self.engine.unrecorded)
        self.engine.stop()


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def url(service: Service) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(service)) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that has gone
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_everything_typed_is_held_once_and_written_down(tmp_path: Path, service: Service, url: str) -> None:
    stage = Stage(tmp_path, service, url, teachers=6, seconds=2.0)
    stage.play()
    counts = stage.totals.counts
    assert counts["offered"] == counts["drafted"] == counts["recorded"] == len(service.held) > 50
    assert set(service.held.values()) == {1}
    lines = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    typed = [edit["edit_id"] for line in lines if isinstance(line, list) and line[0] == "s" for _, edit in line[5]]
    assert sorted(typed) == sorted(service.held)
    assert stage.engine.pool.most == 4


def test_pages_are_opened_and_nobody_types_before_it_is_time(
    tmp_path: Path, service: Service, url: str, clock: AwakeClock
) -> None:
    stage = Stage(tmp_path, service, url, teachers=6, seconds=4.0, typing_from=0.5)
    begins = clock.monotonic() + 1.9
    stage.turn_until(lambda: stage.engine.unacknowledged or service.saves)
    assert clock.monotonic() > begins
    stage.play()
    assert stage.totals.counts["offered"] == stage.totals.counts["recorded"] == len(service.held) > 50


def test_a_stall_of_the_service_cannot_hide(tmp_path: Path, service: Service, url: str, clock: AwakeClock) -> None:
    service.behave = lambda number: clock.wait(1.5) if number <= 4 else None  # all four sockets
    stage = Stage(tmp_path, service, url, teachers=6, seconds=3.0)
    stage.play()
    drafted = stage.totals.histograms["drafted"]
    assert (drafted.summary()["max"] or 0) > 1500
    # Edits have come every second, although nothing was answered in the first one and a half.
    typing = [row["counts"].get("offered", 0) for row in stage.rows]
    assert sum(1 for offered in typing if offered > 10) >= 3
    assert stage.totals.counts["dropped"] == 0


def test_a_save_does_not_wait_behind_pages_that_do_not_come(tmp_path: Path, service: Service, url: str) -> None:
    service.reads_go_on.clear()
    stage = Stage(tmp_path, service, url, teachers=1, seconds=5.0)
    engine, grant, answered = stage.engine, Grant(1, "t", ()), list[str]()
    for _ in range(10):
        engine.pool.ask(engine.get(b"/api/v1/sections", grant), lambda *_: answered.append("page"), 0.0)
    stage.turn_until(lambda: engine.pool.count)
    body = b'{"client_id": "c", "edits": []}'
    engine.pool.ask(
        engine.post(b"/api/v1/sections/1/edits", grant, body), lambda *_: answered.append("save"), 0.0, is_save=True
    )
    stage.turn_until(lambda: answered)
    assert answered == ["save"]
    service.reads_go_on.set()
    stage.turn_until(lambda: len(answered) == 11)
    stage.engine.stop()


@pytest.mark.parametrize(("status", "error"), [(503, "save: 503"), (0, "save: the connection was closed")])
def test_what_is_refused_or_broken_off_is_sent_again(
    status: int, error: str, tmp_path: Path, service: Service, url: str
) -> None:
    service.behave = lambda number: status if number in {2, 3, 5} else None
    stage = Stage(tmp_path, service, url, teachers=4, seconds=1.5)
    stage.play()
    assert stage.totals.errors[error] == 3
    assert stage.totals.counts["drafted"] == stage.totals.counts["offered"] == len(service.held)


def test_a_section_that_is_opened_again_goes_on_with_what_its_outbox_holds(
    tmp_path: Path, service: Service, url: str
) -> None:
    service.recorded = False
    stage = Stage(tmp_path, service, url, teachers=1, seconds=5.0)
    stage.turn_until(lambda: len({section for section, _ in service.clients}) == 2)
    first = service.clients[0][0]
    stage.turn_until(lambda: service.clients[-1][0] == first and len(service.clients) > 6)
    assert len(set(service.clients)) == 2  # one client for each section, however often it was opened
    stage.engine.stop()


def test_nothing_is_typed_into_a_section_of_real_life(tmp_path: Path, service: Service, url: str) -> None:
    service.title = "Algebra 1"
    stage = Stage(tmp_path, service, url, teachers=3, seconds=5.0)
    stage.turn_until(lambda: stage.engine.refusal)
    assert "Algebra 1) is no section of a rehearsal" in (stage.engine.refusal or "")
    stage.engine.stop()
    assert service.saves == 0


def test_a_fault_in_the_generator_is_no_silence(tmp_path: Path, service: Service, url: str, clock: AwakeClock) -> None:
    stage = Stage(tmp_path, service, url, teachers=1, seconds=5.0)

    def broken(_due: float) -> None:
        raise RuntimeError("a mistake")

    stage.engine.wheel.add(clock.monotonic(), broken)
    stage.turn_until(lambda: stage.engine.refusal)
    assert not stage.engine.is_running
    assert stage.engine.refusal == "the generator failed: RuntimeError a mistake"
    stage.engine.stop()


def test_who_has_started_a_server_again_lives_as_long_as_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    monkeypatch.setattr(faults, "FAULTS", {"kill-valkey": lambda scene: made.append(scene.hold_s)})
    installation: Any = None
    breaker = Breaker(installation, [FaultAt("kill-valkey", 0.0, 7.0)], tmp_path, tmp_path, 1)
    breaker.start()
    breaker.end(WAIT_S_MAX)
    breaker.end(WAIT_S_MAX)
    assert (made, [mark.complaint for mark in breaker.marks]) == ([7.0], [""])
    assert breaker.is_alive()  # servers end with the thread that has started them


def test_who_comes_back_is_one_teacher_and_what_they_had_typed_is_not_forgotten(
    tmp_path: Path, service: Service, url: str
) -> None:
    stage = Stage(tmp_path, service, url, teachers=3, seconds=600.0)
    engine = stage.engine
    stage.turn_until(lambda: engine.unacknowledged)
    first = engine._teachers[0]
    stage.turn_until(lambda: any(desk.outbox.unrecorded for desk in first.desks()))
    engine.send_home(0)
    engine.add_teacher(0, 0.0)
    assert engine._teachers[0] is not first
    stage.turn_until(engine._teachers[0].desks)
    engine.close_second(stage.clock.monotonic())
    assert (stage.rows[-1]["gauges"]["teachers_wanted"], stage.rows[-1]["gauges"]["teachers"]) == (3, 3)
    held = [desk.outbox for teacher in (*engine._left, *engine._teachers.values()) for desk in teacher.desks()]
    assert first in engine._left
    never = sum(1 for outbox in held for _ in outbox.unacknowledged())
    engine.stop()
    assert stage.totals.counts["never_acknowledged"] == never


def test_who_cannot_open_the_section_is_not_in(tmp_path: Path, service: Service, url: str) -> None:
    stage = Stage(tmp_path, service, url, teachers=2, seconds=600.0)
    service.opens = False
    stage.turn_until(
        lambda: stage.engine.second.errors["open section: 503"] or stage.totals.errors["open section: 503"]
    )
    stage.engine.close_second(stage.clock.monotonic())
    assert stage.rows[-1]["gauges"]["teachers"] == 0
    service.opens = True
    stage.turn_until(lambda: stage.engine.unacknowledged)
    stage.engine.close_second(stage.clock.monotonic())
    assert stage.rows[-1]["gauges"]["teachers"] > 0
    stage.engine.stop()
    assert [row.get("is_last", False) for row in stage.rows[-2:]] == [False, True]


def test_who_was_given_up_counts_with_the_time_they_waited(tmp_path: Path, service: Service, url: str) -> None:
    stage = Stage(tmp_path, service, url, teachers=1, seconds=600.0)
    stage.engine.requested("save", Reply(200, b"", b"", 0.01))
    stage.engine.requested("save", Reply(0, b"", b"no answer", 10.5))
    stage.engine.requested("save", Reply(0, b"", b"refused", 0.0))
    assert stage.engine.second.requests["save"].summary()["max"] >= 10_000
    assert stage.engine.second.requests["save"].count == 2
    stage.engine.stop()
