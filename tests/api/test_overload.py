"""More at once than there is room for: saving goes on, reading and signing on wait or are told when to come back."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from app.gradebook.load import AGE_S_MAX, FEW
from tests.api.conftest import OWN_PAGE, client_of, running, services
from tests.api.test_sections import save_of
from tests.school import PASSWORD, add_teacher, add_user, enroll

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg
    import httpx
    from litestar import Litestar

    from app.settings import Settings

SAVES, READINGS, HISTORIES, SIGN_ONS = 120, 60, 12, 6


@pytest.fixture
async def section(database: asyncpg.Connection[Any]) -> tuple[int, int, int]:
    """A section of `teacher`: (section, student, line item)."""
    _, (section_id,) = await add_teacher(database, "teacher")
    student = await add_user(database, "student")
    await enroll(database, section_id, student, "student")
    line_item = await database.fetchval(
        "INSERT INTO line_item (section_id, title, result_value_max) VALUES ($1, 'Quiz 1', 20) RETURNING line_item_id",
        section_id,
    )
    return section_id, student, line_item


def slow(app: Litestar, lag_s: float) -> None:
    """Let the process believe that its event loop has been late for two seconds."""
    services(app).standing.load.measured(1.0, lag_s, 60.0)


async def sign_on(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/api/v1/session", json={"username": "teacher", "password": PASSWORD})


async def test_the_least_urgent_is_refused_first_and_saving_last(
    app: Litestar, client: httpx.AsyncClient, section: tuple[int, int, int]
) -> None:
    await sign_on(client)
    url = f"/api/v1/sections/{section[0]}"
    history = f"{url}/history?kind=score&item={section[2]}&student={section[1]}"
    for refusing in range(len(AGE_S_MAX) + 1):
        slow(app, ([0.0, *AGE_S_MAX.values()][refusing]) + 0.01)
        answers = {
            "reports": await client.get(history),
            "sign_on": await sign_on(client),
            "reading": await client.get(url),
            "saving": await client.post(f"{url}/edits", json=save_of(section, "7"), headers=OWN_PAGE),
        }
        slow(app, ([0.0, *AGE_S_MAX.values()][refusing]) + 0.01)
        refused = [work for work, answer in answers.items() if answer.status_code == 503]
        assert refused == list(AGE_S_MAX)[:refusing]
        assert all(answers[work].json()["code"] == "overloaded" for work in refused)
        assert all(int(answers[work].headers["retry-after"]) > 0 for work in refused)
        assert (await client.get("/statusz")).json()["refusing"] == refused
        assert (await client.get("/readyz")).status_code == 200


async def test_under_load_clients_are_asked_to_save_less_often(
    app: Litestar, client: httpx.AsyncClient, section: tuple[int, int, int]
) -> None:
    await sign_on(client)
    url = f"/api/v1/sections/{section[0]}"
    load, told = services(app).standing.load, []
    for _ in range(200):
        load.measured(1.0, 0.2, 0.25)
    for number in range(8):
        answer = await client.post(f"{url}/edits", json=save_of(section, str(number)), headers=OWN_PAGE)
        told.append(answer.json()["next_save_ms"])
    window_ms = services(app).standing.ladder.save_window_ms
    assert window_ms > 10_000
    assert all(0.9 * window_ms <= one <= 1.25 * window_ms for one in told)
    assert len(set(told)) > 1, "each a little different"
    assert (await client.get("/statusz")).json()["load_percent"] > 100


async def test_a_crowd_that_reads_and_signs_on_does_not_hold_up_saving(
    settings: Settings, section: tuple[int, int, int]
) -> None:
    """Everything at once, with four connections to PostgreSQL and waits so short that some are turned away."""
    short = {"reading_wait_ms_max": 300, "sign_on_wait_ms_max": 300, "report_wait_ms_max": 50}
    few = msgspec.structs.replace(settings, database_connections_max=4, **short)
    async with running(few, looks_by_itself=True) as app, client_of(app) as client, asyncio.timeout(120):
        await sign_on(client)
        url = f"/api/v1/sections/{section[0]}"
        history = f"{url}/history?kind=score&item={section[2]}&student={section[1]}"

        async def save(number: int) -> dict[str, Any]:
            body = save_of(section, str(number % 20), edit_id=str(uuid.uuid4()))
            answer = await client.post(f"{url}/edits", json=body, headers=OWN_PAGE)
            assert answer.status_code == 200, answer.text
            outcome: dict[str, Any] = answer.json()["outcomes"][0]
            return outcome

        others = asyncio.gather(
            *(client.get(url) for _ in range(READINGS)),
            *(client.get(history) for _ in range(HISTORIES)),
            *(sign_on(client) for _ in range(SIGN_ONS)),
        )
        saved = await asyncio.gather(*(save(n) for n in range(SAVES)))
        answers = await others
        outcomes = [one["outcome"] for one in saved]
        assert outcomes.count("drafted") + outcomes.count("recorded") >= 1
        assert set(outcomes) <= {"drafted", "recorded", "conflict"}, "all of one cell: the first stands"
        for answer in answers:
            assert answer.status_code in {200, 503}, answer.text
            if answer.status_code == 503:
                assert answer.json()["code"] in {"overloaded", "records_unavailable"}, "the latter on a slow machine"
                assert int(answer.headers["retry-after"]) > 0
        while services(app).standing.load.refusing:  # measured four times a second
            await asyncio.sleep(0.01)
        assert (await client.get(url)).status_code == 200, "and when they have gone, all is as before"
        assert services(app).standing.load.refusing == []


async def test_clients_that_are_slow_to_send_are_no_load(
    app: Litestar, client: httpx.AsyncClient, section: tuple[int, int, int]
) -> None:
    await sign_on(client)
    url, endless = f"/api/v1/sections/{section[0]}/edits", asyncio.Event()

    reading = 0

    async def never() -> AsyncIterator[bytes]:
        nonlocal reading
        yield b"{"
        reading += 1
        await endless.wait()

    headers = OWN_PAGE | {"content-type": "application/json"}
    slow_ones = [asyncio.create_task(client.post(url, content=never(), headers=headers)) for _ in range(2 * FEW)]
    async with asyncio.timeout(60):
        while reading < len(slow_ones):
            await asyncio.sleep(0.01)
    load = services(app).standing.load
    load.measured(0.1, 0.0, 60.0)
    assert (load.saves_in_progress, load.refusing) == (0, [])
    for task in slow_ones:
        task.cancel()
    await asyncio.gather(*slow_ones, return_exceptions=True)
