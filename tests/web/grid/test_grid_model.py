"""Random keys, scrolls, pastes, sorts, other people's changes: after each, the grid shows what a plain table says."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.grid.bare_page import stop_clock
from tests.web.grid.twin import Cell, Twin

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, ViewportSize

ROW_PX, HEAD_PX, NAME_PX = 30, 58, 210
SEEDS = [1, 2, 3]
STEPS = 80
ARROWS = {"ArrowUp": (-1, 0), "ArrowDown": (1, 0), "ArrowLeft": (0, -1), "ArrowRight": (0, 1)}
TYPED = ["17", "8.5", "ex", "100", "0", "abc", "1,5", "17x"]


class Player:
    """Does one thing to the page and to its twin."""

    def __init__(self, page: Page, rows: int, columns: int, chance: random.Random) -> None:
        self.page = page
        self.twin = Twin(rows, columns)
        self.rows = rows
        self.chance = chance
        self.is_seen = True  # whether the active cell must be in sight

    async def step(self) -> str:
        doings = [
            self.type_value, self.type_value, self.arrow, self.arrow, self.jump, self.page_key, self.extend,
            self.scroll, self.paste, self.arrive, self.reorder, self.undo, self.clear, self.fill, self.tab,
            self.click, self.escape,
        ]  # fmt: skip
        doing = self.chance.choice(doings)
        self.is_seen = doing not in (
            self.scroll,
            self.arrive,
            self.reorder,
            self.clear,
            self.fill,
            self.paste,
            self.undo,
        )
        return f"{doing.__name__} {await doing() or ''}"

    async def press(self, key: str) -> None:
        await self.page.keyboard.press(key)

    async def look(self) -> dict[str, Any]:
        # As one text: thousands of values, each packed by itself, take most of the test's time.
        found: dict[str, Any] = json.loads(await self.page.evaluate("JSON.stringify(bench.look())"))
        return found

    async def type_value(self) -> str:
        text = self.chance.choice(TYPED)
        key = self.chance.choice(["Enter", "Shift+Enter", "ArrowRight", "ArrowUp"])
        twin = self.twin
        at = twin.active
        await self.page.keyboard.type(text)
        await self.press(key)
        if not twin.is_read_only(at.column):
            twin.is_entering = True
            if text != twin.shown(at):
                twin.enter({at: text})
        if key in ARROWS:
            twin.go(at.row + ARROWS[key][0], at.column + ARROWS[key][1])
        else:
            twin.step_down(1 if key == "Enter" else -1)
        return f"{text} {key}"

    async def arrow(self) -> str:
        key = self.chance.choice(list(ARROWS))
        down, right = ARROWS[key]
        is_jump = self.chance.random() < 0.2
        await self.press(f"Control+{key}" if is_jump else key)
        active = self.twin.active
        self.twin.go(*(self.twin.edge(active, down, right) if is_jump else (active.row + down, active.column + right)))
        return f"{key} {is_jump}"

    async def extend(self) -> str:
        key = self.chance.choice(list(ARROWS))
        for _ in range(self.chance.randrange(1, 5)):
            await self.press(f"Shift+{key}")
            end = self.twin.end
            self.twin.go(end.row + ARROWS[key][0], end.column + ARROWS[key][1], extend=True)
        self.is_seen = False
        return key

    async def jump(self) -> str:
        key = self.chance.choice(["Home", "End", "Control+Home", "Control+End"])
        await self.press(key)
        row, last = self.twin.active.row, self.twin.last
        to = {"Home": (row, 0), "End": (row, last.column), "Control+Home": (0, 0), "Control+End": last}
        self.twin.go(*to[key])
        return key

    async def page_key(self) -> str:
        key = self.chance.choice(["PageUp", "PageDown"])
        seen = await self.page.evaluate("bench.grid.rowsSeen")
        await self.press(key)
        row, column = self.twin.active
        self.twin.go(row + (seen if key == "PageDown" else -seen), column)
        return key

    async def tab(self) -> str:
        twin = self.twin
        beside = twin.next_open(twin.active.column, 1) if twin.is_entering else None
        if beside is None:
            self.is_seen = False
            return "would leave"
        await self.press("Tab")
        twin.go(twin.active.row, beside)
        return "Tab"

    async def escape(self) -> None:
        await self.press("Escape")
        self.twin.is_entering = False
        self.twin.refused.pop((self.twin.order[self.twin.active.row], self.twin.active.column), None)
        self.twin.go(*self.twin.active)

    async def scroll(self) -> str:
        top, left = self.chance.randrange(0, self.rows * ROW_PX), self.chance.randrange(0, 5000)
        await self.page.evaluate("([top, left]) => bench.scroll(top, left)", [top, left])
        return f"{top} {left}"

    async def click(self) -> str:
        look = await self.look()
        clip = look["clip"]
        cells = [
            (Cell(row["row"], cell["column"]), cell["left"] + 20, row["top"] + 10)
            for row in look["rows"]
            for cell in row["cells"]
            if clip["top"] + HEAD_PX <= row["top"] < clip["bottom"] - ROW_PX
            and clip["left"] + NAME_PX <= cell["left"] < clip["right"] - 40
        ]
        cell, x, y = self.chance.choice(cells)
        await self.page.mouse.click(x, y)
        self.twin.go(*cell)
        return str(cell)

    async def paste(self) -> str:
        height, width = self.chance.randrange(1, 5), self.chance.randrange(1, 4)
        block = [[self.chance.choice(["1", "22", "ex", "7.5"]) for _ in range(width)] for _ in range(height)]
        text = "\r\n".join("\t".join(row) for row in block)
        twin = self.twin
        await self.page.evaluate("text => bench.paste(text)", text)
        twin.is_entering = False
        twin.refused.pop((twin.order[twin.active.row], twin.active.column), None)
        span = twin.span()
        if height == width == 1:
            twin.fill({c: text for c in span if text != twin.text(c)})
            return text
        top, left = span[0]
        wanted = {Cell(top + i, left + j): block[i][j] for j in range(width) for i in range(height)}
        inside = [c for c in wanted if c.row <= twin.last.row and c.column <= twin.last.column]
        twin.fill({c: wanted[c] for c in inside if wanted[c] != twin.text(c)})
        return repr(text)

    async def arrive(self) -> str:
        row, column = self.chance.randrange(len(self.twin.order)), self.chance.randrange(self.twin.columns)
        await self.page.evaluate("([row, column]) => bench.model.arrive(row, column, '55')", [row, column])
        self.twin.texts[self.twin.order[row]][column] = "55"
        return f"{row} {column}"

    async def reorder(self) -> str:
        order = self.chance.sample(range(self.rows), self.chance.randrange(self.rows // 2, self.rows + 1))
        await self.page.evaluate("order => bench.model.reorder(order)", order)
        self.twin.reorder(order)
        return f"{len(order)} rows"

    async def undo(self) -> str:
        is_redo = self.chance.random() < 0.4
        await self.press("Control+y" if is_redo else "Control+z")
        if is_redo:
            self.twin.redo()
        else:
            self.twin.undo()
        return "redo" if is_redo else "undo"

    async def clear(self) -> None:
        await self.press("Delete")
        twin = self.twin
        twin.is_entering = False
        twin.refused.pop((twin.order[twin.active.row], twin.active.column), None)
        twin.fill(dict.fromkeys(twin.span(), ""))

    async def fill(self) -> None:
        await self.press("Control+d")
        span = self.twin.span()
        top, bottom = span[0].row, span[-1].row
        source = top if bottom > top else top - 1
        if source >= 0:
            self.twin.fill(
                {c: self.twin.shown(Cell(source, c.column)) for c in span if c.row > source},
            )


def check(look: dict[str, Any], twin: Twin, *, is_seen: bool) -> None:
    """The page shows what the twin says, where it says it is."""
    assert look["order"] == twin.order
    assert look["texts"] == [twin.texts[row] for row in twin.order]
    assert (look["active"]["row"], look["active"]["column"]) == twin.active
    assert look["hasFocus"]
    assert look["counts"] == [str(len(twin.order) + 1), str(twin.columns + 1)]
    rows, clip = look["rows"], look["clip"]
    first = rows[0]["row"]
    assert [row["row"] for row in rows] == list(range(first, first + len(rows)))
    columns = [cell["column"] for cell in rows[0]["cells"]]
    assert columns == list(range(columns[0], columns[0] + len(columns)))
    lefts = [cell["left"] for cell in rows[0]["cells"]]
    origin = rows[0]["top"] - first * ROW_PX
    for row in rows:
        assert row["name"] == f"Student {twin.order[row['row']]}"
        assert row["top"] == pytest.approx(origin + row["row"] * ROW_PX, abs=0.5)
        assert [cell["column"] for cell in row["cells"]] == columns
        assert [cell["left"] for cell in row["cells"]] == lefts
        assert [cell["text"] for cell in row["cells"]] == [twin.shown(Cell(row["row"], c)) for c in columns]
    heads = look["heads"]
    assert [head["text"] for head in heads] == ["Student", *(f"Quiz {column}" for column in columns)]
    assert [head["left"] for head in heads[1:]] == lefts
    # The names and the heads stay where they are.
    assert heads[0]["left"] == look["nameLeft"] == clip["left"]
    assert look["headTop"] == clip["top"]
    # Nothing that is in sight is missing.
    assert first == 0 or rows[0]["top"] <= clip["top"] + HEAD_PX
    assert rows[-1]["row"] == twin.last.row or rows[-1]["top"] + ROW_PX >= clip["bottom"]
    assert columns[0] == 0 or rows[0]["cells"][0]["left"] <= clip["left"] + NAME_PX
    assert columns[-1] == twin.last.column or rows[0]["cells"][-1]["left"] + 60 >= clip["right"]
    check_input(look, twin, origin, is_seen=is_seen)


def check_input(look: dict[str, Any], twin: Twin, origin: float, *, is_seen: bool) -> None:
    given, clip = look["input"], look["clip"]
    assert given["value"] == twin.shown(twin.active)
    assert given["name"] == f"Student {twin.order[twin.active.row]}, Quiz {twin.active.column}, out of 100"
    assert given["top"] == pytest.approx(origin + twin.active.row * ROW_PX, abs=0.5)
    for cell in look["rows"][0]["cells"]:
        if cell["column"] == twin.active.column:
            assert given["left"] == pytest.approx(cell["left"], abs=0.5)
    if is_seen:
        assert clip["top"] + HEAD_PX - 0.5 <= given["top"] <= clip["bottom"] - ROW_PX + 0.5
        assert clip["left"] + NAME_PX - 0.5 <= given["left"] < clip["right"]


@pytest.mark.parametrize("size", [(200, 60), (12, 8)], ids=["windowed", "whole"])
@pytest.mark.parametrize("seed", SEEDS)
async def test_the_grid_shows_what_a_plain_table_says(
    browser: Browser, url: str, size: tuple[int, int], seed: int
) -> None:
    chance = random.Random(f"{seed} {size}")
    view: ViewportSize = {"width": chance.choice([800, 1366]), "height": chance.choice([500, 768])}
    page = await browser.new_page(viewport=view)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(url)
    await page.evaluate("([rows, columns]) => bench.build(rows, columns)", list(size))
    await stop_clock(page)
    player = Player(page, *size, chance)
    done: list[str] = []
    for _ in range(STEPS):
        done.append(await player.step())
        look = await player.look()
        try:
            check(look, player.twin, is_seen=player.is_seen)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, {size}, after {done[-8:]}: {error}") from error
    assert not errors
    await page.close()
