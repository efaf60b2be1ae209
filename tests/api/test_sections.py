from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import redis

from app.api.sections import names
from tests.api.conftest import OWN_PAGE, client_of, services
from tests.school import PASSWORD, add_section, add_teacher, add_user, enroll

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import asyncpg
    import httpx
    from litestar import Litestar

    from app.settings import Settings

COLUMNS = ("kind", "item", "student", "edit_id", "cell_version", "state", "value", "author_id", "entered_at")


@pytest.fixture
async def section(database: asyncpg.Connection[Any], client: httpx.AsyncClient) -> tuple[int, int, int]:
    """A section of the teacher who is signed in: (section, student, line item)."""
    _, (section_id,) = await add_teacher(database, "teacher")
    student = await add_user(database, "student", given_name="Zoë", family_name="Ödman")
    await enroll(database, section_id, student, "student")
    line_item = await database.fetchval(
        "INSERT INTO line_item (section_id, title, result_value_max) VALUES ($1, 'Quiz 1', 20) RETURNING line_item_id",
        section_id,
    )
    await client.post("/api/v1/session", json={"username": "teacher", "password": PASSWORD})
    return section_id, student, line_item


def save_of(section: tuple[int, int, int], score: str, **changes: Any) -> dict[str, Any]:
    now = dt.datetime.now(dt.UTC).isoformat()
    edit = {
        "edit_id": str(uuid.uuid4()),
        "seq": 1,
        "kind": "score",
        "item": section[2],
        "student": section[1],
        "base": None,
        "value": {"score": score},
        "entered_at": now,
    }
    return {"client_id": str(uuid.uuid4()), "sent_at": now, "edits": [edit | changes]}


async def save(client: httpx.AsyncClient, section: tuple[int, int, int], score: str, **changes: Any) -> dict[str, Any]:
    body = save_of(section, score, **changes)
    answer = await client.post(f"/api/v1/sections/{section[0]}/edits", json=body, headers=OWN_PAGE)
    assert answer.status_code == 200, answer.text
    outcome: dict[str, Any] = answer.json()["outcomes"][0]
    return outcome


async def test_the_sections_of_today_are_listed(
    database: asyncpg.Connection[Any], client: httpx.AsyncClient, section: tuple[int, int, int]
) -> None:
    listed = (await client.get("/api/v1/sections")).json()["sections"]
    assert [s["section_id"] for s in listed] == [section[0]]
    assert listed[0]["title"] == "Algebra 1"
    await database.execute("UPDATE enrollment SET hidden_at = now() WHERE role = 'teacher'")
    assert (await client.get("/api/v1/sections")).json()["sections"] == []


