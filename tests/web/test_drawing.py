"""The pages' own drawing beside Preact's: random documents, changes, clicks and typing; both must come to the same."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from ops.environment import environment
from tests.web.grid_window import WEB

if TYPE_CHECKING:
    from playwright.async_api import Browser

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


async def test_it_draws_what_preact_draws(browser: Browser, script: str) -> None:
    page = await browser.new_page()
    try:
        await page.goto("about:blank")
        await page.evaluate(script)
        for seed in SEEDS:
            assert await page.evaluate("([seed, steps]) => compare(seed, steps)", [seed, STEPS]) == []
    finally:
        await page.close()
