"""Two teachers in one section: nobody's text is replaced, both values are kept, and a person chooses."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Any

from playwright.async_api import expect

from tests.web.grade_page import LINE_ITEM, GradePage, open_grades, open_grades_with_clock, open_patient_grades
from tests.web.laptop import answered, held_saves, judge_saves, pause_clock, send_at_once
from tests.web.roll_page import eventually
from tests.world import fetch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from playwright.async_api import Page, Route

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage

    Shoot = Callable[[Page, str], Awaitable[None]]

ANA, QUIZ = "García, Ana", "Quiz 2"


async def _history(grades: GradePage, item: int, student: int) -> list[tuple[str, Any]]:
    """Return status and value of every edit of a cell in PostgreSQL, oldest first."""
    rows = await fetch(
        grades.service.settings,
        "SELECT status::text, value FROM edit_log WHERE section_id = $1 AND item = $2 AND student_id = $3 AND kind = 1"
        " ORDER BY entered_at",
        grades.school.section,
        item,
        student,
    )
    return [(row["status"], json.loads(row["value"])) for row in rows]


async def _send(grades: GradePage, item: int, student: int, value: dict[str, Any]) -> None:
    """Have the person of this window enter a value at once, over what stands in the section now."""
    request, url = grades.page.context.request, f"{grades.service.url}/api/v1/sections/{grades.school.section}"
    cells = (await (await answered(lambda: request.get(url))).json())["cells"]
    names = zip(cells["kind"], cells["item"], cells["student"], cells["edit_id"], strict=True)
    base = next((edit for kind, *cell, edit in names if (kind, *cell) == ("score", item, student)), None)
    now = dt.datetime.now(dt.UTC).isoformat()
    edit = {"edit_id": str(uuid.uuid4()), "seq": 1, "kind": "score", "item": item, "student": student}
    edit |= {"base": base, "value": value, "entered_at": now}
    body = {"client_id": str(uuid.uuid4()), "sent_at": now, "edits": [edit]}
    answer = await answered(lambda: request.post(f"{url}/edits", data=body, headers={"origin": grades.service.url}))
    assert (await answer.json())["outcomes"][0]["outcome"] in {"drafted", "recorded"}


async def test_a_colleague_s_value_arrives_while_i_type(
    open_page: OpenPage, service: Service, school: GradebookSchool, shoot: Shoot
) -> None:
    mine = await open_grades_with_clock(open_page, service, school)
    theirs = await open_grades(open_page, service, school, as_user=school.co_teacher_name)
    await expect(mine.page.get_by_text("Sam Okafor also has this section open.")).to_be_visible()
    cell = (school.columns[4], school.students[7])
    await mine.go(ANA, QUIZ)
    await pause_clock(mine.page)
    await mine.page.keyboard.type("1")
    await _send(theirs, *cell, {"score": "17"})
    await expect(mine.page.locator(".grid-active.has-theirs")).to_be_visible()
    await expect(mine.notice).to_contain_text("Sam Okafor has just changed this cell. What you are typing stays")
    await expect(mine.input).to_have_value("1")
    await mine.page.clock.resume()
    await mine.type("5")
    await expect(mine.notice).to_contain_text("somebody else has changed it too")
    await mine.expect_shown(ANA, QUIZ, "15")
    await theirs.expect_shown(ANA, QUIZ, "17")

    await mine.page.keyboard.press("ArrowUp")
    await expect(mine.card).to_contain_text("Sam Okafor entered 17 at")
    await expect(mine.card).to_contain_text("You entered 15 at")
    await expect(mine.card).to_contain_text("Both stay in the history.")
    await shoot(mine.page, "gradebook-conflict")
    # By keys: after Escape Tab leaves the grid, and the card is next.
    await mine.page.keyboard.press("Escape")
    await mine.page.keyboard.press("Tab")
    await mine.page.keyboard.press("Tab")
    await expect(mine.button("Keep mine (15)")).to_be_focused()
    await mine.page.keyboard.press("Enter")
    await expect(mine.card).to_have_count(0)
    await expect(mine.input).to_be_focused()
    await mine.is_recorded({cell: {"score": "15"}})
    await theirs.expect_shown(ANA, QUIZ, "15")
    history = await _history(mine, *cell)
    assert [value for _, value in history].count({"score": "17"}) == 1
    assert ("S", {"score": "15"}) in history  # a conflict that is settled
    assert history[-1] == ("A", {"score": "15"})


async def test_a_snapshot_that_was_on_its_way_takes_no_value_of_a_colleague_back(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    """In the very millisecond: the clock stands still from before it is asked for until it has come."""
    mine = await open_grades_with_clock(open_page, service, school)
    theirs = await open_grades(open_page, service, school, as_user=school.co_teacher_name)
    await expect(mine.page.get_by_text("Sam Okafor also has this section open.")).to_be_visible()
    is_read, is_known = asyncio.Event(), asyncio.Event()

    async def late(route: Route) -> None:
        answer = await route.fetch()
        is_read.set()
        await is_known.wait()
        await route.fulfill(response=answer)

    await mine.go(ANA, QUIZ)
    url = f"**/api/v1/sections/{school.section}"
    await mine.page.route(url, late)
    await pause_clock(mine.page)  # what was to be asked soon is asked now
    async with mine.page.expect_response(url):
        await mine.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await asyncio.wait_for(is_read.wait(), 60)
        await mine.page.keyboard.type("1")
        await _send(theirs, school.columns[4], school.students[7], {"score": "17"})
        await expect(mine.page.locator(".grid-active.has-theirs")).to_be_visible()
        is_known.set()
    await expect(mine.notice).to_contain_text("Sam Okafor has just changed this cell.")
    await mine.page.keyboard.press("Escape")
    await mine.expect_shown(ANA, QUIZ, "17")


async def test_neither_undo_nor_escape_takes_back_what_a_colleague_has_entered_over_mine(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    mine = await open_grades(open_page, service, school)
    theirs = await open_grades(open_page, service, school, as_user=school.co_teacher_name)
    cell = (school.columns[4], school.students[7])
    await mine.enter(ANA, QUIZ, "5")
    await mine.is_recorded({cell: {"score": "5"}})
    await _send(theirs, *cell, {"score": "7"})
    await mine.expect_shown(ANA, QUIZ, "7")
    await _send(theirs, *cell, {"score": "5"})
    await mine.expect_shown(ANA, QUIZ, "5")
    await mine.page.keyboard.press("Control+z")
    await expect(mine.notice).to_contain_text("1 cell was left alone")
    await mine.expect_shown(ANA, QUIZ, "5")

    await mine.go(ANA, QUIZ)
    await mine.page.keyboard.type("6")
    await expect(await mine.cell(ANA, QUIZ)).to_have_text("6")  # after a pause
    await mine.is_recorded({cell: {"score": "6"}})
    await _send(theirs, *cell, {"score": "9"})
    await mine.expect_shown(ANA, QUIZ, "9")
    await mine.page.keyboard.press("Escape")
    await expect(mine.input).to_have_value("9")
    await mine.is_recorded({cell: {"score": "9"}})
    # One's own is taken back as before.
    await mine.page.keyboard.type("4")
    await expect(await mine.cell(ANA, QUIZ)).to_have_text("4")
    await mine.is_recorded({cell: {"score": "4"}})
    await mine.page.keyboard.press("Escape")
    await mine.is_recorded({cell: {"score": "9"}})


async def test_several_conflicts_are_listed_and_theirs_can_be_taken(
    open_page: OpenPage, service: Service, school: GradebookSchool, shoot: Shoot
) -> None:
    mine = await open_grades(open_page, service, school)
    theirs = await open_grades(open_page, service, school, as_user=school.co_teacher_name)
    await mine.page.context.set_offline(offline=True)
    await mine.go("Alvarez, Mateo", QUIZ)
    await mine.type("11", "12", "13")
    await theirs.go("Alvarez, Mateo", QUIZ)
    await theirs.type("14", "15", "16")
    column, students = school.columns[4], school.students
    await theirs.is_recorded({(column, students[n]): {"score": str(14 + n)} for n in range(3)})
    await mine.page.context.set_offline(offline=False)
    attention = mine.button("Needs attention (3)")
    await expect(attention).to_be_visible()
    await attention.click()
    panel = mine.page.get_by_role("complementary", name="Needs attention")
    await expect(panel.locator("li")).to_have_count(3)
    await shoot(mine.page, "gradebook-attention")
    await panel.get_by_role("button", name="Go to it: Tanisha Baker · Quiz 2").click()
    await expect(mine.input).to_have_attribute("aria-label", "Tanisha Baker, Quiz 2, out of 20")
    await panel.get_by_role("button", name="Use Sam Okafor’s (15)").click()
    await expect(panel.locator("li")).to_have_count(2)
    await mine.expect_shown("Baker, Tanisha", QUIZ, "15")
    await panel.get_by_role("button", name="Keep mine (11)").click()
    await panel.get_by_role("button", name="Keep mine (13)").click()
    await expect(panel).to_contain_text("Nothing needs your attention.")
    await mine.is_recorded(
        {
            (column, students[0]): {"score": "11"},
            (column, students[1]): {"score": "15"},
            (column, students[2]): {"score": "13"},
        }
    )
    assert len(await _history(mine, column, students[1])) >= 2


async def test_what_is_refused_stays_with_its_value_until_it_is_mended(
    open_page: OpenPage, service: Service, school: GradebookSchool, shoot: Shoot
) -> None:
    grades = await open_grades(open_page, service, school)
    async with held_saves(grades.page):
        await grades.enter(ANA, QUIZ, "412")
        await expect(grades.notice).to_contain_text("above the maximum of 20")
    await expect(grades.button("Needs attention (1)")).to_be_visible()
    await grades.expect_shown(ANA, QUIZ, "412")
    await grades.go(ANA, QUIZ)
    await expect(grades.card).to_contain_text("The score has to be from 0 to 20.")
    await expect(grades.card).to_contain_text("You typed: 412")
    await shoot(grades.page, "gradebook-rejected")
    # It is still there after the page was closed: it is on this computer's disk.
    await grades.page.reload()
    await grades.ready()
    await grades.expect_shown(ANA, QUIZ, "412")
    await grades.go(ANA, QUIZ)
    await grades.card.get_by_role("button", name="Type it again").click()
    await expect(grades.input).to_be_focused()
    await grades.page.keyboard.press("Control+a")
    await grades.type("12")
    await grades.is_recorded({(school.columns[4], school.students[7]): {"score": "12"}})
    await expect(grades.button("Needs attention (1)")).to_have_count(0)


async def test_an_edit_that_was_drafted_and_refused_later_comes_back_as_a_card(
    open_page: OpenPage, service: Service, school: GradebookSchool, shoot: Shoot
) -> None:
    grades = await open_patient_grades(open_page, service, school)
    verdicts: list[dict[str, Any]] = [
        {"outcome": "rejected", "code": "score_out_of_range", "params": {"min": "0", "max": "20"}},
        {"outcome": "quarantined", "code": "enrollment_ended"},
    ]

    kept: dict[int, str] = {}

    def judge_later(sent: dict[str, Any], told: dict[str, Any]) -> None:
        kept.update({edit["seq"]: edit["edit_id"] for edit in sent["edits"]})  # one that is sent twice is one
        if len(kept) == 2 and told["recorded_seq"] >= 2 and sent.get("exceptions_seen_seq", 0) < 2:
            told["exceptions"] = [
                {"edit_id": edit_id, "seq": seq, **verdict}
                for (seq, edit_id), verdict in zip(sorted(kept.items()), verdicts, strict=True)
            ]

    await judge_saves(grades.page, judge_later)
    await grades.go("Alvarez, Mateo", QUIZ)
    await grades.type("18", "19")
    await expect(grades.status).to_contain_text("2 changes")
    await send_at_once(grades.page)
    await expect(grades.button("Needs attention (2)")).to_be_visible(timeout=60_000)
    await grades.expect_shown("Alvarez, Mateo", QUIZ, "18")
    await grades.button("Needs attention (2)").click()
    panel = grades.page.get_by_role("complementary", name="Needs attention")
    await expect(panel).to_contain_text("You typed: 18")
    await expect(panel).to_contain_text("The score has to be from 0 to 20.")
    await expect(panel).to_contain_text("Not in the gradebook; the office has it")
    await expect(panel).to_contain_text("You no longer taught this section when it was entered.")
    await shoot(grades.page, "gradebook-refused-later")
    for left in (1, 0):
        await panel.get_by_role("button", name="I have seen it").first.click()
        await expect(panel.locator("li")).to_have_count(left)


async def test_a_column_made_by_a_colleague_appears_beside_what_i_type(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    mine = await open_grades(open_page, service, school)
    theirs = await open_grades(open_page, service, school, as_user=school.co_teacher_name)
    await mine.go(ANA, QUIZ)
    await theirs.button("Add column").click()
    await theirs.page.get_by_label("Title").fill("Lab")
    await theirs.page.get_by_label("Highest score").fill("30")
    await theirs.button("Add the column").click()
    for digit in "1.25":
        await mine.page.keyboard.type(digit)
    await expect(mine.page.locator("thead")).to_contain_text("Lab")
    await expect(mine.input).to_be_focused()
    await expect(mine.input).to_have_value("1.25")
    await mine.page.keyboard.press("Enter")
    await mine.is_recorded({(school.columns[4], school.students[7]): {"score": "1.25"}})


async def test_what_is_chosen_is_what_the_card_shows_by_then(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    """A colleague has gone on since my save was answered: the card says so, and it is that value that is chosen."""
    mine = await open_grades(open_page, service, school)
    theirs = await open_grades(open_page, service, school, as_user=school.co_teacher_name)
    taken, kept = [(school.columns[4], student) for student in school.students[:2]]
    async with held_saves(mine.page):
        await mine.go("Alvarez, Mateo", QUIZ)
        await mine.type("11", "12")
        await _send(theirs, *taken, {"score": "15"})
        await _send(theirs, *kept, {"score": "16"})
    await mine.button("Needs attention (2)").click()
    panel = mine.page.get_by_role("complementary", name="Needs attention")
    await expect(panel.get_by_role("button", name="Use Sam Okafor’s (15)")).to_be_visible()
    await _send(theirs, *taken, {"score": "17"})
    await _send(theirs, *kept, {"score": "18"})
    await expect(panel).to_contain_text("Sam Okafor entered 18")
    await panel.get_by_role("button", name="Use Sam Okafor’s (17)").click()
    await panel.get_by_role("button", name="Keep mine (12)").click()
    await mine.is_recorded({taken: {"score": "17"}, kept: {"score": "12"}})
    await expect(panel).to_contain_text("Nothing needs your attention.")
    # Neither had to be decided twice.
    assert (await _history(mine, *taken))[-4:] == [
        ("S", {"score": "11"}),
        ("A", {"score": "15"}),
        ("A", {"score": "17"}),
        ("A", {"score": "17"}),
    ]
    assert (await _history(mine, *kept))[-4:] == [
        ("S", {"score": "12"}),
        ("A", {"score": "16"}),
        ("A", {"score": "18"}),
        ("A", {"score": "12"}),
    ]


async def _edit_column(grades: GradePage, title: str) -> None:
    await grades.more("Columns…")
    await grades.button(f"Edit {title}").click()


async def test_a_column_that_a_colleague_has_changed_since_its_form_opened_has_two_values(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    mine = await open_grades(open_page, service, school)
    theirs = await open_grades(open_page, service, school, as_user=school.co_teacher_name)
    await _edit_column(mine, QUIZ)
    await mine.page.get_by_label("Title").fill("Quiz of mine")
    await _edit_column(theirs, QUIZ)
    await theirs.page.get_by_label("Title").fill("Quiz of theirs")
    await theirs.button("Keep the changes").click()
    await expect(mine.page.locator("thead")).to_contain_text("Quiz of theirs")  # behind the form
    await expect(mine.page.get_by_label("Title")).to_have_value("Quiz of mine")
    await mine.button("Keep the changes").click()
    await mine.button("Needs attention (1)").click()
    panel = mine.page.get_by_role("complementary", name="Needs attention")
    await expect(panel).to_contain_text("Quiz of mine")
    await expect(panel).to_contain_text("Quiz of theirs")
    column = (school.columns[4], 0)

    async def recorded_title() -> Any:
        return (await mine.recorded(LINE_ITEM)).get(column, {}).get("title")

    await eventually(recorded_title, "Quiz of theirs")
    await panel.get_by_role("button", name="Keep mine").click()
    await expect(panel).to_contain_text("Nothing needs your attention.")
    await expect(theirs.page.locator("thead")).to_contain_text("Quiz of mine")
