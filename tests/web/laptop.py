"""A laptop: a browser whose disk outlives it."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from playwright.async_api import async_playwright, expect

from ops.environment import environment
from tests.browsing import ACT_MS_MAX, CHROMIUM, FLAGS
from tests.school import PASSWORD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path
    from typing import Any

    from playwright.async_api import APIResponse, BrowserContext, Locator, Page, Route

    from tests.gradebook_school import GradebookSchool

    # Given what was sent and what the service has answered, change the answer in place.
    Judge = Callable[[dict[str, Any], dict[str, Any]], None]

POLLING_S = 0.1
BUSY_S_MAX = 60
HAS_WORKER = "async () => !!(await navigator.serviceWorker.ready).active && navigator.serviceWorker.controller !== null"
KNOWS = """async ([name, section, words]) => {
    if (!(await indexedDB.databases()).some((one) => one.name === name)) return false;
    const answered = (request) => new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
    const database = await answered(indexedDB.open(name));
    const stores = database.transaction(["snapshots", "learnt"]);
    const kept = await answered(stores.objectStore("snapshots").get(section));
    const learnt = await answered(stores.objectStore("learnt").getAll());
    database.close();
    return kept !== undefined && JSON.stringify([kept, learnt]).includes(words);
}"""


@asynccontextmanager
async def opened(disk: Path, url: str, *flags: str) -> AsyncIterator[BrowserContext]:
    """Open the laptop with what is on this disk; closed as a person closes a browser."""
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            disk,
            executable_path=environment().get("INKFAST_CHROMIUM", CHROMIUM),
            args=[*FLAGS, *flags],
            base_url=url,
            viewport={"width": 1366, "height": 768},
        )
        context.set_default_timeout(ACT_MS_MAX)
        try:
            yield context
        finally:
            await context.close()


async def sign_in_by_form(page: Page, username: str) -> None:
    """Sign in as a person does, and wait for the sections."""
    await page.goto("/app/")
    await page.get_by_label("User name").fill(username)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await press_sign_in(page)
    await expect(page.get_by_role("listitem").first).to_be_visible()


async def press_sign_in(page: Page, form: Page | Locator | None = None) -> None:
    """Press the button of the filled form; and again, as a person would, where a service without time says when."""
    within = form or page
    while True:
        async with page.expect_response(
            lambda answer: answer.request.method == "POST" and answer.url.endswith("/api/v1/session"), timeout=60_000
        ) as answering:
            await within.get_by_role("button", name="Sign in", exact=True).click()
        if (await answering.value).status != 503:
            return
        await expect(within.get_by_text("Try again in")).to_be_hidden(timeout=BUSY_S_MAX * 1_000)


async def answered(ask: Callable[[], Awaitable[APIResponse]]) -> APIResponse:
    """Return the answer to a request; one of a service without time is not taken for an answer."""
    deadline = time.monotonic() + BUSY_S_MAX
    while (answer := await ask()).status == 503:
        assert time.monotonic() < deadline, await answer.text()
        await asyncio.sleep(1)
    return answer


async def wait_for_worker(page: Page) -> None:
    """Wait until the pages are on the disk: the service worker has them all, and serves this page."""
    await until_page(page, HAS_WORKER)


async def until_kept(page: Page, school: GradebookSchool, words: str = "students") -> None:
    """Wait until the snapshot of the teacher's section is on the disk, and knows of these words."""
    await until_page(page, KNOWS, [f"inkfast-sections-{school.teacher}", school.section, words])


async def pause_clock(page: Page) -> None:
    """From now on time passes only when the test says so: what is typed is entered by no pause, however slow it is.

    The clock was installed before the page was loaded. No stream is silent for so long that it would be given up.
    """
    await page.clock.pause_at(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=20))


async def until_page(page: Page, expression: str, arg: object = None, *, timeout_s: float = 60) -> None:
    """Wait until the page answers this question by yes, be it at once or by a promise; no frame has to be drawn for it.

    Playwright's `wait_for_function` takes any promise for a yes.
    """
    deadline = time.monotonic() + timeout_s
    while not await page.evaluate(expression, arg):
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {expression}"
        await asyncio.sleep(POLLING_S)


async def send_at_once(page: Page) -> None:
    """Have the page send what it keeps, as when the network comes back, instead of when its window is over."""
    await page.evaluate("window.dispatchEvent(new Event('online'))")


@asynccontextmanager
async def refused(page: Page, address: str, *, wait_s: int = 1) -> AsyncIterator[None]:
    """The first request to this address inside is refused, as by a service that has more to do than it can.

    The next ones wait until the block ends: however slow a test is, it sees what the page says meanwhile. Who listens
    stays, as below.
    """
    is_over, asked = asyncio.Event(), itertools.count()
    headers, problem = {"Retry-After": str(wait_s)}, '{"code": "overloaded", "status": 503}'

    async def refuse(route: Route) -> None:
        if next(asked) == 0:
            await route.fulfill(status=503, headers=headers, content_type="application/problem+json", body=problem)
            return
        await is_over.wait()
        await route.continue_()

    await page.route(address, refuse)
    try:
        yield
    finally:
        is_over.set()


@asynccontextmanager
async def held_saves(window: BrowserContext | Page) -> AsyncIterator[None]:
    """No save reaches the service inside; those that were sent go on afterwards.

    Who listens stays: to take it away while a save that it held goes on leaves two to answer it.
    """
    is_over = asyncio.Event()

    async def hold(route: Route) -> None:
        await is_over.wait()
        await route.continue_()

    await window.route("**/api/v1/sections/*/edits", hold)
    try:
        yield
    finally:
        is_over.set()


async def judge_saves(page: Page, judge: Judge) -> None:
    """Have `judge` change the answers to the saves of a page; one that says that there is no time stays as it is."""

    async def answer_otherwise(route: Route) -> None:
        answer = await route.fetch()
        if not answer.ok:
            await route.fulfill(response=answer)
            return
        told = await answer.json()
        judge(route.request.post_data_json, told)
        await route.fulfill(response=answer, body=json.dumps(told))

    await page.route("**/edits", answer_otherwise)


async def hold_first_save(page: Page, section: int, ms: int) -> None:
    """Have the service say, beside a section that a page reads, how long to collect before the first save."""

    async def be_busy(route: Route) -> None:
        answer = await route.fetch()
        told = {"json": await answer.json() | {"next_save_ms": ms}} if answer.ok else {}
        await route.fulfill(response=answer, **told)  # a 304 says nothing of it

    await page.route(f"**/api/v1/sections/{section}", be_busy)


async def type_down(page: Page, rows: int, column: int, first: int = 0) -> None:
    """Type the numbers from `first` on, downwards, one a row, into a column of the grid; counted from 0."""
    await go_to_cell(page, column)
    for row in range(rows):
        await page.keyboard.type(str((first + row) % 10))
        await page.keyboard.press("Enter")


async def go_to_cell(page: Page, column: int) -> None:
    """Make the first row's cell of a column the active one."""
    await page.locator(".grid-input").click()
    await page.keyboard.press("Control+Home")
    for _ in range(column):
        await page.keyboard.press("ArrowRight")
