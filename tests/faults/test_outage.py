"""The drill of hours without PostgreSQL, in seconds."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ops.drill.outage import DRAIN_RATIO_MIN, Outage, lines
from ops.environment import environment

ROOT = Path(__file__).resolve().parents[2]
DRILL_S_MAX = 400
CLEAN = Outage(60.0, 1000, 0, 10.0, 40.0, 15.0, 1.0, audit_holds=True, all_recorded=True)


def test_no_save_fails_while_postgresql_is_away_and_what_piled_up_is_recorded_fast(
    server_dir: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "ops.cli", "drill", "outage"]
    command += ["--minutes", "0.4", "--teachers", "8", "--rate", "60"]
    done = subprocess.run(
        [*command, "--out", tmp_path],
        cwd=ROOT,
        env={**environment(), "TMPDIR": str(server_dir)},
        capture_output=True,
        text=True,
        check=False,
        timeout=DRILL_S_MAX,
    )
    told = re.search(r"([\d.]+) times as fast", done.stdout)
    assert told, done.stdout + done.stderr
    # After so short an outage most of the time is PostgreSQL's start: then it may be less than three times as fast.
    assert float(told[1]) > 1.0, done.stdout
    assert done.returncode == 0 or float(told[1]) <= DRAIN_RATIO_MIN, done.stdout
    assert "failed saves: 0" in done.stdout
    assert "nothing lost, nothing twice" in done.stdout


@pytest.mark.parametrize(
    "found",
    [
        CLEAN._replace(failed_saves=1),
        CLEAN._replace(drain_rate=29.0),
        CLEAN._replace(audit_holds=False),
        CLEAN._replace(all_recorded=False),
    ],
)
def test_an_outage_that_went_wrong_says_so(found: Outage) -> None:
    assert CLEAN.passed
    assert lines(CLEAN)[-1] == "passed"
    assert lines(found)[-1] == "DID NOT PASS"
