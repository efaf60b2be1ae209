"""The `inkfast` command: quick help, and commands that break alone."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ops import cli
from ops.processes import ServerError

ROOT = Path(__file__).resolve().parents[2]


def test_help_names_every_command_and_imports_none() -> None:
    program = "import sys; from ops import cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {module for module, _ in cli.COMMANDS.values()}
    assert not loaded & {"asyncpg", "redis", "litestar"}
    said = CliRunner().invoke(cli.inkfast, ["--help"]).output
    assert all(f"\n  {name} " in said for name in cli.COMMANDS)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_is_there_and_teaches(name: str) -> None:
    result = CliRunner().invoke(cli.inkfast, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert len(result.output.splitlines()) > 5


def test_a_broken_command_breaks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.COMMANDS, "audit", ("ops.not_there", ""))
    result = CliRunner().invoke(cli.inkfast, ["audit"])
    assert result.exit_code == 1
    assert "`audit` cannot be loaded" in result.output
    assert CliRunner().invoke(cli.inkfast, ["migrate", "--help"]).exit_code == 0


def test_what_a_person_can_mend_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def migrate() -> None:
        raise ServerError("the disk is full")

    monkeypatch.setattr(importlib.import_module("ops.migrate"), "migrate", migrate)
    monkeypatch.setattr(sys, "argv", ["inkfast", "migrate"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "inkfast: the disk is full\n"
