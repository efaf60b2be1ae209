"""The first page: signing in, my sections, signing out; and what the form says when it cannot."""

from __future__ import annotations

import asyncio
import json
import re
from functools import partial
from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.browsing import ask_axe
from tests.school import PASSWORD
from tests.web.laptop import press_sign_in, refused, type_down, until_page, wait_for_worker
from tests.web.outbox_page import rescue_file
from tests.web.roll_page import eventually, open_roll_with_clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from playwright.async_api import Page, Route

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage

    Recorded = Callable[[], Awaitable[dict[tuple[int, int], dict[str, str]]]]


KEPT = "async name => (await indexedDB.databases()).some((one) => one.name === name)"
NOT_KEPT = f"async name => !(await ({KEPT})(name))"


async def fill_in(page: Page, username: str, password: str = PASSWORD) -> None:
    await page.get_by_label("User name").fill(username)
    await page.get_by_label("Password", exact=True).fill(password)
    await press_sign_in(page)


async def test_a_teacher_signs_in_and_sees_their_sections(
    open_page: OpenPage, school: GradebookSchool, shoot: Callable[[Page, str], Awaitable[None]]
) -> None:
    page = await open_page(as_user=None)
    await expect(page.get_by_label("User name")).to_be_focused()
    await shoot(page, "home-sign-in")
    assert await ask_axe(page, "sign in") == []

    await fill_in(page, school.teacher_name, "wrong")
    await expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    await expect(page.get_by_label("User name")).to_have_value(school.teacher_name)

    await fill_in(page, school.teacher_name)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sections of Elena Ruiz")
    await expect(page.get_by_role("listitem")).to_have_count(2)
    first = page.get_by_role("listitem").filter(has_text="12 students")
    await expect(first.get_by_role("link", name="Attendance")).to_have_attribute(
        "href", f"/app/sections/{school.section}/attendance"
    )
    await shoot(page, "home-sections")
    assert await ask_axe(page, "sections") == []

    # The page after it opens without asking who is there.
    await page.reload()
    await expect(page.get_by_role("listitem")).to_have_count(2)


async def test_the_form_is_what_password_managers_look_for(open_page: OpenPage) -> None:
    page = await open_page(as_user=None)
    await expect(page.get_by_label("User name")).to_have_attribute("autocomplete", "username")
    password = page.get_by_label("Password", exact=True)
    await expect(password).to_have_attribute("autocomplete", "current-password")
    await expect(password).to_have_attribute("type", "password")
    await page.get_by_label("Show the password").check()
    await expect(password).to_have_attribute("type", "text")


# Somebody is in the second box as soon as it is there, before the page is painted.
GO_AT_ONCE = """() => {
    const seen = new MutationObserver(() => {
        const password = document.querySelector("input[name=password]");
        if (password === null) return;
        seen.disconnect();
        password.focus();
        requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => (window.isPainted = true), 100)));
    });
    seen.observe(document, { subtree: true, childList: true });
}"""


async def test_the_focus_is_not_taken_from_who_types_the_password_already(open_page: OpenPage) -> None:
    page = await open_page("/app/compatibility", as_user=None)
    await page.add_init_script(f"({GO_AT_ONCE})()")
    await page.goto("/app/")
    await until_page(page, "window.isPainted === true")
    await expect(page.get_by_label("Password", exact=True)).to_be_focused()


# Whether it can be pressed, each time that this changes.
WATCH_BUTTON = """() => {
    const button = document.querySelector(".sign-in button");
    window.said = [];
    new MutationObserver((records) => records.forEach(() => window.said.push(button.getAttribute("aria-disabled"))))
        .observe(button, { attributeFilter: ["aria-disabled"] });
}"""


async def test_a_service_without_time_is_left_in_peace_from_its_answer_on(
    open_page: OpenPage, school: GradebookSchool
) -> None:
    page = await open_page(as_user=None)
    await page.get_by_label("User name").fill(school.teacher_name)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.evaluate(WATCH_BUTTON)
    async with refused(page, "**/api/v1/session", wait_s=600):
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await expect(page.get_by_text("Try again in 600 seconds")).to_be_visible()
    assert await page.evaluate("window.said") == ["true"]


async def test_who_teaches_nothing_today_is_told_so(open_page: OpenPage, school: GradebookSchool) -> None:
    page = await open_page(as_user=school.stranger_name)
    await expect(page.get_by_text("You teach no section today.")).to_be_visible()


