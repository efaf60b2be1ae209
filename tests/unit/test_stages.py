"""Every folder that holds tests is run by ./ops/test, and what another runner counted is read as it meant it."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from ops.test_stages import STAGES, Aside, Count, read_node_totals

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


def test_who_runs_beside_a_stage_comes_right_after_it() -> None:
    for at, stage in enumerate(STAGES):
        after = STAGES[at + 1 : at + 1 + len(stage.beside)]
        assert {other.name for other in after} == stage.beside


@pytest.mark.parametrize(
    ("program", "count"),
    [
        ("print('...'); print('3 passed, 0 failed')", (3, 0)),
        ("print('3 passed, 1 failed'); raise SystemExit(1)", (3, 1)),
        ("print('3 passed, 0 failed'); raise SystemExit(1)", (3, 1)),
        ("print('3 passed, 0 failed'); print('Traceback')", (0, 1)),
        ("pass", (0, 1)),
    ],
)
def test_what_ran_aside_is_counted_and_said(
    program: str,
    count: tuple[int, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("ops.test_stages.REPORTS", tmp_path)
    assert Aside("a", [sys.executable, "-c", program]).wait(60) == Count(*count)
    assert capsys.readouterr().out == (tmp_path / "a.txt").read_text()


def test_what_hangs_aside_is_ended_and_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.test_stages.REPORTS", tmp_path)
    program = "import sys, time; print('3 passed, 0 failed', flush=True); time.sleep(600)"
    aside = Aside("a", [sys.executable, "-c", program])
    assert aside.wait(1).failed == 1
    assert aside._process.returncode


def test_what_ran_aside_took_as_long_as_it_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.test_stages.REPORTS", tmp_path)
    aside = Aside("a", [sys.executable, "-c", "print('3 passed, 0 failed')"])
    aside.wait(60)
    os.utime(tmp_path / "a.txt", (1_000, 1_000))  # it has ended long before somebody asks
    assert aside.spoke_last == 1_000
