"""`inkfast bench`: it measures everything it says, loses nothing, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import asyncpg
import msgspec
import psutil
import pytest
import uvicorn
from click.testing import CliRunner

import app.main
from app.api.whole_answers import WholeAnswers
from app.garbage import THRESHOLDS
from loadtests.bench import serve
from loadtests.bench.batched import Batches
from loadtests.bench.direct import SCHEMA
from loadtests.bench.generator import Connection, LoadError
from loadtests.bench.plan import Plan, Section, Teacher
from loadtests.bench.saves import requests_of
from loadtests.bench.wire import Save
from ops.bench.bars import Bar, draw
from ops.bench.command import bench
from ops.bench.peers import NAMES
from ops.bench.report import Ratio, ratios, spread
from ops.bench.rounds import Measured
from ops.bench.steady import STEADY, on_cpu_s

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]


def test_one_command_prints_all_four_figures_and_leaves_nothing(bench_dir: Path) -> None:
    figures = bench_dir / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "ops.cli", "bench", "--short", "--json", figures, "--dir", bench_dir],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for figure in (
        r"\(a\) save : no-op",
        r"\(b\) save : direct",
        r"\(c\) flusher : bare COPY",
        r"\(d\) .* bytes for each",
    ):
        assert re.search(figure, done.stdout), done.stdout
    measured = json.loads(figures.read_text())
    assert set(measured["rounds"][0]) == {"no-op 8", "save 8", "direct 8", "flusher", "copy", "save + flusher"}
    assert measured["memory"]["edits"] > 1000
    assert measured["snapshots"]["used"] * 20_000_000 < 2 * 1024**3
    assert list(bench_dir.iterdir()) == [figures]
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(bench_dir) in " ".join(p.info["cmdline"] or ())]


def test_the_plain_handlers_are_served_with_the_services_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, object] = {}

    class Config(uvicorn.Config):
        def __init__(self, _app: object, **options: object) -> None:
            given.update(options)
            raise KeyboardInterrupt

    monkeypatch.setattr(uvicorn, "Config", Config)
    with pytest.raises(KeyboardInterrupt):
        app.main.serve(None, [])  # type: ignore[arg-type]  # it goes no further than its settings
    assert given.pop("http") is WholeAnswers  # ours; what it gains is a row of its own in `inkfast bench peers`
    assert given == {name: value for name, value in serve.SETTINGS.items() if name != "http"}
    assert serve.GC_THRESHOLDS == THRESHOLDS


@pytest.fixture
def plan() -> Plan:
    teacher = Teacher("token", [Section(4001, [1, 2, 3, 4], [70, 71, 72])])
    return Plan("127.0.0.1", 1, 7, [teacher], saves_per_client=2)


def bodies(requests: Iterator[bytes]) -> list[dict[str, object]]:
    return [json.loads(request.partition(b"\r\n\r\n")[2]) for request in requests]


def test_every_edit_is_a_new_cell_and_seq_has_no_gap(plan: Plan) -> None:
    saves = bodies(requests_of(plan, plan.teachers[0], 0)[0])
    edits = [edit for save in saves for edit in save["edits"]]  # type: ignore[attr-defined]
    assert len({(e["item"], e["student"]) for e in edits}) == len(edits) == 12
    assert len({e["edit_id"] for e in edits}) == 12
    assert {e["base"] for e in edits} == {None}
    assert [e["seq"] for e in edits] == [1, 2, 3, 4, 5, 6] * 2
    assert len({save["client_id"] for save in saves}) == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}",
        b'HTTP/1.1 200 OK\r\ncontent-length: 46\r\n\r\n[{"outcome":"drafted"},{"outcome":"rejected"}]',
        b"",
    ],
)
def test_anything_but_an_acknowledgement_ends_the_round(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    class Socket:
        def setsockopt(self, *_: int) -> None: ...

        def recv(self, _: int) -> bytes:
            return answer

    monkeypatch.setattr("socket.create_connection", lambda _: Socket())
    with pytest.raises(LoadError):
        Connection(("127.0.0.1", 1), iter(())).receive()


def test_ratios_are_taken_within_a_round() -> None:
    def measured(per_second: float, cpu: float) -> Measured:
        return Measured("x", per_second, {"handler": cpu})

    rounds = [
        {"a": measured(70, 2), "b": measured(100, 1)},
        {"a": measured(7, 2), "b": measured(10, 1)},
        {"a": measured(9, 2), "b": measured(10, 1)},
    ]
    printed = ratios([Ratio("a : b", "a", "b", 0.65)], rounds)
    assert "0.70 (0.70 – 0.90)" in printed
    assert ">= 0.65: met" in printed
    assert "0.50 (0.50 – 0.50)" in printed
    assert spread([3, 1, 2]) == "2 (1 – 3)"


@pytest.mark.parametrize(
    ("what", "parts"), [("steady", "API, journal, PostgreSQL, flusher"), ("openings", "API, journal, PostgreSQL")]
)
def test_it_is_measured_against_another_checkout(bench_dir: Path, what: str, parts: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ops.cli", "bench", what, "--short", "--before", ROOT, "--dir", bench_dir],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = ", ".join(rf"{part} \d\.\d+" for part in parts.split(", "))
    assert re.search(f"pair 1: {figures}", done.stdout), done.stdout
    assert not list(bench_dir.iterdir())


def test_a_part_that_takes_more_than_before_is_named() -> None:
    before = {"API": 100.0, "journal": 10.0, "flusher": 50.0, "PostgreSQL": 7.0}
    pairs = [{"before": before, "after": before | {"flusher": 50.0 * by, "PostgreSQL": 70.0}} for by in (1, 1.06, 2)]
    assert STEADY.risen_parts(pairs) == ["flusher"]
    assert "1.060 (1.000 – 2.000)  <= 1.05: MISSED" in STEADY.figures_of(pairs)


def test_a_process_is_timed_in_nanoseconds() -> None:
    began = on_cpu_s(os.getpid())
    while on_cpu_s(os.getpid()) - began < 0.02:
        sum(range(1000))
    assert on_cpu_s(os.getpid()) - began < 2
    assert on_cpu_s(2**22 + 1) == 0.0, "there is no such process"


def test_it_says_what_it_can_measure() -> None:
    said = CliRunner().invoke(bench, ["--help"]).output
    assert "granian and uvicorn" in said
    assert "--rounds" in said


def elements_of(drawing: str) -> ET.Element:
    return ET.fromstring(drawing)  # noqa: S314 -- our own


def test_all_peers_are_measured_in_one_command_and_drawn(bench_dir: Path) -> None:
    out = bench_dir / "out"
    done = subprocess.run(
        [sys.executable, "-m", "ops.cli", "bench", "peers", "--short", "--out", out, "--dir", bench_dir],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"save path : direct, batched +\d+\.\d\d", done.stdout), done.stdout
    (measured,) = json.loads((out / "peers.json").read_text())
    assert set(measured) == set(NAMES)
    assert all(of["per_second"] > 0 for of in measured.values())
    drawn = elements_of((out / "peers.svg").read_text())
    assert len(drawn.findall(".//{*}rect")) == 2 * len(NAMES)
    assert list(bench_dir.iterdir()) == [out]


async def test_two_handlers_that_begin_at_once_make_the_tables_once(database_url: str) -> None:
    first, second = [await asyncpg.connect(database_url) for _ in range(2)]
    try:
        async with first.transaction():
            await first.execute(SCHEMA.read_text())
            later = asyncio.create_task(second.execute(SCHEMA.read_text()))
            async with asyncio.timeout(10):
                while not (waits := await waits_for_a_lock(first, second.get_server_pid())) and not later.done():
                    await asyncio.sleep(0.01)
        assert waits
        await later
    finally:
        await first.close()
        await second.close()


async def waits_for_a_lock(connection: asyncpg.Connection, pid: int) -> bool:
    return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pid = $1)", pid))


def test_a_bar_is_the_median_and_the_line_on_it_the_range() -> None:
    drawn = elements_of(draw([("a & b", [Bar("ours", [50, 100, 60], is_ours=True), Bar("theirs", [10])])]))
    ours, theirs = drawn.findall(".//{*}rect")
    assert (ours.get("class"), theirs.get("class")) == ("o", "b")
    scale = float(ours.get("width", "0")) / 60
    assert float(theirs.get("width", "0")) == pytest.approx(10 * scale, abs=0.1)
    line = drawn.find(".//{*}line[@class='r']")
    assert line is not None
    assert float(line.get("x2", "0")) - float(line.get("x1", "0")) == pytest.approx(50 * scale, abs=0.2)
    assert "a & b" in [text.text for text in drawn.findall(".//{*}text")]


async def test_batched_direct_writes_answer_after_their_commit() -> None:
    written: list[list[tuple[object, ...]]] = []
    steps: list[str] = []

    class Transaction:
        async def __aenter__(self) -> None:
            steps.append("begin")

        async def __aexit__(self, *_: object) -> None:
            steps.append("commit")

    class Connection:
        def transaction(self) -> Transaction:
            return Transaction()

        async def executemany(self, _: str, rows: list[tuple[object, ...]]) -> None:
            written.append(rows)

    one = msgspec.json.decode(
        b'{"client_id":"0199a000-0000-7000-8000-000000000001","sent_at":"2026-11-06T14:03:24Z","edits":[{"edit_id":'
        b'"0199a000-0000-7000-8000-000000000002","seq":1,"kind":"score","item":1,"student":2,"base":null,'
        b'"value":{"score":"1"},"entered_at":"2026-11-06T14:03:21Z"}]}',
        type=Save,
    )
    batches = Batches()
    writing = asyncio.create_task(batches.run(Connection()))  # type: ignore[arg-type]  # it has what is used
    saves = [asyncio.create_task(batches.write(section_id, one)) for section_id in (7, 5)]
    async with asyncio.timeout(60):
        await asyncio.gather(*saves)
    writing.cancel()
    assert steps == ["begin", "commit"]
    assert [[row[0] for row in rows] for rows in written] == [[5, 7], [7, 5]]
