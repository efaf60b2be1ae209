"""The gradebook as teachers get it: built once a run, from a real service, in Debian's browser.

What a test of a page asks for: `school` (how large: `LARGE`, or `@sized(students=…, columns=…, filled=…)`), `open_page`
(a window of somebody who is signed in), `service` (to stop, kill and start again), `recorded` (what PostgreSQL has).
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any, Protocol

import asyncpg
import pytest
from playwright.async_api import Error as PlaywrightError

from ops.build_web import build_web
from ops.servers import ValkeyServer
from tests.browsing import Service, chromium, new_window, screenshots
from tests.gradebook_school import make_gradebook_school
from tests.school import PASSWORD
from tests.web.laptop import answered
from tests.world import fetch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from playwright.async_api import Browser, BrowserContext, Page, ViewportSize

    from tests.gradebook_school import GradebookSchool

DESK: ViewportSize = {"width": 1366, "height": 768}
# Pages collect for so long before they save; for tests, which wait for it again and again. In use it is five seconds.
SAVE_WINDOW_MS = 1_000
FLUSH_LINGER_MS = 20  # for the same reason
PHONE: ViewportSize = {"width": 390, "height": 844}
_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    """app/web/dist as the sources are now."""
    build_web(print)


@pytest.fixture(scope="session")
def running(built: None, session_database_url: str, server_dir: Path) -> Iterator[Service]:
    """One service a run, with a journal of its own: other tests empty theirs."""
    journal = ValkeyServer(server_dir / "web", server_dir / "web-run")
    journal.start()
    service = Service(session_database_url, journal.url, save_window_ms=SAVE_WINDOW_MS, flush_linger_ms=FLUSH_LINGER_MS)
    try:
        yield service
    finally:
        service.close()
        journal.stop()


@pytest.fixture
def service(running: Service) -> Service:
    """An API process and a flusher; what the test before has stopped, or found dead, is started again."""
    running.resume()
    return running


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def school(request: pytest.FixtureRequest, service: Service) -> GradebookSchool:
    """A section of 12 students and 6 columns, half of it filled in; other sizes by tests.web.sizes."""
    connection = await asyncpg.connect(service.settings.database_url)
    try:
        wanted: dict[str, Any] = getattr(request, "param", {})
        return await make_gradebook_school(connection, suffix=f"-{next(_numbers)}", **wanted)
    finally:
        await connection.close()


class OpenPage(Protocol):
    """Opens windows."""

    async def __call__(
        self, path: str = "/app/", *, as_user: str | None = "", viewport: ViewportSize = DESK, **context: Any
    ) -> Page:
        """Return a page in a window of its own, at this path, when it is loaded.

        `as_user` is signed in already: the teacher of `school` unless another user name is given, nobody with None.
        `context` goes to `browser.new_context` (locale, color_scheme, forced_colors, reduced_motion, …).
        """


@pytest.fixture
async def open_page(service: Service, browser: Browser, school: GradebookSchool) -> AsyncIterator[OpenPage]:
    """Open windows, and close them again; no script of theirs may end in an error that nobody caught."""
    windows = []
    errors: list[str] = []

    async def open_one(
        path: str = "/app/", *, as_user: str | None = "", viewport: ViewportSize = DESK, **context: Any
    ) -> Page:
        window = await new_window(browser, viewport=viewport, base_url=service.url, **context)
        windows.append(window)
        page = await window.new_page()
        page.on("pageerror", lambda error: errors.append(f"{page.url}: {error}"))
        if as_user is not None:
            await sign_in(page, service, as_user or school.teacher_name)
        await page.goto(path)
        return page

    yield open_one
    for window in windows:
        await forget_routes(window)
        await window.close()
    assert errors == []


async def forget_routes(window: BrowserContext) -> None:
    """End what a test has put between a window and the service; who asked at this moment is asked no more.

    Else an answer that is being fetched fails with its window, and Playwright tells the next test so. A page that a
    test has closed as a person does may be gone in the midst of this, and its routes with it.
    """
    for page in window.pages:
        try:
            await page.unroute_all(behavior="ignoreErrors")
        except PlaywrightError:
            if not page.is_closed():
                raise
    await window.unroute_all(behavior="ignoreErrors")


async def sign_in(page: Page, service: Service, username: str, password: str = PASSWORD) -> None:
    """Sign the window of a page in, without a page: its cookies are set from now on."""
    answer = await answered(
        lambda: page.context.request.post(
            f"{service.url}/api/v1/session",
            data={"username": username, "password": password},
            headers={"origin": service.url},
        )
    )
    assert answer.ok, await answer.text()


@pytest.fixture
def recorded(service: Service, school: GradebookSchool) -> Callable[[], Awaitable[dict[tuple[int, int], Any]]]:
    """`await recorded()`: the scores of the section in PostgreSQL, by line item and student; kind 1 unless told."""

    async def ask(kind: int = 1) -> dict[tuple[int, int], Any]:
        rows = await fetch(
            service.settings,
            "SELECT item, student_id, value FROM cell WHERE section_id = $1 AND kind = $2",
            school.section,
            kind,
        )
        return {(row["item"], row["student_id"]): json.loads(row["value"]) for row in rows}

    return ask


@pytest.fixture
def shoot() -> Callable[[Page, str], Awaitable[None]]:
    """`await shoot(page, "gradebook-conflict")`: the page at the width of a desk and of a phone, into the artefacts."""

    async def take(page: Page, name: str) -> None:
        before = page.viewport_size
        for size in (DESK, PHONE):
            await page.set_viewport_size(size)
            await page.screenshot(path=screenshots() / f"{name}-{size['width']}.png")
        if before is not None:
            await page.set_viewport_size(before)

    return take


@pytest.fixture(scope="session")
def screenshot_dir() -> Path:
    return screenshots()
