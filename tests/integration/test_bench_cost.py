"""`inkfast bench cost`: every comparison in one command, everything recorded, and nothing left behind."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
BYTES = {
    "journal, file",
    "journal, memory kept",
    "PostgreSQL, log",
    "PostgreSQL, tables",
    "API, read and written",
    "HTTP, requests",
    "HTTP, answers",
}


def test_every_part_is_measured_in_every_shape_and_nothing_is_left(bench_dir: Path) -> None:
    figures = bench_dir / "figures.json"
    by = ("--by", "processes", "--by", "shards")  # between them they have every shape
    done = subprocess.run(
        [sys.executable, "-m", "ops.cli", "bench", "cost", "--short", *by, "--json", figures, "--dir", bench_dir],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for sides in ("1 API process +2 API processes", "1 shard +3 shards"):
        assert re.search(rf"ms of CPU for 1,000 edits +{sides}", done.stdout), done.stdout
    measured = json.loads(figures.read_text())
    assert [each["growth"] for each in measured["compared"]] == ["processes", "shards"]
    for compared in measured["compared"]:
        ((few, many),) = compared["rounds"]
        for turn in (few, many):
            assert set(turn["cpu"]) == {"API", "journal", "flusher", "PostgreSQL"}
            assert all(0.001 < seconds < 60 for seconds in turn["cpu"].values()), turn
            assert set(turn["bytes"]) == BYTES
            # Three edits are a save of a good 1,000 bytes, and the journal keeps at least their values and ids.
            assert 300_000 < turn["bytes"]["HTTP, requests"] < 600_000
            assert turn["bytes"]["API, read and written"] > turn["bytes"]["HTTP, requests"]
            assert 100_000 < turn["bytes"]["journal, file"] < 2_000_000
            assert turn["bytes"]["PostgreSQL, log"] > 100_000
    assert list(bench_dir.iterdir()) == [figures]
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(bench_dir) in " ".join(p.info["cmdline"] or ())]
