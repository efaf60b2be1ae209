"""No long functions, no long files, no catch-all names: the tail is where every codebase is worst."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 400
CATCH_ALL = {"utils", "util", "helpers", "helper", "common", "manager", "base", "core", "misc", "lib"}
PRODUCT = sorted(p for folder in ("app", "workers", "ops", "loadtests") for p in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", PRODUCT, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= FILE_LINES_MAX
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert not long


def test_no_catch_all_names() -> None:
    names = {part for path in PRODUCT for part in path.relative_to(ROOT).with_suffix("").parts}
    assert not names & CATCH_ALL
