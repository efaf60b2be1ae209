from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from ops.processes import alive
from tests.school import PASSWORD, add_teacher

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Iterator

    import asyncpg

    from app.settings import Settings

ROOT = Path(__file__).parents[2]
READY_S_MAX = 60


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """What the supervisor opens and hands down."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.listen(4096)
        yield listener


def url_of(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def own_port() -> Iterator[int]:
    """A port for the figures of one process; nobody else can take it meanwhile, for only its owner may share it."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


@asynccontextmanager
async def serving(settings: Settings, listener: socket.socket, *arguments: str) -> AsyncIterator[Process]:
    """One API process, ended at the latest afterwards."""
    environment = {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "INKFAST_SECRET_KEY": settings.secret_key,
        "INKFAST_PUBLIC_URL": url_of(listener),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "app.main", "--fd", str(listener.fileno()), *arguments),
        pass_fds=(listener.fileno(),),
        env=environment,
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def until_ready(url: str) -> None:
    async with asyncio.timeout(READY_S_MAX), httpx.AsyncClient() as client:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(f"{url}/readyz", timeout=READY_S_MAX)).is_success:
                    return
            await asyncio.sleep(0.05)


async def until_gone(processes: list[psutil.Process]) -> None:
    async with asyncio.timeout(60):
        while any(alive(p.pid) for p in processes):
            await asyncio.sleep(0.05)


@contextlib.contextmanager
def suspended(processes: list[psutil.Process]) -> Iterator[None]:
    for each in processes:
        each.suspend()
    try:
        yield
    finally:
        for each in processes:
            each.resume()


async def sign_in(client: httpx.AsyncClient, url: str, username: str) -> httpx.Response:
    return await client.post(f"{url}/api/v1/session", json={"username": username, "password": PASSWORD}, timeout=30)


async def in_progress(client: httpx.AsyncClient, own_port: int) -> int:
    """How many requests the process works on, but for this one."""
    figures = await client.get(f"http://127.0.0.1:{own_port}/metrics", timeout=60)
    found = re.search(r"^inkfast_http_requests_in_progress{.*} (\d+)", figures.text, re.MULTILINE)
    assert found, figures.text
    return int(found[1]) - 1


async def test_a_process_serves_drains_and_leaves_nothing_behind(
    settings: Settings, database: asyncpg.Connection[Any], listener: socket.socket, own_port: int
) -> None:
    for number in range(8):
        await add_teacher(database, f"teacher{number}")
    url = url_of(listener)
    async with (
        serving(settings, listener, "--own-port", str(own_port), "--worker", "7") as process,
        httpx.AsyncClient() as client,
    ):
        await until_ready(url)
        assert (await sign_in(client, url, "teacher0")).status_code == 200
        figures = await client.get(f"http://127.0.0.1:{own_port}/metrics")
        assert 'worker="7"' in figures.text
        assert "server" not in figures.headers
        children = psutil.Process(process.pid).children()
        assert children  # the password process
        # All eight are there, and no password has been compared, when it is asked to stop.
        with suspended(children):
            pending = [asyncio.create_task(sign_in(client, url, f"teacher{number}")) for number in range(8)]
            async with asyncio.timeout(60):
                while await in_progress(client, own_port) < 8:
                    await asyncio.sleep(0.02)
            process.send_signal(signal.SIGTERM)
        assert [answer.status_code for answer in await asyncio.gather(*pending)] == [200] * 8
        async with asyncio.timeout(60):
            _, err = await process.communicate()
        assert process.returncode in {0, -signal.SIGTERM}
        assert b"service.stopped" in err
        assert b"Traceback" not in err
        assert b'"level":"error"' not in err
        await until_gone(children)


async def test_a_killed_process_takes_its_password_process_along_and_refuses_nobody(
    settings: Settings, database: asyncpg.Connection[Any], listener: socket.socket
) -> None:
    await add_teacher(database, "teacher")
    url = url_of(listener)
    async with serving(settings, listener) as first:
        await until_ready(url)
        async with httpx.AsyncClient() as client:
            assert (await sign_in(client, url, "teacher")).status_code == 200
        children = psutil.Process(first.pid).children()
        first.kill()
        await first.wait()
        # The socket is still open: who connects now waits for the next process.
        waiting = asyncio.create_task(until_ready(url))
        async with serving(settings, listener):
            await waiting
        await until_gone(children)


async def test_a_setting_that_cannot_be_used_is_named(settings: Settings) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "app.main", "--port", "0"),
        env={"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url, "INKFAST_SECRET_KEY": "short"},
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    assert process.returncode == 64
    assert err.decode().startswith("INKFAST_SECRET_KEY: ")


async def test_it_stands_back_behind_what_records(settings: Settings, listener: socket.socket) -> None:
    async with serving(settings, listener) as process:
        await until_ready(url_of(listener))
        assert psutil.Process(process.pid).nice() == min(19, psutil.Process().nice() + 5)
