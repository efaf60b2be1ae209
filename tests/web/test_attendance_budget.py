"""What the roll weighs, compressed with gzip; and what the first page weighs before anybody has signed in.

The goal for the roll's scripts is 22 KB, and they are above it: Preact, the outbox, what stands in a section with what
others do to it, and the status line weigh that much before the page has a line of its own. So three limits hold here,
so that nothing grows unseen: on what a page loads by itself, on what the roll adds to the list of sections, and on
everything with the forms and the week, which come when they are wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.web.page_weight import loaded_by, scripts_of, style_of
from tests.web.roll_page import open_roll
from tests.web.sizes import SMALL

if TYPE_CHECKING:
    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage

BY_ITSELF_BYTES_MAX = 31 * 1_024
ADDED_BYTES_MAX = 13 * 1_024
ALL_BYTES_MAX = 46 * 1_024
SIGN_IN_BYTES_MAX = 16 * 1_024
STYLE_BYTES_MAX = 8 * 1_024
LATER = (
    "roll_parts",
    "attendance_beside",
    "refusals",
    "sign_in",
    "trouble",
)


@SMALL
async def test_what_the_roll_loads_by_itself(open_page: OpenPage, service: Service, school: GradebookSchool) -> None:
    roll = await open_roll(open_page, service, school, locale="es-MX")  # whose words weigh more
    await expect(roll.page.locator(".status")).to_be_visible()
    loaded = await loaded_by(roll.page)
    assert not [name for name in loaded if name.split(".")[0] in LATER], loaded
    assert sum(loaded.values()) <= BY_ITSELF_BYTES_MAX, loaded
    # The form is there by the time that it is asked for: whoever is in the roll may want it next.
    async with roll.page.expect_response(lambda answer: "/assets/roll_parts." in answer.url):
        await roll.radio("Baker, Tanisha", "tardy").focus()


@SMALL
async def test_what_the_first_page_loads_before_anybody_has_signed_in(open_page: OpenPage) -> None:
    page = await open_page(as_user=None, locale="es-MX")
    await expect(page.locator("input[name=username]")).to_be_visible()
    loaded = await loaded_by(page)
    assert sum(loaded.values()) <= SIGN_IN_BYTES_MAX, loaded


def test_what_the_roll_adds_to_what_the_list_of_sections_has() -> None:
    added = {name: weight for name, weight in scripts_of("attendance").items() if name not in scripts_of("home")}
    assert sum(added.values()) <= ADDED_BYTES_MAX, added


def test_everything_that_the_roll_can_load() -> None:
    loaded = scripts_of("attendance")
    assert sum(loaded.values()) <= ALL_BYTES_MAX, loaded
    assert any(name.startswith("assets/attendance.") for name in loaded)


def test_its_style() -> None:
    assert style_of("attendance") <= STYLE_BYTES_MAX
