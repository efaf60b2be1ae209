"""`inkfast rehearse` for real, small: a pass, a report, and every way in which nothing is shown."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import psutil
import pytest

from ops.environment import environment
from ops.rehearse.stand import Target, embedded

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
FIELDS = {
    *(
        "verdict",
        "teachers",
        "edits",
        "audit",
        "age_ms",
        "request_ms",
        "generator",
        "format",
        "slo",
        "faults",
        "machine",
    ),
    *("edits_per_s", "oldest_unrecorded_s_max", "journal_depth_max", "cost", "seed", "duration_s", "scale", "revision"),
}
TYPING_S_MAX = 60.0
HELD_S = 5.0


class Place:
    """An installation that is there, and how to run commands beside it."""

    def __init__(self, target: Target, folder: Path) -> None:
        assert target.installation is not None
        self.target = target
        self.folder = folder
        self.data_dir = target.installation.data_dir
        self.grants = folder / "grants.jsonl"
        self.slo = folder / "slo.toml"
        self.slo.write_text("[slo]\nrequest_ms_p99 = 60000\ndrafted_age_ms_p99 = 60000\n")

    def environment(self, *, with_stores: bool = True) -> dict[str, str]:
        ours = {"DATABASE_URL", "REDIS_URL", "INKFAST_SECRET_KEY", "INKFAST_SNAPSHOT_CACHE_URL"}
        kept = {name: value for name, value in environment().items() if name not in ours}
        return kept if with_stores else kept | {"HOME": str(self.folder)}

    def start(self, *arguments: str | Path, with_stores: bool = True, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env=self.environment(with_stores=with_stores) | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def rehearse(self, out: Path, *arguments: str | Path, with_stores: bool = True) -> tuple[int, str]:
        command = ("ops.cli", "rehearse", "smoke", "--duration", "5s", "--teachers", "12", "--quiet", "--out", out)
        # The machine of a test run is busy with other tests, and stands still for seconds now and then.
        command += ("--late-ms-max", "60000", "--slo", self.slo)
        started = self.start(*command, *arguments, with_stores=with_stores)
        said, _ = started.communicate(timeout=120)
        return started.returncode, said

    def here(self, *, data_dir: Path | None = None, grants: Path | None = None) -> tuple[str | Path, ...]:
        where = ("--host", self.target.url, "--data-dir", data_dir or self.data_dir)
        return (*where, "--grants", grants or self.grants)

    def sql(self, statement: str) -> str:
        assert self.target.installation is not None
        server = self.target.installation.own_stores.postgres
        from ops.servers import postgres_bin  # noqa: PLC0415 -- beside what it is for

        done = subprocess.run(
            [postgres_bin() / "psql", server.dsn, "-qAtXc", statement], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()


@pytest.fixture(scope="module")
def place(server_dir: Path) -> Iterator[Place]:
    folder = server_dir / "rehearse"
    folder.mkdir(mode=0o711)
    with embedded(1, folder, folder / "logs", {"INKFAST_SAVE_WINDOW_MS": "1000"}) as target:
        there = Place(target, folder)
        made = there.start(
            *("ops.cli", "rehearse", "prepare", "--teachers", "12", "--data-dir", there.data_dir, "--out", there.grants)
        )
        said, _ = made.communicate(timeout=120)
        assert made.returncode == 0, said
        yield there


def run_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text())


def test_a_rehearsal_passes_and_leaves_everything_that_an_operator_wants(place: Place, tmp_path: Path) -> None:
    status, said = place.rehearse(tmp_path, *place.here())
    assert status == 0, said
    assert re.search(r"^Go: 12 teachers, .*, every objective held\.$", said, re.MULTILINE), said
    run = run_of(tmp_path)
    assert run.keys() >= FIELDS
    assert run["edits"]["offered"] == run["edits"]["drafted"] == run["edits"]["recorded"] > 20
    assert (run["audit"]["audited"], run["audit"]["lost"], run["audit"]["duplicated"]) == (True, 0, 0)
    assert run["audit"]["sent"] == run["edits"]["offered"]
    for figures in (run["age_ms"]["drafted"], run["age_ms"]["recorded"], run["request_ms"]):
        assert 0 < figures["p50"] <= figures["p95"] <= figures["p99"] <= figures["max"]
    assert run["age_ms"]["recorded"]["p50"] >= run["age_ms"]["drafted"]["p50"] - 500
    assert run["generator"]["valid"]
    assert run["generator"]["sockets"] == 12
    assert '<h1 class="pass">' in (tmp_path / "report.html").read_text()
    assert ET.parse(tmp_path / "junit.xml").getroot().get("failures") == "0"  # noqa: S314 -- our own
    rows = list(csv.DictReader((tmp_path / "series.csv").read_text().splitlines()))
    assert sum(float(row["offered"]) for row in rows) == run["edits"]["offered"]
    assert any(row["cpu_API"] and float(row["cpu_API"]) > 0 for row in rows)
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or ())]


def test_the_same_folder_is_not_used_twice(place: Place, tmp_path: Path) -> None:
    (tmp_path / "figures.jsonl").touch()
    status, said = place.rehearse(tmp_path, *place.here())
    assert status == 2
    assert "holds another run" in said


def test_a_generator_that_was_held_up_makes_the_run_invalid(place: Place, tmp_path: Path) -> None:
    command = ("ops.cli", "rehearse", "smoke", "--duration", "10s", "--teachers", "12", "--quiet", "--out", tmp_path)
    started = place.start(*command, *place.here())
    deadline = time.monotonic() + TYPING_S_MAX
    while not _types(tmp_path / "figures.jsonl"):
        assert time.monotonic() < deadline, "nobody types"
        time.sleep(0.05)
    (generator,) = [p for p in psutil.Process(started.pid).children() if "locust" in p.cmdline()]
    os.kill(generator.pid, signal.SIGSTOP)
    time.sleep(HELD_S)  # that is what is being tested: a generator that is away for so long
    os.kill(generator.pid, signal.SIGCONT)
    said, _ = started.communicate(timeout=120)
    run = run_of(tmp_path)
    assert (started.returncode, run["verdict"]) == (3, "invalid"), said
    assert "the generator was late" in run["reasons"][0]
    assert run["age_ms"]["drafted"]["max"] > 3000  # and what was due meanwhile has aged


def _types(figures: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return any(json.loads(line)["counts"].get("offered") for line in figures.read_text().splitlines())
    return False


def test_a_run_that_nobody_can_audit_is_invalid(place: Place, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    status, said = place.rehearse(tmp_path / "out", *place.here(data_dir=nowhere), with_stores=False)
    run = run_of(tmp_path / "out")
    assert (status, run["verdict"]) == (3, "invalid"), said
    assert "no access to the stores" in run["reasons"][0]
    assert run["audit"]["lost"] is None
    assert "No verdict" in said


def test_a_section_that_is_no_rehearsals_is_not_written_into(place: Place, tmp_path: Path) -> None:
    first = json.loads(place.grants.read_text().splitlines()[0])
    section = first["sections"][0]
    grants = tmp_path / "grants.jsonl"
    grants.write_text(json.dumps(first | {"sections": [section]}) + "\n")
    place.sql(f"UPDATE section SET title = 'Algebra 1' WHERE section_id = {section}")
    try:
        before = place.sql(f"SELECT count(*) FROM edit_log WHERE section_id = {section}")
        status, said = place.rehearse(tmp_path / "out", *place.here(grants=grants), "--teachers", "1")
        run = run_of(tmp_path / "out")
        assert (status, run["verdict"]) == (3, "invalid"), said
        assert "Algebra 1) is no section of a rehearsal" in " ".join(run["reasons"])
        assert place.sql(f"SELECT count(*) FROM edit_log WHERE section_id = {section}") == before
        told = place.rehearse(
            tmp_path / "told",
            *place.here(grants=grants),
            *("--teachers", "1", "--write-outside-rehearsal-sections"),
        )
        assert told[0] == 0, told[1]
        assert int(place.sql(f"SELECT count(*) FROM edit_log WHERE section_id = {section}")) > int(before)
    finally:
        place.sql(f"UPDATE section SET title = 'Rehearsal 1, period 1' WHERE section_id = {section}")


def test_grants_that_are_refused_make_the_run_invalid(place: Place, tmp_path: Path) -> None:
    first = json.loads(place.grants.read_text().splitlines()[0])
    grants = tmp_path / "grants.jsonl"
    grants.write_text(json.dumps(first | {"token": first["token"][:-3] + "AAA"}) + "\n")
    status, said = place.rehearse(tmp_path / "out", *place.here(grants=grants))
    assert (status, run_of(tmp_path / "out")["verdict"]) == (3, "invalid"), said
    assert "401 sign_in_required" in said


class _SomebodyElse(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status": "fine"}')

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_host_that_is_not_ours_is_left_alone(place: Place, tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), _SomebodyElse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        other = f"http://127.0.0.1:{server.server_port}"
        status, said = place.rehearse(tmp_path / "out", "--host", other, "--grants", place.grants)
        server.shutdown()
    assert status == 2
    assert "is not an Inkfast service" in said
    assert not (tmp_path / "out" / "ledgers").exists()
    status, said = place.rehearse(tmp_path / "out", "--host", "https://127.0.0.1", "--grants", place.grants)
    assert (status, "http:// address" in said) == (2, True)


def test_preparing_again_keeps_the_school_and_changes_the_password(place: Place, tmp_path: Path) -> None:
    before = place.sql(
        "SELECT count(*), (SELECT count(*) FROM enrollment), (SELECT count(*) FROM line_item) FROM section"
    )
    old = json.loads(place.grants.read_text().splitlines()[0])
    again = tmp_path / "again.jsonl"
    made = place.start(
        *("ops.cli", "rehearse", "prepare", "--teachers", "12", "--data-dir", place.data_dir, "--out", again)
    )
    said, _ = made.communicate(timeout=120)
    assert made.returncode == 0, said
    after = place.sql(
        "SELECT count(*), (SELECT count(*) FROM enrollment), (SELECT count(*) FROM line_item) FROM section"
    )
    new = json.loads(again.read_text().splitlines()[0])
    assert before == after
    assert (old["user"], old["sections"]) == (new["user"], new["sections"])
    assert old["password"] != new["password"]
    assert again.stat().st_mode & 0o077 == 0


def test_preparing_a_database_that_is_none_of_ours_is_no_verdict(place: Place, tmp_path: Path) -> None:
    """There, and without a schema; and one that is not there at all."""
    assert place.target.installation is not None
    server = place.target.installation.own_stores.postgres
    for name, words in (("postgres", "PostgreSQL says: "), ("nowhere", "PostgreSQL")):
        made = place.start(
            *("ops.cli", "rehearse", "prepare", "--data-dir", place.data_dir, "--out", tmp_path / "grants"),
            DATABASE_URL=server.dsn_of(name, "postgres"),
        )
        said, _ = made.communicate(timeout=120)
        assert (made.returncode, words in said, "Traceback" in said) == (3, True, False), said
    assert not list(tmp_path.iterdir())


def test_locust_alone_runs_it_with_two_processes_whose_ledgers_hold(place: Place, tmp_path: Path) -> None:
    command = ("locust", "-f", "loadtests/locustfile.py", "--headless", "--only-summary", "--processes", "2")
    where = ("--host", place.target.url, "--grants", place.grants, "--rehearsal", "smoke", "--teachers", "12")
    kept = ("--seconds", "5", "--ledgers", tmp_path / "ledgers", "--figures", tmp_path / "figures.jsonl")
    started = place.start(*command, *map(str, where), *map(str, kept))
    said, _ = started.communicate(timeout=120)
    assert started.returncode == 0, said
    seconds = [json.loads(line) for line in (tmp_path / "figures.jsonl").read_text().splitlines()]
    there = [{s["gauges"]["teachers"] for s in seconds if s["process"] == process} for process in (0, 1)]
    assert [max(teachers) for teachers in there] == [6, 6], "in the last second some may have left"
    ledgers = sorted((tmp_path / "ledgers").iterdir())
    assert len(ledgers) == 2
    audit = place.start("ops.cli", "audit", *ledgers, "--data-dir", place.data_dir)
    said, _ = audit.communicate(timeout=120)
    assert audit.returncode == 0, said
    offered = sum(s["counts"].get("offered", 0) for s in seconds)
    assert f"{offered} sent" in said
