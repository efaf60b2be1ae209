"""The grid for those who hear it, enlarge it, choose their colours, or have a keyboard only: every state of a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.async_playwright import Axe

from tests.browsing import screenshots

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, ViewportSize

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# What passes is not described: that takes longer than the checking.
OPTIONS = {"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]}
DESK: ViewportSize = {"width": 1366, "height": 768}
# All that is dressed is in sight; axe takes as long as there are cells.
DRESSED: ViewportSize = {"width": 900, "height": 520}
SCHEMES: list[dict[str, Any]] = [
    {"color_scheme": "light"},
    {"color_scheme": "dark"},
    {"color_scheme": "light", "forced_colors": "active"},
    {"color_scheme": "dark", "forced_colors": "active"},
]


async def open_dressed(browser: Browser, url: str, view: ViewportSize = DESK, **context: Any) -> Page:
    """A page with every mark and flag, a refused text under the input, and a range."""
    page = await browser.new_page(viewport=view, **context)
    await page.goto(url)
    await page.evaluate("bench.build(200, 60)")
    await page.evaluate("bench.dressAll()")
    await page.evaluate("bench.grid.go(8, 1)")
    await page.keyboard.type("17x")
    await page.keyboard.press("Enter")
    return page


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda s: "-".join(s.values()))
async def test_axe_finds_nothing(browser: Browser, url: str, scheme: dict[str, Any]) -> None:
    page = await open_dressed(browser, url, DRESSED, **scheme)
    name = "-".join(scheme.values())
    await page.screenshot(path=screenshots() / f"grid-{name}-range.png")
    for state in ("Shift+ArrowDown", "ArrowUp"):
        await page.keyboard.press(state)
        found = await Axe().run(page, options=OPTIONS)
        faults = [(v["id"], [n["html"][:160] for n in v["nodes"][:3]]) for v in found.response["violations"]]
        assert not faults
    await page.keyboard.press("Home")
    await page.keyboard.press("ArrowRight")
    await page.screenshot(path=screenshots() / f"grid-{name}-refused.png")
    await page.close()


async def test_cells_are_heard_with_their_states(browser: Browser, url: str) -> None:
    page = await open_dressed(browser, url)

    async def heard(row: int, column: int) -> str:
        cell = page.locator(f'tr[aria-rowindex="{row + 2}"] [aria-colindex="{column + 2}"]')
        # Behind a name of its own come the letters that are drawn.
        return (await cell.aria_snapshot()).split('": ')[0].rstrip('"')

    assert await heard(6, 5) == '- gridcell "47'
    assert await heard(2, 3) == '- gridcell "17, exempt, has a comment, queued'
    assert await heard(8, 1) == '- gridcell "17x, This column takes numbers; 17x is none.'
    assert await heard(2, -1) == '- rowheader "Student 2'
    await page.keyboard.press("ArrowUp")
    active = page.get_by_role("textbox", name="Student 8, Quiz 1, out of 100")
    assert await active.evaluate("(e) => document.getElementById(e.getAttribute('aria-describedby')).textContent") == (
        "This column takes numbers; 17x is none."
    )
    assert "grid" in await page.get_by_role("grid", name="Scores").aria_snapshot()
    await page.close()


async def test_states_are_told_apart_without_colour(browser: Browser, url: str) -> None:
    """Two states never look the same in grey: the shapes differ."""
    page = await open_dressed(browser, url)
    await page.add_style_tag(content=".grid { filter: grayscale(1) } .grid td { color: transparent }")
    looks = []
    for row in range(6):
        looks.extend(
            [
                await page.locator(f'tr[aria-rowindex="{row + 2}"] td[aria-colindex="{column + 2}"]').screenshot()
                for column in range(4)
            ]
        )
    assert len(set(looks)) == len(looks)
    await page.close()


async def test_the_keyboard_comes_in_goes_round_and_leaves(browser: Browser, url: str) -> None:
    page = await browser.new_page(viewport=DESK)
    await page.goto(url)
    await page.evaluate("bench.build(200, 60)")
    await page.evaluate("""() => {
        const [before, after] = [document.createElement("button"), document.createElement("button")];
        [before.id, after.id] = ["before", "after"];
        document.body.prepend(before);
        document.body.append(after);
        before.focus();
    }""")
    focused = "document.activeElement.id || document.activeElement.className"
    await page.keyboard.press("Tab")
    # One stop for the whole grid.
    assert await page.evaluate(focused) == "grid-input"
    for key in ("Control+End", "PageUp", "Home", "Control+Home", "PageDown", "End"):
        await page.keyboard.press(key)
        seen = await page.evaluate("""() => {
            const host = document.getElementById("host");
            const [box, view] = [document.activeElement.getBoundingClientRect(), host.getBoundingClientRect()];
            return box.top >= view.top + 58 && box.bottom <= view.top + host.clientHeight
              && box.left >= view.left + 210 && box.right <= view.left + host.clientWidth;
        }""")
        assert seen, key
    await page.keyboard.press("Tab")
    assert await page.evaluate(focused) == "after"
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Shift+Tab")
    assert await page.evaluate(focused) == "before"
    await page.close()


@pytest.mark.parametrize("view", [(683, 384), (320, 568)], ids=["200 %", "400 %"])
async def test_enlarged_the_active_cell_is_still_seen_whole(
    browser: Browser, url: str, view: tuple[int, int], request: pytest.FixtureRequest
) -> None:
    page = await open_dressed(browser, url, {"width": view[0], "height": view[1]}, device_scale_factor=2)
    for key in ("Control+End", "Control+Home"):
        await page.keyboard.press(key)
        box = await page.locator(".grid-input").bounding_box()
        name = await page.locator(".grid-corner").bounding_box()
        assert box is not None
        assert name is not None
        assert box["x"] >= name["width"] - 1
        assert box["x"] + box["width"] <= view[0]
    assert await page.evaluate("document.documentElement.scrollWidth") <= view[0]
    await page.screenshot(path=screenshots() / f"grid-{view[0]}.png")
    await page.close()


async def test_larger_letters_make_larger_cells(browser: Browser, url: str) -> None:
    page = await browser.new_page(viewport=DESK)
    await page.goto(url)
    await page.add_style_tag(content="html { font-size: 32px } body { font-size: 28px }")
    await page.evaluate("bench.build(50, 10)")
    cell = await page.locator(".grid-input").bounding_box()
    assert cell is not None
    assert (cell["height"], cell["width"]) == (60, 144)
    await page.close()


async def test_nothing_moves_by_itself(browser: Browser, url: str) -> None:
    page = await open_dressed(browser, url)
    moving = await page.evaluate("""[...document.querySelectorAll("*")].filter((e) => {
        const style = getComputedStyle(e);
        return style.animationName !== "none" || style.transitionDuration !== "0s";
    }).length""")
    assert moving == 0
    await page.close()
