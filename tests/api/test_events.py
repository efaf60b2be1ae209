from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from app.api import events
from app.api.services import services_of
from app.drafts.connection import Address
from app.gradebook import watch_sections
from tests.api.conftest import client_of
from tests.api.test_sections import save, section
from tests.school import PASSWORD, add_teacher, enroll

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import asyncpg
    import httpx
    from litestar import Litestar

    from app.api.services import Services
    from app.drafts.connection import JournalProtocol

__all__ = ["section"]  # a fixture


class Stream:
    """A browser's stream, read event by event; httpx would wait for its end."""

    def __init__(self, app: Litestar, path: str, headers: dict[str, str]) -> None:
        target, _, query = path.partition("?")
        self._scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": target,
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("10.1.2.3", 5),
            "server": ("127.0.0.1", 8000),
        }
        self._app = app
        self._leaves = asyncio.Event()
        self._sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None

    async def _receive(self) -> dict[str, Any]:
        await self._leaves.wait()
        return {"type": "http.disconnect"}

    async def open(self) -> int:
        self.task = asyncio.create_task(self._app(self._scope, self._receive, self._sent.put))  # type: ignore[arg-type]  # a scope
        started = await self.message()
        self.headers = dict(started["headers"])
        return int(started["status"])

    async def message(self) -> dict[str, Any]:
        async with asyncio.timeout(60):
            return await self._sent.get()

    async def begun(self) -> None:
        """Wait for its first bytes, and leave them."""
        async with asyncio.timeout(60):
            while not self.has_begun:
                await asyncio.sleep(0.01)

    @property
    def has_begun(self) -> bool:
        """Whether its first bytes are there."""
        return not self._sent.empty()

    async def event(self) -> tuple[str, Any]:
        while True:
            text = (await self.message())["body"].decode()
            if text.startswith("event: "):
                name, data = text.rstrip("\n").split("\n")
                return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))

    async def leave(self) -> None:
        self._leaves.set()
        assert self.task is not None
        async with asyncio.timeout(60):
            await self.task


@pytest.fixture
async def stream(
    app: Litestar, client: httpx.AsyncClient, section: tuple[int, int, int]
) -> AsyncIterator[Callable[..., Awaitable[Stream]]]:
    """Open a stream of the teacher's section (or of others), subscribed."""
    opened: list[Stream] = []

    async def open_stream(
        path: str | None = None, cookies: httpx.Cookies | None = None, *, waiting: bool = False
    ) -> Stream:
        jar = cookies if cookies is not None else client.cookies
        cookie = "; ".join(f"{name}={value}" for name, value in jar.items())
        stream = Stream(app, path or f"/api/v1/events?sections={section[0]}", {"cookie": cookie})
        assert await stream.open() == 200
        opened.append(stream)
        if not waiting:
            await stream.begun()
        return stream

    yield open_stream
    for each in opened:
        await each.leave()
    assert of(app).watch_sections.streams == 0
    assert not of(app).watch_sections._streams_of_user


def of(app: Litestar) -> Services:
    return services_of({"litestar_app": app})  # type: ignore[typeddict-item]  # all that it looks at


async def test_a_save_is_heard_of_while_it_happens(
    client: httpx.AsyncClient, section: tuple[int, int, int], stream: Any
) -> None:
    listening = await stream()
    assert listening.headers[b"content-type"].startswith(b"text/event-stream")
    assert listening.headers[b"cache-control"] == b"no-store"
    saved = await save(client, section, "17.5")
    name, data = await listening.event()
    assert name == "cells"
    assert data["section_id"] == section[0]
    cells = data["cells"]
    assert {len(column) for column in cells.values()} == {1}
    assert (cells["edit_id"], cells["state"], cells["value"]) == ([saved["edit_id"]], ["drafted"], [{"score": "17.5"}])


async def test_the_stream_begins_when_its_process_listens(
    app: Litestar, client: httpx.AsyncClient, section: tuple[int, int, int], stream: Any, monkeypatch: Any
) -> None:
    """Whoever reads the section when the stream begins would miss for good what happens between the two."""
    is_free, connect = asyncio.Event(), Address.open

    async def connect_when_free(address: Address, protocol: JournalProtocol) -> None:
        await is_free.wait()
        await connect(address, protocol)

    monkeypatch.setattr(Address, "open", connect_when_free)
    monkeypatch.setattr(events, "SUBSCRIBED_S_MAX", 60)
    listening = await stream(waiting=True)
    for _ in range(100):
        await asyncio.sleep(0)
    assert not listening.has_begun
    is_free.set()
    await listening.begun()
    await save(client, section, "17.5")
    assert (await listening.event())[0] == "cells"


