"""The plain page in a real browser: axe in every state and both languages, reflow, keyboard without script."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest
from playwright.async_api import expect

from tests.browsing import ask_axe, new_window
from tests.plain_school import PlainSchool, make_plain_school
from tests.school import PASSWORD
from tests.world import flush_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser, Page, ViewportSize

    from tests.browsing import Service

WIDE: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 375, "height": 740}
NARROWEST: ViewportSize = {"width": 320, "height": 640}  # also 1280 px at 400 %
STUDENTS = 12


async def send(page: Page, button: str) -> None:
    """Press a button that sends its form; return on the page that comes then, and not on the one before it."""
    async with page.expect_navigation():
        await page.click(button)


class Walk:
    """One person's window, which is looked at on every page that it comes to."""

    def __init__(self, page: Page, service: Service, school: PlainSchool, name: str, screenshots: Path) -> None:
        self.page = page
        self.service = service
        self.school = school
        self.name = name
        self.screenshots = screenshots
        self.faults: list[str] = []
        self.looks = 0

    async def sign_in(self, username: str, password: str = PASSWORD) -> None:
        await self.page.goto(self.service.url)
        await self.page.fill("#username", username)
        await self.page.fill("#password", password)
        await self.send("form.card button")

    async def send(self, button: str) -> None:
        """Send a form; return on the page that comes then."""
        await send(self.page, button)

    async def visit(self, path: str) -> None:
        await self.page.goto(f"{self.service.url}{path}")

    @property
    def column(self) -> str:
        return f"/sections/{self.school.section}/columns/{self.school.quiz}"

    @property
    def roll(self) -> str:
        return f"/sections/{self.school.section}/attendance"

    async def score(self, *texts: str) -> None:
        for student, text in zip(self.school.students, texts, strict=False):
            await self.page.fill(f"#s-{student}", text)

    async def look(self, state: str) -> None:
        """Take screenshots; note what axe finds, and whether anything runs out of the window."""
        self.looks += 1
        for size in (NARROWEST, PHONE, WIDE):
            await self.page.set_viewport_size(size)
            runs_over = await self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            if runs_over > 0:
                self.faults.append(f"{state} at {size['width']} px: {runs_over} px too wide")
            if size is not NARROWEST:
                file = self.screenshots / f"{self.name}-{self.looks:02d}-{state}-{size['width']}.png"
                await self.page.screenshot(path=file, full_page=True)
            if size is PHONE:
                self.faults += await ask_axe(self.page, state)
            await self._measure_targets(f"{state} at {size['width']} px")

    async def _measure_targets(self, state: str) -> None:
        """Every control is at least 24 by 24 px (WCAG 2.2, 2.5.8), and every one that can be ticked by its label."""
        small = await self.page.evaluate(
            """() => [...document.querySelectorAll('a, button, summary, label:has(input), input:not([type=hidden])')]
                .filter(e => e.checkVisibility() && !e.closest('label:has(input)') || e.matches('label'))
                .filter(e => !e.matches('.skip') && e.checkVisibility())
                .map(e => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])
                .filter(([, box]) => box.width < 24 || box.height < 24).map(([html]) => html)"""
        )
        self.faults += [f"{state}: small target {html}" for html in small]


@asynccontextmanager
async def walking(
    service: Service, browser: Browser, screenshots: Path, language: str, scheme: str, suffix: str
) -> AsyncIterator[tuple[Walk, Walk]]:
    """A teacher and a colleague with a school of their own, each in a window of their own."""
    connection = await asyncpg.connect(service.settings.database_url)
    school = await make_plain_school(connection, students=STUDENTS, suffix=suffix)
    await connection.close()
    windows = [await new_window(browser, locale=language, color_scheme=scheme) for _ in range(2)]
    names = [f"{language}-{scheme}", f"{language}-{scheme}-colleague"]
    walks = [
        Walk(await window.new_page(), service, school, name, screenshots)
        for window, name in zip(windows, names, strict=True)
    ]
    yield walks[0], walks[1]
    for window in windows:
        await window.close()
    assert [fault for walk in walks for fault in walk.faults] == []


LOOKS = pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("es", "dark")])


