"""A rolling deploy under load: new processes beside old ones, and nobody is refused or loses anything."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from itertools import groupby
from typing import TYPE_CHECKING

import pytest

import app.main
from ops.audit.checks import audit_stores
from ops.drill.faults.releases import NEXT, copy_release, make_former, make_next
from ops.drill.installation import DrillInstallation
from ops.installation import Installation
from tests.faults.typists import ROOT, Typists

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("api-1", "api-2", "flusher", "housekeeping", "disk-guard")
TEACHERS = 4


@pytest.fixture(scope="module")
def running(server_dir: Path) -> Iterator[DrillInstallation]:
    installation = DrillInstallation(server_dir / "deploy", TEACHERS)
    installation.root = copy_release(server_dir / "deploy-release")
    with installation:
        yield installation


def _deploy(data_dir: Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [sys.executable, "-m", "ops.cli", "deploy", "--data-dir", data_dir]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=180)


def test_the_next_release_is_deployed_under_load_and_fails_no_save_and_loses_nothing(
    running: DrillInstallation, tmp_path: Path
) -> None:
    """Its API writes entries that the old flusher, still beside it, cannot read."""
    running.write_tokens(tmp_path / "tokens.jsonl")
    before = {name: running.pid(name) for name in NAMES}
    ledger = tmp_path / "ledger.jsonl"
    typists = Typists(running.url, tmp_path / "tokens.jsonl", ledger, rate=100, teachers=TEACHERS)
    make_next(running.root)
    with typists:
        done = _deploy(running.data_dir)
        assert done.returncode == 0, done
    assert re.findall(r"^([\w-]+): process \d+ for \d+, in [\d.]+ s$", done.stdout, re.MULTILINE) == list(NAMES)
    assert done.stdout.endswith("done\n")
    after = {name: running.pid(name) for name in NAMES}
    assert all(after[name] not in {None, before[name]} for name in NAMES)
    log = (running.installation.log_dir / "api-1.log").read_text()
    versions = [version for version, _ in groupby(re.findall(r'"version":"(next-)?', log))]
    assert versions == ["", "next-"], "two versions, one after the other"
    report = asyncio.run(audit_stores(running.settings, [ledger], 60, lambda _: None))
    assert report.holds, report
    assert report.counts["acknowledged"] > 100
    refused = typists.figures()["refused"]
    # A connection that was idle when its process ended may be met by the next request; that is sent again. No answer
    # from the service was a refusal.
    assert set(refused) <= {"no answer"}, refused


def test_the_former_release_can_be_put_back(tmp_path: Path) -> None:
    folder = copy_release(tmp_path / "release")
    make_next(folder)
    assert all((folder / change.path).read_bytes() != (ROOT / change.path).read_bytes() for change in NEXT)
    make_former(folder)
    assert all((folder / change.path).read_bytes() == (ROOT / change.path).read_bytes() for change in NEXT)


def test_without_an_installation_it_says_so(server_dir: Path, running: DrillInstallation) -> None:
    written = running.installation.read()
    other = Installation(server_dir / "nobody")
    other.data_dir.mkdir()
    other.run_dir.mkdir()
    other.write(**written)
    done = _deploy(other.data_dir)
    assert done.returncode == 1
    assert "no `inkfast up` is running" in done.stderr


def test_old_and_new_share_the_port_of_their_figures() -> None:
    with app.main._listen("127.0.0.1", 0, is_shared=True) as old:
        port = old.getsockname()[1]
        with app.main._listen("127.0.0.1", port, is_shared=True) as new:
            assert new.getsockname() == old.getsockname()
