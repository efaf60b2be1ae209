"""What is typed, pasted and taken back in the grid, key by key, on the bare page."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.grid.bare_page import stop_clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page


@pytest.fixture
async def page(browser: Browser, url: str) -> AsyncIterator[Page]:
    async with open_grid(browser, url) as page:
        yield page


@asynccontextmanager
async def open_grid(browser: Browser, url: str, rows: int = 50, **context: Any) -> AsyncIterator[Page]:
    page = await browser.new_page(viewport={"width": 1000, "height": 600}, **context)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(url)
    await page.evaluate(f"bench.build({rows}, 12)")
    yield page
    await page.close()
    assert not errors


async def keys(page: Page, *presses: str) -> None:
    for press in presses:
        await page.keyboard.press(press)


async def text(page: Page, row: int, column: int) -> str:
    return str(await page.evaluate("([row, column]) => bench.model.text(row, column)", [row, column]))


async def shown(page: Page, row: int, column: int) -> str:
    cell = page.locator(f'tr[aria-rowindex="{row + 2}"] td[aria-colindex="{column + 2}"]')
    return (await cell.text_content()) or ""


async def value(page: Page) -> str:
    return await page.locator(".grid-input").input_value()


async def events(page: Page, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await page.evaluate("kind => bench.events.filter((e) => e.kind === kind)", kind)
    return found


async def go(page: Page, row: int, column: int) -> None:
    await page.evaluate("([row, column]) => bench.grid.go(row, column)", [row, column])


async def active(page: Page) -> tuple[int, int]:
    found = await page.evaluate("[bench.grid.active.row, bench.grid.active.column]")
    return found[0], found[1]


async def test_enter_goes_down_and_over_to_the_next_column_past_one_that_is_read_only(page: Page) -> None:
    await go(page, 49, 8)
    await keys(page, "5", "Enter")
    assert await active(page) == (0, 10)
    assert await text(page, 49, 8) == "5"
    await keys(page, "Shift+Enter")
    assert await active(page) == (49, 8)


async def test_tab_goes_right_while_somebody_types_and_else_leaves(page: Page) -> None:
    await keys(page, "1", "Tab", "2", "Tab")
    assert await active(page) == (0, 2)
    await keys(page, "Escape", "Tab")
    assert not await page.evaluate("document.activeElement === bench.grid.entry.input")
    assert [await text(page, 0, 0), await text(page, 0, 1)] == ["1", "2"]


async def test_tab_leaves_at_the_last_cell(page: Page) -> None:
    await go(page, 0, 11)
    await keys(page, "3", "Tab")
    assert not await page.evaluate("document.activeElement === bench.grid.entry.input")
    assert await text(page, 0, 11) == "3"


async def test_what_waits_is_entered_after_a_pause_and_once_for_undo(page: Page) -> None:
    await stop_clock(page)
    await keys(page, "4")
    assert await text(page, 0, 0) == "0"
    await page.clock.run_for(2100)
    assert await text(page, 0, 0) == "4"
    await keys(page, "5")
    await page.clock.run_for(2100)
    assert await text(page, 0, 0) == "45"
    assert await value(page) == "45"
    await keys(page, "Enter", "Control+z")
    assert await text(page, 0, 0) == "0"
    assert await active(page) == (0, 0)


async def test_escape_takes_back_what_a_pause_has_entered(page: Page) -> None:
    await stop_clock(page)
    await keys(page, "4")
    await page.clock.run_for(2100)
    await keys(page, "5", "Escape")
    assert await text(page, 0, 0) == "0"
    assert await value(page) == "0"
    assert await page.evaluate("bench.grid.has('undo')") is False


async def test_leaving_the_page_or_the_grid_enters_what_was_typed(page: Page) -> None:
    await stop_clock(page)
    await keys(page, "4")
    await page.evaluate("window.dispatchEvent(new PageTransitionEvent('pagehide'))")
    assert await text(page, 0, 0) == "4"
    await keys(page, "5")
    await page.evaluate("bench.grid.entry.input.blur()")
    assert await text(page, 0, 0) == "45"


async def test_an_unreadable_text_stays_in_its_cell_until_it_is_mended(page: Page) -> None:
    await stop_clock(page)
    await page.keyboard.type("17x")
    await keys(page, "Enter")
    assert await active(page) == (1, 0)
    assert await shown(page, 0, 0) == "17x"
    assert await text(page, 0, 0) == "0"
    assert [event["sentence"] for event in await events(page, "refused")] == ["This column takes numbers; 17x is none."]
    cell = page.locator('tr[aria-rowindex="2"] td[aria-colindex="2"]')
    assert await cell.get_attribute("aria-label") == "17x, This column takes numbers; 17x is none."
    await keys(page, "ArrowUp")
    assert await value(page) == "17x"
    assert await page.locator(".grid-input").get_attribute("aria-invalid") == "true"
    assert await page.locator(".grid-says").is_visible()
    await keys(page, "F2", "Backspace", "Enter")
    assert await text(page, 0, 0) == "17"
    assert await page.evaluate("bench.grid.entry.refusals") == 0


async def test_escape_gives_up_an_unreadable_text(page: Page) -> None:
    await page.keyboard.type("abc")
    await keys(page, "Enter", "ArrowUp", "Escape")
    assert await value(page) == "0"
    assert await shown(page, 0, 0) == "0"
    assert await page.evaluate("bench.grid.entry.refusals") == 0


async def test_a_colleagues_value_never_replaces_what_is_being_typed(page: Page) -> None:
    await stop_clock(page)
    await keys(page, "4")
    await page.evaluate("bench.model.arrive(0, 0, '77')")
    assert await value(page) == "4"
    assert len(await events(page, "theirs")) == 1
    assert await page.locator(".grid-active.has-theirs").count() == 1
    seen = "const enter = bench.model.enter.bind(bench.model); bench.model.enter = (e) => (window.got = e, enter(e)); 0"
    await page.evaluate(seen)
    await keys(page, "2", "Enter")
    # The model is told what the teacher saw when she began, so that hers can become a conflict.
    assert await page.evaluate("window.got") == [{"row": 0, "column": 0, "text": "42", "seen": "0"}]
    assert await page.locator(".grid-active.has-theirs").count() == 0


async def test_a_colleagues_value_is_shown_at_once_where_nobody_types(page: Page) -> None:
    await page.evaluate("bench.model.arrive(0, 0, '77')")
    assert await value(page) == "77"
    await keys(page, "8", "Enter")
    assert await text(page, 0, 0) == "8"


async def test_what_is_typed_follows_its_student_through_a_sort(page: Page) -> None:
    await keys(page, "9")
    await page.evaluate("bench.model.reorder(Array.from({length: 50}, (_, i) => 49 - i))")
    assert await value(page) == "9"
    await keys(page, "Enter")
    assert await page.evaluate("[bench.model.texts[0][0], bench.model.texts[49][0]]") == ["9", "43"]


async def test_what_is_typed_for_a_student_who_is_filtered_away_is_entered_and_no_more(page: Page) -> None:
    await stop_clock(page)
    before = await page.evaluate("bench.model.texts")
    await keys(page, "9")
    await page.evaluate("bench.model.reorder([5, 6, 7])")
    await keys(page, "8", "Enter")  # are for nobody
    before[0][0] = "9"
    assert await page.evaluate("bench.model.texts") == before
    await page.evaluate("bench.model.reorder([0, 5, 6, 7])")
    assert await shown(page, 0, 0) == "9"
    await keys(page, "Control+z")
    assert await page.evaluate("bench.model.texts") == before


async def test_what_cannot_be_read_waits_for_a_student_who_is_filtered_away(page: Page) -> None:
    await stop_clock(page)
    await keys(page, "9", "x")
    await page.evaluate("bench.model.reorder([5, 6, 7])")
    assert [event["sentence"] for event in await events(page, "refused")] == ["This column takes numbers; 9x is none."]
    await page.evaluate("bench.model.reorder([0, 5, 6, 7])")
    assert await shown(page, 0, 0) == "9x"
    assert await page.evaluate("bench.grid.entry.refusals") == 1


async def test_copy_and_paste_between_cells_by_the_keyboard(page: Page) -> None:
    await keys(page, "Shift+ArrowDown", "Shift+ArrowRight", "Control+c")
    await go(page, 4, 3)
    await keys(page, "Control+v")
    assert [await text(page, row, column) for row in (4, 5) for column in (3, 4)] == ["0", "1", "7", "8"]
    await keys(page, "Control+z")
    assert await text(page, 4, 3) == "31"
    assert (await events(page, "undone"))[0]["cells"] == 4
    await go(page, 0, 0)
    await keys(page, "Shift+ArrowDown", "Control+x")
    assert [await text(page, 0, 0), await text(page, 1, 0)] == ["", ""]


async def test_one_value_fills_the_range(page: Page) -> None:
    await keys(page, "Shift+ArrowDown", "Shift+ArrowDown", "Shift+ArrowRight")
    await page.evaluate("bench.send('55')")
    assert [await text(page, row, column) for row in (0, 1, 2) for column in (0, 1)] == ["55"] * 6


@pytest.mark.parametrize(
    ("clip", "fact"),
    [
        ("1\t2\nx\t4", ("refused", 1)),
        ("\n".join(["1"] * 3), ("rowsCut", 1)),
        ("1\t2\t3", ("columnsCut", 1)),
        ("1\n101", ("warned", 1)),
        ("1\n\n", ("emptied", 1)),
    ],
)
async def test_a_doubtful_paste_is_shown_before_it_is_entered(page: Page, clip: str, fact: tuple[str, int]) -> None:
    await go(page, 48, 10)
    before = await page.evaluate("JSON.stringify(bench.model.texts)")
    await page.evaluate("clip => bench.send(clip)", clip)
    assert await page.evaluate("JSON.stringify(bench.model.texts)") == before
    facts = await page.evaluate("""() => {
        const { preview } = bench.events.find((event) => event.kind === "preview");
        window.preview = preview;
        const count = (is) => preview.cells.filter(is).length;
        return { rowsCut: preview.rowsCut, columnsCut: preview.columnsCut, refused: count((c) => !c.verdict.isTaken),
          warned: count((c) => c.verdict.warning), emptied: count((c) => !c.text) };
    }""")
    assert facts[fact[0]] == fact[1]
    # Sorted meanwhile: every value finds its student all the same.
    await page.evaluate("bench.model.reorder(bench.model.order.slice().reverse())")
    assert await page.evaluate("preview.confirm().hidden") == 0
    assert await page.evaluate("bench.model.texts[48][10]") == "1"
    await keys(page, "Control+z")
    assert await page.evaluate("JSON.stringify(bench.model.texts)") == before


async def test_undo_leaves_alone_what_others_have_changed_since(page: Page) -> None:
    await page.evaluate("bench.send('1\\n2\\n3')")
    await page.evaluate("bench.model.arrive(1, 0, '99')")
    await keys(page, "Control+z")
    assert [await text(page, row, 0) for row in range(3)] == ["0", "99", "14"]
    told = (await events(page, "undone"))[0]
    assert (told["cells"], told["left"]) == (2, 1)
    await keys(page, "Control+z")
    assert (await events(page, "nothingTo"))[0]["what"] == "undo"


async def test_caret_mode_moves_in_the_text(page: Page) -> None:
    await go(page, 2, 0)
    await keys(page, "F2", "ArrowLeft", "5", "Enter")
    assert await text(page, 2, 0) == "154"
    await page.locator('tr[aria-rowindex="6"] td[aria-colindex="5"]').dblclick()
    await keys(page, "Home", "1", "Enter")
    assert await text(page, 4, 3) == "131"


async def test_keys_for_comment_and_menu_tell_the_page(page: Page) -> None:
    await go(page, 3, 2)
    await keys(page, "Control+m", "Shift+F10")
    assert [(e["row"], e["column"]) for kind in ("comment", "menu") for e in await events(page, kind)] == [(3, 2)] * 2
    await page.locator('tr[aria-rowindex="7"] td[aria-colindex="5"]').click(button="right")
    assert (await events(page, "menu"))[-1]["row"] == 5
    await page.locator("thead th").nth(2).click()
    assert (await events(page, "head"))[0]["column"] == 1


async def test_a_read_only_column_says_so_and_takes_nothing(page: Page) -> None:
    await go(page, 0, 9)
    await keys(page, "5", "Enter")
    assert await text(page, 0, 9) == "9"
    assert len(await events(page, "readOnly")) == 1


async def test_dragging_chooses_a_block_and_delete_empties_it(page: Page) -> None:
    await page.locator('tr[aria-rowindex="3"] td[aria-colindex="3"]').hover()
    await page.mouse.down()
    await page.locator('tr[aria-rowindex="5"] td[aria-colindex="4"]').hover()
    await page.mouse.up()
    assert await page.evaluate("bench.grid.range") == {"top": 1, "bottom": 3, "left": 1, "right": 2}
    await keys(page, "Delete")
    assert [await text(page, row, column) for row in (1, 2, 3) for column in (1, 2)] == [""] * 6
    await keys(page, "Control+z")
    assert await text(page, 1, 1) == "8"


async def test_a_head_tells_anew_of_its_cells_a_moment_after_they_changed(page: Page) -> None:
    await page.evaluate(
        "bench.model.columnHead = () => ({ title: 'Quiz 0', detail: bench.model.text(0, 0), width: 72 })"
    )
    await keys(page, "8", "Enter")
    detail = page.locator('thead th[aria-colindex="2"] small')
    await detail.filter(has_text="8").wait_for()


async def test_typing_replaces_the_text_however_the_focus_came(page: Page) -> None:
    await page.evaluate("bench.grid.entry.input.blur()")
    await go(page, 3, 0)
    await page.evaluate("bench.grid.entry.input.blur()")
    await page.locator(".grid-input").evaluate(
        "(input) => { input.setSelectionRange(0, 0); input.blur(); input.focus(); }"
    )
    await keys(page, "5", "Enter")
    assert await text(page, 3, 0) == "5"


async def test_redo_does_it_again(page: Page) -> None:
    await keys(page, "8", "Enter", "Control+z", "Control+Shift+z")
    assert await text(page, 0, 0) == "8"
    assert (await events(page, "redone"))[0]["cells"] == 1


async def test_fill_down_copies_the_first_row_of_the_range(page: Page) -> None:
    await keys(page, "Shift+ArrowRight", "Shift+ArrowDown", "Shift+ArrowDown", "Control+d")
    assert [await text(page, row, column) for row in (1, 2) for column in (0, 1)] == ["0", "1"] * 2


async def test_an_input_method_composes_in_peace(page: Page) -> None:
    await stop_clock(page)
    client = await page.context.new_cdp_session(page)
    await client.send("Input.imeSetComposition", {"text": "1", "selectionStart": 1, "selectionEnd": 1})
    await page.clock.run_for(5000)
    assert await text(page, 0, 0) == "0"
    await page.evaluate("""bench.grid.entry.input.dispatchEvent(
        new KeyboardEvent("keydown", { key: "Enter", keyCode: 229, bubbles: true, isComposing: true }))""")
    assert await active(page) == (0, 0)
    await client.send("Input.insertText", {"text": "17"})
    await page.clock.run_for(2100)
    assert await text(page, 0, 0) == "17"
    await keys(page, "Enter")
    assert await active(page) == (1, 0)


async def test_paper_gets_every_row_and_the_screen_its_window_back(browser: Browser, url: str) -> None:
    async with open_grid(browser, url, rows=200) as page:
        drawn = "document.querySelectorAll('tbody tr[aria-rowindex]').length"
        assert await page.evaluate(drawn) < 40
        await page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert await page.evaluate(drawn) == 200
        await page.emulate_media(media="print")
        assert await page.locator("thead").evaluate("(e) => getComputedStyle(e).display") == "table-header-group"
        assert not await page.locator(".grid-input").is_visible()
        await page.emulate_media(media="screen")
        await page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        await page.wait_for_function(f"{drawn} < 40")  # as soon as the screen has its size again


async def test_a_finger_chooses_at_the_first_tap_and_types_after_the_second(browser: Browser, url: str) -> None:
    async with open_grid(browser, url, has_touch=True) as page:
        await page.evaluate("bench.grid.entry.input.blur()")
        cell = page.locator('tr[aria-rowindex="4"] td[aria-colindex="4"]')
        box = await cell.bounding_box()
        assert box is not None
        x, y = box["x"] + 20, box["y"] + 10
        await page.touchscreen.tap(x, y)
        assert await active(page) == (2, 2)
        assert await page.locator(".grid-input").evaluate("(e) => e.readOnly") is True
        await page.touchscreen.tap(x, y)
        assert await page.locator(".grid-input").evaluate("(e) => e.readOnly") is False
        await keys(page, "6", "Enter")
        assert await text(page, 2, 2) == "6"
        # The keyboard stays open for the next ones.
        await page.touchscreen.tap(x, y)
        assert await page.locator(".grid-input").evaluate("(e) => e.readOnly") is False
