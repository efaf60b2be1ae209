from __future__ import annotations

import asyncio
import json
import logging
import time
import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
import redis

from app import VERSION, telemetry
from app.errors import JournalUnavailableError
from app.gradebook.load import Load
from app.gradebook.maintenance import MaintenanceBoard
from app.gradebook.revocations import Revocations
from app.gradebook.standing import Standing
from app.telemetry import JsonFormatter, MeasureRequests, RequestCollector
from tests.api.conftest import ORIGIN, client_of, running, services
from tests.school import PASSWORD, add_org, add_role, add_teacher

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import asyncpg
    from litestar import Litestar

    from app.settings import Settings


async def test_a_healthy_service_says_so_to_everybody(client: httpx.AsyncClient) -> None:
    assert (await client.get("/livez")).text == "alive\n"
    assert (await client.get("/readyz")).text == "ready\n"
    status = (await client.get("/statusz")).json()
    assert 0 < status.pop("journal_memory_percent") < 60
    assert status.pop("load_percent") >= 0
    assert status == {
        "saving": "ok",
        "recording": "ok",
        "oldest_unrecorded_s": 0.0,
        "next_save_ms": 5000,
        "refusing": [],
        "maintenance": None,
        "version": VERSION,
    }


def test_the_version_is_the_packages() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert project["project"]["version"] == VERSION


async def test_postgresql_going_away_stops_recording_and_not_saving(
    app: Litestar, client: httpx.AsyncClient, let_records: Callable[[str], Awaitable[None]]
) -> None:
    await let_records("go away")
    await services(app).standing._revocations.look()
    assert (await client.get("/readyz")).status_code == 200
    status = (await client.get("/statusz")).json()
    assert (status["saving"], status["recording"]) == ("ok", "away")
    await let_records("come back")
    await services(app).standing._revocations.look()
    assert (await client.get("/statusz")).json()["recording"] == "ok"


