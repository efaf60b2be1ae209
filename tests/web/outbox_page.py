"""A bare page with an outbox on it, in a browser of its own that can be killed: there is no gradebook in between.

The page is served by the test under the address that the outbox sends to, so that requests are of the same origin.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any, Self, TypeVar
from uuid import uuid4

from playwright.async_api import async_playwright

from app.api.web_files import WEB
from app.gradebook.sign_in import grant_for
from app.model.grants import derive_grant_key
from app.records.pool import connect
from ops.build_web import find_node
from ops.environment import environment
from tests.browsing import ACT_MS_MAX, CHROMIUM, FLAGS
from tests.web.laptop import until_page

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from playwright.async_api import BrowserContext, ConsoleMessage, Page, Playwright, Route

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool

T = TypeVar("T")
PACKAGE = WEB / "outbox"
START_S_MAX = 60.0
PAGE = """<!doctype html><meta charset="utf-8"><title>outbox</title>
<script type="module">
  import { openOutbox } from "/outbox/outbox.min.js";
  const { user, token, section, name } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  const headers = () => ({ Authorization: `Bearer ${token}` });
  const id = Number(section);
  const key = ({ item, student }) => `${item}/${student}`;
  window.shift = 0; // of the clock

  window.openDesk = (name) => {
    const outbox = openOutbox({ user, headers, name, now: () => Date.now() + window.shift });
    const heads = new Map();
    outbox.on("recorded", ({ edits }) => edits.forEach((edit) => heads.set(key(edit), edit.edit_id)));
    let typed = 0;
    // False while the service has no time for it.
    const look = async () => {
      const answer = await fetch(`/api/v1/sections/${id}`, { headers: headers() }).catch(() => ({}));
      if (answer.status !== 200) return false;
      const { cells } = await answer.json();
      cells.kind.forEach((kind, i) => {
        if (kind === "comment") heads.set(key({ item: cells.item[i], student: cells.student[i] }), cells.edit_id[i]);
      });
      return true;
    };
    const put = async (item, student, text) => {
      const cell = { kind: "comment", item, student };
      const base = outbox.newest(id, cell)?.edit_id ?? heads.get(key(cell)) ?? null;
      const [{ edit_id }] = await outbox.put(id, [{ ...cell, base, value: { text } }]);
      return { desk: name, edit_id, item, student, text, storage: outbox.status().storage };
    };
    // Goes on until the browser is killed: what is kept is told at once, and where it is.
    const type = async (cells, prefix) => {
      for (;;) {
        const [item, student] = cells[Math.floor(Math.random() * cells.length)];
        const text = `${prefix}.${++typed}`;
        put(item, student, text).then((edit) => console.debug(JSON.stringify(edit)));
        if (Math.random() < 0.3) outbox.flush();
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
      }
    };
    return { outbox, look, put, type, opened: outbox.open(id) };
  };
  Object.assign(window, window.openDesk(name));
  await window.opened;
  window.isReady = true;
</script>"""


def rescue_file(school: GradebookSchool, edits: int = 3, **changes: Any) -> dict[str, Any]:
    """What the outbox of the teacher would write."""
    all_edits = [
        {
            "edit_id": str(uuid4()),
            "kind": "comment",
            "item": 0,
            "student": student,
            "base": None,
            "value": {"text": f"rescued {student}"},
            "entered_at": "2026-11-06T14:03:21.120Z",
            "state": "queued",
        }
        for student in school.students[:edits]
    ]
    sections = [{"section": school.section, "edits": all_edits}]
    file = {"format": "inkfast-rescue", "version": 1, "user": str(school.teacher), "made_at": "2026-11-06T15:00:00Z"}
    return {**file, "sections": sections, **changes}


def build_package() -> bytes:
    """Build the package, and return it as one file."""
    node = find_node()
    subprocess.run([node.program, "build.mjs"], cwd=PACKAGE, check=True, env=node.environment(), stdout=subprocess.PIPE)
    return (PACKAGE / "dist" / "outbox.min.js").read_bytes()


class Laptop:
    """A browser with a disk, the folder `disk`. `kill` ends it as a loss of power would, as far as processes go."""

    def __init__(self, playwright: Playwright, disk: Path, script: bytes) -> None:
        self._playwright = playwright
        self.disk = disk
        self._script = script
        self._process: subprocess.Popen[bytes] | None = None
        self.stored: list[dict[str, Any]] = []
        self.init_script = ""

    async def start(self) -> BrowserContext:
        """Start the browser, and return its one window."""
        port_file = self.disk / "DevToolsActivePort"
        port_file.unlink(missing_ok=True)
        program = environment().get("INKFAST_CHROMIUM", CHROMIUM)
        flags = [
            *FLAGS,
            "--headless=new",
            "--remote-debugging-port=0",
            f"--user-data-dir={self.disk}",
            "--disable-sync",
        ]
        self._process = await asyncio.to_thread(_spawn, [program, *flags, "about:blank"])
        port = await until_true(lambda: _port_in(port_file), "the browser has started")
        browser = await self._playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}")
        window = browser.contexts[0]
        window.set_default_timeout(ACT_MS_MAX)
        await serve(window, self._script)
        if self.init_script:
            await window.add_init_script(self.init_script)
        window.on("console", self._heard)
        return window

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "debug":
            self.stored.append(json.loads(message.text))

    @property
    def pid(self) -> int:
        """Of the browser's first process, which leads the group of all of them."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL for every process of the browser."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(START_S_MAX)
            self._process = None


