"""From a key to its paint, 200 students by 60 columns, on this machine and on one six times slower.

Machines that run tests are shared and jitter, and jitter only ever adds: a budget holds for the best of five tries.
Beside it the floor is measured, an input that moves over an empty page. A machine on which the floor is above that of a
quiet one has no time to give: there the budget is longer by the same factor, and the figures are printed. What a page
costs otherwise is told in time on the processor: what other programs take does not count, but a core that they share is
slower. There the best of three tries counts.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.web.grid.bare_page import throttle
from tests.web.processor_time import ProcessorTime

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, ViewportSize

ROWS, COLUMNS, VALUES, TRIES = 200, 60, 60, 5
KEY_TO_PAINT_P95_MS_MAX = {1: 30, 6: 120}
# p95 of the floor on two quiet cores; the sketch of the grid found 19 and 30.
QUIET_FLOOR_MS = {1: 19, 6: 40}
SLOWER = 6
FIRST_PAINT_MS_MAX = 500
PASTE_MS_MAX = 1500
WHEEL_MS_MAX = 200
VALUE_MS_MAX = 30
VIEW: ViewportSize = {"width": 1366, "height": 768}
BLOCK = "\n".join("\t".join(str((row + column) % 100) for column in range(COLUMNS)) for row in range(ROWS))
BUILD = f"bench.build({ROWS}, {COLUMNS})"


async def open_page(browser: Browser, url: str) -> Page:
    page = await browser.new_page(viewport=VIEW)
    await page.goto(url)
    return page


async def type_down(page: Page) -> float:
    """Type values and Enter, each key once the last one is painted; p95 of all of them, or of Enter if that is more."""
    await page.evaluate("bench.times.length = 0")
    keys = [key for value in range(VALUES) for key in (*str(value), "Enter")]
    for count, key in enumerate(keys, 1):
        await page.keyboard.press(key)
        await page.evaluate("count => bench.typed(count)", count)
    times = await page.evaluate("bench.times")
    return max(p95([time["ms"] for time in times]), p95([time["ms"] for time in times if time["key"] == "Enter"]))


def p95(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]


async def styled_by(browser: Browser, page: Page, script: str) -> int:
    """How many elements had their style worked out until this was done."""
    await browser.start_tracing(page=page, categories=["devtools.timeline"])
    await page.evaluate(script)
    events = json.loads(await browser.stop_tracing())["traceEvents"]
    return sum(event["args"]["elementCount"] for event in events if event["name"] == "UpdateLayoutTree")


@pytest.mark.parametrize("rate", [1, 6])
async def test_a_key_is_painted_in_time(browser: Browser, url: str, rate: int) -> None:
    page = await open_page(browser, url)
    await throttle(page, rate)
    tries: list[tuple[float, float]] = []
    said = ""
    for _ in range(TRIES):
        await page.evaluate(BUILD)
        typed = await type_down(page)
        assert await page.evaluate("document.getElementById('host').scrollTop") > 1000
        await page.evaluate("bench.buildFloor()")
        tries.append((typed, await type_down(page)))
        floor = min(floor for _, floor in tries)
        budget = KEY_TO_PAINT_P95_MS_MAX[rate] * max(1, floor / QUIET_FLOOR_MS[rate])
        said = f"{rate}x: p95 (grid, floor) in ms {[(round(a), round(b)) for a, b in tries]}, budget {budget:.0f}"
        if min(typed for typed, _ in tries) <= budget:
            break
    else:
        pytest.fail(said)
    sys.stdout.write(f"{said}\n")
    await page.close()


async def test_the_first_cell_can_be_typed_in_soon(browser: Browser, url: str) -> None:
    found = []
    for _ in range(3):
        page = await open_page(browser, url)
        async with ProcessorTime(page) as spent:
            await page.evaluate(BUILD)
        found.append(spent.ms * SLOWER)
        await page.close()
    assert min(found) <= FIRST_PAINT_MS_MAX, found


async def test_a_whole_gradebook_is_pasted_in_time(browser: Browser, url: str) -> None:
    page = await open_page(browser, url)
    found = []
    for _ in range(3):
        await page.evaluate(f"bench.build({ROWS}, {COLUMNS}, false)")
        async with ProcessorTime(page) as spent:
            await page.evaluate("text => bench.paste(text)", BLOCK)
        found.append(spent.ms * SLOWER)
        assert await page.evaluate("bench.model.texts[199][58]") == str((199 + 58) % 100)
    await page.close()
    assert min(found) <= PASTE_MS_MAX, found


async def test_the_wheel_never_waits_long(browser: Browser, url: str) -> None:
    found: list[float] = []
    for _ in range(3):
        # Each try begins at the top of a page of its own: to go back there is no turn of a wheel, all is drawn anew.
        page = await open_page(browser, url)
        await page.evaluate(BUILD)
        turns = []
        for top in range(0, ROWS * 30, 300):
            async with ProcessorTime(page) as spent:
                await page.evaluate("top => bench.scroll(top, top / 2)", top)
            turns.append(spent.ms * SLOWER)
        await page.close()
        found.append(max(turns))
        if found[-1] <= WHEEL_MS_MAX:
            break
    sys.stdout.write(f"the longest turn of the wheel, ms at a sixth: {[round(ms) for ms in found]}\n")
    assert min(found) <= WHEEL_MS_MAX, found


async def test_a_turn_of_the_wheel_styles_no_cell_that_stays(browser: Browser, url: str) -> None:
    """Else every cell has its style worked out anew, which was a quarter of what a turn costs."""
    page = await open_page(browser, url)
    await page.evaluate(BUILD)
    await page.evaluate("bench.scroll(3000, 1000)")
    drawn = await page.locator("#host td").count()
    styled = await styled_by(browser, page, "bench.scroll(3000, 1150)")
    await page.close()
    assert 0 < styled < drawn / 2, (styled, drawn)


async def test_enter_costs_little(browser: Browser, url: str) -> None:
    page = await open_page(browser, url)
    found: list[float] = []
    for _ in range(3):
        await page.evaluate(BUILD)
        await page.evaluate("bench.grid.go(20, 2)")
        async with ProcessorTime(page) as spent:
            await type_down(page)
        found.append(spent.ms / VALUES)
        # A digit or two and Enter, with three paints and what this test asks for in between; 12 ms when it was written.
        if found[-1] <= VALUE_MS_MAX:
            break
    await page.close()
    sys.stdout.write(f"a value and Enter, ms: {[round(ms) for ms in found]}\n")
    assert min(found) <= VALUE_MS_MAX, found
