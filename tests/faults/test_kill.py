"""The kill drill in short: an installation of its own, every durable setting, each process killed under load."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ops.drill.command import Row, table
from ops.drill.figures import longest_stall_s
from ops.environment import environment

ROOT = Path(__file__).resolve().parents[2]
DRILL_S_MAX = 240
QUICK_LEASES = {"INKFAST_LEASE_MS": "2000"}  # how long the partitions of a killed flusher wait for another


def test_nothing_is_lost_whoever_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ops.cli", "drill", "kill", "--rounds", "1", "--rate", "150", "--teachers", "8"]
    command += ["--pause-s", "1"]
    done = subprocess.run(
        [*command, "--out", tmp_path],
        cwd=ROOT,
        env={**environment(), **QUICK_LEASES},
        capture_output=True,
        text=True,
        check=False,
        timeout=DRILL_S_MAX,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 kills" in done.stdout
    assert "none lost, none twice, none out of order" in done.stdout
    (folder,) = tmp_path.iterdir()
    assert not (folder / "data").exists(), "stores are not kept"
    assert not (folder / "tokens.jsonl").exists(), "nor grants"
    for target in ("api", "flusher", "valkey", "postgres"):
        report = json.loads((folder / f"{target}.json").read_text())
        assert report["holds"]
        assert report["counts"]["acknowledged"] > 50
        assert (folder / f"{target}.jsonl").stat().st_size > 0
    assert json.loads((folder / "api.jsonl").read_text().splitlines()[-1])["figures"]["unrecorded"] == 0


CLEAN = Row("api", 5, 1000, 0, 0, 0, 0, 1.0, all_recorded=True)


@pytest.mark.parametrize(
    "row",
    [
        CLEAN._replace(lost=1),
        CLEAN._replace(duplicated=1),
        CLEAN._replace(out_of_order=1),
        CLEAN._replace(wrong=1),
        CLEAN._replace(all_recorded=False),
    ],
)
def test_a_drill_that_found_something_says_so(row: Row) -> None:
    assert CLEAN.is_clean
    assert not row.is_clean
    assert "THE PROMISE WAS BROKEN" in table([CLEAN, row])[-1]


def test_a_stall_lasts_from_the_first_sending_to_the_acknowledgement(tmp_path: Path) -> None:
    client = {"client_id": "c", "section_id": 1, "user_id": 2}
    events = [
        {"event": "sent", "t": 1_000_000},
        {"event": "failed", "t": 2_000_000},
        {"event": "sent", "t": 3_000_000},
        {"event": "answered", "t": 5_500_000},
        {"event": "answered", "t": 60_000_000},
    ]
    path = tmp_path / "ledger.jsonl"
    path.write_text("".join(json.dumps(event | client) + "\n" for event in events) + '{"event":"sen')
    assert longest_stall_s(path) == 4.5
