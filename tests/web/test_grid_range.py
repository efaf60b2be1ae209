"""What is done to a range of the grid, and what happens to it meanwhile, on the bare page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.web.grid_window import build_page, stop_clock
from tests.web.test_grid_entry import keys, open_grid, text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page


@pytest.fixture(scope="module")
def built() -> None:
    """The bare page is bundled by itself: nothing else has to be built."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build_page(tmp_path_factory.mktemp("grid"))


@pytest.fixture
async def page(browser: Browser, url: str) -> AsyncIterator[Page]:
    async with open_grid(browser, url) as page:
        await stop_clock(page)
        yield page


async def column(page: Page, top: int, bottom: int) -> list[str]:
    """What the first column says from row to row."""
    return [await text(page, row, 0) for row in range(top, bottom + 1)]


async def test_what_is_typed_after_a_fill_replaces_the_text(page: Page) -> None:
    await keys(page, "5")
    await page.clock.run_for(2100)
    await keys(page, "Shift+ArrowDown", "Shift+ArrowDown", "Control+d", "7", "Enter")
    assert await column(page, 0, 3) == ["7", "5", "5", "21"]
    await keys(page, "Control+z")
    assert await column(page, 0, 3) == ["5", "5", "5", "21"]
    await keys(page, "Control+z")
    assert await column(page, 0, 3) == ["5", "7", "14", "21"]