async def test_the_page_speaks_the_language_that_was_chosen(
    open_page: OpenPage, school: GradebookSchool, shoot: Callable[[Page, str], Awaitable[None]]
) -> None:
    page = await open_page(as_user=school.teacher_name, locale="es-US")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Secciones de Elena Ruiz")
    await expect(page.locator("html")).to_have_attribute("lang", "es")
    await shoot(page, "home-sections-es")
    assert await ask_axe(page, "Spanish") == []
    await page.get_by_role("button", name="English").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sections of Elena Ruiz")
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sections of Elena Ruiz")


async def test_signing_out_takes_the_sections_from_this_computer(open_page: OpenPage, school: GradebookSchool) -> None:
    page = await open_page(as_user=school.teacher_name)
    await expect(page.get_by_role("listitem")).to_have_count(2)
    kept = f"inkfast-sections-{school.teacher}"
    await until_page(page, KEPT, kept)
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("User name")).to_be_visible()
    assert await page.evaluate(NOT_KEPT, kept)
    await page.reload()
    await expect(page.get_by_label("User name")).to_be_visible()


async def test_who_signs_out_and_closes_the_window_at_once_leaves_no_names_here(
    open_page: OpenPage, school: GradebookSchool
) -> None:
    """The server takes its time; what is not sent stays all the same, and is said to be there."""
    page = await open_page(f"/app/sections/{school.section}")
    await expect(page.get_by_role("grid")).to_be_visible()
    window, kept = page.context, f"inkfast-sections-{school.teacher}"
    await window.route("**/edits", lambda route: route.abort())
    await type_down(page, 2, 5, first=8)
    await expect(page.locator(".status")).to_contain_text("2 changes are on this computer")
    await page.goto("/app/")
    await expect(page.get_by_role("listitem")).to_have_count(2)
    await until_page(page, KEPT, kept)

    async def answer_all_but_that(route: Route) -> None:
        if route.request.method != "DELETE":
            await route.continue_()

    await window.route("**/api/v1/session", answer_all_but_that)
    await page.get_by_role("button", name="Sign out").click()
    async with page.expect_request(lambda request: request.method == "DELETE"):
        await page.get_by_role("button", name="Sign out anyway").click()
    await until_page(page, NOT_KEPT, kept)
    await page.close()
    await window.unroute("**/api/v1/session", answer_all_but_that)

    page = await window.new_page()
    async with page.expect_response(lambda answer: answer.request.method == "DELETE"):
        await page.goto("/app/")
    await expect(page.get_by_text("2 changes of Elena Ruiz are kept on this computer")).to_be_visible()
    assert await page.evaluate(NOT_KEPT, kept)


async def test_without_a_disk_nobody_is_told_that_their_work_stays(
    open_page: OpenPage, school: GradebookSchool
) -> None:
    page = await open_page()
    await page.context.add_init_script("Object.defineProperty(window, 'indexedDB', { value: undefined })")
    await page.context.route("**/edits", lambda route: route.abort())
    await page.reload()
    await expect(page.get_by_role("listitem")).to_have_count(2)
    await page.get_by_text("Work in a file").click()
    text = json.dumps(rescue_file(school, 2)).encode()
    await page.get_by_label("Open such a file…").set_input_files(
        {"name": "not-sent.json", "mimeType": "application/json", "buffer": text}
    )
    await expect(page.locator(".status")).to_contain_text("2 changes are nowhere else")
    await page.get_by_role("button", name="Sign out").click()
    dialog = page.get_by_role("dialog", name="2 changes are not sent yet")
    await expect(dialog).to_contain_text("This browser could not store them: if you sign out, they are gone.")
    await dialog.get_by_role("button", name="Sign out anyway").click()
    await expect(page.get_by_label("User name")).to_be_visible()
    await expect(page.get_by_text("are kept on this computer")).to_have_count(0)


async def test_an_answer_that_comes_after_signing_out_brings_no_names_back(
    open_page: OpenPage, school: GradebookSchool
) -> None:
    page = await open_page()
    await expect(page.get_by_role("listitem")).to_have_count(2)
    other, kept = await page.context.new_page(), f"inkfast-sections-{school.teacher}"
    asked: asyncio.Queue[Route] = asyncio.Queue()

    async def hold(route: Route) -> None:
        await asked.put(route)

    await other.add_init_script("AbortController.prototype.abort = () => undefined")  # it waits however slow this is
    await other.route(f"**/api/v1/sections/{school.section}", hold, times=1)
    await other.goto(f"/app/sections/{school.section}")
    route = await asyncio.wait_for(asked.get(), 60)
    answer = await route.fetch()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("User name")).to_be_visible()
    assert await page.evaluate(NOT_KEPT, kept)
    await route.fulfill(response=answer)
    await expect(other.get_by_role("grid")).to_be_visible()
    assert await other.evaluate(NOT_KEPT, kept)


