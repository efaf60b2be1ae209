"""What the roll weighs, compressed with gzip; and what the first page weighs before anybody has signed in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.web.page_weight import loaded_by, scripts_of, style_of, words_of
from tests.web.roll_page import open_roll
from tests.web.sizes import SMALL

if TYPE_CHECKING:
    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool
    from tests.web.conftest import OpenPage

SCRIPT_BYTES_MAX = 22 * 1_024
WITH_WORDS_BYTES_MAX = 24 * 1_024
ALL_BYTES_MAX = 36 * 1_024
SIGN_IN_BYTES_MAX = 11 * 1_024
STYLE_BYTES_MAX = 8 * 1_024
LATER = ("roll_parts", "sign_in", "trouble", "unavailable")


@SMALL
async def test_what_the_roll_loads_by_itself(open_page: OpenPage, service: Service, school: GradebookSchool) -> None:
    roll = await open_roll(open_page, service, school, locale="es-MX")  # whose words weigh more
    await expect(roll.page.locator(".status")).to_be_visible()
    scripts, words = await loaded_by(roll.page, ".js"), await loaded_by(roll.page, ".json")
    sys.stderr.write(f"{sum(scripts.values())} bytes of scripts, {sum(words.values())} of words\n")
    assert not [name for name in scripts if name.split(".")[0] in LATER], scripts
    assert sorted(name.split("-")[0] for name in words) == ["attendance", "shared"]
    assert sum(scripts.values()) <= SCRIPT_BYTES_MAX, scripts
    assert sum(scripts.values()) + sum(words.values()) <= WITH_WORDS_BYTES_MAX, words
    # The form is there by the time that it is asked for: whoever is in the roll may want it next.
    async with roll.page.expect_response(lambda answer: "/assets/roll_parts." in answer.url):
        await roll.radio("Baker, Tanisha", "tardy").focus()


@SMALL
async def test_what_the_first_page_loads_before_anybody_has_signed_in(open_page: OpenPage) -> None:
    page = await open_page(as_user=None, locale="es-MX")
    await expect(page.locator("input[name=username]")).to_be_visible()
    loaded = {**await loaded_by(page, ".js"), **await loaded_by(page, ".json")}
    assert sum(loaded.values()) <= SIGN_IN_BYTES_MAX, loaded


def test_everything_that_the_roll_can_load() -> None:
    loaded = {**scripts_of("attendance"), **words_of("attendance", "es")}
    assert any(name.startswith("assets/roll_parts.") for name in loaded)
    assert any(name.startswith("assets/attendance_beside-es.") for name in loaded)
    assert sum(loaded.values()) <= ALL_BYTES_MAX, loaded


def test_its_style() -> None:
    assert style_of("attendance") <= STYLE_BYTES_MAX
