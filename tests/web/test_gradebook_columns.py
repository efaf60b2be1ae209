"""Columns, also without a network; quick entry of one column; comments; history while the district is away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from playwright.async_api import expect

from tests.web.conftest import PHONE
from tests.web.grade_page import (
    COMMENT,
    LINE_ITEM,
    GradePage,
    open_grades,
    open_grades_with_clock,
    open_grades_without_worker,
    open_patient_grades,
)
from tests.web.laptop import pause_clock, until_page, wait_for_worker
from tests.web.sizes import SMALL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from playwright.async_api import Locator, Page, Route

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage

    Shoot = Callable[[Page, str], Awaitable[None]]


HAS_DIALOGS = """() => ["/parts.", "/gradebook_beside-"].every((name) =>
    performance.getEntriesByType("resource").some((entry) => entry.name.includes(name) && entry.responseEnd > 0))"""


def _dialog(grades: GradePage) -> Locator:
    return grades.page.get_by_role("dialog")


@SMALL
async def test_a_column_is_made_and_filled_without_a_network(
    open_page: OpenPage, service: Service, school: GradebookSchool, shoot: Shoot
) -> None:
    grades = await open_grades(open_page, service, school)
    page = grades.page
    await wait_for_worker(page)
    await page.context.set_offline(offline=True)
    await grades.button("Add column").click()
    await grades.button("Add the column").click()
    await expect(page.get_by_text("Please give the column a title.")).to_be_visible()
    await expect(page.get_by_label("Title")).to_be_focused()
    await shoot(page, "gradebook-column-faults")
    await page.get_by_label("Title").fill("Lab report")
    await page.get_by_label("Highest score").fill("10")
    await page.get_by_label("Lowest score").fill("10")
    await grades.button("Add the column").click()
    await expect(page.get_by_text("The highest score has to be above the lowest.")).to_be_visible()
    await page.get_by_label("Lowest score").fill("0")
    await page.get_by_label("Due").fill("2026-11-20")
    await grades.button("Add the column").click()
    await expect(_dialog(grades)).to_have_count(0)
    await expect(grades.input).to_have_attribute("aria-label", "Mateo Alvarez, Lab report, out of 10")
    await grades.type("9", "8")
    await grades.expect_columns("Homework 1", "Quiz 1", "Test 1", "Lab report")
    await page.context.set_offline(offline=False)
    columns = await _recorded_columns(grades, 1)
    assert columns[0]["title"] == "Lab report"
    assert columns[0]["due_date"] == "2026-11-20"
    made = next(item for item, _ in await grades.recorded(LINE_ITEM))
    await grades.is_recorded({(made, school.students[0]): {"score": "9"}, (made, school.students[1]): {"score": "8"}})


async def _recorded_columns(grades: GradePage, count: int) -> list[Any]:
    """Wait until so many definitions of columns are in PostgreSQL, and return them."""
    await expect(grades.status).to_have_attribute("data-state", "recorded", timeout=60_000)
    found = list((await grades.recorded(LINE_ITEM)).values())
    assert len(found) == count
    return found


@SMALL
async def test_columns_are_reordered_hidden_and_edited_by_keys(
    open_page: OpenPage, service: Service, school: GradebookSchool, shoot: Shoot
) -> None:
    grades = await open_grades(open_page, service, school)
    page = grades.page
    await grades.expect_columns("Homework 1", "Quiz 1", "Test 1")
    await grades.more("Columns…")
    await page.get_by_role("button", name="Move Homework 1 later").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Enter")
    await expect(page.locator(".column-list li").nth(2)).to_contain_text("Homework 1")
    # The focus goes with the column that moves, and stays at the end of the list.
    await expect(page.get_by_role("button", name="Move Homework 1 later")).to_be_focused()
    await shoot(page, "gradebook-columns")
    await page.get_by_role("button", name="Move Test 1 earlier").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".column-list li").nth(0)).to_contain_text("Test 1")
    await expect(page.get_by_role("button", name="Move Test 1 earlier")).to_be_focused()
    await page.get_by_role("button", name="Move Test 1 later").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".column-list li").nth(1)).to_contain_text("Test 1")
    await page.get_by_role("button", name="Hide Test 1").click()
    await page.get_by_role("button", name="Edit Quiz 1").click()
    await page.get_by_label("Scores above the highest count as extra credit").check()
    await page.get_by_label("Title").fill("Quiz one")
    await grades.button("Keep the changes").click()
    await expect(_dialog(grades)).to_have_count(0)
    await grades.expect_columns("Quiz one", "Homework 1")
    await grades.more("Show 1 hidden column in the grid")
    await grades.expect_columns("Quiz one", "Test 1 (hidden)", "Homework 1")
    await grades.enter("Alvarez, Mateo", "Quiz one", "22")
    await expect(grades.notice).to_contain_text("above 20: it counts as extra credit")
    await grades.is_recorded({(school.columns[1], school.students[0]): {"score": "22"}})
    await expect(grades.status).to_have_attribute("data-state", "recorded", timeout=60_000)
    definitions = await grades.recorded(LINE_ITEM)
    assert definitions[school.columns[2], 0]["is_hidden"] is True
    assert definitions[school.columns[1], 0]["is_extra_credit"] is True
    positions = [
        definitions[column, 0]["position"] for column in (school.columns[1], school.columns[2], school.columns[0])
    ]
    assert positions == sorted(positions)


@SMALL
async def test_a_phone_begins_with_one_column(
    open_page: OpenPage, service: Service, school: GradebookSchool, shoot: Shoot
) -> None:
    page = await open_page(f"/app/sections/{school.section}", viewport=PHONE, has_touch=True, is_mobile=True)
    grades = await GradePage(page, service, school).ready()
    column = page.get_by_label("Column to grade")
    await column.select_option(label="Test 1")
    await grades.expect_columns("Test 1")
    await shoot(page, "gradebook-phone")
    cell = page.locator("tbody tr", has_text="Baker, Tanisha").locator("td")
    await cell.tap()
    await grades.input.tap()
    await page.keyboard.type("88")
    await page.keyboard.press("Enter")
    await page.keyboard.type("77")
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Previous column").tap()
    await grades.expect_columns("Quiz 1")
    await grades.is_recorded(
        {
            (school.columns[2], school.students[1]): {"score": "88"},
            (school.columns[2], school.students[2]): {"score": "77"},
        }
    )
    await page.get_by_role("button", name="All columns").tap()
    await expect(page.locator("thead")).to_contain_text("Homework 1")
    overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0


@SMALL
async def test_a_comment_is_kept_as_it_is_typed_and_has_a_history(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades = await open_patient_grades(open_page, service, school)
    page = grades.page
    cell = (school.columns[0], school.students[1])
    await grades.go("Baker, Tanisha", "Homework 1")
    # Without a pause between the key and the first letter: none of it may end in the score.
    await page.keyboard.press("Control+m")
    await page.keyboard.type("First words.")
    await expect(page.locator("#comment-hint")).to_have_text("On this computer")
    await page.reload()
    await grades.ready()
    await grades.is_recorded({cell: {"text": "First words."}}, COMMENT)
    await grades.go("Baker, Tanisha", "Homework 1")
    await page.keyboard.press("Control+m")
    await expect(page.get_by_label("Comment", exact=True)).to_have_value("First words.")
    await page.get_by_label("Comment", exact=True).fill("x" * 2001)
    await expect(page.locator("#comment-hint")).to_contain_text("1 character too many")
    await page.get_by_label("Comment", exact=True).fill("Second words.")
    await page.keyboard.press("Control+Enter")
    await expect(_dialog(grades)).to_have_count(0)
    await grades.is_recorded({cell: {"text": "Second words."}}, COMMENT)
    await grades.button("History").click()
    panel = page.get_by_role("complementary", name="History")
    await panel.get_by_role("button", name="Comment").click()
    await expect(panel.locator("li")).to_have_count(2)
    await panel.get_by_role("button", name="Restore").click()
    await grades.is_recorded({cell: {"text": "First words."}}, COMMENT)


# What is typed at the very moment at which the dialog comes, before the page is painted again.
TYPE_AT_ONCE = """() => {
    const seen = new MutationObserver(() => {
        if (document.activeElement?.closest("[role=dialog]") === null) return;
        seen.disconnect();
        document.execCommand("insertText", false, "At once.");
    });
    seen.observe(document.body, { subtree: true, childList: true });
}"""


@SMALL
async def test_a_comment_typed_before_its_dialog_is_painted_is_kept(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades = await open_grades(open_page, service, school)
    page = grades.page
    cell = (school.columns[0], school.students[1])
    await grades.go("Baker, Tanisha", "Homework 1")
    await page.evaluate(TYPE_AT_ONCE)
    await page.keyboard.press("Control+m")
    await expect(page.locator("#comment-hint")).to_have_text("On this computer")
    await grades.is_recorded({cell: {"text": "At once."}}, COMMENT)


# Nothing else is written to this store until it is let go.
HOLD_THE_DISK = """name => new Promise((resolve) => {
    const asked = indexedDB.open(name);
    asked.onsuccess = () => {
        const edits = asked.result.transaction("edits", "readwrite").objectStore("edits");
        window.isHeld = true;
        const again = () => {
            resolve();
            if (window.isHeld) edits.count().onsuccess = again;
            else asked.result.close();
        };
        again();
    };
})"""
HAS_EDITS = """name => new Promise((resolve) => {
    const asked = indexedDB.open(name);
    asked.onsuccess = () => {
        const found = asked.result.transaction("edits").objectStore("edits").count();
        found.onsuccess = () => {
            asked.result.close();
            resolve(found.result > 0);
        };
    };
})"""
LET_PAGE_WORK = """() => new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => resolve();
    port2.postMessage(0);
})"""


@SMALL
async def test_a_comment_that_is_typed_on_is_not_called_kept_when_its_beginning_is(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades = await open_grades_with_clock(open_page, service, school)
    page = grades.page
    await grades.go("Baker, Tanisha", "Homework 1")
    await page.keyboard.press("Control+m")
    await expect(page.get_by_label("Comment", exact=True)).to_be_focused()
    await pause_clock(page)
    outbox = f"inkfast-{school.teacher}"
    await page.evaluate(HOLD_THE_DISK, outbox)
    await page.keyboard.type("First")
    await page.clock.run_for(500)
    await page.keyboard.type(" words.")
    await page.evaluate("window.isHeld = false")
    await until_page(page, HAS_EDITS, outbox)
    for _ in range(30):
        await page.evaluate(LET_PAGE_WORK)
    hint = page.locator("#comment-hint")
    assert await hint.inner_text() != "On this computer"
    await page.clock.run_for(500)
    await expect(hint).to_have_text("On this computer")


@SMALL
async def test_the_history_says_when_the_district_is_out_of_reach(
    open_page: OpenPage, service: Service, school: GradebookSchool, shoot: Shoot
) -> None:
    grades = await open_grades(open_page, service, school)
    page = grades.page
    await wait_for_worker(page)
    await page.context.set_offline(offline=True)
    await grades.enter("Baker, Tanisha", "Test 1", "55")
    await grades.go("Baker, Tanisha", "Test 1")
    await grades.button("History").click()
    panel = page.get_by_role("complementary", name="History")
    await expect(panel).to_contain_text("The district cannot be reached, so only what is on this computer is shown.")
    await expect(panel.locator("li")).to_have_count(1)
    await expect(panel.locator("li")).to_contain_text("You · on this computer")
    await shoot(page, "gradebook-history-offline")
    await page.context.set_offline(offline=False)
    await panel.get_by_role("button", name="Ask again").click()
    await expect(panel).to_contain_text("recorded")


@SMALL
async def test_a_browser_without_a_worker_has_the_dialogs_before_the_network_goes(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades = await open_grades_without_worker(open_page, service, school)
    page = grades.page
    await until_page(page, HAS_DIALOGS)
    await page.context.set_offline(offline=True)
    await grades.more("Keys and codes")
    await expect(_dialog(grades)).to_contain_text("Codes you can type")


@SMALL
async def test_what_is_typed_before_a_dialog_is_there_is_the_dialogs(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    page = await open_page("/app/", service_workers="block")
    asked, free = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        asked.set()
        await free.wait()
        await route.continue_()

    await page.route("**/assets/parts.*.js", hold)
    await page.goto(f"/app/sections/{school.section}")
    grades = await GradePage(page, service, school).ready()
    await grades.go("Baker, Tanisha", "Test 1")
    await page.keyboard.press("Control+m")
    await asyncio.wait_for(asked.wait(), 60)
    await page.keyboard.type("17 min")
    free.set()
    await expect(_dialog(grades).get_by_label("Comment")).to_be_focused()
    await page.keyboard.type("utes late.")
    await page.keyboard.press("Escape")
    await expect(grades.input).to_be_focused()
    await grades.is_recorded({(school.columns[2], school.students[1]): {"text": "17 minutes late."}}, COMMENT)
    await grades.expect_shown("Baker, Tanisha", "Test 1", "")


@SMALL
async def test_a_part_that_does_not_come_is_missed_aloud_and_asked_for_again(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    page = await open_page("/app/", service_workers="block")
    await page.route("**/assets/parts.*.js", lambda route: route.abort())
    await page.goto(f"/app/sections/{school.section}")
    grades = await GradePage(page, service, school).ready()
    find = page.get_by_label("Find a student")
    await find.fill("baker")
    await expect(grades.notice).to_contain_text("This could not be loaded")
    # It shows everybody, and does not say otherwise.
    await expect(find).to_have_value("")
    await page.unroute("**/assets/parts.*.js")
    await grades.go("Baker, Tanisha", "Test 1")
    await page.keyboard.press("Control+m")
    await expect(_dialog(grades)).to_be_visible()


@SMALL
async def test_the_menu_of_a_cell(open_page: OpenPage, service: Service, school: GradebookSchool) -> None:
    grades = await open_grades(open_page, service, school)
    page = grades.page
    await grades.go("Baker, Tanisha", "Test 1")
    await page.keyboard.press("Shift+F10")
    menu = page.locator(".cell-menu")
    await expect(menu.get_by_role("button", name="Comment")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("complementary", name="History")).to_contain_text("Tanisha Baker · Test 1")
    await expect(menu).to_have_count(0)
    await grades.go("Baker, Tanisha", "Test 1")
    await page.keyboard.press("Shift+F10")
    await page.keyboard.press("Escape")
    await expect(menu).to_have_count(0)
    await expect(grades.input).to_be_focused()


@SMALL
async def test_what_the_menu_of_a_cell_opens_stays_open(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades = await open_grades(open_page, service, school)
    page = grades.page
    await grades.go("Baker, Tanisha", "Test 1")
    menu = page.locator(".cell-menu")
    for at in (0, 3, 4, 5):  # a comment, filling, the column, pasting
        await page.keyboard.press("Shift+F10")
        button = menu.get_by_role("button").nth(at)
        await button.focus()
        await page.keyboard.press("Enter")
        await expect(menu).to_have_count(0)
        await expect(_dialog(grades)).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(_dialog(grades)).to_have_count(0)
        await expect(grades.input).to_be_focused()
