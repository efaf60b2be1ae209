"""The roll on a phone: by touch, large enough to hit, at 320 px too, and without the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.web.conftest import DESK, PHONE
from tests.web.laptop import until_kept, wait_for_worker
from tests.web.roll_page import PRESENT, ROLL_TAKEN, eventually, open_roll
from tests.web.sizes import ORDINARY, SMALL

if TYPE_CHECKING:
    from playwright.async_api import Page, ViewportSize

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage

NAMES = ["Alvarez, Mateo", "Baker, Tanisha", "Castillo, Ana", "Chen, Wei", "Cruz, Daniela"]
NARROWEST: ViewportSize = {"width": 320, "height": 640}


@SMALL
async def test_a_roll_by_touch(open_page: OpenPage, service: Service, school: GradebookSchool) -> None:
    roll = await open_roll(open_page, service, school, viewport=PHONE, has_touch=True, is_mobile=True)
    await roll.radio(NAMES[2], "unexcused_absence").tap()
    await roll.expect_mark(NAMES[2], "unexcused_absence")
    # A second tap on the same mark does not go round to another one.
    await roll.radio(NAMES[2], "unexcused_absence").tap()
    await roll.expect_mark(NAMES[2], "unexcused_absence")
    await roll.radio(NAMES[4], "tardy").tap()
    status = roll.page.locator(".foot").get_by_role("status")
    await expect(status).to_contain_text(f"{NAMES[4]}: Tardy, ")
    await status.get_by_role("button", name="Time or note").tap()
    dialog = roll.page.get_by_role("dialog")
    await dialog.get_by_label("Arrived at").fill("08:12")
    await dialog.get_by_role("button", name="Done").tap()
    # The wrong student, and the way back.
    await roll.radio(NAMES[0], "unexcused_absence").tap()
    await expect(roll.counts).to_have_text("2 present · 2 absent · 1 tardy")
    await status.get_by_role("button", name="Undo").tap()
    await roll.expect_mark(NAMES[0], "present", is_default=True)
    # A mark that a phone shows only where somebody has it.
    await expect(roll.radio(NAMES[1], "excused_absence")).to_be_hidden()
    await roll.row(NAMES[1]).get_by_role("button", name="More").tap()
    await dialog.get_by_label("Excused").tap()
    await dialog.get_by_role("button", name="Done").tap()
    await expect(roll.radio(NAMES[1], "excused_absence")).to_be_visible()
    await roll.page.get_by_role("button", name="Roll taken").tap()
    await expect(roll.state).to_contain_text("You took the roll")
    await roll.is_recorded(
        dict.fromkeys(NAMES, PRESENT)
        | {
            NAMES[1]: {"category": "excused_absence"},
            NAMES[2]: {"category": "unexcused_absence"},
            NAMES[4]: {"category": "tardy", "arrival_time": "08:12"},
        }
    )


@ORDINARY
async def test_everything_can_be_hit_and_nothing_runs_out_of_the_window(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    roll = await open_roll(open_page, service, school, viewport=PHONE, has_touch=True, is_mobile=True)
    assert await _smaller_than(roll.page, 44) == []
    segments = roll.page.locator(".segment:visible")
    for box in [await segments.nth(at).bounding_box() for at in range(3)]:
        assert box is not None
        assert box["width"] >= 48
        assert box["height"] >= 48
    assert await roll.page.locator("main").evaluate("e => getComputedStyle(e).touchAction") == "manipulation"
    for language in ("en", "es"):
        await roll.page.evaluate(f"localStorage.setItem('inkfast.language', '{language}')")
        for query in ("", "?view=week"):
            await roll.page.goto(f"/app/sections/{school.section}/attendance{query}")
            await roll.ready()
            await expect(roll.page.locator("table" if query else ".student").first).to_be_visible()
            for size in (NARROWEST, PHONE, DESK):
                await roll.page.set_viewport_size(size)
                over = await roll.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
                assert over <= 0, f"{language} {query} at {size['width']} px: {over} px too wide"


@SMALL
async def test_a_row_stays_on_one_line_whatever_its_mark(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    roll = await open_roll(open_page, service, school, viewport=PHONE, has_touch=True, is_mobile=True)
    marks = ("tardy", "excused_absence", "early_departure", "partial")
    await roll.page.evaluate(
        """(marks) => marks.forEach((mark, at) =>
            document.querySelectorAll(".student")[at].querySelector(`input[value=${mark}]`).click())""",
        marks,
    )
    for name, mark in zip(NAMES, marks, strict=False):
        await expect(roll.row(name).locator(f".is-chosen[data-category={mark}]")).to_have_count(1)
    await expect(roll.page.locator("[data-mark=storing]")).to_have_count(0)
    for language in ("en", "es"):
        await roll.page.evaluate(f"localStorage.setItem('inkfast.language', '{language}')")
        await roll.page.reload()
        await roll.ready()
        await expect(roll.page.locator(".student .is-chosen[data-category=partial]")).to_be_visible()
        for width in (PHONE["width"], 360):
            await roll.page.set_viewport_size({"width": width, "height": 844})
            assert await roll.page.evaluate(ON_OTHER_LINES) == [], f"{language} at {width} px"
        # There two lines, all alike.
        await roll.page.set_viewport_size(NARROWEST)
        places = await roll.page.locator(".segments").evaluate_all("all => all.map(e => e.offsetLeft)")
        assert len(set(places)) == 1, f"{language}: {places}"


ON_OTHER_LINES = """() => [...document.querySelectorAll(".student")].filter((row) => {
    const boxOf = (part) => row.querySelector(part).getBoundingClientRect();
    const [who, marks, more] = [boxOf(".who"), boxOf(".segments"), boxOf(".more")];
    return who.width < 80 || marks.left < who.right || more.left < marks.right || more.top > marks.bottom;
}).map((row) => row.textContent)"""


async def _smaller_than(page: Page, pixels: int) -> list[str]:
    """Return what can be tapped and is lower than this."""
    found: list[str] = await page.evaluate(
        """pixels => [...document.querySelectorAll('a, button, label:has(input), input:not([type=radio])')]
            .filter(e => e.checkVisibility() && !e.matches('.skip'))
            .filter(e => e.getBoundingClientRect().height < pixels).map(e => e.outerHTML.slice(0, 90))""",
        pixels,
    )
    return found


@SMALL
async def test_offline_and_back(open_page: OpenPage, service: Service, school: GradebookSchool) -> None:
    roll = await open_roll(open_page, service, school, viewport=PHONE, has_touch=True)
    await roll.page.context.set_offline(offline=True)
    await roll.radio(NAMES[3], "unexcused_absence").tap()
    await roll.page.get_by_role("button", name="Roll taken").tap()
    # It is taken as far as this phone knows, and it says where that is known.
    await expect(roll.state).to_contain_text("You took the roll")
    await expect(roll.state).to_contain_text("on this computer, not yet at the district")
    await expect(roll.row(NAMES[3])).to_have_attribute("data-mark", "queued")
    await roll.page.context.set_offline(offline=False)
    await roll.is_recorded(dict.fromkeys(NAMES, PRESENT) | {NAMES[3]: {"category": "unexcused_absence"}})
    await eventually(lambda: roll.recorded(ROLL_TAKEN), {0: {"taken": True}})
    await expect(roll.row(NAMES[3])).not_to_have_attribute("data-mark", "queued")
    await expect(roll.state).not_to_contain_text("not yet at the district")


@SMALL
async def test_a_roll_that_is_opened_and_taken_without_a_server(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    roll = await open_roll(open_page, service, school)
    await roll.mark(NAMES[0], "excused_absence")
    await roll.is_recorded({NAMES[0]: {"category": "excused_absence"}})
    await wait_for_worker(roll.page)
    await until_kept(roll.page, school, "excused_absence")
    service.stop()
    try:
        await roll.page.reload()
        await roll.ready()
        await roll.expect_mark(NAMES[0], "excused_absence")
        await roll.expect_mark(NAMES[1], "present", is_default=True)
        await roll.mark(NAMES[1], "unexcused_absence")
        await roll.page.get_by_role("button", name="Roll taken").click()
        await expect(roll.state).to_contain_text("on this computer, not yet at the district")
        await roll.page.reload()
        await roll.ready()
        await roll.expect_mark(NAMES[1], "unexcused_absence")
        await expect(roll.state).to_contain_text("You took the roll")
    finally:
        service.start()
    marks = {NAMES[0]: {"category": "excused_absence"}, NAMES[1]: {"category": "unexcused_absence"}}
    await roll.is_recorded(dict.fromkeys(NAMES, PRESENT) | marks)
    await eventually(lambda: roll.recorded(ROLL_TAKEN), {0: {"taken": True}})
