"""Saves have a route of their own in front of Litestar's: what it takes, what it leaves, and that nobody can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.api.edits import SaveRoute
from app.gradebook.edit_cells import EditCells
from tests.api.conftest import OWN_PAGE, services
from tests.school import PASSWORD, add_teacher

if TYPE_CHECKING:
    import asyncpg
    import httpx
    from litestar import Litestar

TEMPLATE = "/api/v1/sections/{section_id}/edits"
POLL = {"client_id": "0199a000-0000-7000-8000-000000000001", "sent_at": "2026-11-06T14:03:24Z", "edits": []}


class Passed(Exception):  # noqa: N818 -- it is no error
    """The request went on to Litestar."""


def asked(path: str, method: str = "POST", kind: str = "http") -> Any:
    async def litestar(*_: Any) -> None:
        raise Passed

    return SaveRoute(litestar)({"type": kind, "method": method, "path": path}, None, None)  # type: ignore[arg-type]  # it looks at the scope alone


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/api/v1/sections/4001/edits", "GET"),
        ("/api/v1/sections/4001/edits", "HEAD"),
        ("/api/v1/sections/4001/edits/", "POST"),
        ("/api/v1/sections//edits", "POST"),
        ("/api/v1/sections/edits", "POST"),
        ("/api/v1/sections/-1/edits", "POST"),
        ("/api/v1/sections/1_0/edits", "POST"),
        ("/api/v1/sections/\N{SUPERSCRIPT TWO}/edits", "POST"),
        ("/api/v1/sections/\N{ARABIC-INDIC DIGIT TWO}/edits", "POST"),
        ("/api/v1/sections/12345678901/edits", "POST"),
        ("/api/v1/sections/4001/history", "POST"),
        ("/other/api/v1/sections/4001/edits", "POST"),
    ],
)
async def test_what_is_no_save_in_the_usual_spelling_goes_on(path: str, method: str) -> None:
    with pytest.raises(Passed):
        await asked(path, method)


async def test_other_protocols_go_on() -> None:
    with pytest.raises(Passed):
        await asked("/api/v1/sections/4001/edits", kind="lifespan")


@pytest.fixture
async def own(database: asyncpg.Connection[Any], client: httpx.AsyncClient) -> str:
    """Where the teacher who is signed in saves."""
    _, (section_id,) = await add_teacher(database, "teacher")
    await client.post("/api/v1/session", json={"username": "teacher", "password": PASSWORD})
    return f"/api/v1/sections/{section_id}/edits"


async def test_both_routes_answer_alike_and_are_counted_as_one(
    app: Litestar, client: httpx.AsyncClient, own: str
) -> None:
    strange = "/api/v1/sections/4000000000/edits"
    for body, headers, path in (
        (POLL, OWN_PAGE, own),
        (POLL, OWN_PAGE, strange),
        (POLL, {}, own),
        (POLL, OWN_PAGE | {"inkfast-user": "999"}, own),
        ({}, OWN_PAGE, own),
        ({"client_id": "x" * 70_000}, OWN_PAGE, own),
    ):
        usual = await client.post(path, json=body, headers=headers)
        other = await client.post(path + "/", json=body, headers=headers)
        assert usual.status_code == other.status_code
        assert usual.json() == other.json()
        assert [(name, value) for name, value in usual.headers.items() if name != "date"] == [
            (name, value) for name, value in other.headers.items() if name != "date"
        ]
    answered = {status: sum(e[1:]) for (route, _, status), e in services(app).meter.series.items() if route == TEMPLATE}
    assert answered == {200: 2, 401: 2, 403: 4, 413: 2, 422: 2}


async def test_a_failure_that_nobody_foresaw_tells_nothing_and_is_logged(
    client: httpx.AsyncClient, own: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: Any) -> bytes:
        raise ValueError("Ada scored 17.5")

    monkeypatch.setattr(EditCells, "save", fail)
    answer = await client.post(own, json=POLL, headers=OWN_PAGE)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "Ada" not in answer.text
    (record,) = [record for record in caplog.records if record.getMessage() == "request.failed"]
    fields = record.fields  # type: ignore[attr-defined]  # app/telemetry.py puts it there
    assert fields["request_id"] == answer.json()["params"]["request_id"]
    assert fields["route"] == TEMPLATE