async def test_that_an_edit_is_recorded_is_told_to_its_author_alone(
    database: asyncpg.Connection[Any],
    app: Litestar,
    client: httpx.AsyncClient,
    section: tuple[int, int, int],
    stream: Any,
) -> None:
    colleague, _ = await add_teacher(database, "colleague")
    await enroll(database, section[0], colleague)
    mine = await stream()
    async with client_of(app) as other:
        await other.post("/api/v1/session", json={"username": "colleague", "password": PASSWORD})
        theirs = await stream(cookies=other.cookies)
    hub = of(app).watch_sections._hub
    author = (await client.get("/api/v1/session")).json()["user_id"]

    def recorded(user_id: int, seq: int) -> None:
        raw = user_id.to_bytes(4, "big") + bytes(16) + seq.to_bytes(4, "big")
        hub._pushed([b"smessage", b"", b"\xff" + str(section[0]).encode() + b":" + raw])

    def told(seq: int) -> tuple[str, Any]:
        client_id = "00000000-0000-0000-0000-000000000000"
        return "recorded", {"section_id": section[0], "client_id": client_id, "recorded_seq": seq}

    recorded(author, 7)
    recorded(colleague, 8)
    assert (await mine.event(), await theirs.event()) == (told(7), told(8))
    recorded(colleague, 9)
    recorded(author, 10)
    recorded(colleague, 11)
    assert await mine.event() == told(10), "what came between was the colleague's"
    assert await theirs.event() in (told(9), told(11))


async def test_a_stream_stays_alive_and_ends_with_its_grant(
    client: httpx.AsyncClient, section: tuple[int, int, int], stream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "ALIVE_S", 0.05)
    listening = await stream()
    assert (await listening.message())["body"].startswith(b"retry: ")
    assert (await listening.message())["body"] == b": alive\n\n"
    await client.delete("/api/v1/session", headers={"sec-fetch-site": "same-origin"})
    async with asyncio.timeout(60):
        await listening.task
    assert section


async def test_a_stream_ends_when_the_process_is_about_to_stop(app: Litestar, stream: Any) -> None:
    listening = await stream()
    of(app).stopping.set()
    async with asyncio.timeout(60):
        await listening.task


async def test_one_user_has_only_so_many_streams(
    app: Litestar,
    client: httpx.AsyncClient,
    section: tuple[int, int, int],
    stream: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch_sections, "STREAMS_OF_USER_MAX", 2)
    await stream()
    await stream()
    answer = await client.get(f"/api/v1/events?sections={section[0]}")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
    assert "retry-after" in answer.headers
    assert of(app).watch_sections.streams == 2


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 422),
        ("sections=", 422),
        ("sections=x", 422),
        ("sections=1,", 422),
        ("sections=,1", 422),
        ("sections=1;2", 422),
        ("sections=-1", 422),
        ("sections=99999999999", 422),
        ("sections=" + ",".join(map(str, range(1, 62))), 422),
        ("sections=" + "1," * 5000 + "1", 422),
        ("sections=999999", 403),
        ("sections=%00", 422),
    ],
)
async def test_only_sections_of_ones_own_can_be_watched(
    client: httpx.AsyncClient, section: tuple[int, int, int], query: str, status: int
) -> None:
    assert (await client.get(f"/api/v1/events?{query}")).status_code == status
    assert (await client.get(f"/api/v1/events?sections={section[0]},999999")).status_code == 403


async def test_a_stranger_hears_nothing(
    database: asyncpg.Connection[Any], app: Litestar, section: tuple[int, int, int]
) -> None:
    await add_teacher(database, "stranger")
    async with client_of(app) as stranger:
        url = f"/api/v1/events?sections={section[0]}"
        assert (await stranger.get(url)).status_code == 401
        await stranger.post("/api/v1/session", json={"username": "stranger", "password": PASSWORD})
        assert (await stranger.get(url)).status_code == 403
