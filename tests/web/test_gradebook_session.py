"""A teacher's whole session: signing in, a class graded by keys, paste, undo, comment, history, CSV, print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.web.grade_page import COMMENT, GradePage, open_grades, open_grades_with_clock
from tests.web.laptop import held_saves, hold_first_save, pause_clock, refused, sign_in_by_form, wait_for_worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from playwright.async_api import Page

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage

    Shoot = Callable[[Page, str], Awaitable[None]]


async def test_a_whole_session(open_page: OpenPage, service: Service, school: GradebookSchool, shoot: Shoot) -> None:
    page = await open_page(as_user=None)
    await sign_in_by_form(page, school.teacher_name)
    await page.locator(f"a[href='/app/sections/{school.section}']").first.click()
    grades = await GradePage(page, service, school).ready()
    column = school.columns[4]
    students = school.students

    # A class by keys alone: down the column, a flag behind a score, a code alone.
    await grades.go("Alvarez, Mateo", "Quiz 2")
    await grades.type("12", "13 la", "mi", "15.5", "16,5", "17/20", "50%")
    await expect(grades.input).to_have_attribute("aria-label", "Ana García, Quiz 2, out of 20")
    typed = [
        {"score": "12"},
        {"score": "13", "status": ["late"]},
        {"status": ["missing"]},
        {"score": "15.5"},
        {"score": "16.5"},
        {"score": "17"},
        {"score": "10"},
    ]
    await grades.is_recorded({(column, students[i]): value for i, value in enumerate(typed)})
    await shoot(page, "gradebook-typed")

    async with held_saves(page):  # what the service says to 412 comes afterwards
        await _paste_and_mend(grades, shoot)

    # A comment, with Ctrl+M, kept as it is typed.
    await grades.go("Flores, Luis", "Quiz 2")
    await page.keyboard.press("Control+m")
    await page.keyboard.type("Come and see me.")
    await expect(page.locator("#comment-hint")).to_have_text("On this computer")
    await page.keyboard.press("Escape")
    await expect(grades.input).to_be_focused()

    await grades.is_recorded(
        {
            (column, students[7]): {"score": "18"},
            (column, students[8]): {"score": "19", "status": ["late"]},
            (column, students[9]): None,
            (column, students[10]): None,  # 412 was refused, and is in the history
            (column, students[6]): {"score": "11"},
        }
    )
    await grades.is_recorded({(column, students[6]): {"text": "Come and see me."}}, COMMENT)
    await _look_at_the_history(grades, shoot)


async def _paste_and_mend(grades: GradePage, shoot: Shoot) -> None:
    """A block from a spreadsheet, looked at before it is entered, taken back as one step, and entered after all."""
    page = grades.page
    await grades.paste("18\n19 la\nabc\n412\n")
    await expect(page.get_by_role("dialog")).to_contain_text("2 ready, 1 not understood, 1 to look at twice.")
    await shoot(page, "gradebook-paste")
    await grades.button("Enter 3 scores").click()
    await expect(grades.notice).to_contain_text("3 scores entered. One Undo takes them back.")
    await grades.expect_shown("García, Ana", "Quiz 2", "18")
    await page.keyboard.press("Control+z")
    await expect(grades.notice).to_contain_text("3 cells are as they were before.")
    await grades.expect_shown("García, Ana", "Quiz 2", "")
    await page.keyboard.press("Control+y")
    await expect(grades.notice).to_contain_text("3 cells are entered again.")

    # What is not a score at all stays in its cell until it is mended.
    await grades.enter("Flores, Luis", "Quiz 2", "abc")
    await grades.expect_shown("Flores, Luis", "Quiz 2", "abc")
    await expect(grades.notice).to_contain_text("“abc” is not a score.")
    await grades.enter("Flores, Luis", "Quiz 2", "11")


async def _look_at_the_history(grades: GradePage, shoot: Shoot) -> None:
    page = grades.page
    await grades.go("Flores, Luis", "Quiz 2")
    await grades.button("History").click()
    panel = page.get_by_role("complementary", name="History")
    await expect(panel.locator("li")).to_have_count(2)
    await expect(panel.locator("li").nth(0)).to_contain_text("11")
    await expect(panel.locator("li").nth(0)).to_contain_text("in the gradebook now")
    await expect(panel.locator("li").nth(1)).to_contain_text("You · recorded")
    await shoot(page, "gradebook-history")
    await panel.get_by_role("button", name="Restore 10").click()
    await grades.expect_shown("Flores, Luis", "Quiz 2", "10")
    await grades.is_recorded({(grades.school.columns[4], grades.school.students[6]): {"score": "10"}})
    await expect(panel.locator("li")).to_have_count(3)
    await page.keyboard.press("Escape")
    await expect(panel).to_have_count(0)
    await expect(grades.input).to_be_focused()


async def test_the_first_save_of_a_page_comes_when_the_service_wants_it(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    """In the deadline hour a page that is opened is told to be patient before it has sent anything."""
    page = await open_page("/app/compatibility")
    await page.clock.install()
    await hold_first_save(page, school.section, 400_000)
    await page.goto(f"/app/sections/{school.section}")
    grades = await GradePage(page, service, school).ready()
    await grades.enter("Flores, Luis", "Quiz 2", "11")
    await expect(grades.status).to_contain_text("1 change")
    async with page.expect_request("**/edits") as sending:
        await page.clock.run_for(200_000)  # what is left is more than this test takes, on any machine
        await grades.enter("Alvarez, Mateo", "Quiz 2", "12")
        await expect(grades.status).to_contain_text("2 changes")
        await page.clock.run_for(201_000)
    save = (await sending.value).post_data_json
    assert [edit["value"]["score"] for edit in save["edits"]] == ["11", "12"]


async def test_a_service_without_time_is_asked_again_by_the_page(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    """Whoever opens a page in the deadline hour waits for it, and has nothing to press."""
    page = await open_page("/app/compatibility")
    async with refused(page, "**/api/v1/sections"):
        await page.goto("/app/")
        await expect(page.get_by_text("This page asks again by itself.")).to_be_visible()
    await expect(page.get_by_role("listitem")).to_have_count(2)
    async with refused(page, f"**/api/v1/sections/{school.section}"):
        await page.goto(f"/app/sections/{school.section}")
        await expect(page.get_by_text("This page asks again by itself.")).to_be_visible()
    await GradePage(page, service, school).ready()


async def test_finding_sorting_and_filtering_move_nobody_s_grade(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades = await open_grades(open_page, service, school)
    page = grades.page
    find = page.get_by_label("Find a student")
    await find.fill("garcia")
    await expect(page.get_by_text("1 student shown of 12")).to_be_visible()
    await find.press("Enter")
    await expect(grades.input).to_be_focused()
    await page.keyboard.press("End")
    await grades.type("77")
    await find.fill("")
    await grades.expect_shown("García, Ana", "Test 2", "77")

    # The undo of a score finds its student again after a sort.
    await page.get_by_label("Sort").select_option(label="by Test 2")
    first = page.locator("tbody tr[role=row]").first
    await expect(first).to_contain_text("García, Ana")
    await grades.button("Undo").click()
    await grades.expect_shown("García, Ana", "Test 2", "")
    await grades.go("Baker, Tanisha", "Test 2")
    await grades.type("mi")
    await page.get_by_label("Show").select_option(label="missing work")
    await expect(page.get_by_text("1 student shown of 12")).to_be_visible()
    await page.get_by_label("Show").select_option(label="no score in Test 2")
    await expect(page.get_by_text("11 students shown of 12")).to_be_visible()
    await page.get_by_label("Show").select_option(label="all students")
    await grades.is_recorded(
        {
            (school.columns[5], school.students[7]): {},
            (school.columns[5], school.students[1]): {"status": ["missing"]},
        }
    )


async def test_filling_the_empty_cells_of_a_column(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades = await open_grades(open_page, service, school)
    await grades.enter("Castillo, Ana", "Homework 2", "9")
    await grades.more("Fill empty cells…")
    dialog = grades.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("students shown have nothing in this column yet")
    before = await grades.recorded()
    await dialog.get_by_label("Score or code").fill("nonsense")
    await dialog.get_by_role("button", name="Fill").click()
    await expect(dialog).to_contain_text("“nonsense” is not a score.")
    await dialog.get_by_label("Score or code").fill("mi")
    await dialog.get_by_role("button", name="Fill").click()
    column = school.columns[3]
    wanted = {(column, student): before.get((column, student), {"status": ["missing"]}) for student in school.students}
    await grades.is_recorded(wanted | {(column, school.students[2]): {"score": "9"}})
    await grades.button("Undo").click()
    await grades.is_recorded(
        {(column, student): before.get((column, student), {}) for student in school.students}
        | {(column, school.students[2]): {"score": "9"}}
    )


async def test_taking_the_gradebook_along(open_page: OpenPage, service: Service, school: GradebookSchool) -> None:
    grades = await open_grades(open_page, service, school)
    page = grades.page
    await grades.enter("Flores, Luis", "Quiz 2", "11 la")
    async with page.expect_download() as downloading:
        await grades.more("Download CSV")
    download = await downloading.value
    text = (await download.path()).read_text(encoding="utf-8-sig")
    assert text.splitlines()[0].startswith("Student,ID,Homework 1 (out of 10),Quiz 1 (out of 20)")
    assert any(line.startswith('"Flores, Luis"') and '"11, late"' in line for line in text.splitlines())


async def test_paper_has_everybody_in_words_and_says_what_is_not_sent(
    open_page: OpenPage, service: Service, school: GradebookSchool, shoot: Shoot
) -> None:
    grades = await open_grades(open_page, service, school)
    page = grades.page
    await wait_for_worker(page)  # which has the words of trouble
    await page.context.set_offline(offline=True)
    await grades.enter("Baker, Tanisha", "Quiz 2", "13 la")
    await expect(page.locator(".grid-active, td").locator("visible=true").first).to_be_visible()
    await expect(grades.status).to_contain_text("on this computer")
    await page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    await page.emulate_media(media="print")
    paper = page.locator("#paper")
    await expect(paper).to_be_visible()
    await expect(page.locator("#page")).to_be_hidden()
    await expect(paper.locator("tbody tr")).to_have_count(12)
    await expect(paper).to_contain_text("Algebra 1, period 3")
    await expect(paper).to_contain_text("1 change not yet at the district")
    row = paper.locator("tr", has_text="Baker, Tanisha")
    await expect(row).to_contain_text("13, late (on this computer, not yet at the district)")
    await shoot(page, "gradebook-paper")
    await page.emulate_media(media="screen")
    await page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    await expect(paper).to_have_count(0)


async def test_paper_has_what_is_still_being_typed(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades = await open_grades_with_clock(open_page, service, school)
    page = grades.page
    await grades.go("Baker, Tanisha", "Quiz 2")
    await pause_clock(page)
    await page.keyboard.type("13 la")
    await page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    paper = page.locator("#paper")
    await expect(paper.locator("tr", has_text="Baker, Tanisha")).to_contain_text("13, late")
    await page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    await expect(grades.input).to_be_focused()
    await page.clock.resume()
    await grades.is_recorded({(school.columns[4], school.students[1]): {"score": "13", "status": ["late"]}})


async def test_a_comment_is_taken_back_in_its_turn(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades = await open_grades(open_page, service, school)
    cell = (school.columns[4], school.students[6])
    await grades.enter("Flores, Luis", "Quiz 2", "11")
    await grades.go("Flores, Luis", "Quiz 2")
    await grades.page.keyboard.press("Control+m")
    await grades.page.keyboard.type("Come and see me.")
    await grades.page.keyboard.press("Escape")
    await expect(grades.input).to_be_focused()
    await grades.is_recorded({cell: {"text": "Come and see me."}}, COMMENT)
    await grades.page.keyboard.press("Control+z")
    await expect(grades.notice).to_contain_text("1 cell is as it was before.")
    await grades.is_recorded({cell: {"text": ""}}, COMMENT)
    await grades.expect_shown("Flores, Luis", "Quiz 2", "11")
    await grades.page.keyboard.press("Control+y")
    await grades.is_recorded({cell: {"text": "Come and see me."}}, COMMENT)
    assert (await grades.recorded())[cell] == {"score": "11"}
