"""A browser that may store nothing: what is typed is in the page alone, and the page says no more than that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.browsing import ask_axe
from tests.school import PASSWORD
from tests.web.grade_page import GradePage
from tests.web.laptop import held_saves, press_sign_in, send_at_once, sign_in_by_form
from tests.web.sizes import SMALL

if TYPE_CHECKING:
    from playwright.async_api import Dialog, Locator, Page

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage

pytestmark = SMALL
# As where a person, or the office, has forbidden it.
REFUSE = """IDBFactory.prototype.open = () => {
    throw new DOMException("The operation is insecure.", "SecurityError");
}"""


async def _open(open_page: OpenPage, service: Service, school: GradebookSchool) -> GradePage:
    """Open the gradebook; nothing of it can be stored, in no tab of this window."""
    page = await open_page("/app/compatibility", as_user=school.teacher_name)
    await page.context.add_init_script(REFUSE)
    return await _grades(page, service, school)


async def _grades(page: Page, service: Service, school: GradebookSchool) -> GradePage:
    await page.goto(f"/app/sections/{school.section}")
    return await GradePage(page, service, school).ready()


async def _type(grades: GradePage, score: str = "71") -> None:
    await grades.enter("Alvarez, Mateo", "Test 1", score)
    await expect(grades.status).to_contain_text("1 change is nowhere else")


async def _is_recorded(grades: GradePage, score: str = "71") -> None:
    await send_at_once(grades.page)
    await grades.is_recorded({(grades.school.columns[2], grades.school.students[0]): {"score": score}})


def _form(grades: GradePage) -> Locator:
    return grades.page.get_by_role("dialog", name="Sign in again")


async def _sign_in(page: Page, username: str, form: Locator | None = None) -> None:
    within = form or page
    await within.get_by_label("User name").fill(username)
    await within.get_by_label("Password", exact=True).fill(PASSWORD)
    await press_sign_in(page, form)


async def _sign_in_again(grades: GradePage) -> None:
    """Sign in over the page, as the person whose page it is."""
    await grades.page.bring_to_front()
    await _sign_in(grades.page, grades.school.teacher_name, _form(grades))
    await expect(_form(grades)).to_have_count(0)


async def _expect_alone(grades: GradePage) -> None:
    """The form says that the one change is in this page, and nowhere else."""
    await expect(_form(grades)).to_contain_text("1 change of Elena Ruiz is in this page alone. Keep it open")


async def _sign_out(grades: GradePage, *, is_told: bool) -> Page:
    """Sign out in another tab, where a person is told of this one's work or is not; return that tab."""
    other = await grades.page.context.new_page()
    await other.goto("/app/")
    await other.get_by_role("button", name="Sign out").click()
    if is_told:
        dialog = other.get_by_role("dialog", name="Another tab has changes that are not sent yet")
        await expect(dialog).to_contain_text("They are in that tab alone")
        assert await ask_axe(other, "signing out, work elsewhere") == []
        await dialog.get_by_role("button", name="Sign out anyway").click()
    await expect(other.get_by_label("User name")).to_be_visible()
    return other


async def test_a_person_signs_in_by_the_form_and_types(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    page = await open_page("/app/compatibility", as_user=None)
    await page.context.add_init_script(REFUSE)
    await sign_in_by_form(page, school.teacher_name)
    await expect(page.locator(".status")).to_contain_text("This browser cannot store your work")
    grades = await _grades(page, service, school)
    await grades.enter("Alvarez, Mateo", "Test 1", "71")
    await _is_recorded(grades)


async def test_the_form_over_a_page_does_not_say_that_anything_is_on_this_computer(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades = await _open(open_page, service, school)
    async with held_saves(grades.page):
        await _type(grades)
        await grades.page.context.clear_cookies()
        await send_at_once(grades.page)
        await grades.button("Sign in").click()
        await _expect_alone(grades)
        await expect(_form(grades)).not_to_contain_text("on this computer")
        await _sign_in_again(grades)
    await _is_recorded(grades)


async def test_what_a_page_alone_has_outlives_a_sign_out_in_another_tab(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades = await _open(open_page, service, school)
    async with held_saves(grades.page.context):
        await _type(grades)
        await _sign_out(grades, is_told=True)
        await expect(grades.page.locator(".veil-full")).to_be_visible()
        await expect(_form(grades)).to_contain_text("Elena Ruiz has signed out in another tab.")
        await _expect_alone(grades)
        assert await ask_axe(grades.page, "signed out elsewhere, without a disk") == []
    await _sign_in_again(grades)
    await grades.expect_shown("Alvarez, Mateo", "Test 1", "71")
    await _is_recorded(grades)


async def test_what_a_page_alone_has_outlives_another_person_and_is_sent_in_nobody_else_s_name(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    grades = await _open(open_page, service, school)
    before = await grades.recorded()
    sent: list[str] = []
    async with held_saves(grades.page):
        await _type(grades)
        other = await _sign_out(grades, is_told=True)
        await _sign_in(other, school.co_teacher_name)
        await expect(_form(grades)).to_contain_text("Sam Okafor has signed in on this computer.")
        await _expect_alone(grades)
        grades.page.on("request", lambda request: sent.append(request.url))
    # Whoever comes back to the page has everything tried at once: but not now.
    await grades.page.bring_to_front()
    await grades.page.evaluate("document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))")
    await send_at_once(grades.page)
    # Going on does not take the page away; and where it is closed all the same, the browser asks.
    async with grades.page.expect_popup() as opening:
        await _form(grades).get_by_role("link", name="To the sections of Sam Okafor").click()
    await expect((await opening.value).get_by_role("heading", level=1)).to_have_text("Sections of Sam Okafor")
    async with grades.page.expect_event("dialog") as asking:
        await grades.page.close(run_before_unload=True)
    asked: Dialog = await asking.value
    assert asked.type == "beforeunload"
    await asked.dismiss()
    assert [url for url in sent if url.endswith("/edits")] == []
    assert await grades.recorded() == before
    await _sign_in_again(grades)
    await _is_recorded(grades)


async def test_who_has_nothing_that_is_nowhere_else_is_not_asked(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    """What is at the district by now is no reason; the page is another person's then, and says so."""
    grades = await _open(open_page, service, school)
    await grades.enter("Alvarez, Mateo", "Test 1", "71")
    await _is_recorded(grades)
    await expect(grades.status).to_contain_text("what you type is in this page alone")
    other = await _sign_out(grades, is_told=False)
    await _sign_in(other, school.co_teacher_name)
    await expect(_form(grades)).to_contain_text("Sam Okafor has signed in on this computer.")
    await expect(_form(grades)).not_to_contain_text("in this page alone")
    go_on = _form(grades).get_by_role("link", name="To the sections of Sam Okafor")
    await expect(go_on).to_be_visible()
    await other.get_by_role("button", name="Sign out").click()
    await expect(other.get_by_label("User name")).to_be_visible()
    await expect(_form(grades)).to_contain_text("Elena Ruiz has signed out in another tab.")
    await expect(go_on).to_have_count(0)