async def test_a_roll_that_was_taken_back_or_is_yesterday_s_is_not_said_to_be_taken(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    roll = await open_roll_with_clock(open_page, service, school)
    page = roll.page
    home = await page.context.new_page()
    await home.clock.install()
    await home.goto("/app/")
    card = home.get_by_role("listitem").filter(has_text="12 students")
    await expect(card).to_contain_text("Roll not taken yet today")

    async def says_when_looked_at(text: str) -> bool:
        async with home.expect_response("**/api/v1/sections"):
            await home.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        return text in await card.inner_text()

    await roll.page.get_by_role("button", name="Roll taken").click()
    await expect(roll.state).to_contain_text("You took the roll")
    await eventually(partial(says_when_looked_at, "Roll taken today"), wanted=True)
    await roll.page.get_by_role("button", name="Undo").click()
    await expect(roll.state).to_contain_text("Roll not yet taken")
    await eventually(partial(says_when_looked_at, "Roll not taken yet today"), wanted=True)

    # Over night (and a day may have 25 hours) nobody comes back, and no answer tells the time.
    await roll.page.get_by_role("button", name="Roll taken").click()
    await expect(roll.state).to_contain_text("You took the roll")
    await eventually(partial(says_when_looked_at, "Roll taken today"), wanted=True)
    await page.context.set_offline(offline=True)
    await home.clock.fast_forward(26 * 3_600_000)
    await expect(card.locator(".badges")).not_to_contain_text("taken")


HOLD_THE_DISK = """user => new Promise((resolve) => {
    const asked = indexedDB.open(`inkfast-sections-${user}`);
    asked.onsuccess = () => resolve((window.held = asked.result) !== undefined);
})"""


async def test_no_form_comes_before_the_page_that_keeps_what_is_typed(
    open_page: OpenPage, school: GradebookSchool
) -> None:
    """On a slow computer the page that signs out lives on for seconds; a form in it would go with what was typed."""
    page = await open_page()
    await expect(page.get_by_role("listitem")).to_have_count(2)
    await page.evaluate(HOLD_THE_DISK, school.teacher)
    async with page.expect_response(lambda answer: answer.request.method == "DELETE"):
        await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_text("Signing out…")).to_be_visible()
    # Whatever happens meanwhile, nothing of the person is shown, and nothing can be typed.
    async with page.expect_response("**/api/v1/session"):
        await page.evaluate("fetch('/api/v1/session').then(() => window.dispatchEvent(new Event('online')))")
    await expect(page.get_by_text("Elena Ruiz")).to_have_count(0)
    await expect(page.get_by_label("User name")).to_have_count(0)
    await page.evaluate("window.held.close()")
    await fill_in(page, school.co_teacher_name)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sections of Sam Okafor")


async def test_a_page_of_somebody_else_says_whose_it_is(open_page: OpenPage, school: GradebookSchool) -> None:
    page = await open_page(as_user=school.teacher_name)
    await expect(page.get_by_role("listitem")).to_have_count(2)
    other = await page.context.new_page()
    await other.goto("/app/")
    await expect(other.get_by_role("listitem")).to_have_count(2)
    await other.get_by_role("button", name="Sign out").click()
    await fill_in(other, school.co_teacher_name)
    await expect(other.get_by_role("heading", level=1)).to_have_text("Sections of Sam Okafor")
    dialog = page.get_by_role("dialog", name="Sign in again")
    await expect(dialog).to_contain_text("Sam Okafor has signed in on this computer.")
    await expect(dialog).to_contain_text("This page shows the work of Elena Ruiz")
    third = await page.context.new_page()
    await third.goto("/app/")
    await expect(third.get_by_role("heading", level=1)).to_have_text("Sections of Sam Okafor")
    # Each of them can go on: the one who was here before, or the one who is here now.
    await page.bring_to_front()
    await fill_in_dialog(page, school.teacher_name)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sections of Elena Ruiz")
    await expect(dialog).to_have_count(0)
    taken = third.get_by_role("dialog", name="Sign in again")
    await expect(taken).to_contain_text("Elena Ruiz has signed in on this computer.")
    await third.bring_to_front()
    await taken.get_by_role("link", name=re.compile("To the sections of Elena Ruiz")).click()
    await expect(third.get_by_role("heading", level=1)).to_have_text("Sections of Elena Ruiz")


