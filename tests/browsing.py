"""The real service in processes of its own, Debian's browser (or the one that INKFAST_CHROMIUM names), and axe."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import async_playwright, expect

from app.settings import Settings
from ops.environment import environment
from tests.conftest import SECRET_KEY, SILENCE_MS_MAX
from tests.until import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, BrowserContext, Page

# A machine that runs many tests at once is slow; what is waited for comes, or does not come at all.
EXPECT_MS_MAX = 30_000
ACT_MS_MAX = 90_000  # to open a page, or to press something
expect.set_options(timeout=EXPECT_MS_MAX)

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# What passes is neither described nor handed over: describing a roll of 34 took five times as long as checking it.
AXE_OPTIONS = {"runOnly": {"type": "tag", "values": AXE_TAGS}, "resultTypes": ["violations"]}
AXE_RUN = "options => axe.run(document, options).then(({ violations }) => violations)"
SHOTS = Path(__file__).resolve().parents[1] / "build" / "test" / "screenshots"


class Service:
    """One API process on an address that stays, and a flusher when a test wants one."""

    def __init__(
        self, database_url: str, redis_url: str, *, save_window_ms: int = 5_000, flush_linger_ms: int = 200
    ) -> None:
        # Bound as long as there may be a service, and never listening: while it is stopped, nobody else is given its
        # port, and whoever calls is refused.
        self._place = socket.socket()
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._place.bind(("127.0.0.1", 0))
        self.port: int = self._place.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = Settings(
            database_url=database_url,
            redis_url=redis_url,
            secret_key=SECRET_KEY,
            public_url=self.url,
            save_window_ms=save_window_ms,
            flush_linger_ms=flush_linger_ms,
            journal_silence_ms_max=SILENCE_MS_MAX,
        )
        self._api: subprocess.Popen[bytes] | None = None
        self._flusher: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the API process; return when it is ready."""
        with socket.create_server(("127.0.0.1", self.port)) as listener:
            listener.set_inheritable(True)
            self._api = self._spawn("app.main", "--fd", str(listener.fileno()), pass_fds=[listener.fileno()])
        until(self._is_ready, timeout_s=60, what="the service is ready")

    def stop(self) -> None:
        """Stop the API process: whoever calls is refused until `start`."""
        self._end(self._api)
        self._api = None

    def kill(self) -> None:
        """Kill the API process, as a power cut would."""
        assert self._api is not None
        self._api.kill()
        self.stop()

    def start_flusher(self) -> None:
        """Record from now on what is drafted."""
        if not _is_alive(self._flusher):
            self._flusher = self._spawn("workers.main", "flusher")

    def stop_flusher(self) -> None:
        """Leave drafts in the journal from now on."""
        self._end(self._flusher)
        self._flusher = None

    def resume(self) -> None:
        """Start again what is stopped, or has ended by itself."""
        if not _is_alive(self._api):
            self.start()
        self.start_flusher()

    def close(self) -> None:
        """Stop everything."""
        self.stop()
        self.stop_flusher()
        self._place.close()

    def _spawn(self, *arguments: str, pass_fds: list[int] | None = None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            pass_fds=pass_fds or [],
            env={
                "PATH": environment()["PATH"],
                "DATABASE_URL": self.settings.database_url,
                "REDIS_URL": self.settings.redis_url,
                "INKFAST_SECRET_KEY": SECRET_KEY,
                "INKFAST_PUBLIC_URL": self.url,
                "INKFAST_SAVE_WINDOW_MS": str(self.settings.save_window_ms),
                "INKFAST_FLUSH_LINGER_MS": str(self.settings.flush_linger_ms),
                "INKFAST_JOURNAL_SILENCE_MS_MAX": str(self.settings.journal_silence_ms_max),
            },
            stderr=subprocess.DEVNULL,
        )

    @staticmethod
    def _end(process: subprocess.Popen[bytes] | None) -> None:
        if process is not None:
            process.terminate()
            process.wait(60)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


def _is_alive(process: subprocess.Popen[bytes] | None) -> bool:
    return process is not None and process.poll() is None


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Debian's browser; closed afterwards."""
    async with async_playwright() as playwright:
        program = environment().get("INKFAST_CHROMIUM", CHROMIUM)
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        await browser.close()


def screenshots() -> Path:
    """Where screenshots are written: INKFAST_SCREENSHOTS, else build/test/screenshots, which CI keeps."""
    folder = Path(environment().get("INKFAST_SCREENSHOTS") or SHOTS)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def new_window(browser: Browser, **how: Any) -> BrowserContext:
    """Return a window, as `browser.new_context` does, that has patience with a slow machine."""
    window = await browser.new_context(**how)
    window.set_default_timeout(ACT_MS_MAX)
    return window


async def ask_axe(page: Page, state: str) -> list[str]:
    """Return what axe finds on a page as it stands, one sentence a violation."""
    if not await page.evaluate("() => 'axe' in window"):
        await page.evaluate(Axe().axe_script)
    violations: list[dict[str, Any]] = await page.evaluate(AXE_RUN, AXE_OPTIONS)
    return [
        f"{state}: {violation['id']}: "
        f"{[(node['html'][:150], node.get('failureSummary', '')[:300]) for node in violation['nodes'][:3]]}"
        for violation in violations
    ]
