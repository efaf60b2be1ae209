"""The whole application in this process, over real servers."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import msgspec
import pytest

from app import main
from app.api.services import services_of
from app.gradebook.password_processes import PasswordProcesses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    from litestar import Litestar

    from app.api.services import Services
    from app.settings import Settings
    from ops.servers import PostgresServer

ORIGIN = "http://127.0.0.1:8000"
# What a browser sends with a request from our own page.
OWN_PAGE = {"sec-fetch-site": "same-origin", "origin": ORIGIN}


@asynccontextmanager
async def running(settings: Settings, *, looks_by_itself: bool = False, **options: Any) -> AsyncIterator[Litestar]:
    """Open the application as the server would, and close it: in a task of its own, as its task group demands.

    It looks at its stores, and measures its load, when a test tells it to. What it does by itself every second or two
    would now and then fall between two steps of a test, and take back what the first of them has brought about.
    """
    app = main.create_app(settings, **options)
    ready, done = asyncio.Event(), asyncio.Event()

    async def host() -> None:
        try:
            async with AsyncExitStack() as stack:
                with pytest.MonkeyPatch.context() as patch:
                    if not looks_by_itself:
                        patch.setattr(main, "_in_background", lambda _stack, work: work.close())
                    await stack.enter_async_context(app.lifespan())
                ready.set()
                await done.wait()
        finally:
            ready.set()

    hosting = asyncio.create_task(host())
    await ready.wait()
    if hosting.done():
        await hosting  # it could not start
    try:
        yield app
    finally:
        done.set()
        await hosting


def client_of(app: Litestar, *, base_url: str = ORIGIN, client: tuple[str, int] = ("10.1.2.3", 5)) -> httpx.AsyncClient:
    """A client with cookies of its own; it sends no Origin unless told to."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=client)  # type: ignore[arg-type]  # it is one
    return httpx.AsyncClient(transport=transport, base_url=base_url)


def services(app: Litestar) -> Services:
    return services_of({"litestar_app": app})  # type: ignore[typeddict-item]  # all that it looks at


@pytest.fixture(scope="session")
def password_processes() -> Iterator[PasswordProcesses]:
    processes = PasswordProcesses(1)
    yield processes
    PasswordProcesses.close(processes)


@pytest.fixture(autouse=True)
def one_password_process(password_processes: PasswordProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting one takes half a second: all tests use the same."""
    monkeypatch.setattr(main, "PasswordProcesses", lambda _count: password_processes)
    monkeypatch.setattr(password_processes, "close", lambda: None)


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Litestar]:
    async with running(settings) as app:
        yield app


@pytest.fixture
async def client(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
def with_settings(settings: Settings) -> Callable[..., AbstractAsyncContextManager[Litestar]]:
    """The application with other settings."""
    return lambda **changes: running(msgspec.structs.replace(settings, **changes))


@pytest.fixture
def let_records(postgres: PostgresServer, database_url: str) -> Callable[[str], Awaitable[None]]:
    """`await let_records("go away")`: every connection is lost and none can be made, until `("come back")`."""
    name = urlsplit(database_url).path[1:]

    async def do(what: str) -> None:
        connection = await asyncpg.connect(postgres.dsn_of("postgres", "postgres"))
        may_connect = {"go away": "false", "come back": "true"}[what]
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {may_connect}")
        if what == "go away":
            await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        await connection.close()

    return do