async def test_a_page_that_is_covered_stays_so_whatever_the_server_says(
    open_page: OpenPage, school: GradebookSchool
) -> None:
    page = await open_page(f"/app/sections/{school.section}")
    await expect(page.get_by_role("grid")).to_be_visible()
    other = await page.context.new_page()
    await other.goto("/app/")
    await other.get_by_role("button", name="Sign out").click()
    await expect(other.get_by_label("User name")).to_be_visible()
    await expect(page.locator(".veil-full")).to_be_visible()
    async with page.expect_response(
        lambda answer: answer.status == 401 and answer.url.endswith("/api/v1/session"), timeout=60_000
    ):
        # As when somebody comes back to this tab: it asks for news.
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await page.evaluate("fetch('/api/v1/session')")  # what that answer changes is done
    await expect(page.locator(".veil-full")).to_be_visible()
    await expect(page.get_by_text("You can go on")).to_have_count(0)


async def test_what_is_not_sent_stays_for_the_one_who_typed_it(
    open_page: OpenPage, school: GradebookSchool, service: Service, recorded: Recorded
) -> None:
    page = await open_page(f"/app/sections/{school.section}")
    await expect(page.get_by_role("grid")).to_be_visible()
    await wait_for_worker(page)
    before = await recorded()
    service.stop()
    await type_down(page, 2, 5, first=8)
    await expect(page.locator(".status")).to_contain_text("2 changes are on this computer")
    await page.goto("/app/")
    await page.get_by_role("button", name="Sign out").click()
    dialog = page.get_by_role("dialog", name="2 changes are not sent yet")
    await expect(dialog).to_be_visible()
    assert await ask_axe(page, "signing out") == []
    await dialog.get_by_role("button", name="Sign out anyway").click()
    await expect(page.get_by_text("2 changes of Elena Ruiz are kept on this computer")).to_be_visible()

    # The server hears of it when it is back, and nobody is signed in again by cookies that are still there.
    service.start()
    await page.reload()
    await expect(page.get_by_label("User name")).to_be_visible()
    await fill_in(page, school.co_teacher_name)
    await expect(page.get_by_role("heading", name="Sections of Sam Okafor")).to_be_visible()
    await page.goto(f"/app/sections/{school.section}")
    await expect(page.locator(".status")).to_contain_text("Nothing to send")
    assert await recorded() == before

    await page.goto("/app/")
    await page.get_by_role("button", name="Sign out").click()
    await fill_in(page, school.teacher_name)
    await expect(page.locator(".status")).to_contain_text("Everything is in the records", timeout=60_000)
    entered = {(school.columns[5], student): value for student, value in zip(school.students, "89", strict=False)}
    assert {cell: value["score"] for cell, value in (await recorded()).items() if cell in entered} == entered


async def test_a_sign_in_that_has_ended_leaves_the_list_and_asks_when_a_person_wants_to(
    open_page: OpenPage, school: GradebookSchool
) -> None:
    page = await open_page(as_user=school.teacher_name)
    await expect(page.get_by_role("listitem")).to_have_count(2)
    await page.context.clear_cookies()
    await page.evaluate("window.dispatchEvent(new Event('online'))")
    await expect(page.get_by_text("Your sign-in has ended. You can go on")).to_be_visible()
    await expect(page.get_by_role("listitem")).to_have_count(2)
    assert await ask_axe(page, "sign-in has ended") == []
    await page.get_by_role("button", name="Sign in", exact=True).click()
    dialog = page.get_by_role("dialog", name="Sign in again")
    await expect(dialog.get_by_label("User name")).to_be_focused()
    assert await ask_axe(page, "sign in again") == []
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await fill_in_dialog(page, school.teacher_name)
    await expect(dialog).to_have_count(0)
    await expect(page.get_by_text("Your sign-in has ended")).to_have_count(0)


async def fill_in_dialog(page: Page, username: str) -> None:
    dialog = page.get_by_role("dialog", name="Sign in again")
    await dialog.get_by_label("User name").fill(username)
    await dialog.get_by_label("Password", exact=True).fill(PASSWORD)
    await press_sign_in(page, dialog)


async def test_a_grant_is_renewed_well_before_it_ends(open_page: OpenPage, school: GradebookSchool) -> None:
    page = await open_page("/app/compatibility", as_user=school.teacher_name)
    await page.clock.install()
    await page.goto("/app/")
    await expect(page.get_by_role("listitem")).to_have_count(2)
    async with page.expect_response(lambda answer: answer.url.endswith("/api/v1/session") and answer.ok):
        await page.clock.fast_forward(12 * 60_000)  # of 15 minutes
    await expect(page.get_by_text("Your sign-in has ended")).to_have_count(0)
