"""Every folder that holds tests is run by ./ops/test."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_folder_of_tests_belongs_to_a_stage() -> None:
    holds_tests = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    stages = (ROOT / "ops" / "test_stages.py").read_text()
    assert holds_tests == set(re.findall(r'"(tests/[a-z/]+)"', stages))
