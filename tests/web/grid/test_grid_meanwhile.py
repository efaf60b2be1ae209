"""Ranges of the grid, what is taken back, and what others do meanwhile, on the bare page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.web.grid.bare_page import stop_clock
from tests.web.grid.test_grid_entry import events, go, keys, open_grid, shown, text, value

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page


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


async def test_a_range_stays_through_a_refresh_and_a_resize(page: Page) -> None:
    await go(page, 4, 1)
    await keys(page, "Shift+ArrowUp", "Shift+ArrowUp", "Shift+ArrowLeft")
    block = {"top": 2, "bottom": 4, "left": 0, "right": 1}
    await page.evaluate("bench.model.reorder(bench.model.order)")  # as when a colleague comes
    assert await page.evaluate("bench.grid.range") == block
    await page.evaluate("window.told = bench.events.length")
    await page.set_viewport_size({"width": 900, "height": 500})
    await page.wait_for_function("bench.events.length > told")
    assert await page.evaluate("bench.grid.range") == block
    assert await page.locator(".grid-range").is_visible()
    await keys(page, "Control+d")
    assert await column(page, 1, 5) == ["7", "14", "14", "14", "35"]
    await keys(page, "9")
    await page.evaluate("bench.model.reorder(bench.model.order)")
    assert await page.evaluate("bench.grid.range") == block


async def test_a_range_goes_with_its_students_or_is_none_any_more(page: Page) -> None:
    await keys(page, "Shift+ArrowDown", "Shift+ArrowDown")
    await page.evaluate("bench.model.reorder([9, 8, 2, 1, 0])")
    assert await page.evaluate("bench.grid.range") == {"top": 2, "bottom": 4, "left": 0, "right": 0}
    await page.evaluate("bench.model.reorder([9, 0, 1])")
    assert await page.evaluate("bench.grid.range") == {"top": 1, "bottom": 1, "left": 0, "right": 0}
    assert not await page.locator(".grid-range").is_visible()
    await keys(page, "Shift+ArrowDown")
    await page.evaluate("bench.model.reorder([1, 2, 3])")
    assert await page.evaluate("bench.grid.isRange") is False


async def test_escape_leaves_a_value_that_a_colleague_has_entered_over_mine(page: Page) -> None:
    await keys(page, "4")
    await page.clock.run_for(2100)
    await page.evaluate("bench.model.arrive(0, 0, '9')")
    await keys(page, "Escape")
    assert await text(page, 0, 0) == "9"
    assert await value(page) == "9"


async def test_a_paste_that_is_given_up_takes_nothing_back(page: Page) -> None:
    await keys(page, "6")
    await page.clock.run_for(2100)
    await keys(page, "7")
    await page.evaluate("bench.send('1\\nx')")  # doubtful: shown, and not confirmed
    assert await text(page, 0, 0) == "6"
    assert await value(page) == "6"
    await keys(page, "Control+z")
    assert await text(page, 0, 0) == "0"


async def test_a_range_that_was_extended_while_typing_is_emptied_and_pasted_over(page: Page) -> None:
    await keys(page, "5", "Shift+ArrowDown", "Delete")
    assert await column(page, 0, 2) == ["", "", "14"]
    await keys(page, "Control+z")
    assert await column(page, 0, 2) == ["5", "7", "14"]
    await keys(page, "6", "Shift+ArrowDown", "Shift+ArrowDown")
    await page.evaluate("bench.send('4')")
    assert await column(page, 0, 2) == ["4", "4", "4"]
    await keys(page, "3", "Shift+ArrowDown", "2", "Enter")
    assert await column(page, 0, 1) == ["2", "4"]


async def test_an_unreadable_text_is_copied_and_cut_as_it_is_shown_and_fills_nothing(page: Page) -> None:
    clip = """kind => {
        const clipboardData = new DataTransfer();
        const event = new ClipboardEvent(kind, { clipboardData, bubbles: true, cancelable: true });
        bench.grid.entry.input.dispatchEvent(event);
        return clipboardData.getData("text/plain");
    }"""
    await keys(page, "1", "x", "Shift+ArrowDown", "Shift+ArrowDown")
    assert await page.evaluate(clip, "copy") == "1x\n7\n14"
    await keys(page, "Control+d")
    assert await column(page, 0, 2) == ["0", "7", "14"]
    assert await shown(page, 0, 0) == "1x"
    await go(page, 1, 0)
    await keys(page, "Control+d")
    assert await text(page, 1, 0) == "7"
    assert await page.evaluate("bench.grid.has('undo')") is False
    await go(page, 0, 0)
    assert await page.evaluate(clip, "cut") == "1x"
    assert await shown(page, 0, 0) == ""


async def test_a_range_is_emptied_and_filled_over_what_could_not_be_read(page: Page) -> None:
    await keys(page, "Delete")
    for _ in range(2):
        await go(page, 1, 0)
        await keys(page, "Delete", "2", "x", "ArrowUp", "Shift+ArrowDown", "Control+d")
        assert [await shown(page, row, 0) for row in (0, 1)] == ["", ""]
    await go(page, 1, 0)
    await keys(page, "2", "x", "ArrowUp", "Shift+ArrowDown", "Delete")
    assert await shown(page, 1, 0) == ""
    assert await page.evaluate("bench.grid.entry.refusals") == 0


async def test_a_click_on_a_head_leaves_the_keys_to_the_grid(page: Page) -> None:
    await keys(page, "3")
    await page.locator("thead th").nth(2).click()
    assert len(await events(page, "head")) == 1
    assert await text(page, 0, 0) == "3"
    await keys(page, "8", "Enter")
    assert await text(page, 0, 0) == "8"


async def test_where_rows_or_columns_go_what_is_left_is_seen_in_the_same_moment(browser: Browser, url: str) -> None:
    """The browser tells of the scrolling that this takes back a frame later, in which the grid would be empty."""
    async with open_grid(browser, url, rows=200) as page:
        await page.set_viewport_size({"width": 600, "height": 600})
        await page.evaluate("bench.scroll(1e6, 1e6)")
        rows, columns = await page.evaluate("""() => {
            bench.model.reorder([...Array(60).keys()]);
            bench.model.narrow(8);
            const { rows } = bench.look();
            return [rows.map(({ row }) => row), rows[0].cells.map(({ column }) => column)];
        }""")
        assert rows == list(range(rows[0], 60))
        assert len(rows) > 20
        assert columns == list(range(columns[0], 8))
        assert len(columns) > 4
