"""Two teachers, one roll: both values are kept, a person chooses, and what was not accepted comes back to be seen."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from playwright.async_api import expect

from tests.web.laptop import judge_saves
from tests.web.roll_page import RollPage, eventually, open_roll
from tests.web.sizes import SMALL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage

NAMES = ["Alvarez, Mateo", "Baker, Tanisha", "Castillo, Ana", "Chen, Wei", "Cruz, Daniela"]
ABSENT, EXCUSED = {"category": "unexcused_absence"}, {"category": "excused_absence"}


@asynccontextmanager
async def without_network(page: Page) -> AsyncIterator[None]:
    """The window is offline inside."""
    await page.context.set_offline(offline=True)
    yield
    await page.context.set_offline(offline=False)


async def _disagree(open_page: OpenPage, service: Service, school: GradebookSchool) -> RollPage:
    """The teacher marks two students while offline; meanwhile the co-teacher's marks for them are recorded."""
    mine = await open_roll(open_page, service, school)
    theirs = await open_roll(open_page, service, school, as_user=school.co_teacher_name)
    async with without_network(mine.page):
        await mine.mark(NAMES[0], "unexcused_absence")
        await mine.mark(NAMES[1], "unexcused_absence")
        await mine.mark(NAMES[2], "unexcused_absence")
        for name in NAMES[:2]:
            await theirs.mark(name, "excused_absence")
        await theirs.mark(NAMES[2], "unexcused_absence")
        await theirs.is_recorded({NAMES[0]: EXCUSED, NAMES[1]: EXCUSED, NAMES[2]: ABSENT})
    return mine


@SMALL
async def test_a_co_teacher_has_marked_the_same_students(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    mine = await _disagree(open_page, service, school)
    first, second = (mine.row(name).get_by_role("group") for name in NAMES[:2])
    await expect(first).to_contain_text("Sam Okafor entered Excused at")
    await expect(first).to_contain_text("You entered Absent at")
    await expect(mine.row(NAMES[0])).to_have_attribute("data-mark", "conflict")
    # My own stays on the screen until I have chosen.
    await mine.expect_mark(NAMES[0], "unexcused_absence")
    # Where both have entered the same there is nothing to choose.
    await expect(mine.row(NAMES[2]).get_by_role("group")).to_have_count(0)
    await expect(mine.page.get_by_text("2 marks need you.")).to_be_visible()
    await mine.page.get_by_role("button", name="Go to it").click()
    await expect(first.get_by_role("button", name="Keep mine: Absent")).to_be_focused()
    await mine.page.keyboard.press("Enter")
    await second.get_by_role("button", name="Use theirs: Excused").click()
    await expect(mine.page.get_by_text("need you.")).to_have_count(0)
    await mine.expect_mark(NAMES[0], "unexcused_absence")
    await mine.expect_mark(NAMES[1], "excused_absence")
    await mine.is_recorded({NAMES[0]: ABSENT, NAMES[1]: EXCUSED, NAMES[2]: ABSENT})
    for name, entries in ((NAMES[0], [ABSENT, EXCUSED, ABSENT]), (NAMES[1], [ABSENT, EXCUSED, EXCUSED])):
        await eventually(partial(_values, mine, name), sorted(map(str, entries)))
    await expect(mine.page.locator("[data-mark=conflict]")).to_have_count(0)


async def _values(roll: RollPage, name: str) -> list[str]:
    return sorted(str(value) for value, _ in await roll.history(name))


@SMALL
async def test_a_co_teacher_s_mark_that_came_while_a_note_was_typed_is_not_overwritten(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    mine = await open_roll(open_page, service, school)
    theirs = await open_roll(open_page, service, school, as_user=school.co_teacher_name)
    row, dialog = mine.row(NAMES[0]), mine.page.get_by_role("dialog")
    await row.get_by_role("button", name="More").click()
    await expect(dialog).to_be_visible()
    await theirs.mark(NAMES[0], "excused_absence")
    await theirs.is_recorded({NAMES[0]: EXCUSED})
    await expect(row).to_contain_text("by Sam Okafor")
    await dialog.get_by_label("Note").fill("bus was late")
    await dialog.get_by_role("button", name="Done").click()
    card = row.get_by_role("group")
    await expect(card).to_contain_text("Sam Okafor entered Excused at")
    await expect(card).to_contain_text("You entered No mark, bus was late at")
    await card.get_by_role("button", name="Use theirs: Excused").click()
    await expect(card).to_have_count(0)
    await mine.is_recorded({NAMES[0]: EXCUSED})


@SMALL
async def test_what_was_not_accepted_comes_back(open_page: OpenPage, service: Service, school: GradebookSchool) -> None:
    roll = await open_roll(open_page, service, school)

    def refuse(_: dict[str, Any], told: dict[str, Any]) -> None:
        for outcome in told["outcomes"]:
            outcome |= {"outcome": "rejected", "code": "enrollment_ended"}

    await judge_saves(roll.page, refuse)
    await roll.mark(NAMES[1], "unexcused_absence")
    row = roll.row(NAMES[1])
    await expect(row).to_contain_text("Not accepted: You no longer taught this section")
    await expect(row).to_have_attribute("data-mark", "rejected")
    await roll.expect_mark(NAMES[1], "unexcused_absence")
    # The roll is not called complete with it.
    await roll.page.get_by_role("button", name="Roll taken").click()
    await expect(roll.page.get_by_text("1 mark was not accepted. Correct it")).to_be_visible()
    await expect(roll.state).to_contain_text("Roll not yet taken")
    await roll.page.unroute_all(behavior="wait")
    await row.get_by_role("button", name="All right, show what stands").click()
    await expect(row).not_to_have_attribute("data-mark", "rejected")
    await roll.page.get_by_role("button", name="Roll taken").click()
    await expect(roll.state).to_contain_text("You took the roll")