async def test_a_section_is_read_with_what_was_just_typed(
    client: httpx.AsyncClient, section: tuple[int, int, int]
) -> None:
    section_id, student, line_item = section
    saved = await save(client, section, "17.5")
    answer = await client.get(f"/api/v1/sections/{section_id}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "private, no-cache"
    snapshot = answer.json()
    assert snapshot["section"]["section_id"] == section_id
    assert [s["student_id"] for s in snapshot["students"]] == [student]
    assert [c["line_item_id"] for c in snapshot["line_items"]] == [line_item]
    assert len(snapshot["reserved_line_item_ids"]) >= 10
    assert snapshot["next_save_ms"] == 5000
    cells = snapshot["cells"]
    assert set(cells) == set(COLUMNS)
    assert {len(column) for column in cells.values()} == {1}
    row = {name: cells[name][0] for name in COLUMNS}
    assert row["edit_id"] == saved["edit_id"]
    assert (row["kind"], row["item"], row["student"]) == ("score", line_item, student)
    assert (row["state"], row["value"]) == ("drafted", {"score": "17.5"})


async def test_everybody_who_teaches_a_section_has_a_name_before_they_type(
    client: httpx.AsyncClient, database: asyncpg.Connection[Any], section: tuple[int, int, int]
) -> None:
    colleague = await add_user(database, "colleague", given_name="Sam", family_name="Okafor")
    await enroll(database, section[0], colleague)
    snapshot = (await client.get(f"/api/v1/sections/{section[0]}")).json()
    assert snapshot["authors"][str(colleague)] == "Sam Okafor"
    assert str(section[1]) not in snapshot["authors"]  # a student
    assert len(snapshot["authors"]) == 2


async def test_an_unchanged_section_is_not_sent_again(client: httpx.AsyncClient, section: tuple[int, int, int]) -> None:
    url = f"/api/v1/sections/{section[0]}"
    first = await client.get(url)
    etag = first.headers["etag"]
    again = await client.get(url, headers={"if-none-match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    saved = await save(client, section, "3")
    changed = await client.get(url, headers={"if-none-match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag
    await save(client, section, "4", base=saved["edit_id"])
    assert (await client.get(url, headers={"if-none-match": changed.headers["etag"]})).status_code == 200


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, False),
        (b"", False),
        (b'"a"', True),
        (b'W/"a"', True),
        (b'"b", "a"', True),
        (b'"b"', False),
        (b"a", False),
        (b"*", True),
        (b"\xff", False),
    ],
)
def test_if_none_match_names_an_etag(header: bytes | None, expected: bool) -> None:  # noqa: FBT001 -- a table
    assert names(header, '"a"') is expected


async def test_the_history_of_a_cell_is_newest_first(client: httpx.AsyncClient, section: tuple[int, int, int]) -> None:
    first = await save(client, section, "3")
    second = await save(client, section, "4", base=first["edit_id"])
    params: dict[str, str | int] = {"kind": "score", "item": section[2], "student": section[1]}
    answer = await client.get(f"/api/v1/sections/{section[0]}/history", params=params)
    assert answer.status_code == 200
    assert answer.json()["history"][0]["edit_id"] == second["edit_id"]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"kind": "score", "item": 1},
        {"kind": "grade", "item": 1, "student": 1},
        {"kind": "score", "item": -1, "student": 1},
        {"kind": "score", "item": 2**32, "student": 1},
        {"kind": "score", "item": "1'", "student": 1},
        {"kind": "score\x00", "item": 1, "student": 1},
    ],
)
async def test_a_history_of_no_cell_is_malformed(
    client: httpx.AsyncClient, section: tuple[int, int, int], params: dict[str, Any]
) -> None:
    answer = await client.get(f"/api/v1/sections/{section[0]}/history", params=params)
    assert (answer.status_code, answer.json()["code"]) == (422, "malformed_request")


async def test_nobody_reads_anothers_section(
    database: asyncpg.Connection[Any], app: Litestar, client: httpx.AsyncClient, section: tuple[int, int, int]
) -> None:
    stranger_id, _ = await add_teacher(database, "stranger")
    student_id, _ = await add_teacher(database, "pupil")
    await enroll(database, section[0], student_id, "student")
    await enroll(database, section[0], stranger_id, "teacher", hidden_at=dt.datetime.now(dt.UTC))
    params: dict[str, str | int] = {"kind": "score", "item": section[2], "student": section[1]}
    for username in ("stranger", "pupil"):
        async with client_of(app) as other:
            await other.post("/api/v1/session", json={"username": username, "password": PASSWORD})
            for path in ("", "/history"):
                answer = await other.get(f"/api/v1/sections/{section[0]}{path}", params=params)
                assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
                assert "Zoë" not in answer.text
    assert client is not None


@pytest.mark.parametrize("section_id", ["0", "999999", str(2**32), str(2**64), "9" * 200])
async def test_a_section_that_does_not_exist_is_refused(
    client: httpx.AsyncClient, section: tuple[int, int, int], section_id: str
) -> None:
    assert section
    answer = await client.get(f"/api/v1/sections/{section_id}")
    assert answer.status_code in {403, 404}


