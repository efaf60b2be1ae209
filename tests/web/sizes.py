"""How large the section of a test is."""

from __future__ import annotations

import pytest


def sized(students: int, columns: int, filled: float = 0.5) -> pytest.MarkDecorator:
    """Have `school` be a section of this size; `filled` is how much of it has a score."""
    size = {"students": students, "columns": columns, "filled": filled}
    return pytest.mark.parametrize("school", [size], indirect=True, ids=[f"{students}x{columns}"])


SMALL = sized(5, 3)
ORDINARY = sized(35, 30, filled=0.8)
LARGE = sized(200, 60, filled=0.8)
EMPTY = sized(0, 0, filled=0)