class Desk:
    """What the tests of the outbox in a browser share: Playwright, and the script. Use as a context."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._laptops: list[Laptop] = []
        self._playwright: Any = None
        self._script = b""

    async def __aenter__(self) -> Self:
        self._playwright = await async_playwright().start()
        self._script = await asyncio.to_thread(build_package)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for laptop in self._laptops:
            laptop.kill()
        await self._playwright.stop()

    def laptop(self, name: str = "laptop") -> Laptop:
        """Return one that has never been on."""
        disk = self._folder / name
        disk.mkdir()
        laptop = Laptop(self._playwright, disk, self._script)
        self._laptops.append(laptop)
        return laptop


def _spawn(command: list[str]) -> subprocess.Popen[bytes]:
    """Start it as the leader of a group of processes, which is all that is killed."""
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def _port_in(path: Path) -> int:
    lines = path.read_text().split() if path.exists() else []
    return int(lines[0]) if len(lines) > 1 else 0


async def until_true(condition: Callable[[], T], what: str, timeout_s: float = START_S_MAX) -> T:
    """Return the first true answer of `condition`; fail, naming `what` was waited for, when there is none in time."""
    deadline = time.monotonic() + timeout_s
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        await asyncio.sleep(0.01)
    return answer


async def serve(window: BrowserContext, script: bytes) -> None:
    """Answer with the page and the package under /outbox/ of whatever address; all else goes where it is sent."""

    async def answer(route: Route) -> None:
        if route.request.url.endswith(".js"):
            await route.fulfill(body=script, content_type="text/javascript")
        elif "/examples/" in route.request.url:
            await route.fulfill(body=(PACKAGE / "examples" / "index.html").read_text(), content_type="text/html")
        else:
            await route.fulfill(body=PAGE, content_type="text/html")

    await window.route("**/outbox/**", answer)


async def open_page(
    window: BrowserContext, url: str, user: int, token: str, section: int, *, name: str = "inkfast"
) -> Page:
    """Return a tab with the outbox, open; outboxes of different names know nothing of each other."""
    page = await window.new_page()
    await page.goto(f"{url}/outbox/page#user={user}&token={token}&section={section}&name={name}")
    await until_page(page, "window.isReady")
    return page


async def settled(page: Page, timeout_s: float = 60) -> dict[str, Any]:
    """Return the status once nothing waits any more."""
    await until_page(
        page,
        """() => { const s = window.outbox.status(); window.outbox.flush();
             return s.storing + s.queued + s.sending + s.drafted === 0; }""",
        timeout_s=timeout_s,
    )
    status: dict[str, Any] = await page.evaluate("window.outbox.status()")
    return status


async def token_of(service: Service, username: str) -> str:
    """A bearer token for a user."""
    connection = await connect(service.settings.database_url, application_name="test")
    try:
        token = await grant_for(connection, username, derive_grant_key(service.settings.secret_key), time.time(), 12)
    finally:
        await connection.close()
    assert token is not None
    return token
