"""The gradebook for everybody: axe in every state, light and dark, both languages, on a phone; pictures of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.web.conftest import DESK
from tests.web.grade_page import GradePage, open_grades
from tests.web.laptop import judge_saves
from tests.web.looking import LOCALES, Looking
from tests.web.sizes import EMPTY, LARGE, SMALL

if TYPE_CHECKING:
    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage

LANGUAGES = pytest.mark.parametrize("language", ["en", "es"])
SMALL_TARGETS = """() => [...document.querySelectorAll('a, button, select, input:not(.grid-input)')]
    .filter(e => e.checkVisibility() && !e.matches('.skip'))
    .map(e => [e, (e.closest('label') ?? e).getBoundingClientRect()])
    .filter(([, box]) => box.width < 24 || box.height < 24)
    .map(([e]) => `small target ${e.outerHTML.slice(0, 120)}`)"""


class Look(Looking):
    """What axe finds in each state of the gradebook, what is too small to hit, and what runs out of the window."""

    async def at(self, state: str) -> None:
        """Look at the page as it stands, at its own size and on a phone."""
        await self.look(f"gradebook-{state}", desk=self.page.viewport_size or DESK)

    async def measured(self) -> list[str]:
        """Return the targets that are too small, and how much the page is too wide."""
        small: list[str] = await self.page.evaluate(SMALL_TARGETS)
        over = await self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return [*small, *([f"{over} px too wide"] if over > 0 else [])]


async def _opened(
    open_page: OpenPage, service: Service, school: GradebookSchool, language: str, **window: Any
) -> tuple[GradePage, Look]:
    grades = await open_grades(open_page, service, school, locale=LOCALES[language], **window)
    await expect(grades.page.locator("html")).to_have_attribute("lang", language)
    return grades, Look(grades.page, language)


@LANGUAGES
async def test_every_state(open_page: OpenPage, service: Service, school: GradebookSchool, language: str) -> None:
    grades, look = await _opened(open_page, service, school, language)
    page = grades.page
    await grades.go("García, Ana", "Quiz 2")
    await page.keyboard.type("1")
    await look.at("typing")
    await page.keyboard.press("Escape")
    await page.context.set_offline(offline=True)
    await grades.go("Alvarez, Mateo", "Quiz 2")
    await grades.type("11 la", "412", "ex", "abc")
    await look.at("queued")
    await judge_saves(page, _judge)  # not before: who judges them asks for the page, offline or not
    await page.context.set_offline(offline=False)
    await expect(page.locator(".attention-button")).to_be_visible()
    await grades.go("Alvarez, Mateo", "Quiz 2")
    await expect(grades.card).to_be_visible()
    await look.at("conflict")
    await grades.go("Baker, Tanisha", "Quiz 2")
    await expect(grades.card).to_be_visible()
    await look.at("rejected")
    await page.locator(".attention-button").click()
    await expect(page.locator(".aside li")).to_have_count(2)
    await look.at("attention")
    assert not look.faults, "\n".join(look.faults)


def _judge(sent: dict[str, Any], told: dict[str, Any]) -> None:
    """Let the first edit be a conflict, and the second be refused."""
    head = {
        "edit_id": "0199f3a0-3b52-7d0e-8a7b-0c5a9a6f4e21",
        "value": {"score": "17"},
        "author_id": 2,
        "author_name": "Sam Okafor",
        "entered_at": "2026-11-06T22:01:10.000Z",
    }
    for one, edit in zip(told["outcomes"], sent["edits"], strict=False):
        if edit["value"].get("score") == "11":
            one |= {"outcome": "conflict", "head": head, "cell_version": 2}
        if edit["value"].get("score") == "412":
            one |= {"outcome": "rejected", "code": "score_out_of_range", "params": {"min": "0", "max": "20"}}


DIALOGS = ("comment", "fill", "column", "columns", "paste", "help")


@SMALL
@LANGUAGES
async def test_every_dialog(open_page: OpenPage, service: Service, school: GradebookSchool, language: str) -> None:
    grades, look = await _opened(open_page, service, school, language)
    page = grades.page
    await grades.go("Baker, Tanisha", "Test 1")
    await page.locator(".tools .menu > button").click()
    await look.at("menu")
    order = {"comment": 0, "fill": 1, "column": 2, "columns": 3, "paste": 4, "help": 7}
    for name in DIALOGS:
        if await page.locator(".menu-list").count() == 0:
            await page.locator(".tools .menu > button").click()
        await page.locator(".menu-list button").nth(order[name]).click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        await look.at(f"dialog-{name}")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
    await grades.go("Baker, Tanisha", "Test 1")
    await grades.paste("18\n19 la\nabc\n412\n")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await look.at("dialog-preview")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Shift+F10")
    await expect(page.locator(".cell-menu")).to_be_visible()
    await look.at("cell-menu")
    await page.keyboard.press("Escape")
    await page.locator(".tools > .button[aria-pressed]").click()
    await expect(page.locator(".quick-bar")).to_be_visible()
    await look.at("quick")
    await page.locator(".tools > .button[aria-expanded]").click()
    await expect(page.locator(".aside h3")).to_be_visible()
    await look.at("history")
    assert not look.faults, "\n".join(look.faults)


@EMPTY
async def test_a_section_without_anything(open_page: OpenPage, service: Service, school: GradebookSchool) -> None:
    page = await open_page(f"/app/sections/{school.section}")
    await expect(page.get_by_text("Nobody is enrolled in this section yet.")).to_be_visible()
    look = Look(page, "en")
    await look.at("empty")
    assert not look.faults, "\n".join(look.faults)


@SMALL
async def test_not_ones_own_section(open_page: OpenPage, school: GradebookSchool) -> None:
    page = await open_page(f"/app/sections/{school.section}", as_user=school.stranger_name)
    await expect(page.get_by_text("This is not one of your sections.")).to_be_visible()
    look = Look(page, "en")
    await look.at("not-yours")
    assert not look.faults, "\n".join(look.faults)


@LARGE
async def test_a_large_section_at_400_percent_loses_nothing(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    # 1280 px at 400 % are 320 px, and 640 px at 200 % are as high as a small phone.
    grades, look = await _opened(open_page, service, school, "en", viewport={"width": 320, "height": 360})
    page = grades.page
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    box = await page.locator(".grid-host").bounding_box()
    assert box is not None
    assert box["height"] >= 240
    await page.get_by_role("button", name="All columns").click()
    await page.get_by_role("button", name="What you can do").click()
    await expect(page.get_by_role("button", name="Add column")).to_be_visible()
    await look.at("narrow")
    assert not look.faults, "\n".join(look.faults)


@SMALL
async def test_forced_colours_keep_the_marks_apart(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades, look = await _opened(open_page, service, school, "en", forced_colors="active", reduced_motion="reduce")
    await grades.page.context.set_offline(offline=True)
    await grades.enter("Baker, Tanisha", "Test 1", "55 la")
    await look.at("forced")
    assert not look.faults, "\n".join(look.faults)


@SMALL
async def test_in_spanish_by_keys(open_page: OpenPage, service: Service, school: GradebookSchool) -> None:
    grades = await open_grades(open_page, service, school)
    page = grades.page
    await page.get_by_role("button", name="Español").click()
    await expect(page.get_by_role("button", name="Añadir columna")).to_be_visible()
    await grades.ready()
    await grades.go("Baker, Tanisha", "Test 1")
    await grades.type("55 ta", "fa", "abc")
    await expect(grades.notice).to_contain_text("«abc» no es una calificación.")
    await grades.is_recorded(
        {
            (school.columns[2], school.students[1]): {"score": "55", "status": ["late"]},
            (school.columns[2], school.students[2]): {"status": ["missing"]},
        }
    )
    await grades.go("Baker, Tanisha", "Test 1")
    await expect(grades.input).to_have_value("55 ta")
    await expect(grades.input).to_have_attribute("aria-label", "Tanisha Baker, Test 1, sobre 100")
