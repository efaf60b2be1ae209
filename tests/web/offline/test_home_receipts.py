"""Receipts of what was entered in this browser, and what this browser can do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.browsing import ask_axe
from tests.web.laptop import hold_first_save, send_at_once, type_down, until_page, wait_for_worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from playwright.async_api import Page

    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage


async def test_what_was_entered_has_a_receipt_that_can_be_printed(
    open_page: OpenPage, school: GradebookSchool, shoot: Callable[[Page, str], Awaitable[None]]
) -> None:
    page = await open_page("/app/receipts")
    await expect(page.get_by_text("Nothing has been confirmed to this browser yet.")).to_be_visible()
    assert await ask_axe(page, "no receipts") == []
    await hold_first_save(page, school.section, 600_000)  # however slowly it is typed, all of it is in one save
    await page.goto(f"/app/sections/{school.section}")
    await type_down(page, 3, 5, first=7)
    await expect(page.locator(".status")).to_contain_text("3 changes")
    await send_at_once(page)
    await expect(page.locator(".status")).to_contain_text("Everything is in the records", timeout=60_000)

    await page.goto("/app/receipts")
    row = page.get_by_role("row").filter(has_text="Algebra 1, period 3").first
    await expect(row).to_contain_text(re.compile(r"3 scores: (saved at the district|in the records)"))
    await expect(row.get_by_role("cell").last).to_have_text(re.compile(r"^[0-9A-Z]{4}-[0-9A-Z]{4}$"))
    await row.get_by_text("Each entry, and the whole receipt").click()
    await expect(row.get_by_role("listitem").first).to_contain_text("· Test 2: 7")
    await expect(row).to_contain_text("r1.")
    await shoot(page, "receipts")
    assert await ask_axe(page, "receipts") == []

    await page.emulate_media(media="print")
    await expect(page.get_by_text("Elena Ruiz, printed")).to_be_visible()
    await expect(page.get_by_role("button", name="Print")).to_be_hidden()


async def verdict(page: Page, ability: str, wanted: str) -> None:
    await expect(page.locator(f"[data-ability={ability}]")).to_have_attribute("data-verdict", wanted)


async def test_the_page_of_compatibility_tries_and_says_what_it_found(
    open_page: OpenPage, shoot: Callable[[Page, str], Awaitable[None]]
) -> None:
    page = await open_page("/app/compatibility", as_user=None)
    await verdict(page, "disk", "yes")
    for ability in ("strict", "tabs", "leaving", "space", "clock"):
        await verdict(page, ability, "yes")
    await verdict(page, "private", "unknown")
    await wait_for_worker(page)
    await page.reload()
    await verdict(page, "offline", "yes")
    await shoot(page, "compatibility")
    assert await ask_axe(page, "compatibility") == []
    await until_page(page, "async () => (await indexedDB.databases()).every(({ name }) => name !== 'inkfast-tried')")
    await page.get_by_role("link", name="The page without script").click()
    await expect(page).to_have_url(re.compile("/sign-in$"))


async def test_a_browser_that_keeps_nothing_is_told_so(open_page: OpenPage) -> None:
    page = await open_page("/app/compatibility", as_user=None)
    await page.context.add_init_script(
        "Object.defineProperty(window, 'indexedDB', { get() { throw new DOMException('no', 'SecurityError'); } });"
        "delete Navigator.prototype.locks; delete Navigator.prototype.storage;"
    )
    await page.reload()
    await verdict(page, "disk", "no")
    await verdict(page, "strict", "unknown")
    await verdict(page, "tabs", "partly")
    await verdict(page, "lasting", "unknown")
    assert await ask_axe(page, "keeps nothing") == []
