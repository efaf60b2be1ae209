"""What cannot be taken as it was typed: it stays where it was typed, and nothing else is entered in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.web.grade_page import COMMENT, open_grades
from tests.web.sizes import SMALL, sized

if TYPE_CHECKING:
    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage

NAMES = ["Alvarez, Mateo", "Baker, Tanisha", "Castillo, Ana"]
NOTHING = sized(5, 3, filled=0)


@SMALL
async def test_a_preview_of_nothing_that_can_be_entered_has_the_keys(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades = await open_grades(open_page, service, school)
    dialog = grades.page.get_by_role("dialog")
    await grades.go(NAMES[0], "Quiz 1")
    before = await grades.input.input_value()
    await grades.paste("1 000\n")
    await expect(grades.button("Enter 0 scores")).to_be_disabled()
    await grades.page.keyboard.type("7")
    await expect(grades.input).to_have_value(before)
    await grades.page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(grades.input).to_be_focused()
    await expect(grades.input).to_have_value(before)


@NOTHING
async def test_a_text_that_could_not_be_read_is_no_empty_cell_to_fill(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades = await open_grades(open_page, service, school)
    await grades.enter(NAMES[1], "Quiz 1", "15 see me")
    await grades.expect_shown(NAMES[1], "Quiz 1", "15 see me")
    await grades.more("Fill empty cells…")
    await expect(grades.page.get_by_role("dialog")).to_contain_text("4 students shown have nothing in this column yet.")
    await grades.page.get_by_label("Score or code").fill("0")
    await grades.button("Fill 4 cells").click()
    await grades.expect_shown(NAMES[0], "Quiz 1", "0")
    await grades.expect_shown(NAMES[1], "Quiz 1", "15 see me")


@SMALL
async def test_a_comment_that_is_too_long_does_not_go_with_its_dialog(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades = await open_grades(open_page, service, school)
    page = grades.page
    box = page.get_by_label("Comment", exact=True)
    await grades.go(NAMES[0], "Quiz 1")
    await page.keyboard.press("Control+m")
    await box.fill("x" * 2_001)
    for where in ("Done", "Escape", ".veil"):
        if where == "Escape":
            await page.keyboard.press("Escape")
        else:
            target = grades.button("Done") if where == "Done" else page.locator(where)
            await target.click(position={"x": 2, "y": 2})
        await expect(page.get_by_role("dialog")).to_contain_text("1 character too many.")
        await expect(box).to_be_focused()
        await expect(box).to_have_value("x" * 2_001)
    await page.keyboard.press("End")
    await page.keyboard.press("Backspace")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await grades.is_recorded({(school.columns[1], school.students[0]): {"text": "x" * 2_000}}, COMMENT)


@NOTHING
async def test_a_text_that_was_mended_is_not_told_of_any_more(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades = await open_grades(open_page, service, school)
    for mended in ("17", ""):
        await grades.enter(NAMES[0], "Quiz 1", "abc")
        await expect(grades.notice).to_contain_text("Your text stays in its cell")
        await grades.enter(NAMES[1], "Quiz 1", "9")
        await expect(grades.notice).to_contain_text("Your text stays in its cell")
        await grades.go(NAMES[0], "Quiz 1")
        await grades.page.keyboard.press("Delete")
        await grades.type(mended)
        await expect(grades.notice).not_to_contain_text("Your text stays in its cell")
        await grades.expect_shown(NAMES[0], "Quiz 1", mended)
