"""What the grid must show, said again without a browser: a plain table of texts, a cell, a range, steps to undo."""

from __future__ import annotations

import re
from typing import NamedTuple


class Cell(NamedTuple):
    row: int
    column: int


Texts = dict[tuple[int, int], str]


class Twin:
    """Rows are known by the number that they had at first; `order` says which are shown where."""

    def __init__(self, rows: int, columns: int) -> None:
        self.columns = columns
        self.order = list(range(rows))
        self.texts = [[str((row * 7 + column) % 100) for column in range(columns)] for row in range(rows)]
        self.active = Cell(0, 0)
        self.end = Cell(0, 0)
        self.is_entering = False
        self.refused: Texts = {}
        self.undo_steps: list[list[tuple[int, int, str, str]]] = []
        self.redo_steps: list[list[tuple[int, int, str, str]]] = []

    @property
    def last(self) -> Cell:
        return Cell(len(self.order) - 1, self.columns - 1)

    def text(self, cell: Cell) -> str:
        return self.texts[self.order[cell.row]][cell.column]

    def shown(self, cell: Cell) -> str:
        return self.refused.get((self.order[cell.row], cell.column), self.text(cell))

    @staticmethod
    def is_read_only(column: int) -> bool:
        return column % 10 == 9

    @staticmethod
    def is_readable(text: str) -> bool:
        return re.fullmatch(r"[0-9]*\.?[0-9]*|ex", text) is not None

    def go(self, row: int, column: int, *, extend: bool = False) -> None:
        cell = Cell(min(max(0, row), self.last.row), min(max(0, column), self.last.column))
        self.end = cell
        if not extend:
            self.active = cell

    def span(self) -> list[Cell]:
        rows = sorted((self.active.row, self.end.row))
        columns = sorted((self.active.column, self.end.column))
        return [Cell(r, c) for c in range(columns[0], columns[1] + 1) for r in range(rows[0], rows[1] + 1)]

    def enter(self, wanted: dict[Cell, str]) -> None:
        """Enter texts as one step; what cannot be read is kept where it was typed."""
        step = []
        for cell, text in wanted.items():
            key = (self.order[cell.row], cell.column)
            if not self.is_readable(text):
                self.refused[key] = text
                continue
            self.refused.pop(key, None)
            before = self.text(cell)
            self.texts[key[0]][cell.column] = text
            if before != text:
                step.append((*key, before, text))
        if step:
            self.undo_steps.append(step)
            self.redo_steps.clear()

    def fill(self, cells: dict[Cell, str]) -> None:
        """Enter texts where they differ, and where typing is possible."""
        wanted = {c: t for c, t in cells.items() if not self.is_read_only(c.column) and t != self.shown(c)}
        self.enter({c: t for c, t in wanted.items() if self.is_readable(t)})

    def turn(self, steps: list[list[tuple[int, int, str, str]]], back: list[list[tuple[int, int, str, str]]]) -> None:
        if not steps:
            return
        done = []
        step = steps.pop()
        if hidden := [change for change in step if change[0] not in self.order]:
            steps.append(hidden)
        for row, column, before, after in step:
            if row in self.order and self.texts[row][column] == after:
                self.texts[row][column] = before
                done.append((row, column, after, before))
        if done:
            back.append(done)
            self.go(self.order.index(done[0][0]), done[0][1])

    def undo(self) -> None:
        self.turn(self.undo_steps, self.redo_steps)

    def redo(self) -> None:
        self.turn(self.redo_steps, self.undo_steps)

    def next_open(self, column: int, by: int) -> int | None:
        column += by
        while 0 <= column <= self.last.column:
            if not self.is_read_only(column):
                return column
            column += by
        return None

    def step_down(self, by: int) -> None:
        row, column = self.active
        if 0 <= row + by <= self.last.row:
            self.go(row + by, column)
            return
        beside = self.next_open(column, by)
        if beside is None:
            self.go(row, column)
        else:
            self.go(0 if by > 0 else self.last.row, beside)

    def reorder(self, order: list[int]) -> None:
        key, other = self.order[self.active.row], Cell(self.order[self.end.row], self.end.column)
        self.order = order
        row = order.index(key) if key in order else min(self.active.row, len(order) - 1)
        self.go(row, self.active.column)
        if key in order and other.row in order:
            self.end = Cell(order.index(other.row), other.column)

    def edge(self, cell: Cell, down: int, right: int) -> Cell:
        def is_inside(c: Cell) -> bool:
            return 0 <= c.row <= self.last.row and 0 <= c.column <= self.last.column

        def is_filled(c: Cell) -> bool:
            return is_inside(c) and self.text(c) != ""

        step = Cell(cell.row + down, cell.column + right)
        runs_on = is_filled(cell) and is_filled(step)
        while is_inside(step):
            if runs_on and not is_filled(step):
                break
            cell, step = step, Cell(step.row + down, step.column + right)
            if not runs_on and is_filled(cell):
                break
        return cell
