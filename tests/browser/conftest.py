"""The real service in a process of its own, and Debian's browser (or the one that INKFAST_CHROMIUM names)."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from playwright.async_api import async_playwright

from app.settings import Settings
from ops.environment import environment
from tests.conftest import SECRET_KEY
from tests.until import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from playwright.async_api import Browser

    from ops.servers import ValkeyServer

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]


class Service(NamedTuple):
    """Where it is, and what it runs on."""

    url: str
    settings: Settings


@pytest.fixture(scope="module")
def service(module_database_url: str, valkey: ValkeyServer) -> Iterator[Service]:
    """One API process for the tests of a file; no flusher, so that a test decides when drafts are recorded."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.set_inheritable(True)
    port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    settings = Settings(database_url=module_database_url, redis_url=valkey.url, secret_key=SECRET_KEY, public_url=url)
    process = subprocess.Popen(
        [sys.executable, "-m", "app.main", "--fd", str(listener.fileno())],
        pass_fds=[listener.fileno()],
        env={
            "PATH": environment()["PATH"],
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "INKFAST_SECRET_KEY": SECRET_KEY,
            "INKFAST_PUBLIC_URL": url,
        },
        stderr=subprocess.DEVNULL,
    )
    listener.close()
    try:
        until(lambda: _is_ready(port), timeout_s=30, what="the service is ready")
        yield Service(url, settings)
    finally:
        process.terminate()
        process.wait(30)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=environment().get("INKFAST_CHROMIUM", CHROMIUM), args=FLAGS
        )
        yield browser
        await browser.close()


@pytest.fixture(scope="module")
def screenshot_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots are written: INKFAST_SCREENSHOTS, else a temporary folder."""
    wanted = environment().get("INKFAST_SCREENSHOTS")
    folder = Path(wanted) if wanted else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
