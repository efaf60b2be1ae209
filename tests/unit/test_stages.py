"""Every folder that holds tests is run by ./ops/test, and what another runner counted is read as it meant it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ops.test_stages import Count, read_node_totals

ROOT = Path(__file__).resolve().parents[2]


def test_every_folder_of_tests_belongs_to_a_stage() -> None:
    holds_tests = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    stages = (ROOT / "ops" / "test_stages.py").read_text()
    assert holds_tests == set(re.findall(r'"(tests/[a-z/]+)"', stages))


@pytest.mark.parametrize(
    ("said", "count"),
    [
        ("ok 1 - a\n# tests 3\n# pass 3\n# fail 0\n# cancelled 0\n# skipped 0\n# todo 0\n# duration_ms 12.5\n", (3, 0)),
        ("✔ a\n\u2139 tests 4\n\u2139 pass 2\n\u2139 fail 1\n\u2139 skipped 1\n\u2139 todo 0\n", (2, 2)),
        ("no test matches\n", (0, 1)),
        ("", (0, 1)),
    ],
)
def test_totals_of_node(said: str, count: tuple[int, int]) -> None:
    assert read_node_totals(said) == Count(*count)