async def test_a_section_gained_since_the_grant_is_found(
    database: asyncpg.Connection[Any], client: httpx.AsyncClient, section: tuple[int, int, int]
) -> None:
    found = await database.fetchrow(
        "SELECT e.user_id, s.org_id FROM enrollment e JOIN section s USING (section_id) WHERE e.role = 'teacher'"
    )
    assert found is not None
    gained = await add_section(database, found["org_id"], title="Geometry")
    await enroll(database, gained, found["user_id"])
    assert (await client.get(f"/api/v1/sections/{gained}")).status_code == 200
    assert section[0] != gained


async def test_saving_goes_on_past_the_grants_term_while_postgresql_is_away(
    app: Litestar,
    client: httpx.AsyncClient,
    section: tuple[int, int, int],
    let_records: Callable[[str], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    services = app.state["services"]
    await save(client, section, "1")
    await let_records("go away")
    await services.guard._revocations.look()
    later = dt.datetime.now(dt.UTC).timestamp() + 3600
    monkeypatch.setattr(services.guard, "_now", lambda: later)
    assert (await save(client, section, "2"))["outcome"] in {"drafted", "conflict"}
    assert (await client.delete("/api/v1/session", headers=OWN_PAGE)).status_code == 503


# The memory ladder


async def test_a_fuller_journal_is_saved_to_less_often_and_its_histories_wait(
    app: Litestar, client: httpx.AsyncClient, section: tuple[int, int, int], settings: Settings
) -> None:
    url = f"/api/v1/sections/{section[0]}"
    params = {"kind": "score", "item": section[2], "student": section[1]}
    standing = services(app).standing
    with redis.Redis.from_url(settings.redis_url) as journal:
        limit = journal.config_get("maxmemory")["maxmemory"]
        memory = journal.info("memory")
        journal.config_set("maxmemory", int(memory["used_memory"] / 0.8))
        try:  # all the while: the service looks by itself too
            await standing.look()
            status = (await client.get("/statusz")).json()
            assert 75 < status["journal_memory_percent"] < 85
            assert status["next_save_ms"] == 15_000
            assert (await client.get(url)).json()["next_save_ms"] == 15_000
            answer = await client.post(f"{url}/edits", json=save_of(section, "7"), headers=OWN_PAGE)
            assert (answer.json()["next_save_ms"], answer.json()["outcomes"][0]["outcome"]) == (15_000, "drafted")
            refused = await client.get(f"{url}/history", params=params)
            assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        finally:
            journal.config_set("maxmemory", limit)
    await standing.look()
    assert (await client.get("/statusz")).json()["next_save_ms"] == 5_000
    assert (await client.get(f"{url}/history", params=params)).status_code == 200


async def test_a_full_journal_takes_no_edits_and_the_records_do(
    app: Litestar, client: httpx.AsyncClient, section: tuple[int, int, int]
) -> None:
    services(app).standing.ladder.look(93, 100)
    assert (await save(client, section, "3"))["outcome"] == "recorded"


async def test_a_full_journal_takes_no_edits_and_answers_polls(
    app: Litestar,
    client: httpx.AsyncClient,
    section: tuple[int, int, int],
    let_records: Callable[[str], Awaitable[None]],
) -> None:
    url = f"/api/v1/sections/{section[0]}/edits"
    await save(client, section, "3")  # the journal knows the section
    await let_records("go away")
    services(app).standing.ladder.look(93, 100)
    refused = await client.post(url, json=save_of(section, "7"), headers=OWN_PAGE)
    assert (refused.status_code, refused.json()["code"]) == (503, "journal_unavailable")
    assert int(refused.headers["retry-after"]) > 0
    polled = await client.post(url, json=save_of(section, "7") | {"edits": []}, headers=OWN_PAGE)
    assert polled.status_code == 200
    assert polled.json()["next_save_ms"] == 60_000
    services(app).standing.ladder.look(10, 100)
    taken = await client.post(url, json=save_of(section, "7"), headers=OWN_PAGE)
    assert taken.json()["outcomes"][0]["outcome"] == "drafted"
    await let_records("come back")
