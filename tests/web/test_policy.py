"""What no page does: run what is not its own, talk to another host, show a cookie to a script, weigh too much."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

from app.api.web_assets import POLICY
from tests.web.conftest import sign_in
from tests.web.grade_page import GradePage
from tests.web.laptop import until_page
from tests.web.page_weight import style_of
from tests.web.roll_page import RollPage

if TYPE_CHECKING:
    from playwright.async_api import ConsoleMessage, Page, Request, Response

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage

PAGES = ("home", "gradebook", "attendance", "receipts", "compatibility")
STYLE_BYTES_MAX = 8 * 1024
NOTE_VIOLATIONS = """
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) =>
        window.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
"""


class Watch:
    """Everything that a window asks for, and is told off for."""

    def __init__(self, page: Page, service: Service) -> None:
        self.page = page
        self.host = urlsplit(service.url).netloc
        self.faults: list[str] = []
        self.assets: list[Response] = []
        page.context.on("request", self._look_at_request)
        page.context.on("response", self._look_at_response)
        page.on("console", self._hear)

    def _look_at_request(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in {"data", "blob"} and url.netloc != self.host:
            self.faults.append(f"a request to {request.url}")

    def _look_at_response(self, response: Response) -> None:
        path = urlsplit(response.url).path
        if path.startswith("/app/assets/"):
            self.assets.append(response)
        is_page = path.startswith("/app/") and response.headers.get("content-type", "").startswith("text/html")
        if is_page and response.headers["content-security-policy"] != POLICY:
            self.faults.append(f"{path} came with {response.headers['content-security-policy']}")

    def _hear(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Refused to" in message.text:
            self.faults.append(message.text)

    async def look(self, where: str) -> None:
        """Ask the page what it was told off for, and what its scripts can read."""
        self.faults += [f"{where}: {said}" for said in await self.page.evaluate("window.violations")]
        cookies = await self.page.evaluate("document.cookie")
        if cookies:
            self.faults.append(f"{where}: scripts can read {cookies}")


async def test_a_walk_through_every_page_breaks_no_policy(
    open_page: OpenPage, service: Service, school: GradebookSchool
) -> None:
    page = await open_page("/livez", as_user=None)
    await page.add_init_script(NOTE_VIOLATIONS)
    watch = Watch(page, service)
    await page.goto("/app/")
    await expect(page.get_by_label("User name")).to_be_visible()
    await watch.look("signed out")
    await sign_in(page, service, school.teacher_name)
    await page.goto("/app/")
    await expect(page.get_by_role("listitem")).to_have_count(2)
    await watch.look("home")

    await page.goto(f"/app/sections/{school.section}")
    grades = await GradePage(page, service, school).ready()
    await grades.go("Alvarez, Mateo", "Test 2")
    await grades.type("90", "ex", "nonsense")
    await page.keyboard.press("Control+z")
    await grades.is_recorded({(school.columns[5], school.students[0]): {"score": "90"}})
    await watch.look("gradebook")

    await page.goto(f"/app/sections/{school.section}/attendance")
    await RollPage(page, service, school).ready()
    await page.locator(".student input[value=tardy]").first.click()
    await watch.look("attendance")

    for name in ("receipts", "compatibility"):
        await page.goto(f"/app/{name}")
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await watch.look(name)
    assert watch.faults == []
    kept = {response.headers["cache-control"] for response in watch.assets if not response.from_service_worker}
    assert kept == {"public, max-age=31536000, immutable"}
    coded = [response.headers.get("content-encoding") for response in watch.assets if not response.from_service_worker]
    assert "br" in coded or "gzip" in coded


async def test_the_policy_bites(open_page: OpenPage, service: Service) -> None:
    """What the walk listens for is heard: a style and a script that are not the page's own are refused."""
    page = await open_page("/livez", as_user=None)
    await page.add_init_script(NOTE_VIOLATIONS)
    watch = Watch(page, service)
    await page.goto("/app/")
    await page.evaluate(
        """() => {
            document.body.insertAdjacentHTML("beforeend", '<p style="color: red">.</p>');
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
        }"""
    )
    await until_page(page, "window.violations.length >= 2")
    assert await page.evaluate("window.ran") is None
    await watch.look("home")
    assert len(watch.faults) >= 2


@pytest.mark.parametrize("name", PAGES)
def test_the_style_of_a_page_is_small(name: str) -> None:
    assert 0 < style_of(name) <= STYLE_BYTES_MAX
