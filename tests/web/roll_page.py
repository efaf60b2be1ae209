"""The attendance page as a test uses it: a student's row by name, what the roll says, what PostgreSQL has of a day."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from playwright.async_api import expect

from tests.web.laptop import answered, send_at_once
from tests.world import fetch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from playwright.async_api import Locator, Page

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool

ATTENDANCE, ROLL_TAKEN = 3, 5
PRESENT = {"category": "present"}


class RollPage:
    """One window on a section's roll."""

    def __init__(self, page: Page, service: Service, school: GradebookSchool) -> None:
        self.page = page
        self.service = service
        self.school = school

    async def ready(self) -> RollPage:
        """Wait until the roll is there."""
        await expect(self.page.locator("#content")).to_be_visible(timeout=60_000)
        return self

    def row(self, name: str) -> Locator:
        """Return the row of a student, "Family, Given"."""
        return self.page.locator(".student", has=self.page.get_by_text(name, exact=True))

    def radio(self, name: str, category: str) -> Locator:
        """Return one of the marks that a student can have."""
        return self.row(name).locator(f"input[value={category}]")

    async def mark(self, name: str, category: str) -> None:
        """Choose a mark with the pointer."""
        await self.radio(name, category).click()

    async def expect_mark(self, name: str, category: str, *, is_default: bool = False) -> None:
        """Expect that this student is shown so: as a mark, or because there is none."""
        await expect(self.radio(name, category)).to_be_checked()
        defaults = self.row(name).locator("[data-default]")
        await expect(defaults).to_have_count(1 if is_default else 0)

    @property
    def counts(self) -> Locator:
        """The line that says how many are here."""
        return self.page.locator(".counts")

    @property
    def state(self) -> Locator:
        """The sentence that says whether the roll is taken."""
        return self.page.locator(".roll-state")

    async def expect_focus(self, name: str, category: str) -> None:
        """Expect that the focus is in this student's row, on this mark."""
        await eventually(self._focused, f"{name}: {category}")

    async def _focused(self) -> str:
        answer: str = await self.page.evaluate(
            """() => {
                const at = document.activeElement
                const name = at.closest('.student')?.querySelector('.name')?.textContent
                return `${name ?? 'nobody'}: ${at.value || at.tagName}`
            }"""
        )
        return answer

    async def today(self) -> str:
        """Return the day at the school."""
        answer = await answered(lambda: self.page.context.request.get(f"/api/v1/sections/{self.school.section}"))
        section = await answer.json()
        return str(section["section"]["today"])

    async def item(self, day: str | None = None) -> int:
        """Return the item of a day's roll; today's if no day is given."""
        return int((day or await self.today()).replace("-", "")) * 100

    async def student(self, name: str) -> int:
        """Return the id of a student in the list."""
        return int(await self.row(name).get_attribute("data-student") or 0)

    async def recorded(self, kind: int = ATTENDANCE, day: str | None = None) -> dict[int, Any]:
        """Return what PostgreSQL has of a day's roll, by student."""
        rows = await fetch(
            self.service.settings,
            "SELECT student_id, value FROM cell WHERE section_id = $1 AND kind = $2 AND item = $3",
            self.school.section,
            kind,
            await self.item(day),
        )
        return {row["student_id"]: json.loads(row["value"]) for row in rows}

    async def is_recorded(self, wanted: dict[str, Any], day: str | None = None) -> None:
        """Wait until PostgreSQL has exactly these marks of the day, by name."""
        marks = {await self.student(name): value for name, value in wanted.items()}
        await expect(self.page.locator("[data-mark=storing]")).to_have_count(0)
        await send_at_once(self.page)
        await eventually(lambda: self.recorded(day=day), marks)

    async def history(self, name: str) -> list[tuple[Any, str]]:
        """Return every entry of today about a student: value and status, oldest first."""
        rows = await fetch(
            self.service.settings,
            "SELECT value, status::text FROM edit_log"
            " WHERE section_id = $1 AND kind = 3 AND item = $2 AND student_id = $3 ORDER BY recorded_at, edit_id",
            self.school.section,
            await self.item(),
            await self.student(name),
        )
        return [(json.loads(row["value"]), row["status"]) for row in rows]


async def eventually(ask: Callable[[], Awaitable[Any]], wanted: object, *, timeout_s: float = 60) -> None:
    """Wait until `ask` answers this; fail with what it answered last."""
    deadline = time.monotonic() + timeout_s
    while (answer := await ask()) != wanted:
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {wanted}, but {answer}"
        await asyncio.sleep(0.1)


async def open_roll(open_page: Any, service: Service, school: GradebookSchool, **window: Any) -> RollPage:
    """Open the roll of today."""
    query = window.pop("query", "")
    page = await open_page(f"/app/sections/{school.section}/attendance{query}", **window)
    return await RollPage(page, service, school).ready()


async def open_roll_with_clock(open_page: Any, service: Service, school: GradebookSchool) -> RollPage:
    """Open the roll of today in a page whose clock a test moves."""
    page = await open_page("/app/compatibility")
    await page.clock.install()
    await page.goto(f"/app/sections/{school.section}/attendance")
    return await RollPage(page, service, school).ready()
