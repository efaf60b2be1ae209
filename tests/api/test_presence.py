"""Who else has a section open, through real streams and a real journal's server."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from app.drafts.keys import PRESENT, partition_of
from tests.api.conftest import client_of, running, services
from tests.api.test_events import Stream
from tests.api.test_sections import section
from tests.school import PASSWORD, add_teacher, enroll

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg
    import httpx
    from litestar import Litestar

    from app.settings import Settings

__all__ = ["section"]  # a fixture


@asynccontextmanager
async def open_stream(
    app: Litestar, user: httpx.AsyncClient, sections: str, here: int | None = None
) -> AsyncIterator[Stream]:
    """A browser's stream, subscribed to what it asks for."""
    cookie = "; ".join(f"{name}={value}" for name, value in user.cookies.items())
    path = f"/api/v1/events?sections={sections}" + (f"&here={here}" if here is not None else "")
    stream = Stream(app, path, {"cookie": cookie})
    assert await stream.open() == 200
    if here is not None:
        hub = services(app).watch_sections._hub
        async with asyncio.timeout(60):
            while not hub._board.hears(partition_of(here)):
                await asyncio.sleep(0.01)
    yield stream
    await stream.leave()


@pytest.fixture
async def colleague(
    app: Litestar, database: asyncpg.Connection[Any], section: tuple[int, int, int]
) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody else who teaches the section, signed in."""
    user_id, _ = await add_teacher(database, "colleague")
    await database.execute(
        "UPDATE user_account SET given_name = 'Sam', family_name = 'Okafor' WHERE user_id = $1", user_id
    )
    await enroll(database, section[0], user_id)
    async with client_of(app) as client:
        await client.post("/api/v1/session", json={"username": "colleague", "password": PASSWORD})
        yield client


async def test_two_who_have_a_section_open_are_told_of_each_other(
    app: Litestar,
    client: httpx.AsyncClient,
    colleague: httpx.AsyncClient,
    section: tuple[int, int, int],
    settings: Settings,
) -> None:
    """Each through a process of their own."""
    here = section[0]
    me = (await client.get("/api/v1/session")).json()
    async with running(settings) as other_process, open_stream(app, client, str(here), here) as mine:
        async with open_stream(other_process, colleague, str(here), here) as theirs:
            name, told = await mine.event()
            assert (name, told["section_id"]) == ("presence", here)
            assert [user["name"] for user in told["users"]] == ["Sam Okafor"]
            assert await theirs.event() == (
                "presence",
                {"section_id": here, "users": [{"user_id": me["user_id"], "name": me["name"]}]},
            )
        assert await mine.event() == ("presence", {"section_id": here, "users": []})


async def test_who_only_watches_is_neither_shown_nor_told(
    app: Litestar, client: httpx.AsyncClient, colleague: httpx.AsyncClient, section: tuple[int, int, int]
) -> None:
    here = section[0]
    async with AsyncExitStack() as streams:
        mine = await streams.enter_async_context(open_stream(app, client, str(here), here))
        watching = await streams.enter_async_context(open_stream(app, colleague, str(here)))
        again = await streams.enter_async_context(open_stream(app, client, str(here), here))
        theirs = await streams.enter_async_context(open_stream(app, colleague, str(here), here))
        for stream in (mine, again, theirs):
            name, told = await stream.event()
            assert (name, len(told["users"])) == ("presence", 1)
        sent = [watching._sent.get_nowait()["body"] for _ in range(watching._sent.qsize())]
        assert not [body for body in sent if b"presence" in body]


async def test_who_is_alone_says_one_word_and_asks_nothing_of_the_journal(
    app: Litestar, client: httpx.AsyncClient, section: tuple[int, int, int]
) -> None:
    topology = services(app).standing._store.topology
    here = section[0]
    async with open_stream(app, client, str(here), here):
        assert await topology.call(0, b"PUBSUB", b"SHARDNUMSUB", PRESENT[partition_of(here)]) == [
            PRESENT[partition_of(here)],
            1,
        ]
        assert services(app).watch_sections._hub._board._announcing is None


@pytest.mark.parametrize(
    "here",
    ["-1", "x", "", "1,2", "1.5", "9" * 30, "%00", "null", "[1]", "true", " 1x"],
)
async def test_here_is_the_number_of_a_section(
    client: httpx.AsyncClient, section: tuple[int, int, int], here: str
) -> None:
    answer = await client.get(f"/api/v1/events?sections={section[0]}&here={here}")
    assert (answer.status_code, answer.json()["code"]) == (422, "malformed_request")


async def test_nobody_is_present_in_a_section_of_others(
    app: Litestar, database: asyncpg.Connection[Any], client: httpx.AsyncClient, section: tuple[int, int, int]
) -> None:
    _, [theirs] = await add_teacher(database, "stranger")
    own = section[0]
    for query, status in (
        (f"sections={own}&here={theirs}", 422),
        (f"sections={theirs}&here={theirs}", 403),
        (f"sections={own},{theirs}&here={theirs}", 403),
        (f"sections={own},{theirs}&here={own}", 403),
        (f"sections={own}&here={own + 1}", 422),
    ):
        assert (await client.get(f"/api/v1/events?{query}")).status_code == status
    assert not services(app).watch_sections._hub._board._rooms
    assert services(app).watch_sections.streams == 0
