"""The gradebook as a test uses it: a cell by the names of its row and column, and what PostgreSQL has of it."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import TYPE_CHECKING, Any

from playwright.async_api import expect

from tests.web.laptop import hold_first_save, send_at_once
from tests.world import fetch

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage

SCORE, COMMENT, LINE_ITEM = 1, 2, 4
READY_MS = 60_000
RECORDED_S = 60
IS_OVER = """(input, cell) => {
    const [a, b] = [input.getBoundingClientRect(), cell.getBoundingClientRect()];
    const [x, y] = [a.left + a.width / 2, a.top + a.height / 2];
    return x > b.left && x < b.right && y > b.top && y < b.bottom;
}"""


class GradePage:
    """One window on a section's grades."""

    def __init__(self, page: Page, service: Service, school: GradebookSchool) -> None:
        self.page = page
        self.service = service
        self.school = school

    async def ready(self) -> GradePage:
        """Wait until the grid can be typed into."""
        await expect(self.input).to_be_attached(timeout=READY_MS)
        return self

    @property
    def input(self) -> Locator:
        """The one input, over the active cell."""
        return self.page.locator(".grid-input")

    @property
    def card(self) -> Locator:
        """The card beside the active cell."""
        return self.page.locator(".cell-card")

    @property
    def notice(self) -> Locator:
        """What has just happened, in the foot."""
        return self.page.locator(".notice-line")

    @property
    def status(self) -> Locator:
        """The status line."""
        return self.page.locator(".top .status")

    def button(self, name: str) -> Locator:
        """Return a button by the whole of its name."""
        return self.page.get_by_role("button", name=name, exact=True)

    async def cell(self, name: str, title: str) -> Locator:
        """Return the cell of a student, "Family, Given", in a column."""
        head = self.page.locator("thead th", has=self.page.get_by_text(title, exact=True))
        column = await head.get_attribute("aria-colindex")
        row = self.page.locator("tbody tr", has=self.page.get_by_text(name, exact=True))
        return row.locator(f"td[aria-colindex='{column}']")

    async def go(self, name: str, title: str) -> None:
        """Click on a cell, whatever lies over it; once more where the page has moved under the pointer meanwhile."""
        cell = await self.cell(name, title)
        until = time.monotonic() + RECORDED_S
        while True:
            box = await cell.bounding_box()
            assert box is not None
            await self.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            await expect(self.input).to_be_focused()
            if await self.input.evaluate(IS_OVER, await cell.element_handle()):
                return
            assert time.monotonic() < until, f"the input is not over {name}, {title}"

    async def type(self, *texts: str) -> None:
        """Type each text and press Enter."""
        for text in texts:
            await self.page.keyboard.type(text)
            await self.page.keyboard.press("Enter")

    async def enter(self, name: str, title: str, text: str) -> None:
        """Type a text into a cell."""
        await self.go(name, title)
        await self.type(text)

    async def paste(self, text: str) -> None:
        """Paste as the browser does it when Ctrl+V is pressed."""
        await self.input.evaluate(
            """(input, text) => {
                const data = new DataTransfer();
                data.setData("text/plain", text);
                const how = { clipboardData: data, bubbles: true, cancelable: true };
                input.dispatchEvent(new ClipboardEvent("paste", how));
            }""",
            text,
        )

    async def more(self, name: str) -> None:
        """Choose something from the menu behind More."""
        await self.page.locator(".tools .menu > button").click()
        await self.page.locator(".menu-list").get_by_role("button", name=name, exact=True).click()

    async def expect_shown(self, name: str, title: str, text: str) -> None:
        """Expect that this cell shows this text."""
        await expect(await self.cell(name, title)).to_have_text(text)

    async def expect_columns(self, *titles: str) -> None:
        """Expect that the grid shows these columns, in this order."""
        await expect(self.page.locator("thead th[scope=col] > span")).to_have_text([*titles], use_inner_text=True)

    async def recorded(self, kind: int = SCORE) -> dict[tuple[int, int], Any]:
        """Return what PostgreSQL has, by line item and student."""
        rows = await fetch(
            self.service.settings,
            "SELECT item, student_id, value FROM cell WHERE section_id = $1 AND kind = $2",
            self.school.section,
            kind,
        )
        return {(row["item"], row["student_id"]): json.loads(row["value"]) for row in rows}

    async def is_recorded(self, wanted: dict[tuple[int, int], Any], kind: int = SCORE) -> None:
        """Wait until PostgreSQL has these values in these cells."""
        await expect(self.page.locator(".is-storing")).to_have_count(0)
        await send_at_once(self.page)
        until = time.monotonic() + RECORDED_S
        found: dict[tuple[int, int], Any] = {}
        while time.monotonic() < until:
            all_found = await self.recorded(kind)
            found = {cell: all_found.get(cell) for cell in wanted}
            if found == wanted:
                return
            await self.page.wait_for_timeout(100)
        assert found == wanted, f"PostgreSQL has {found}"


async def open_grades(open_page: OpenPage, service: Service, school: GradebookSchool, **window: Any) -> GradePage:
    """Open the gradebook of the school's section."""
    page = await open_page(f"/app/sections/{school.section}", **window)
    return await GradePage(page, service, school).ready()


async def open_patient_grades(open_page: OpenPage, service: Service, school: GradebookSchool) -> GradePage:
    """Open the gradebook, which sends nothing before `send_at_once`: what is typed on in a cell is one edit with it."""
    page = await open_page("/app/compatibility")
    await hold_first_save(page, school.section, 600_000)
    await page.goto(f"/app/sections/{school.section}")
    return await GradePage(page, service, school).ready()


async def open_grades_without_worker(open_page: OpenPage, service: Service, school: GradebookSchool) -> GradePage:
    """Open the gradebook in a browser that has no service worker for it, as in a private window."""
    page = await open_page("/app/")
    await page.add_init_script("delete Navigator.prototype.serviceWorker")
    await page.goto(f"/app/sections/{school.section}")
    return await GradePage(page, service, school).ready()


async def open_grades_with_clock(open_page: OpenPage, service: Service, school: GradebookSchool) -> GradePage:
    """Open the gradebook with a clock that the test can pause: `laptop.pause_clock`."""
    page = await open_page("/app/compatibility")
    await page.clock.install(time=dt.datetime.now(dt.UTC))
    await page.goto(f"/app/sections/{school.section}")
    return await GradePage(page, service, school).ready()