@LOOKS
async def test_signing_in_and_looking_around(
    service: Service, browser: Browser, screenshot_dir: Path, language: str, scheme: str
) -> None:
    suffix = f"-a-{language}"
    async with walking(service, browser, screenshot_dir, language, scheme, suffix) as (teacher, colleague):
        await teacher.visit("/")
        await teacher.look("sign-in")
        await teacher.sign_in(f"teacher{suffix}", "wrong")
        await teacher.look("sign-in-wrong")
        await teacher.sign_in(f"teacher{suffix}")
        await teacher.look("sections")
        await teacher.visit(f"/sections/{teacher.school.section}")
        await teacher.look("section")
        await teacher.visit(f"/sections/{teacher.school.empty_section}")
        await teacher.look("section-empty")
        await teacher.visit(f"/sections/{teacher.school.other_section}")
        await teacher.look("not-permitted")
        await teacher.visit(teacher.column)
        await teacher.score("17")
        await teacher.page.context.clear_cookies()
        await teacher.send(".last button")
        await teacher.look("sign-in-again")
        await colleague.sign_in(f"colleague{suffix}")
        await colleague.send(".who button")
        await colleague.look("signed-out")


@LOOKS
async def test_a_column_from_empty_to_decided(
    service: Service, browser: Browser, screenshot_dir: Path, language: str, scheme: str
) -> None:
    suffix = f"-c-{language}"
    async with walking(service, browser, screenshot_dir, language, scheme, suffix) as (teacher, colleague):
        page, ids = teacher.page, teacher.school.students
        await teacher.sign_in(f"teacher{suffix}")
        await colleague.sign_in(f"colleague{suffix}")
        await teacher.visit(teacher.column)
        await teacher.look("column-empty")
        await colleague.visit(teacher.column)
        await teacher.score("17,5", "18", "16 la", "ex", "412", "A+", "20")
        await page.click("summary")
        await page.fill(f"#c-{ids[0]}", "Much better than last time.\nKeep going!")
        await page.check(f"input[name='f-{ids[6]}'][value='missing']")
        await teacher.look("column-typed")
        await send(page, ".last button")
        await teacher.look("receipt-drafted")
        await flush_all(service.settings)
        await send(page, ".check button")
        await teacher.look("receipt-recorded")
        await colleague.score("19", "12")
        await colleague.send(".last button")
        await colleague.look("receipt-conflict")
        await colleague.send(".choice button")
        await colleague.look("receipt-chosen")
        await flush_all(service.settings)
        await teacher.visit(teacher.column)
        await teacher.look("column-filled")


@LOOKS
async def test_the_roll(service: Service, browser: Browser, screenshot_dir: Path, language: str, scheme: str) -> None:
    suffix = f"-r-{language}"
    async with walking(service, browser, screenshot_dir, language, scheme, suffix) as (teacher, _):
        page, ids = teacher.page, teacher.school.students
        await teacher.sign_in(f"teacher{suffix}")
        await teacher.visit(f"{teacher.roll}?day=2099-01-05")
        await teacher.look("roll-to-come")
        await teacher.visit(teacher.roll)
        await teacher.look("roll")
        await page.check(f"input[name='a-{ids[2]}'][value='unexcused_absence']")
        await page.check(f"input[name='a-{ids[4]}'][value='tardy']")
        await page.click("summary")
        await page.fill(f"#t-{ids[4]}", "soon")
        await page.fill(f"#n-{ids[4]}", "bus was late")
        await send(page, ".last button")
        await teacher.look("roll-correct")
        await page.fill(f"#t-{ids[4]}", "8:07 am")
        await send(page, ".bad button")
        await teacher.look("roll-receipt")
        await teacher.visit(teacher.roll)
        await teacher.look("roll-taken")


