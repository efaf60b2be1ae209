"""The pages' own drawing beside Preact's: random documents, changes, clicks and typing; both must come to the same."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from app.api.web_files import WEB
from ops.environment import environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page

SEEDS = range(1, int(environment().get("INKFAST_TEST_SEEDS", "12")) + 1)
STEPS = 25


@pytest.fixture(scope="module")
def built() -> None:
    """The bare page is bundled by itself: nothing else has to be built."""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Bundle the page that draws with both: here `preact` is Preact."""
    out = tmp_path_factory.mktemp("drawing") / "page.js"
    program = [str(WEB / "node_modules" / ".bin" / "esbuild"), str(WEB / "drawing" / "test" / "page.ts")]
    subprocess.run([*program, "--bundle", "--log-level=warning", f"--outfile={out}"], check=True)
    return out.read_text()


@pytest.fixture
async def page(browser: Browser, script: str) -> AsyncIterator[Page]:
    page = await browser.new_page()
    await page.goto("about:blank")
    await page.evaluate(script)
    yield page
    await page.close()


async def test_it_draws_what_preact_draws(page: Page) -> None:
    for seed in SEEDS:
        assert await page.evaluate("([seed, steps]) => compare(seed, steps)", [seed, STEPS]) == []


async def test_what_has_the_focus_keeps_it_wherever_it_comes_to_stand(page: Page) -> None:
    for seed in SEEDS:
        assert await page.evaluate("([seed, orders]) => keepFocus(seed, orders)", [seed, 50]) == []


async def test_what_throws_stays_as_it_was_and_keeps_nothing_else_from_being_done(page: Page) -> None:
    assert await page.evaluate("throwing()") == [
        *("error: part", "<div><b>1</b>1</div>"),
        "<div><b>2</b><p>2</p>2</div>",
        *("error: part", "<div><b>3</b><p>2</p>3</div>"),
        "<div><b>4</b><p>4</p>4</div>",
        *("a begins", "b begins", "c begins", "error: b"),
        *("a ends", "c ends", "error: a", "end"),
    ]
