"""Answers that are read arrive small; saves are answered as they are."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from app.api import compressing
from tests.api.conftest import OWN_PAGE
from tests.api.test_sections import save_of, section
from tests.gradebook_school import make_gradebook_school
from tests.school import PASSWORD

if TYPE_CHECKING:
    import asyncpg
    import httpx

__all__ = ["section"]  # a fixture

GZIP, IDENTITY = {"accept-encoding": "gzip"}, {"accept-encoding": "identity"}


async def raw_body(client: httpx.AsyncClient, url: str, headers: dict[str, str]) -> tuple[httpx.Response, bytes]:
    """What went over the wire: httpx would expand it."""
    async with client.stream("GET", url, headers=headers) as answer:
        return answer, b"".join([part async for part in answer.aiter_raw()])


@pytest.mark.parametrize(("students", "columns", "kib_max"), [(35, 30, 40), (200, 60, 480)])
async def test_a_full_section_is_small_on_the_wire(
    client: httpx.AsyncClient,
    database: asyncpg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
    students: int,
    columns: int,
    kib_max: int,
) -> None:
    """Every cell holds a score, and every edit id is random, which no compression can do anything about."""
    threads = []
    to_thread = compressing.asyncio.to_thread
    monkeypatch.setattr(compressing.asyncio, "to_thread", lambda *args: threads.append(1) or to_thread(*args))
    school = await make_gradebook_school(database, students=students, columns=columns, filled=1)
    await client.post("/api/v1/session", json={"username": school.teacher_name, "password": PASSWORD})
    url = f"/api/v1/sections/{school.section}"
    small, packed = await raw_body(client, url, GZIP)
    plain, whole = await raw_body(client, url, IDENTITY)
    assert small.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert len(packed) == int(small.headers["content-length"]) <= kib_max * 1024
    assert without_moment(gzip.decompress(packed)) == without_moment(whole)
    assert len(without_moment(whole)["cells"]["kind"]) == students * columns
    assert bool(threads) == (len(whole) > compressing.AT_ONCE_BYTES_MAX)


def without_moment(body: bytes) -> dict[str, Any]:
    """A snapshot without the moment at which it was made."""
    snapshot: dict[str, Any] = msgspec.json.decode(body)
    return {name: value for name, value in snapshot.items() if name != "as_of"}


async def test_each_coding_has_its_own_name_and_both_are_known_again(
    client: httpx.AsyncClient, section: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compressing, "BYTES_MIN", 1)
    url = f"/api/v1/sections/{section[0]}"
    small, plain = await client.get(url, headers=GZIP), await client.get(url, headers=IDENTITY)
    assert small.headers["etag"] != plain.headers["etag"]
    for asked in (GZIP, IDENTITY):
        for answer in (small, plain):
            assert answer.headers["vary"] == "cookie, authorization, accept-encoding"
            again = await client.get(url, headers={**asked, "if-none-match": answer.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == answer.headers["etag"]
            assert again.headers["vary"] == answer.headers["vary"]


async def test_lists_and_histories_are_compressed_and_problems_and_small_answers_are_not(
    client: httpx.AsyncClient, section: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, body = await raw_body(client, "/api/v1/sections", GZIP)
    assert body.startswith(b"{")
    monkeypatch.setattr(compressing, "BYTES_MIN", 1)
    history = f"/api/v1/sections/{section[0]}/history?kind=score&item={section[2]}&student={section[1]}"
    for url in ("/api/v1/sections", history):
        answer, body = await raw_body(client, url, GZIP)
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["cache-control"] == "no-store"
        assert gzip.decompress(body).startswith(b"{")
    answer, body = await raw_body(client, "/api/v1/sections/999999", GZIP)
    assert answer.status_code == 403
    assert body.startswith(b"{")


async def test_a_save_is_never_compressed(
    client: httpx.AsyncClient, section: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compressing, "BYTES_MIN", 1)
    url = f"/api/v1/sections/{section[0]}/edits"
    answer = await client.post(url, json=save_of(section, "17"), headers={**OWN_PAGE, **GZIP})
    assert answer.status_code == 200
    assert "content-encoding" not in answer.headers