class Keyboard:
    """Hands that have no mouse."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def type(self, *texts: str) -> None:
        """Type each text, with a Tab between them."""
        for i, text in enumerate(texts):
            if i:
                await self.page.keyboard.press("Tab")
            await self.page.keyboard.type(text)

    async def press(self, key: str) -> None:
        await self.page.keyboard.press(key)

    async def tab_to(self, wanted: str) -> None:
        """Press Tab until the focus, which is always to be seen, is on the control with this id or this text."""
        for _ in range(40):
            await self.press("Tab")
            focused = self.page.locator(":focus-visible")
            assert await focused.count() == 1
            assert await focused.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
            if wanted == await focused.get_attribute("id") or wanted in (await focused.text_content() or ""):
                return
        raise AssertionError(f"Tab never came to {wanted}")

    async def go_to(self, wanted: str, url: str) -> None:
        """Follow a link, or send a form."""
        await self.tab_to(wanted)
        async with self.page.expect_navigation(url=url):
            await self.press("Enter")

    async def expect_focus(self, wanted: str) -> None:
        await expect(self.page.locator(":focus")).to_have_id(wanted)

    async def said(self) -> str:
        return " ".join((await self.page.locator("main").inner_text()).split())


@asynccontextmanager
async def old_window(service: Service, browser: Browser, suffix: str) -> AsyncIterator[tuple[Page, PlainSchool]]:
    """A window without scripts, and a school of three students."""
    connection = await asyncpg.connect(service.settings.database_url)
    school = await make_plain_school(connection, students=3, suffix=suffix)
    await connection.close()
    window = await new_window(browser, java_script_enabled=False)
    yield await window.new_page(), school
    await window.close()


async def test_the_keyboard_alone_and_no_script(service: Service, browser: Browser) -> None:
    async with old_window(service, browser, "-keys") as (page, school):
        hands = Keyboard(page)
        first, second, _ = school.students
        await page.goto(service.url)
        await hands.tab_to("username")
        await hands.type("teacher-keys", PASSWORD)
        async with page.expect_navigation(url="**/sections"):
            await hands.press("Enter")
        await hands.go_to("Algebra 1", "**/sections/*")
        await hands.go_to("Quiz 3", "**/columns/*")
        await hands.tab_to("Skip to the content")
        await hands.press("Enter")
        await page.wait_for_url("**#*")
        await hands.press("Tab")
        await hands.expect_focus(f"s-{first}")
        await hands.type("17", "12,5")  # one Tab from student to student
        await hands.expect_focus(f"s-{second}")
        await hands.tab_to("Flags and comments")
        await hands.press("Enter")
        await hands.press("Tab")
        await hands.press("Space")  # the first student is exempt
        await hands.go_to("Save scores", "**/columns/*")
        said = await hands.said()
        assert "All 2 entries are accepted." in said
        assert "17, exempt" in said
        assert "12.5" in said
        await hands.go_to("Check again", "**/columns/*")
        assert "All 2 entries are accepted." in await hands.said()


async def test_the_roll_by_keyboard_alone_and_no_script(service: Service, browser: Browser) -> None:
    async with old_window(service, browser, "-roll-keys") as (page, school):
        hands = Keyboard(page)
        first, second, _ = school.students
        await page.goto(f"{service.url}/?next=/sections/{school.section}/attendance")
        await hands.tab_to("username")
        await hands.type("teacher-roll-keys", PASSWORD)
        async with page.expect_navigation(url="**/attendance"):
            await hands.press("Enter")
        await hands.tab_to(f"a-{first}")
        await hands.press("ArrowRight")  # from present to tardy
        await hands.press("Tab")
        await hands.expect_focus(f"a-{second}")
        await hands.go_to("Take the roll", "**/attendance?day=*")
        said = await hands.said()
        assert "Alvarez, Mateo Tardy" in said
        assert "roll taken" in said


async def test_what_was_typed_is_there_again_after_going_back(service: Service, browser: Browser) -> None:
    async with old_window(service, browser, "-back") as (page, school):
        box = f"#s-{school.students[0]}"
        await page.goto(service.url)
        await page.fill("#username", "teacher-back")
        await page.fill("#password", PASSWORD)
        await send(page, "form.card button")
        await page.goto(f"{service.url}/sections/{school.section}/columns/{school.quiz}")
        await page.fill(box, "17")
        await send(page, ".last button")
        await page.wait_for_selector("text=Your entry is drafted")
        await page.go_back()
        await expect(page.locator(box)).to_have_value("17")
        await page.fill(box, "18")
        await send(page, ".last button")
        await page.wait_for_selector("text=Your entry is drafted")
        assert "Two values" not in await page.locator("main").inner_text()


async def test_forced_colours_and_paper(service: Service, browser: Browser, screenshot_dir: Path) -> None:
    connection = await asyncpg.connect(service.settings.database_url)
    school = await make_plain_school(connection, students=3, suffix="-paper")
    await connection.close()
    window = await new_window(browser, forced_colors="active", viewport=WIDE)
    walk = Walk(await window.new_page(), service, school, "forced", screenshot_dir)
    await walk.sign_in("teacher-paper")
    await walk.visit(walk.roll)
    await walk.page.screenshot(path=screenshot_dir / "forced-colours-roll.png", full_page=True)
    chosen = walk.page.locator(".segment:has(input:checked)").first
    await expect(chosen).to_have_css("outline-style", "solid")
    await window.close()
    window = await new_window(browser, color_scheme="dark", viewport=WIDE)
    walk.page = await window.new_page()
    await walk.sign_in("teacher-paper")
    await walk.visit(walk.column)
    await walk.score("15", "16")
    await walk.send(".last button")
    await walk.page.emulate_media(media="print")
    assert not await walk.page.locator(".check").is_visible()
    assert not await walk.page.locator(".who button").is_visible()
    assert await walk.page.locator(".slip .short").is_visible()
    await walk.page.screenshot(path=screenshot_dir / "paper-receipt.png", full_page=True)
    await window.close()
