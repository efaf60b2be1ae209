"""The roll for everybody: axe in every state, light and dark, in both languages; pictures of each; forced colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.web.conftest import PHONE
from tests.web.laptop import judge_saves
from tests.web.looking import LOCALES, Looking
from tests.web.roll_page import PRESENT, open_roll
from tests.web.sizes import EMPTY, SMALL, sized

if TYPE_CHECKING:
    from playwright.async_api import ViewportSize

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage
    from tests.web.roll_page import RollPage

NAMES = ["Alvarez, Mateo", "Baker, Tanisha", "Castillo, Ana", "Chen, Wei", "Cruz, Daniela", "Davis, Jordan"]
LANGUAGES = pytest.mark.parametrize("language", ["en", "es"])
CLASS = sized(12, 3)  # axe takes as long as there are rows, and each of these has a state


class Look(Looking):
    """What axe finds in each state of the roll."""

    # As high as the page: axe measures what lies under a foot that stays as if that were all that there is to tap.
    phone: ViewportSize = {"width": PHONE["width"], "height": 3_000}  # noqa: RUF012

    async def at(self, state: str, *, is_over_others: bool = False) -> None:
        """Look at the page as it stands; at a desk only where an open menu lies over what is there to tap."""
        await self.look(f"attendance-{state}", is_on_phone=not is_over_others)


async def _opened(
    open_page: OpenPage, service: Service, school: GradebookSchool, language: str, **window: Any
) -> tuple[RollPage, Look]:
    roll = await open_roll(open_page, service, school, locale=LOCALES[language], **window)
    await expect(roll.page.locator("html")).to_have_attribute("lang", language)
    return roll, Look(roll.page, language)


@CLASS
@LANGUAGES
async def test_a_roll_from_beginning_to_end(
    open_page: OpenPage, service: Service, school: GradebookSchool, language: str
) -> None:
    roll, look = await _opened(open_page, service, school, language)
    await look.at("new")
    for name, category in zip(NAMES[1:6], MARKS, strict=True):
        await roll.row(name).locator("button").first.click()
        await roll.page.locator(".one-mark").nth(MARKS[category]).locator("input").click()
        if category == "tardy":
            await roll.page.locator("dialog, [role=dialog]").locator("input[type=time]").fill("08:07")
            await roll.page.get_by_role("dialog").locator("textarea").fill("El autobús llegó tarde")
            await look.at("details")
        await roll.page.get_by_role("dialog").get_by_role("button").click()
    await look.at("marked")
    await roll.page.locator(".take").click()
    await expect(roll.page.locator("[data-taken]")).to_have_count(1)
    await roll.mark("Flores, Luis", "unexcused_absence")
    await roll.is_recorded(await _all_present(roll) | MARKED | {"Flores, Luis": {"category": "unexcused_absence"}})
    await expect(roll.page.locator("[data-mark=queued]")).to_have_count(0)
    await look.at("taken")
    await roll.page.locator(".menu button").first.click()
    await look.at("menu", is_over_others=True)
    await roll.page.locator(".menu-list button").nth(2).click()
    await roll.page.locator(".seat-move").nth(3).click()
    await look.at("seats")
    await roll.page.keyboard.press("Escape")
    await roll.page.locator(".bar [aria-pressed=false]").first.click()
    await expect(roll.page.get_by_role("table")).to_be_visible()
    await look.at("week")
    assert look.faults == [], "\n".join(look.faults)


MARKS = {"unexcused_absence": 1, "tardy": 2, "excused_absence": 3, "early_departure": 4, "partial": 5}
MARKED = dict(zip(NAMES[1:6], ({"category": category} for category in MARKS), strict=True)) | {
    NAMES[2]: {"category": "tardy", "arrival_time": "08:07", "note": "El autobús llegó tarde"}
}


async def _all_present(roll: RollPage) -> dict[str, Any]:
    return dict.fromkeys(await roll.page.locator(".student .name").all_inner_texts(), PRESENT)


@SMALL
@LANGUAGES
async def test_what_needs_a_person(
    open_page: OpenPage, service: Service, school: GradebookSchool, language: str
) -> None:
    roll, look = await _opened(open_page, service, school, language)
    head = {
        "edit_id": "0199f3a0-3b52-7d0e-8a7b-0c5a9a6f4e21",
        "value": {"category": "tardy", "arrival_time": "08:07"},
        "author_id": school.co_teacher,
        "author_name": "Sam Okafor",
        "entered_at": "2026-11-06T22:01:10.000Z",
    }
    verdicts: dict[int, dict[str, Any]] = {
        school.students[0]: {"outcome": "conflict", "head": head, "cell_version": 2},
        school.students[1]: {"outcome": "rejected", "code": "unknown_student"},
    }

    def judge(sent: dict[str, Any], told: dict[str, Any]) -> None:
        for edit, one in zip(sent["edits"], told["outcomes"], strict=True):
            one.update(verdicts.get(edit["student"], {}))

    await judge_saves(roll.page, judge)
    await roll.mark(NAMES[0], "unexcused_absence")
    await roll.mark(NAMES[1], "unexcused_absence")
    await expect(roll.page.locator(".needs")).to_have_count(2)
    await expect(roll.row(NAMES[0])).to_have_attribute("data-mark", "conflict")
    await expect(roll.row(NAMES[1])).to_have_attribute("data-mark", "rejected")
    await look.at("needs")
    await roll.page.context.set_offline(offline=True)
    await roll.page.route("**/edits", lambda route: route.abort())  # who judges them asks for the page, offline or not
    await roll.mark(NAMES[2], "tardy")
    await roll.page.locator(".take").click()
    await expect(roll.page.locator("[data-mark=queued]").first).to_be_visible()
    await look.at("offline")
    assert look.faults == [], "\n".join(look.faults)


@EMPTY
async def test_nobody_is_enrolled(open_page: OpenPage, service: Service, school: GradebookSchool) -> None:
    roll, look = await _opened(open_page, service, school, "en")
    await expect(roll.page.get_by_text("Nobody is enrolled")).to_be_visible()
    await expect(roll.page.get_by_role("button", name="Roll taken")).to_have_count(0)
    await look.at("empty")
    assert look.faults == [], "\n".join(look.faults)


@SMALL
async def test_not_ones_own_section(open_page: OpenPage, school: GradebookSchool) -> None:
    page = await open_page(f"/app/sections/{school.section}/attendance", as_user=school.stranger_name)
    await expect(page.get_by_text("This is not one of your sections.")).to_be_visible()
    look = Look(page, "en")
    await look.at("not-yours")
    assert look.faults == [], "\n".join(look.faults)


@SMALL
async def test_in_spanish_by_keys(open_page: OpenPage, service: Service, school: GradebookSchool) -> None:
    roll = await open_roll(open_page, service, school)
    await roll.page.get_by_role("button", name="Español").click()
    await expect(roll.page.get_by_text("Todavía no se ha pasado lista")).to_be_visible()
    await expect(roll.page.locator("html")).to_have_attribute("lang", "es")
    await roll.radio(NAMES[0], "present").focus()
    await roll.page.keyboard.press("j")
    await roll.expect_focus(NAMES[0], "excused_absence")
    await expect(roll.counts).to_have_text("4 presentes · 1 justificado")
    await roll.page.get_by_role("button", name="Pasar lista").click()
    await expect(roll.state).to_contain_text("Usted pasó lista a la")
    await roll.is_recorded(dict.fromkeys(NAMES[:5], PRESENT) | {NAMES[0]: {"category": "excused_absence"}})


@SMALL
async def test_forced_colours_keep_the_marks_apart(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    roll, look = await _opened(open_page, service, school, "en", forced_colors="active")
    await roll.mark(NAMES[1], "unexcused_absence")
    await roll.page.locator("h1").click()
    for name, style, width in ((NAMES[1], "solid", "2px"), (NAMES[0], "dashed", "1px")):
        word = roll.row(name).locator(".is-chosen .word")
        await expect(word).to_have_css("outline-style", style)
        await expect(word).to_have_css("outline-width", width)
    await look.at("forced")
    assert look.faults == [], "\n".join(look.faults)