async def test_it_looks_at_its_stores_and_measures_its_load_by_itself(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every other test of the API it does so when it is told to."""
    looked: Counter[str] = Counter()

    def count(owner: type, name: str) -> None:
        does = getattr(owner, name)

        def counted(*arguments: Any) -> Any:
            looked[owner.__name__] += 1
            return does(*arguments)

        monkeypatch.setattr(owner, name, counted)

    for owner, name in ((Revocations, "look"), (Standing, "look"), (MaintenanceBoard, "look"), (Load, "measured")):
        count(owner, name)
    for seconds in ("revocations.REFRESH_S", "standing.LOOK_S", "maintenance.LOOK_S", "load.TICK_S"):
        monkeypatch.setattr(f"app.gradebook.{seconds}", 0.01)
    lag_s = telemetry.EVENT_LOOP_LAG._sum.get()
    async with running(settings, looks_by_itself=True), asyncio.timeout(60):
        looked.clear()  # each was done once while it opened
        while len(looked) < 4 or telemetry.EVENT_LOOP_LAG._sum.get() == lag_s:
            await asyncio.sleep(0.01)


async def test_edits_that_wait_long_show_as_delayed(app: Litestar, client: httpx.AsyncClient) -> None:
    standing = services(app).standing
    standing._oldest_unrecorded_ms = int((time.time() - 100) * 1000)
    status = (await client.get("/statusz")).json()
    assert status["recording"] == "delayed"
    assert 99 < status["oldest_unrecorded_s"] < 110


async def test_a_queue_half_full_shows_as_delayed_saving(app: Litestar, client: httpx.AsyncClient) -> None:
    services(app).standing._committer.waiting_edits = 15_000
    assert (await client.get("/statusz")).json()["saving"] == "delayed"
    assert (await client.get("/readyz")).status_code == 200


async def test_without_a_journal_the_process_is_ready_as_long_as_the_records_are_there(
    settings: Settings, with_settings: Any
) -> None:
    async with with_settings(redis_url="redis://127.0.0.1:1") as app, client_of(app) as client:
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
        status = (await client.get("/statusz")).json()
        assert (status["saving"], status["recording"], status["oldest_unrecorded_s"]) == ("ok", "ok", None)
        services(app).standing._revocations.records_are_away = True
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "journal_unavailable")
        assert "retry-after" in answer.headers
        status = (await client.get("/statusz")).json()
        assert (status["saving"], status["recording"], status["oldest_unrecorded_s"]) == ("unavailable", "away", None)
        # It comes.
        services(app).standing._store.topology.__init__(settings.redis_url)  # type: ignore[misc]  # the same object
        await services(app).standing.look()
        assert (await client.get("/readyz")).status_code == 200


async def test_a_journal_that_could_lose_an_edit_is_refused_at_the_start(settings: Settings) -> None:
    with redis.Redis.from_url(settings.redis_url) as journal:
        journal.config_set("appendfsync", "everysec")
        try:
            with pytest.raises(ExceptionGroup) as caught:
                async with running(settings):
                    pass
        finally:
            journal.config_set("appendfsync", "always")
    assert caught.group_contains(JournalUnavailableError, match="appendfsync is 'everysec'")


async def test_figures_are_for_administrators(
    database: asyncpg.Connection[Any], app: Litestar, client: httpx.AsyncClient
) -> None:
    assert (await client.get("/metrics")).status_code == 401
    user_id, _ = await add_teacher(database, "teacher")
    body = {"username": "teacher", "password": PASSWORD}
    await client.post("/api/v1/session", json=body)
    assert (await client.get("/metrics")).status_code == 403
    await add_role(database, user_id, await add_org(database), "districtAdministrator")
    await client.post("/api/v1/session", json=body)
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'inkfast_sign_ins_total{outcome="ok",worker="1"}' in answer.text
    assert 'inkfast_http_requests_total{method="GET",route="/metrics",status="401",worker="1"} 1.0' in answer.text


async def test_figures_are_for_this_machine_but_not_through_a_proxy_on_it(app: Litestar, with_settings: Any) -> None:
    async with client_of(app, client=("127.0.0.1", 5)) as local:
        assert (await local.get("/metrics")).status_code == 200  # the address of this installation is this machine
    public_url = "https://grades.example"
    async with with_settings(public_url=public_url) as public, client_of(public, client=("127.0.0.1", 5)) as proxied:
        assert (await proxied.get("/metrics")).status_code == 401
    settings = msgspec.structs.replace(services(app).settings, public_url=public_url)
    async with running(settings, own_port=9105) as own:  # a port that no proxy knows
        async with client_of(own, base_url="http://127.0.0.1:9105", client=("127.0.0.1", 5)) as scraper:
            assert (await scraper.get("/metrics")).status_code == 200
        async with client_of(own, base_url="http://127.0.0.1:9105", client=("10.0.0.1", 5)) as stranger:
            assert (await stranger.get("/metrics")).status_code == 401


async def test_routes_are_counted_by_template_and_scanners_by_nothing(app: Litestar, client: httpx.AsyncClient) -> None:
    for number in range(5):
        await client.get(f"/wp-admin/{number}")
        await client.request(f"X{number}", "/livez")
        await client.post(f"/api/v1/sections/{4000 + number}/edits", json={})
    series = services(app).meter.series
    routes = {route for route, _, _ in series}
    assert "unmatched" in routes
    assert not any("4001" in route or "wp-admin" in route for route in routes)
    assert len(series) <= 6
    assert sum(series["/api/v1/sections/{section_id}/edits", "POST", 401][1:]) == 5


# The meter, apart from the application.


def scope(method: str = "GET") -> dict[str, Any]:
    return {"type": "http", "method": method, "path": "/x", "path_template": "/x", "headers": []}


async def receive() -> Any:
    return {"type": "http.disconnect"}


async def send(_message: Any) -> None:
    return None


async def ok(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
    await send({"type": "http.response.body", "body": b""})


async def test_a_cancelled_request_is_499_with_the_time_it_took() -> None:
    begun = asyncio.Event()

    async def slow(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        begun.set()
        await asyncio.Event().wait()

    meter = MeasureRequests(slow)
    task = asyncio.create_task(meter(scope(), receive, send))
    await begun.wait()
    assert meter.in_progress == 1
    began = time.perf_counter()
    await asyncio.sleep(0.02)
    took = time.perf_counter() - began
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert meter.in_progress == 0
    assert list(meter.series) == [("/x", "GET", 499)]
    assert meter.series["/x", "GET", 499][0] >= took


async def test_a_client_that_left_before_an_answer_is_499_and_a_crash_is_500() -> None:
    async def silent(_scope: Any, _receive: Any, _send: Any) -> None:
        return None

    async def crashing(_scope: Any, _receive: Any, _send: Any) -> None:
        raise ZeroDivisionError

    meter = MeasureRequests(silent)
    await meter(scope(), receive, send)
    assert list(meter.series) == [("/x", "GET", 499)]
    meter = MeasureRequests(crashing)
    with pytest.raises(ZeroDivisionError):
        await meter(scope(), receive, send)
    assert list(meter.series) == [("/x", "GET", 500)]


async def test_every_answer_has_the_headers_that_all_have() -> None:
    sent: list[Any] = []

    async def keep(message: Any) -> None:
        sent.append(message)

    await MeasureRequests(ok, [(b"x", b"y")])(scope(), receive, keep)
    assert sent[0]["headers"] == [(b"a", b"b"), (b"x", b"y")]


async def test_the_meter_costs_microseconds() -> None:
    meter = MeasureRequests(ok, [(b"x", b"y")])
    best = {"plain": float("inf"), "measured": float("inf")}
    for _ in range(15):
        for name, application in (("plain", ok), ("measured", meter)):
            started = time.perf_counter()
            for _ in range(1_000):
                await application(scope(), receive, send)
            best[name] = min(best[name], time.perf_counter() - started)
    assert (best["measured"] - best["plain"]) / 1_000 < 10e-6  # about 1.6 µs on the test machine


async def test_durations_are_cumulative_and_have_a_sum() -> None:
    meter = MeasureRequests(ok)
    for seconds in (0.0005, 0.003, 20.0):
        await meter(scope(), receive, send)
        entry = meter.series["/x", "GET", 200]
        entry[0] += seconds
    text = telemetry.exposition("7", RequestCollector(meter)).decode()
    assert 'inkfast_http_request_seconds_count{method="GET",route="/x",worker="7"} 3.0' in text
    assert 'inkfast_http_request_seconds_bucket{le="+Inf",method="GET",route="/x",worker="7"} 3.0' in text
    assert 'inkfast_http_requests_in_progress{worker="7"} 0.0' in text
    assert all('worker="7"' in line for line in text.splitlines() if line and not line.startswith("#"))


# Logs.


def line_of(error: BaseException | None = None, **fields: Any) -> dict[str, Any]:
    record = logging.LogRecord("inkfast", logging.INFO, "f", 1, "edit.quarantined", (), None)
    record.fields = fields
    if error is not None:
        record.exc_info = (type(error), error, error.__traceback__)
    line: dict[str, Any] = json.loads(JsonFormatter().format(record))
    return line


def test_a_log_line_is_one_object_with_time_level_and_event() -> None:
    line = line_of(user_id=12, text="two\nlines")
    assert (line["event"], line["level"], line["user_id"], line["text"]) == (
        "edit.quarantined",
        "info",
        12,
        "two\nlines",
    )
    assert line["time"].endswith("Z")
    assert "logger" not in line


def test_an_error_that_may_quote_a_grade_is_logged_without_its_message() -> None:
    with pytest.raises(ValueError, match="Ada") as caught:
        float("17,5 for Ada")
    line = line_of(caught.value)
    assert "Ada" not in json.dumps(line)
    assert line["error"]["type"] == "builtins.ValueError"


def test_an_error_of_the_machine_is_logged_with_its_message() -> None:
    assert "refused" in line_of(ConnectionRefusedError("connection refused"))["error"]["message"]


async def test_the_lag_of_the_event_loop_is_measured() -> None:
    task = asyncio.create_task(telemetry.watch_event_loop(0.001))
    before = telemetry.EVENT_LOOP_LAG._sum.get()
    async with asyncio.timeout(60):
        while telemetry.EVENT_LOOP_LAG._sum.get() == before:
            time.sleep(0.005)  # noqa: ASYNC251 -- the lag to be measured
            await asyncio.sleep(0)
    task.cancel()


def test_the_address_of_the_tests_is_the_default() -> None:
    assert httpx.URL(ORIGIN).host == "127.0.0.1"
