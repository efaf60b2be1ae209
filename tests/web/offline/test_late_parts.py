"""What is fetched when it is wanted may be slow, or not come: nothing untrue is said, and nothing typed is lost."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.web.grade_page import COMMENT, GradePage, open_grades_without_worker
from tests.web.laptop import refused, send_at_once, until_page
from tests.web.sizes import SMALL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page, Route

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage

TROUBLE = "**/assets/trouble.*.js"
UNAVAILABLE = "**/assets/unavailable.*.js"
# The code and its words.
HAS_BOTH = """part => performance.getEntriesByType("resource")
    .filter(({ name, responseEnd }) => new RegExp(`/${part}[.-]`).test(name) && responseEnd > 0).length === 2"""
# Every sentence that a screen reader is given, from now on.
LISTEN = """() => {
    window.heard = [];
    for (const place of document.querySelectorAll(".status .heard"))
        new MutationObserver(() => place.textContent && window.heard.push(place.textContent))
            .observe(place, { subtree: true, childList: true, characterData: true });
}"""
IN_PLACE = "Something is not as it should be. One moment…"
REFUSED = "1 entry was not accepted. What you typed is still there."


@asynccontextmanager
async def held(page: Page, address: str) -> AsyncIterator[asyncio.Event]:
    """Hold what is asked for at this address until the block ends; set as soon as something is."""
    asked, free = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        asked.set()
        await free.wait()
        await route.continue_()

    await page.route(address, hold)
    try:
        yield asked
    finally:
        free.set()


@SMALL
async def test_until_its_words_are_there_trouble_is_shown_as_trouble_and_typing_goes_on(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    page = await open_page("/app/", service_workers="block")
    async with held(page, TROUBLE) as asked:
        await page.goto(f"/app/sections/{school.section}")
        grades = await GradePage(page, service, school).ready()
        await expect(grades.status).not_to_be_empty()
        await page.evaluate(LISTEN)
        await grades.enter("Baker, Tanisha", "Quiz 1", "412")
        await send_at_once(page)
        await expect(grades.status).to_have_attribute("data-state", "rejected")
        await expect(grades.status).to_contain_text(IN_PLACE)
        await expect(grades.status).to_have_attribute("data-tone", "bad")
        await asyncio.wait_for(asked.wait(), 60)
        await grades.enter("Baker, Tanisha", "Test 1", "17")
        await grades.is_recorded({(school.columns[2], school.students[1]): {"score": "17"}})
        assert not {IN_PLACE, REFUSED} & set(await page.evaluate("window.heard"))
    await expect(grades.status).to_contain_text(REFUSED)
    await expect(grades.status.get_by_role("alert")).to_have_text(REFUSED)
    assert IN_PLACE not in await page.evaluate("window.heard")
    await grades.status.get_by_role("button", name="Go to it").click()
    await expect(page.get_by_role("complementary", name="Needs attention")).to_contain_text("You typed: 412")


@SMALL
async def test_words_for_trouble_that_do_not_come_are_asked_for_again(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    page = await open_page("/app/", service_workers="block")
    await page.route(TROUBLE, lambda route: route.abort())
    await page.goto(f"/app/sections/{school.section}")
    grades = await GradePage(page, service, school).ready()
    async with page.expect_event("requestfailed", lambda request: "/trouble." in request.url):
        await grades.enter("Baker, Tanisha", "Quiz 1", "412")
        await send_at_once(page)
    await expect(grades.status).to_contain_text(IN_PLACE)
    await page.unroute(TROUBLE)
    await expect(grades.status).to_contain_text(REFUSED)


@SMALL
async def test_a_browser_without_a_worker_has_them_before_the_network_goes(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades = await open_grades_without_worker(open_page, service, school)
    page = grades.page
    await until_page(page, HAS_BOTH, "trouble")
    await page.context.set_offline(offline=True)
    await grades.enter("Baker, Tanisha", "Test 1", "17")
    await expect(grades.status).to_contain_text("Offline since")
    await expect(grades.status).to_contain_text("1 change is on this computer. You can go on.")


async def test_why_a_section_cannot_be_shown_is_said_as_soon_as_the_words_are_there(open_page: OpenPage) -> None:
    page = await open_page("/app/", service_workers="block")
    await page.route(UNAVAILABLE, lambda route: route.abort())
    async with page.expect_event("requestfailed", lambda request: "/unavailable." in request.url):
        await page.goto("/app/sections/999999999")
    await expect(page.locator("#page")).to_contain_text("Opening your gradebook…")
    await page.unroute(UNAVAILABLE)
    await expect(page.get_by_role("heading", name="The gradebook cannot be shown")).to_be_visible()
    await expect(page.get_by_text("This is not one of your sections")).to_be_visible()
    await expect(page.get_by_role("button", name="Try again")).to_be_visible()


@SMALL
async def test_why_there_was_nothing_is_not_shown_over_what_there_is_by_then(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    page = await open_page("/app/", service_workers="block")
    async with held(page, UNAVAILABLE) as asked:
        async with refused(page, f"**/api/v1/sections/{school.section}"):
            await page.goto(f"/app/sections/{school.section}")
            await asyncio.wait_for(asked.wait(), 60)
        grades = await GradePage(page, service, school).ready()
        await grades.go("Baker, Tanisha", "Test 1")
        await page.keyboard.type("17")
    await until_page(page, HAS_BOTH, "unavailable")
    await expect(grades.input).to_be_focused()
    await page.keyboard.press("Enter")
    await grades.is_recorded({(school.columns[2], school.students[1]): {"score": "17"}})


@SMALL
async def test_who_goes_on_in_the_grid_while_a_panel_is_on_its_way_stays_there(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    page = await open_page("/app/", service_workers="block")
    panel = page.get_by_role("complementary", name="History")
    async with held(page, "**/assets/parts.*.js") as asked:
        await page.goto(f"/app/sections/{school.section}")
        grades = await GradePage(page, service, school).ready()
        await grades.button("History").click()
        await asyncio.wait_for(asked.wait(), 60)
        await grades.go("Baker, Tanisha", "Test 1")
        await page.keyboard.type("17")
    await expect(panel).to_contain_text("Tanisha Baker · Test 1")
    await expect(grades.input).to_be_focused()
    await page.keyboard.type(".5")
    await page.keyboard.press("Enter")
    await grades.is_recorded({(school.columns[2], school.students[1]): {"score": "17.5"}})
    await panel.get_by_role("button", name="Close").click()
    await grades.button("History").click()
    await expect(panel).to_be_focused()


@SMALL
async def test_a_comment_that_is_typed_and_closed_before_its_dialog_is_there_is_kept(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    page = await open_page("/app/", service_workers="block")
    async with held(page, "**/assets/parts.*.js") as asked:
        await page.goto(f"/app/sections/{school.section}")
        grades = await GradePage(page, service, school).ready()
        await grades.go("Baker, Tanisha", "Quiz 1")
        await page.keyboard.press("Control+m")
        await page.keyboard.type("Well done")
        await page.keyboard.press("Escape")
        await page.keyboard.type("7")  # is for nobody, and in no comment
        await asyncio.wait_for(asked.wait(), 60)
    cell = (school.columns[1], school.students[1])
    await grades.is_recorded({cell: {"text": "Well done"}}, COMMENT)
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(grades.input).to_be_focused()
