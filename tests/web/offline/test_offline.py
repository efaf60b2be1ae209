"""Without a network: the laptop is opened, grades are entered, it is closed, and opened again days later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.school import PASSWORD
from tests.web.laptop import (
    opened,
    press_sign_in,
    sign_in_by_form,
    type_down,
    until_kept,
    until_page,
    wait_for_worker,
)
from tests.web.sizes import sized
from tests.world import fetch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from playwright.async_api import BrowserContext, Page

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage

STUDENTS, COLUMNS = 60, 5
TWO_DAYS_PASS = """
UPDATE login_session SET rotated_at = rotated_at - interval '2 days', created_at = created_at - interval '2 days',
       used_at = used_at - interval '2 days', expires_at = expires_at - interval '2 days'
"""


async def _open_once(laptop: BrowserContext, school: GradebookSchool) -> None:
    """Sign in and open the section, until this laptop has all that it needs to open it again."""
    page = await laptop.new_page()
    await sign_in_by_form(page, school.teacher_name)
    await page.goto(f"/app/sections/{school.section}")
    await expect(page.get_by_role("grid")).to_be_visible()
    await wait_for_worker(page)
    await until_kept(page, school)


@sized(STUDENTS, COLUMNS, filled=0)
async def test_three_hundred_grades_of_a_laptop_without_a_network_arrive_two_days_later(
    service: Service, school: GradebookSchool, tmp_path: Path
) -> None:
    gradebook = f"/app/sections/{school.section}"
    async with opened(tmp_path / "disk", service.url) as laptop:
        await _open_once(laptop, school)

    service.stop()
    async with opened(tmp_path / "disk", service.url) as laptop:
        page = await laptop.new_page()
        await page.goto(gradebook)
        for column in range(COLUMNS):
            await type_down(page, STUDENTS, column, first=column)
        await expect(page.locator(".status")).to_contain_text(f"{STUDENTS * COLUMNS} changes are on this computer")
        await expect(page.locator(".status")).to_contain_text("Offline since")

    async with opened(tmp_path / "disk", service.url) as laptop:  # still without a network
        page = await laptop.new_page()
        await page.goto("/app/")
        await expect(page.get_by_text(f"{STUDENTS * COLUMNS} changes not sent")).to_be_visible()

    service.start()
    await fetch(service.settings, TWO_DAYS_PASS)
    async with opened(tmp_path / "disk", service.url) as laptop:
        await laptop.clear_cookies(name="inkfast_grant")  # its time is over
        page = await laptop.new_page()
        await page.goto(gradebook)
        await expect(page.locator(".status")).to_contain_text("Everything is in the records", timeout=60_000)
        await expect(page.get_by_role("dialog")).to_have_count(0)

    rows = await fetch(
        service.settings,
        "SELECT item, student_id, value, status FROM edit_log WHERE section_id = $1 ORDER BY client_seq",
        school.section,
    )
    wanted = [
        (column, student, f'{{"score": "{(c + s) % 10}"}}')
        for c, column in enumerate(school.columns)
        for s, student in enumerate(school.students)
    ]
    assert [(row["item"], row["student_id"], row["value"]) for row in rows] == wanted
    assert {row["status"] for row in rows} == {b"A"}


@sized(12, 3, filled=0)
async def test_seventy_two_hours_without_the_name_of_the_service(
    service: Service, school: GradebookSchool, tmp_path: Path
) -> None:
    named = f"http://grades.example:{service.port}"
    secure = f"--unsafely-treat-insecure-origin-as-secure={named}"
    known = "--host-resolver-rules=MAP grades.example 127.0.0.1"
    gone = "--host-resolver-rules=MAP grades.example ~NOTFOUND"
    gradebook = f"/app/sections/{school.section}"
    async with opened(tmp_path / "disk", named, secure, known) as laptop:
        await _open_once(laptop, school)

    async with opened(tmp_path / "disk", named, secure, gone) as laptop:
        page = await laptop.new_page()
        await page.clock.install()
        await page.goto(gradebook)
        await type_down(page, 3, 0, first=7)
        await expect(page.locator(".status")).to_contain_text("3 changes are on this computer")
        await page.clock.fast_forward(72 * 3_600_000)
        await page.reload()
        await expect(page.locator(".status")).to_contain_text("3 changes")
        await type_down(page, 3, 1, first=4)
        await expect(page.locator(".status")).to_contain_text("6 changes are on this computer")
        await expect(page.get_by_role("dialog")).to_have_count(0)

    async with opened(tmp_path / "disk", named, secure, known) as laptop:
        page = await laptop.new_page()
        await page.goto(gradebook)
        await expect(page.locator(".status")).to_contain_text("Everything is in the records", timeout=60_000)
    rows = await fetch(
        service.settings, "SELECT value ->> 'score' AS score FROM cell WHERE section_id = $1", school.section
    )
    assert sorted(row["score"] for row in rows) == ["4", "5", "6", "7", "8", "9"]


KEPT_PERSON = "async () => (await (await caches.match('/app/signed_in'))?.json())?.name ?? null"


async def test_who_is_signed_in_is_known_to_a_browser_that_was_killed_before_it_remembered_it(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    page = await open_page(f"/app/sections/{school.section}")
    await expect(page.get_by_role("grid")).to_be_visible()
    await wait_for_worker(page)
    await until_kept(page, school)
    await until_page(page, KEPT_PERSON)
    service.stop()
    await type_down(page, 2, 5)
    await expect(page.locator(".status")).to_contain_text("2 changes are on this computer")
    await page.evaluate("localStorage.clear()")
    await page.reload()
    await expect(page.locator(".status")).to_contain_text("2 changes are on this computer")
    await expect(page.get_by_role("grid")).to_be_visible()
    # It is nobody any more who has signed out, though the service could not be told.
    await page.goto("/app/")
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("button", name="Sign out anyway").click()
    await expect(page.get_by_label("User name")).to_be_visible()
    assert await page.evaluate(KEPT_PERSON) is None
    await page.evaluate("localStorage.clear()")
    await page.reload()
    await expect(page.get_by_label("User name")).to_be_visible()


async def test_a_sign_in_that_ends_is_asked_for_over_the_page_and_what_was_typed_goes_on(
    open_page: OpenPage, school: GradebookSchool, shoot: Callable[[Page, str], Awaitable[None]]
) -> None:
    page = await open_page(f"/app/sections/{school.section}")
    await expect(page.get_by_role("grid")).to_be_visible()
    await page.context.clear_cookies()
    await type_down(page, 2, 5)
    await page.keyboard.type("9")  # not left yet
    await expect(page.get_by_text("Your sign-in has ended. You can go on")).to_be_visible()
    await expect(page.locator(".grid-input")).to_be_focused()
    await expect(page.locator(".grid-input")).to_have_value("9")
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Sign in", exact=True).focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Escape")  # not now after all
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_focused()
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Sign in again")
    await expect(dialog).to_contain_text("3 changes of Elena Ruiz are kept on this computer")
    await shoot(page, "sign-in-again")
    await dialog.get_by_label("User name").fill(school.teacher_name)
    await dialog.get_by_label("Password", exact=True).fill(PASSWORD)
    await press_sign_in(page, dialog)
    await expect(dialog).to_have_count(0)
    await expect(page.locator(".status")).to_contain_text("Everything is in the records", timeout=60_000)
