"""The outbox alone, in a real browser against the real service: tabs, bad networks, and browsers that lack things."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from ops.drill.chaos_proxy import NO_FAULT, ChaosProxy, Fault, Kind
from tests.browsing import new_window
from tests.web.conftest import forget_routes
from tests.web.laptop import held_saves, until_page
from tests.web.outbox_page import build_package, open_page, serve, settled, token_of
from tests.world import fetch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, BrowserContext, Page, Route, WebError

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool

pytestmark = pytest.mark.parametrize("school", [{"filled": 0}], indirect=True)
HOLDER_MS = 31_000  # longer than a lock is waited for
HOLD_LOCK = "name => void navigator.locks.request(name, () => { window.holds = true; return new Promise(() => {}); })"
COUNT_REFUSED_LOCKS = """() => {
  const { locks } = navigator;
  const request = locks.request.bind(locks);
  window.refusedLocks = 0;
  locks.request = (name, how, work) => request(name, how, (lock) => {
    if (!lock) window.refusedLocks++;
    return work(lock);
  });
}"""
POSTED = "**/api/v1/sections/*/edits"


@pytest.fixture(scope="module")
def script() -> bytes:
    return build_package()


@pytest.fixture
async def window(browser: Browser, script: bytes) -> AsyncIterator[BrowserContext]:
    window = await new_window(browser)
    await serve(window, script)
    yield window
    await forget_routes(window)
    await window.close()


@pytest.fixture
async def proxy(service: Service) -> AsyncIterator[ChaosProxy]:
    proxy = ChaosProxy(("127.0.0.1", service.port))
    await proxy.start()
    yield proxy
    await proxy.close()


class Teacher:
    """Opens tabs, types comments, and looks at what PostgreSQL has."""

    def __init__(self, service: Service, school: GradebookSchool, token: str) -> None:
        self._service = service
        self._school = school
        self.token = token
        self.lock = f"inkfast-{school.teacher}/{school.section}"  # of whoever sends

    async def tab(self, window: BrowserContext, url: str = "") -> Page:
        where = url or self._service.url
        return await open_page(window, where, self._school.teacher, self.token, self._school.section)

    async def put(self, page: Page, student: int, text: str) -> str:
        edit: dict[str, Any] = await page.evaluate(
            "([item, student, text]) => window.put(item, student, text)",
            [self._school.columns[0], self._school.students[student], text],
        )
        return str(edit["edit_id"])

    async def logged(self) -> list[tuple[str, str]]:
        """Text and status of every edit, in the order of the cells and their versions."""
        rows = await fetch(
            self._service.settings,
            """SELECT value::jsonb->>'text' AS text, status::text FROM edit_log WHERE section_id = $1
               ORDER BY student_id, cell_version""",
            self._school.section,
        )
        return [(row["text"], row["status"]) for row in rows]

    async def until_logged(self, count: int, timeout_s: float = 60) -> list[tuple[str, str]]:
        async with asyncio.timeout(timeout_s):
            while len(logged := await self.logged()) < count:
                await asyncio.sleep(0.05)
        return logged


@pytest.fixture
async def teacher(service: Service, school: GradebookSchool) -> Teacher:
    return Teacher(service, school, await token_of(service, school.teacher_name))


async def test_what_was_typed_is_recorded_and_leaves_the_outbox(window: BrowserContext, teacher: Teacher) -> None:
    page = await teacher.tab(window)
    async with held_saves(window):
        await teacher.put(page, 0, "one")
        status = await page.evaluate("window.outbox.status()")
        assert (status["queued"] + status["sending"], status["storing"]) == (1, 0)
        assert status["storage"] == "best-effort"
    await settled(page)
    assert await teacher.logged() == [("one", "A")]
    acks = await page.evaluate("window.outbox.acknowledgements()")
    assert acks[-1]["receipt"].startswith("r1.")


async def test_an_answer_that_is_cut_off_after_the_commit_has_no_second_effect(
    window: BrowserContext, proxy: ChaosProxy, teacher: Teacher
) -> None:
    page = await teacher.tab(window, f"http://127.0.0.1:{proxy.port}")
    await proxy.set(Fault(Kind.CUT))
    await teacher.put(page, 0, "one")
    await page.evaluate("window.outbox.flush()")
    await teacher.until_logged(1)
    await until_page(page, "window.outbox.status().offlineSince !== null")
    await teacher.put(page, 0, "two")
    await proxy.set(NO_FAULT)
    await settled(page)
    assert await teacher.logged() == [("one", "A"), ("two", "A")]


async def test_a_frozen_tab_that_holds_the_lock_is_not_waited_for_longer_than_half_a_minute(
    window: BrowserContext, teacher: Teacher
) -> None:
    one, two = await teacher.tab(window), await teacher.tab(window)
    await one.evaluate(HOLD_LOCK, teacher.lock)
    await until_page(one, "window.holds")
    await teacher.put(one, 0, "one")
    devtools = await window.new_cdp_session(one)
    await devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    await two.evaluate(COUNT_REFUSED_LOCKS)
    await teacher.put(two, 1, "two")
    await two.evaluate("window.outbox.flush()")
    await until_page(two, "window.refusedLocks > 0")
    assert await teacher.logged() == []
    await two.evaluate(f"window.shift = {HOLDER_MS}")
    assert await teacher.until_logged(2) == [("one", "A"), ("two", "A")]


async def test_what_one_tab_has_typed_is_seen_and_sent_by_the_other(window: BrowserContext, teacher: Teacher) -> None:
    one, two = await teacher.tab(window), await teacher.tab(window)
    async with held_saves(window):  # whoever sends first
        await teacher.put(one, 0, "one")
        await until_page(two, "window.outbox.status().queued + window.outbox.status().sending === 1")
    await teacher.put(two, 0, "two")
    await asyncio.gather(*(page.evaluate("window.outbox.flush()") for page in (one, two)))
    await asyncio.gather(settled(one), settled(two))
    logged = await teacher.logged()
    assert logged[-1] == ("two", "A")
    assert logged[:-1] in ([], [("one", "A")])  # replaced, or sent already


async def test_closing_the_tab_sends_what_is_on_disk(window: BrowserContext, teacher: Teacher) -> None:
    page = await teacher.tab(window)
    await teacher.put(page, 0, "one")
    await page.close(run_before_unload=True)
    assert await teacher.until_logged(1) == [("one", "A")]
    again = await teacher.tab(window)
    await settled(again)
    assert await teacher.logged() == [("one", "A")]


async def test_a_service_that_asks_for_patience_gets_it(window: BrowserContext, teacher: Teacher) -> None:
    asked: list[str] = []
    is_seen = asyncio.Event()

    async def refuse(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) > 2 and is_seen.is_set():
            await route.continue_()
            return
        problem = '{"code": "overloaded", "status": 503}'
        await route.fulfill(
            status=503, headers={"Retry-After": "1"}, content_type="application/problem+json", body=problem
        )

    page = await teacher.tab(window)
    await window.route(POSTED, refuse)
    await teacher.put(page, 0, "one")
    await page.evaluate("window.outbox.flush()")
    await until_page(page, "window.outbox.status().retryAt !== null")
    is_seen.set()
    await settled(page)
    assert await teacher.logged() == [("one", "A")]
    assert len(asked) >= 3


MISSING = {
    "locks": "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })",
    "BroadcastChannel": "delete window.BroadcastChannel",
    "randomUUID": "delete Crypto.prototype.randomUUID",
    "indexedDB": "Object.defineProperty(window, 'indexedDB', { value: undefined })",
    "forbidden indexedDB": "Object.defineProperty(window, 'indexedDB', { get() { throw new DOMException('no'); } })",
    "AbortSignal.timeout": "delete AbortSignal.timeout",
    "storage": "Object.defineProperty(Navigator.prototype, 'storage', { value: undefined })",
    "keepalive": "delete Request.prototype.keepalive",
    "durability": "delete IDBTransaction.prototype.durability",
}


@pytest.mark.parametrize("what", MISSING)
async def test_a_browser_that_lacks_something_saves_all_the_same(
    window: BrowserContext, teacher: Teacher, what: str
) -> None:
    errors: list[str] = []

    def heard(error: WebError) -> None:
        errors.append(str(error.error))

    await window.add_init_script(MISSING[what])
    window.on("weberror", heard)
    page = await teacher.tab(window)
    await teacher.put(page, 0, "one")
    await settled(page)
    assert await teacher.logged() == [("one", "A")]
    status = await page.evaluate("window.outbox.status()")
    assert status["storage"] == ("memory" if "indexedDB" in what else "best-effort")
    assert errors == []


async def test_the_example_of_twenty_lines_works(
    window: BrowserContext, service: Service, school: GradebookSchool, teacher: Teacher
) -> None:
    page = await window.new_page()
    cell = f"section={school.section}&item={school.columns[0]}&student={school.students[0]}"
    await page.goto(f"{service.url}/outbox/examples/index.html#{cell}&token={teacher.token}")
    async with held_saves(window):
        await page.get_by_label("Score").fill("7")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("status")).to_have_text("On this computer")
    await expect(page.get_by_role("status")).to_have_text("Recorded", timeout=60_000)
    rows = await fetch(service.settings, "SELECT value::text FROM edit_log WHERE section_id = $1", school.section)
    assert [row["value"] for row in rows] == ['{"score": "7"}']
