"""Leaving the gradebook in the midst of a word: the browser asks, and what was typed last is sent all the same."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from playwright.async_api import expect

from tests.web.grade_page import COMMENT, LINE_ITEM, SCORE, GradePage, open_grades, open_grades_with_clock
from tests.web.laptop import pause_clock
from tests.web.roll_page import eventually
from tests.web.sizes import sized

if TYPE_CHECKING:
    from playwright.async_api import Dialog

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage

ANA, QUIZ = "García, Ana", "Quiz 2"
ASKED_S_MAX = 60


async def _leave(grades: GradePage, *, staying: bool = False) -> str:
    """Close the page as a person does; return what the browser has asked, which is answered so, when the page is gone.

    `staying` returns as soon as it was asked: the page stays.
    """
    page = grades.page
    asked: list[str] = []
    ended = asyncio.Event()

    async def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        if staying:
            await dialog.dismiss()
            ended.set()
        else:
            await dialog.accept()

    page.once("dialog", answer)
    page.once("close", lambda _: ended.set())
    await page.close(run_before_unload=True)
    await asyncio.wait_for(ended.wait(), ASKED_S_MAX)
    return asked[0] if asked else "nothing"


async def _is_recorded(grades: GradePage, value: dict[str, str], kind: int = SCORE) -> None:
    """Wait until PostgreSQL has this of Ana's quiz, with nobody there who could send it."""
    cell = (grades.school.columns[4], grades.school.students[7])

    async def found() -> Any:
        return (await grades.recorded(kind)).get(cell)

    await eventually(found, value)


@sized(12, 6, filled=0)
async def test_what_is_typed_last_is_asked_about_and_recorded(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades = await open_grades_with_clock(open_page, service, school)
    await grades.go(ANA, QUIZ)
    await pause_clock(grades.page)
    await grades.page.keyboard.type("17")
    assert await _leave(grades) == "beforeunload"
    await _is_recorded(grades, {"score": "17"})


async def test_the_end_of_a_comment_is_recorded_too(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades = await open_grades_with_clock(open_page, service, school)
    await grades.go(ANA, QUIZ)
    await grades.page.keyboard.press("Control+m")
    await expect(grades.page.get_by_role("dialog")).to_be_visible()
    await pause_clock(grades.page)
    await grades.page.keyboard.type("Good start")
    await grades.page.clock.run_for(500)
    await expect(grades.page.locator("#comment-hint")).to_have_text("On this computer")
    await grades.page.keyboard.type(", go on")
    assert await _leave(grades) == "beforeunload"
    await _is_recorded(grades, {"text": "Good start, go on"}, COMMENT)


async def test_a_text_that_cannot_be_entered_is_asked_about(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades = await open_grades(open_page, service, school)
    await grades.enter(ANA, QUIZ, "17x")
    await expect(grades.status).to_contain_text("1 text could not be read: it stands in its cell, and is nowhere else.")
    assert await _leave(grades, staying=True) == "beforeunload"
    await grades.expect_shown(ANA, QUIZ, "17x")
    await grades.enter(ANA, QUIZ, "17")
    await expect(grades.page.locator(".is-storing")).to_have_count(0)
    assert await _leave(grades) == "nothing"


async def test_what_is_typed_while_its_column_goes_is_entered(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades = await open_grades(open_page, service, school)
    theirs = await open_grades(open_page, service, school, as_user=school.co_teacher_name)
    before = await grades.recorded()
    await grades.go(ANA, QUIZ)
    # As by an input method, whose word is not complete: no pause enters it.
    window = await grades.page.context.new_cdp_session(grades.page)
    await window.send("Input.imeSetComposition", {"text": "13", "selectionStart": 2, "selectionEnd": 2})
    await expect(grades.input).to_have_value("13")
    await theirs.more("Columns…")
    await theirs.page.get_by_role("button", name=f"Hide {QUIZ}").click()
    await expect(grades.page.locator("thead th", has=grades.page.get_by_text(QUIZ, exact=True))).to_have_count(0)
    await grades.page.keyboard.type("4")  # goes on, and must not land in the cell beside
    cell = (school.columns[4], school.students[7])
    await grades.is_recorded({cell: {"score": "13"}})
    assert (await grades.recorded(LINE_ITEM))[school.columns[4], 0]["is_hidden"] is True
    assert await grades.recorded() == {**before, cell: {"score": "13"}}
