"""The roll at a desk: keys only, time and note, taken, opened again, changed, taken back; days, week and seats."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from playwright.async_api import expect

from tests.web.roll_page import PRESENT, ROLL_TAKEN, RollPage, eventually, open_roll, open_roll_with_clock
from tests.web.sizes import SMALL

if TYPE_CHECKING:
    from playwright.async_api import Dialog

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage

# The page knows the server's clock to half a second, and half of what its first answers take.
CLOCK_OFF = dt.timedelta(seconds=2)
NAMES = ["Alvarez, Mateo", "Baker, Tanisha", "Castillo, Ana", "Chen, Wei", "Cruz, Daniela"]


@SMALL
async def test_a_roll_by_keys_alone(open_page: OpenPage, service: Service, school: GradebookSchool) -> None:
    roll = await open_roll(open_page, service, school)
    keys = roll.page.keyboard
    await expect(roll.counts).to_have_text("5 present")
    await expect(roll.state).to_contain_text("Roll not yet taken")
    await roll.radio(NAMES[0], "present").focus()
    await keys.press("Enter")
    await roll.expect_focus(NAMES[1], "present")
    await keys.press("a")
    await roll.expect_focus(NAMES[1], "unexcused_absence")
    await keys.press("ArrowDown")
    await keys.press("3")
    await roll.expect_focus(NAMES[2], "tardy")
    await keys.press("Enter")
    await keys.press("E")
    await keys.press("ArrowDown")
    await keys.press("ArrowDown")
    await roll.expect_focus(NAMES[4], "present")
    await keys.press("Home")
    await roll.expect_focus(NAMES[0], "present")
    await keys.press("Shift+Enter")
    await roll.expect_focus(NAMES[0], "present")
    await expect(roll.counts).to_have_text("2 present · 1 absent · 1 tardy · 1 excused")
    await expect(roll.row(NAMES[2])).to_contain_text(re.compile(r"\d:\d\d\s[ap]m"))
    # Nobody has said anything about the two who are present by default.
    await roll.expect_mark(NAMES[0], "present", is_default=True)
    await eventually(lambda: _categories(roll), ["unexcused_absence", "tardy", "excused_absence"])


async def _categories(roll: object) -> list[str]:
    marks = await roll.recorded()  # type: ignore[attr-defined]
    return [marks[student]["category"] for student in sorted(marks)]


@SMALL
async def test_the_roll_is_taken_opened_again_changed_and_taken_back(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    roll = await open_roll(open_page, service, school)
    await roll.mark(NAMES[1], "unexcused_absence")
    await roll.page.get_by_role("button", name="Roll taken").click()
    await expect(roll.state).to_contain_text(re.compile(r"You took the roll at \d+:\d\d"))
    await expect(roll.page.get_by_role("button", name="Roll taken")).to_have_count(0)
    marks = dict.fromkeys(NAMES, PRESENT) | {NAMES[1]: {"category": "unexcused_absence"}}
    await roll.is_recorded(marks)
    await eventually(lambda: roll.recorded(ROLL_TAKEN), {0: {"taken": True}})

    # Opened again, by anybody: nothing is reset, and nothing is entered by looking.
    again = await open_roll(open_page, service, school, as_user=school.co_teacher_name)
    await again.expect_mark(NAMES[0], "present")
    await again.expect_mark(NAMES[1], "unexcused_absence")
    await expect(again.state).to_contain_text("Elena Ruiz took the roll at")
    assert await again.history(NAMES[0]) == [(PRESENT, "A")]

    # A change afterwards is possible, and shown as one.
    await again.mark(NAMES[2], "excused_absence")
    await expect(again.state).to_contain_text("1 change since")
    await expect(again.row(NAMES[2])).to_contain_text("changed at")
    await roll.is_recorded(marks | {NAMES[2]: {"category": "excused_absence"}})
    await expect(roll.row(NAMES[2])).to_contain_text("by Sam Okafor")
    await roll.expect_mark(NAMES[2], "excused_absence")
    await expect(roll.state).to_contain_text("1 change since")

    # Taking the roll back takes back its marks, but not what a colleague has entered since.
    await roll.page.get_by_role("button", name="Undo").click()
    await expect(roll.page.get_by_role("status").last).to_contain_text("Taken back, but 1 mark")
    await expect(roll.state).to_contain_text("Roll not yet taken")
    await eventually(lambda: roll.recorded(ROLL_TAKEN), {0: {"taken": False}})
    empty = {"category": None}
    await roll.is_recorded(
        dict.fromkeys(NAMES, empty)
        | {NAMES[1]: {"category": "unexcused_absence"}, NAMES[2]: {"category": "excused_absence"}}
    )
    await roll.expect_mark(NAMES[0], "present", is_default=True)


@SMALL
async def test_tardy_with_a_time_and_a_note(open_page: OpenPage, service: Service, school: GradebookSchool) -> None:
    roll = await open_roll(open_page, service, school)
    dialog = roll.page.get_by_role("dialog")
    zone = ZoneInfo(school.time_zone)
    before = dt.datetime.now(zone)
    await roll.radio(NAMES[3], "present").focus()
    await roll.page.keyboard.press("t")
    await roll.page.keyboard.press("n")
    time = dialog.get_by_label("Arrived at")
    await expect(dialog.get_by_label("Note")).to_be_focused()
    typed = await time.input_value()
    after = dt.datetime.now(zone)
    assert typed in {f"{moment:%H:%M}" for moment in (before - CLOCK_OFF, before, after, after + CLOCK_OFF)}
    await time.fill("08:07")
    await dialog.get_by_label("Note").fill("bus was late")
    await roll.page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await roll.expect_focus(NAMES[3], "tardy")
    await expect(roll.row(NAMES[3])).to_contain_text("8:07\u00a0am · bus was late")
    mark = {"category": "tardy", "arrival_time": "08:07", "note": "bus was late"}
    await roll.is_recorded({NAMES[3]: mark})

    # The rarer marks, by pointer; a time does not belong to them, and the note stays.
    await roll.row(NAMES[3]).get_by_role("button", name="More").click()
    await dialog.get_by_label("Left early").check()
    await dialog.get_by_role("button", name="Done").click()
    await expect(roll.counts).to_have_text("4 present · 1 left early")
    await roll.is_recorded({NAMES[3]: {"category": "early_departure", "note": "bus was late"}})

    # Step by step back.
    await roll.page.keyboard.press("Control+z")
    await expect(roll.row(NAMES[3])).to_contain_text("8:07\u00a0am")
    await roll.page.keyboard.press("Control+z")
    await roll.page.keyboard.press("Control+z")
    await roll.page.keyboard.press("Control+z")
    await roll.expect_mark(NAMES[3], "present", is_default=True)
    await roll.is_recorded({NAMES[3]: {"category": None}})


@SMALL
async def test_a_note_is_kept_as_it_is_typed(open_page: OpenPage, service: Service, school: GradebookSchool) -> None:
    roll = await open_roll(open_page, service, school)
    row = roll.row(NAMES[1])
    await roll.radio(NAMES[1], "present").focus()
    await roll.page.keyboard.press("n")
    note = roll.page.get_by_role("dialog").get_by_label("Note")
    await expect(note).to_be_focused()
    for words in ("called home", ", no answer"):
        await roll.page.keyboard.type(words)
        # Nothing else is done: no key that leaves the field, no click.
        await expect(row).to_contain_text(words)
    await roll.is_recorded({NAMES[1]: {"category": None, "note": "called home, no answer"}})
    # Whoever asks by the button may want another mark.
    await roll.page.keyboard.press("Escape")
    await roll.expect_focus(NAMES[1], "present")
    more = row.get_by_role("button", name="More")
    await more.click()
    await expect(roll.page.get_by_role("dialog").get_by_label("Present")).to_be_focused()
    await roll.page.keyboard.press("Escape")
    # By its key, also from the button.
    await expect(more).to_be_focused()
    await roll.page.keyboard.press("n")
    await expect(note).to_be_focused()
    await roll.page.reload()
    await roll.ready()
    await expect(row).to_contain_text("called home, no answer")


@SMALL
async def test_a_note_that_is_too_long_is_neither_cut_nor_lost(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    roll = await open_roll(open_page, service, school)
    page = roll.page
    dialog = page.get_by_role("dialog")
    note = dialog.get_by_label("Note")
    await roll.radio(NAMES[1], "present").focus()
    await page.keyboard.press("n")
    await note.fill("called home")
    await expect(roll.row(NAMES[1])).to_contain_text("called home")
    await note.fill("x" * 502)
    for _ in range(2):
        await expect(dialog.get_by_role("status")).to_contain_text("2 characters too many.")
        await dialog.get_by_role("button", name="Done").click()
        await expect(note).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(note).to_have_value("x" * 502)
        # Another day closes the form all the same: what is typed waits in it.
        await page.evaluate("history.pushState(null, '', '?day=2026-09-14'); dispatchEvent(new Event('popstate'))")
        await expect(dialog).to_have_count(0)
        await page.go_back()
        await expect(page.locator(".day")).to_contain_text("Today, ")
        await roll.row(NAMES[1]).get_by_role("button", name="More").click()
    await expect(note).to_have_value("x" * 502)
    await note.fill("x" * 450 + "y" * 50)
    await expect(dialog.get_by_role("status")).to_have_text("0 characters left")
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await roll.is_recorded({NAMES[1]: {"category": None, "note": "x" * 450 + "y" * 50}})
    await roll.row(NAMES[1]).get_by_role("button", name="More").click()
    await expect(note).to_have_value("x" * 450 + "y" * 50)


# What is asked for at once is drawn before any timer runs.
TYPE_AND_HIDE = """async (textarea, { type, text }) => {
    textarea.value = text;
    textarea.dispatchEvent(new InputEvent("input", { bubbles: true }));
    document.dispatchEvent(new Event(type, { bubbles: true }));
    for (let turns = 0; turns < 100; turns += 1) await undefined;
    return document.querySelector("#content").textContent.includes(text);
}"""


@SMALL
async def test_what_is_typed_is_entered_before_the_page_is_gone(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    roll = await open_roll(open_page, service, school)
    await roll.row(NAMES[1]).get_by_role("button", name="More").click()
    note = roll.page.get_by_role("dialog").get_by_label("Note")
    for number, event in enumerate(("visibilitychange", "pagehide")):
        assert await note.evaluate(TYPE_AND_HIDE, {"type": event, "text": f"note {number}"}), event


TYPE_AND_GO = """textarea => {
    window.addEventListener("beforeunload", ({ returnValue }) => (window.returned = returnValue));
    textarea.value = "called home";
    textarea.dispatchEvent(new InputEvent("input", { bubbles: true }));
    location.reload();
}"""


@SMALL
async def test_who_leaves_in_the_midst_of_a_note_is_asked(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    roll = await open_roll(open_page, service, school)
    asked: asyncio.Queue[str] = asyncio.Queue()

    async def stay(dialog: Dialog) -> None:
        await dialog.dismiss()
        await asked.put(dialog.type)

    roll.page.on("dialog", stay)
    await roll.row(NAMES[1]).get_by_role("button", name="More").click()
    await roll.page.get_by_role("dialog").get_by_label("Note").evaluate(TYPE_AND_GO)
    assert await asyncio.wait_for(asked.get(), 60) == "beforeunload"
    assert await roll.page.evaluate("window.returned") == "typed"
    await expect(roll.row(NAMES[1])).to_contain_text("called home")
    await roll.is_recorded({NAMES[1]: {"category": None, "note": "called home"}})


@SMALL
async def test_what_was_typed_for_a_day_is_kept_on_that_day(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    roll = await open_roll(open_page, service, school)
    dialog = roll.page.get_by_role("dialog")
    day = _weekday_before(await roll.today())
    await roll.page.get_by_role("button", name="Earlier:").click()
    await expect(roll.page).to_have_url(re.compile(f"day={day}$"))
    await roll.row(NAMES[1]).get_by_role("button", name="More").click()
    await dialog.get_by_label("Note").fill("called home")
    await roll.page.go_back()
    await expect(roll.page.locator(".day")).to_contain_text("Today, ")
    await expect(dialog).to_have_count(0)
    await expect(roll.row(NAMES[1])).not_to_contain_text("called home")
    await roll.is_recorded({NAMES[1]: {"category": None, "note": "called home"}}, day=day)
    assert await roll.recorded() == {}


@SMALL
async def test_without_a_disk_the_roll_is_not_said_to_be_on_this_computer(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    page = await open_page("/app/compatibility")
    await page.context.add_init_script("Object.defineProperty(window, 'indexedDB', { value: undefined })")
    await page.context.route("**/edits", lambda route: route.abort())
    await page.goto(f"/app/sections/{school.section}/attendance")
    roll = await RollPage(page, service, school).ready()
    await roll.mark(NAMES[1], "unexcused_absence")
    await roll.page.get_by_role("button", name="Roll taken").click()
    await expect(page.locator(".status")).to_contain_text("6 changes are nowhere else")
    await expect(roll.state).to_contain_text("being stored")
    await expect(roll.row(NAMES[1])).to_have_attribute("data-mark", "storing")
    await expect(page.locator("main")).not_to_contain_text("on this computer, not yet at the district")


@SMALL
async def test_earlier_days_but_none_that_has_not_come(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    roll = await open_roll(open_page, service, school)
    today = await roll.today()
    await expect(roll.page.locator(".day")).to_contain_text("Today, ")
    await expect(roll.page.get_by_role("button", name="Later:")).to_be_disabled()
    await roll.page.get_by_role("button", name="Earlier:").click()
    day = _weekday_before(today)
    await expect(roll.page).to_have_url(re.compile(f"day={day}$"))
    await expect(roll.page.locator(".day")).not_to_contain_text("Today")
    # It did not happen now: no time of arrival is made up.
    await roll.mark(NAMES[0], "tardy")
    await roll.is_recorded({NAMES[0]: {"category": "tardy"}}, day=day)
    assert await roll.recorded() == {}
    await roll.page.get_by_label("Day", exact=True).fill("2026-09-14")
    await expect(roll.page.locator(".day")).to_have_text("Monday, September 14")
    await roll.expect_mark(NAMES[0], "present", is_default=True)
    await roll.page.go_back()
    await roll.expect_mark(NAMES[0], "tardy")
    await roll.page.get_by_role("button", name="Today", exact=True).click()
    await roll.expect_mark(NAMES[0], "present", is_default=True)
    tomorrow = dt.date.fromisoformat(today) + dt.timedelta(days=1)
    await roll.page.goto(f"/app/sections/{school.section}/attendance?day={tomorrow}")
    await expect(roll.page.locator(".day")).to_contain_text("Today, ")


@SMALL
async def test_a_roll_left_open_over_night_without_a_network_goes_on_to_the_new_day(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    roll = await open_roll_with_clock(open_page, service, school)
    page = roll.page
    said = await page.locator(".day").inner_text()
    await roll.mark(NAMES[1], "unexcused_absence")
    await expect(roll.row(NAMES[1])).not_to_have_attribute("data-mark", "storing")
    await page.context.set_offline(offline=True)
    # A day may have 25 hours. Nobody comes back to the page, and no answer tells the time.
    await page.clock.fast_forward(26 * 3_600_000)
    await expect(roll.page.get_by_role("status").last).to_contain_text("The day has changed: today is ")
    await expect(page.locator(".day")).to_contain_text("Today, ")
    await expect(page.locator(".day")).not_to_have_text(said)
    await roll.expect_mark(NAMES[1], "present", is_default=True)
    await roll.mark(NAMES[2], "tardy")
    await expect(roll.row(NAMES[2])).to_contain_text(re.compile(r"\d:\d\d\s[ap]m"))
    await page.get_by_role("button", name="Earlier:").click()
    await expect(page.locator(".day")).not_to_contain_text("Today")
    await page.get_by_role("button", name="Later:").click()
    await expect(page.locator(".day")).to_contain_text("Today, ")
    await roll.expect_mark(NAMES[2], "tardy")


def _weekday_before(day: str) -> str:
    found = dt.date.fromisoformat(day) - dt.timedelta(days=1)
    while found.isoweekday() > 5:
        found -= dt.timedelta(days=1)
    return found.isoformat()


@SMALL
async def test_the_week_at_a_glance(open_page: OpenPage, service: Service, school: GradebookSchool) -> None:
    roll = await open_roll(open_page, service, school, query="?day=2026-09-16")
    await roll.mark(NAMES[1], "unexcused_absence")
    await roll.page.get_by_role("button", name="Roll taken").click()
    await expect(roll.state).to_contain_text("You took the roll")
    await roll.page.get_by_label("Day", exact=True).fill("2026-09-17")
    await expect(roll.page.locator(".day")).to_have_text("Thursday, September 17")
    await roll.mark(NAMES[2], "tardy")
    await roll.expect_mark(NAMES[2], "tardy")
    await roll.page.get_by_role("button", name="Week").click()
    table = roll.page.get_by_role("table")
    heads = ["Student", "Mon 14 not taken", "Tue 15 not taken", "Wed 16 taken", "Thu 17 not taken", "Fri 18 not taken"]
    await expect(table.locator("thead th")).to_have_text(heads, use_inner_text=True)
    await expect(table.locator("tbody tr")).to_have_count(5)
    for row, letters in enumerate(["––P––", "––A––", "––PT–", "––P––", "––P––"]):
        await expect(table.locator("tbody tr").nth(row).locator("td .letter")).to_have_text([*letters])
    await expect(table.locator("input, button")).to_have_count(0)
    await table.get_by_role("link", name="Wed 16").click()
    await expect(roll.page.locator(".day")).to_have_text("Wednesday, September 16")
    await roll.expect_mark(NAMES[1], "unexcused_absence")


@SMALL
async def test_seats_are_kept_in_this_browser(open_page: OpenPage, service: Service, school: GradebookSchool) -> None:
    roll = await open_roll(open_page, service, school)
    names = roll.page.locator(".student .name")
    await expect(names).to_have_text(NAMES)
    await roll.page.get_by_role("button", name="Order, print").click()
    await roll.page.get_by_role("button", name="Change the seats").click()
    dialog = roll.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("kept in this browser only")
    await dialog.get_by_role("button", name=f"{NAMES[1]} up").click()
    await expect(dialog.get_by_role("status")).to_have_text(f"{NAMES[1]} is now at place 1 of 5.")
    # Two taps for any distance.
    await dialog.get_by_role("button", name=f"Move {NAMES[4]} further").click()
    await dialog.get_by_role("button", name=f"Before {NAMES[1]}").click()
    # By keys, with the focus going along.
    await dialog.get_by_role("button", name=f"Move {NAMES[3]} further").focus()
    await roll.page.keyboard.press("Alt+ArrowUp")
    await expect(dialog.get_by_role("button", name=f"Move {NAMES[3]} further")).to_be_focused()
    await dialog.get_by_role("button", name="Done").click()
    seats = [NAMES[4], NAMES[1], NAMES[0], NAMES[3], NAMES[2]]
    await expect(names).to_have_text(seats)
    await roll.page.reload()
    await roll.ready()
    await expect(names).to_have_text(seats)
    await roll.page.get_by_role("button", name="Order, print").click()
    await roll.page.get_by_role("button", name="Order by name").click()
    await expect(names).to_have_text(NAMES)


@SMALL
async def test_a_roll_on_paper(open_page: OpenPage, service: Service, school: GradebookSchool) -> None:
    roll = await open_roll(open_page, service, school)
    await roll.mark(NAMES[1], "unexcused_absence")
    await roll.page.emulate_media(media="print")
    await expect(roll.page.get_by_role("button")).to_have_count(0)
    await expect(roll.page.get_by_text("Teacher, signature:")).to_be_visible()
    await expect(roll.page.locator(".day")).to_be_visible()
    letters = roll.row(NAMES[0]).locator(".letter:visible")
    assert await letters.all_inner_texts() == ["P", "A", "T", "E"]
    # Who has a mark has a ring on paper; who is present by default has none.
    await expect(roll.row(NAMES[1]).locator(".is-chosen .letter")).to_have_css("outline-style", "solid")
    await expect(roll.row(NAMES[0]).locator(".is-chosen .letter")).to_have_css("outline-style", "none")
