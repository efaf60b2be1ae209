"""What older browsers lack, taken away: the pages still save."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.web.grade_page import GradePage
from tests.web.laptop import send_at_once
from tests.web.roll_page import RollPage
from tests.web.sizes import SMALL

if TYPE_CHECKING:
    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage

# In Chrome 87, Firefox 91 or Safari 15, each of these is missing somewhere, or can be switched off.
MISSING = {
    "navigator.locks": "delete Navigator.prototype.locks",
    "BroadcastChannel": "delete window.BroadcastChannel",
    "crypto.randomUUID": "delete Crypto.prototype.randomUUID",
    "AbortSignal.timeout": "delete AbortSignal.timeout",
    "requestIdleCallback": "delete window.requestIdleCallback",
    "serviceWorker": "delete Navigator.prototype.serviceWorker",
    "caches": "delete window.caches",
    "structuredClone": "delete window.structuredClone",
    "at": "delete Array.prototype.at; delete String.prototype.at; delete Array.prototype.findLast",
    "storage": "delete Navigator.prototype.storage",
    "inert": "delete HTMLElement.prototype.inert",
    "showModal": "delete HTMLDialogElement.prototype.showModal",
    "hasOwn": "delete Object.hasOwn; delete Object.groupBy; delete Promise.withResolvers",
    "Segmenter": "delete Intl.Segmenter; delete Intl.ListFormat",
}
ALONE = (
    "navigator.locks",
    "BroadcastChannel",
    "crypto.randomUUID",
    "AbortSignal.timeout",
    "requestIdleCallback",
    "serviceWorker",
)
TOGETHER = {
    "old Safari": ("navigator.locks", "BroadcastChannel", "requestIdleCallback", "showModal", "structuredClone"),
    "everything": tuple(MISSING),
}


@SMALL
@pytest.mark.parametrize("without", [*ALONE, "old Safari", "everything"])
async def test_without_it_grades_and_the_roll_are_saved(
    open_page: OpenPage, service: Service, school: GradebookSchool, without: str
) -> None:
    page = await open_page("/livez")
    script = "; ".join(MISSING[name] for name in TOGETHER.get(without, (without,)))
    await page.add_init_script(f"{{ {script}; window.isOld = true }}")
    await page.goto(f"/app/sections/{school.section}")
    grades = await GradePage(page, service, school).ready()
    assert await page.evaluate("window.isOld")
    await grades.enter("Alvarez, Mateo", "Test 1", "71")
    await expect(page.locator(".is-storing")).to_have_count(0)
    await send_at_once(page)
    await grades.is_recorded({(school.columns[2], school.students[0]): {"score": "71"}})

    await page.goto(f"/app/sections/{school.section}/attendance")
    roll = await RollPage(page, service, school).ready()
    await roll.mark("Alvarez, Mateo", "unexcused_absence")
    await roll.is_recorded({"Alvarez, Mateo": {"category": "unexcused_absence"}})
