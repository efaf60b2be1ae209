"""The way from a bare Python to the command: what makes an installation stale."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ops import bootstrap


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository with its two locks, in which nothing is installed yet."""
    for name in ("run", "dev"):
        (tmp_path / f"{name}.lock").write_text(f"{name}==1\n")
    monkeypatch.setattr(bootstrap, "REQUIREMENTS", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    monkeypatch.setattr(bootstrap, "MADE_IN", tmp_path / "made-in")
    return tmp_path


def _mark(root: Path, profile: str) -> None:
    (root / f"installed-{profile}").write_text(bootstrap.fingerprint(profile))


def test_nothing_is_installed_at_first(root: Path) -> None:
    assert not bootstrap.installed("run")


def test_an_unchanged_lock_installs_nothing(root: Path) -> None:
    _mark(root, "run")
    assert bootstrap.installed("run")
    assert not bootstrap.installed("dev")


def test_the_dev_lock_serves_both(root: Path) -> None:
    _mark(root, "dev")
    assert bootstrap.installed("run")


def test_a_changed_lock_is_installed(root: Path) -> None:
    _mark(root, "run")
    (root / "run.lock").write_text("run==2\n")
    assert not bootstrap.installed("run")


def test_a_vanished_interpreter_is_noticed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _mark(root, "run")
    monkeypatch.setattr(bootstrap, "PYTHON", root / "gone")
    assert not bootstrap.installed("run")
    assert not bootstrap.usable_venv()


def test_a_moved_venv_is_made_anew(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "PYTHON", Path(sys.executable))
    assert bootstrap.usable_venv()
    (root / "made-in").write_text("/elsewhere")
    assert not bootstrap.usable_venv()


def test_a_program_that_fails_shows_what_it_said(capfd: pytest.CaptureFixture[str]) -> None:
    assert bootstrap.run("/bin/sh", "-c", "echo quiet")
    assert not bootstrap.run("/bin/sh", "-c", "echo loud; exit 3")
    assert capfd.readouterr().err == "loud\n"


def test_giving_up_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        bootstrap.give_up("no")
    assert capsys.readouterr().err == "setup: no\n"
