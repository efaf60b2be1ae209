"""The drills in short: six that always run, two that change with the commit, and what they are judged by."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from ops.audit.checks import DISORDER, LOST, MISMATCH, TWICE, Offence, Report, Verdict
from ops.drill.catalogue import DRILLS
from ops.drill.command import drill
from ops.drill.figures import Facts, read_facts
from ops.drill.report import Row, markdown, verdict, write_report
from ops.drill.run import judge, plan, run_drills
from ops.drill.scene import FAILOVER, NEVER_FAILS, ClusterDrill, Drill, Limit, Stand, ordered
from ops.environment import environment

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
DRILL_S_MAX = 600
SHORT_S_MAX = 20
FIXED = (
    "quiet",
    "kill-api",
    "kill-flusher-between-commit-and-drain",
    "kill-valkey",
    "poison-edit",
    "client-api-cut-after-request",
)
KEYS = ["name", "acknowledged", "lost", "duplicated", "out_of_order", "stall_s", "drain_s", "passed"]


def _rotating() -> list[str]:
    """Two further drills of the same installation; which ones, the commit says."""
    command = ["git", "rev-parse", "HEAD"]
    head = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    others = sorted(
        name
        for name, one in DRILLS.items()
        if one.stand is Stand.WHOLE and one.leaves_whole and name not in {*FIXED, "client-api-partition"}
    )
    digest = hashlib.sha256(head.encode()).digest()
    first = others.pop(digest[0] % len(others))
    return [first, others[digest[1] % len(others)]]


def test_nothing_is_lost_whatever_is_broken(
    server_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rotating = _rotating()
    with capsys.disabled():
        sys.stdout.write(f" drills of this commit: {', '.join(rotating)} ")
    done = subprocess.run(
        [sys.executable, "-m", "ops.cli", "drill", "run", *FIXED, *rotating, "--short", "--out", tmp_path],
        cwd=ROOT,
        env={**environment(), "TMPDIR": str(server_dir)},
        capture_output=True,
        text=True,
        check=False,
        timeout=DRILL_S_MAX,
    )
    rows = json.loads((tmp_path / "drills.json").read_text())
    assert {row["name"] for row in rows} == {*FIXED, *rotating}, done.stdout + done.stderr
    assert [row for row in rows if row["lost"] or row["duplicated"] or row["out_of_order"]] == []
    assert [row["name"] for row in rows if not row["passed"]] == [], done.stdout
    assert all(row["acknowledged"] > 50 for row in rows)
    assert done.returncode == 0
    assert all(list(row) == KEYS for row in rows)
    assert "| kill-valkey |" in (tmp_path / "drills.md").read_text()
    kept = {path.name for path in (tmp_path / "runs").iterdir()}
    assert {"quiet.jsonl", "quiet.json", "whole"} <= kept, "ledgers, audits and logs are kept"
    assert not list((tmp_path / "runs").rglob("tokens*")), "grants are not"


# Figures

CLIENT = {"client_id": "c", "section_id": 1, "user_id": 2}


def _ledger(path: Path, *events: dict[str, Any]) -> Path:
    text = "".join(json.dumps(CLIENT | event) + "\n" for event in events)
    path.write_text(text + '{"event":"sen')  # cut off by a crash
    return path


def _typed(seq: int, t: int, edit_id: str | None = None, client: str = "c") -> dict[str, Any]:
    return {"event": "typed", "t": t, "seq": seq, "edit_id": edit_id or f"e{seq}", "client_id": client}


def _sent(first: int, last: int, t: int, client: str = "c") -> dict[str, Any]:
    return {"event": "sent", "t": t, "first_seq": first, "last_seq": last, "client_id": client}


def _answered(t: int, edits: Sequence[str], drafted: int, recorded: int, client: str = "c") -> dict[str, Any]:
    outcomes = [[edit_id, "drafted", None, 1] for edit_id in edits]
    fields = {"drafted_seq": drafted, "recorded_seq": recorded, "outcomes": outcomes, "client_id": client}
    return {"event": "answered", "t": t} | fields


def test_a_stall_lasts_from_the_first_sending_to_the_acknowledgement(tmp_path: Path) -> None:
    path = _ledger(
        tmp_path / "ledger.jsonl",
        _typed(1, 900_000),
        _sent(1, 1, 1_000_000),
        {"event": "failed", "t": 2_000_000, "status": 503, "code": "unavailable"},
        _sent(1, 1, 3_000_000),
        _answered(5_500_000, ["e1"], 1, 0),
        _answered(60_000_000, [], 1, 1),
    )
    facts = read_facts(path)
    assert facts.stall_s == 4.5
    assert (facts.unacknowledged, facts.unrecorded, facts.failed_saves) == (0, 0, 1)


def test_a_save_that_is_never_acknowledged_stalls_until_the_end(tmp_path: Path) -> None:
    events = [_typed(1, 1_000_000), _sent(1, 1, 2_000_000), {"event": "end", "t": 9_000_000}]
    facts = read_facts(_ledger(tmp_path / "ledger.jsonl", *events))
    assert (facts.stall_s, facts.unacknowledged, facts.unrecorded) == (7.0, 1, 1)


def test_an_edit_keeps_its_age_under_another_number(tmp_path: Path) -> None:
    path = _ledger(
        tmp_path / "ledger.jsonl",
        _typed(5, 1_000_000, "x"),
        _sent(5, 5, 1_000_000),
        _typed(1, 2_000_000, "x", "d"),
        _sent(1, 1, 3_000_000, "d"),
        _answered(6_000_000, ["x"], 1, 1, "d"),
    )
    facts = read_facts(path)
    assert (facts.stall_s, facts.unacknowledged, facts.unrecorded) == (5.0, 0, 0)


def test_draining_lasts_from_the_end_of_the_fault_until_what_was_typed_by_then_is_recorded(tmp_path: Path) -> None:
    path = _ledger(
        tmp_path / "ledger.jsonl",
        _typed(1, 1_000_000),
        _sent(1, 1, 1_000_000),
        _answered(1_100_000, ["e1"], 1, 0),
        _typed(2, 4_000_000),
        _sent(2, 2, 4_000_000),
        _answered(5_000_000, ["e2"], 2, 1),
        _answered(9_000_000, [], 2, 2),
    )
    assert read_facts(path, 3_000_000).drain_s == 2.0
    assert read_facts(path).drain_s == 5.0, "without a fault, from the last typing"


# Judgement


def _report(**violations: int) -> Report:
    verdicts = [Verdict("I1", "stored once", "10", violations, [Offence(1, "e1", "away")] if violations else [])]
    return Report(verdicts, {"acknowledged": 10}, violations)


WELL = Facts(0.3, 1.0, 0, 0, Counter())
ANY = Drill("any", "nothing", lambda _: None, Limit(2.0))


def _judged(facts: Facts = WELL, one: Drill = ANY, complaints: Sequence[str] = (), **violations: int) -> Row:
    return judge(one, complaints, facts, _report(**violations), one.limit.stall_s_max(0.2, 5.0))


def test_a_drill_passes() -> None:
    assert _judged().passed
    assert _judged() == Row("any", 10, 0, 0, 0, 0.3, 1.0)


@pytest.mark.parametrize("category", [LOST, TWICE, DISORDER, MISMATCH])
def test_whatever_the_audit_finds_is_no_pass(category: str) -> None:
    row = _judged(**{category: 1})
    assert not row.passed
    assert any("away" in line for line in row.complaints), "and it is said what"


@pytest.mark.parametrize(
    "facts",
    [
        WELL._replace(stall_s=2.1),
        WELL._replace(unacknowledged=1),
        WELL._replace(unrecorded=1),
    ],
)
def test_what_clients_miss_is_no_pass(facts: Facts) -> None:
    assert not _judged(facts).passed


def test_a_complaint_and_an_empty_ledger_are_no_pass() -> None:
    assert not _judged(complaints=["the disk was not full"]).passed
    assert not Row("any", 0, 0, 0, 0, 0.0, 0.0).passed


def test_each_limit_is_its_own() -> None:
    refused = WELL._replace(failures=Counter({(503, "unavailable"): 1}))
    asked = WELL._replace(failures=Counter({(409, "seq_gap"): 3}))
    as_quiet = ANY._replace(limit=NEVER_FAILS)
    assert _judged(one=as_quiet).passed
    assert not _judged(WELL._replace(stall_s=1.0), as_quiet).passed, "longer than in quiet running"
    assert not _judged(refused, as_quiet).passed
    assert _judged(refused).passed
    assert _judged(asked, as_quiet).passed, "a gap in the numbers is a question, and no failure"
    beyond = ANY._replace(limit=Limit(2.0, beyond_fault=True))
    assert _judged(WELL._replace(stall_s=6.9), beyond).passed
    assert not _judged(WELL._replace(stall_s=7.1), beyond).passed


# Report and catalogue

BAD = Row("bad", 20, 1, 0, 0, 9.0, 1.0, ("a save took 9.00 s, 2.00 s are allowed",))


def test_the_report_says_what_did_not_pass_and_why(tmp_path: Path) -> None:
    write_report(tmp_path, [_judged(), BAD], {"power-cut": "needs a C compiler"}, "inkfast drill run --all")
    rows = json.loads((tmp_path / "drills.json").read_text())
    assert [list(row) for row in rows] == [KEYS, KEYS]
    assert [row["passed"] for row in rows] == [True, False]
    text = (tmp_path / "drills.md").read_text()
    assert "| any | 10 | 0 | 0 | 0 | 0.30 | 1.00 | yes |" in text
    assert "| bad | 20 | 1 | 0 | 0 | 9.00 | 1.00 | **no** |" in text
    assert "- bad: a save took 9.00 s, 2.00 s are allowed" in text
    assert "- power-cut: needs a C compiler" in text
    assert "`inkfast drill run --all`" in text
    assert verdict([_judged(), BAD]) == "1 of 2 drills passed; 30 acknowledged edits: THE PROMISE WAS BROKEN."
    assert "none lost" in verdict([_judged()])
    assert "Not run" not in markdown([_judged()], {}, "inkfast drill run any")


@pytest.mark.parametrize("found", [{}, {"lost": 1}, {"wrong": 1}, {"stall_s": 6.1}, {"all_recorded": False}], ids=str)
def test_a_failover_is_judged_by_its_figures(tmp_path: Path, found: dict[str, Any]) -> None:
    well = BAD.as_json() | {"lost": 0, "stall_s": 5.0, "wrong": 0, "all_recorded": True}

    def fail_over(folder: Path, *, seconds: float, seed: int) -> dict[str, Any]:
        (folder / "ledger.jsonl").write_text("what clients saw")
        (folder / "tokens.jsonl").write_text("grants")
        return well | found

    cluster = ClusterDrill("failover", "a primary", fail_over, FAILOVER)
    result = run_drills([], [cluster], plan(None, None, 1, 1, short=True), tmp_path, lambda _: None)
    assert [(row.name, row.acknowledged, row.passed) for row in result.rows] == [("failover", 20, not found)]
    assert [path.name for path in tmp_path.iterdir()] == ["failover.jsonl"]


def test_there_are_enough_drills_and_each_is_short_when_asked() -> None:
    assert len(DRILLS) >= 25
    assert next(iter(DRILLS)) == "quiet", "the others are held to it"
    assert ordered(list(DRILLS.values()))[0].name == "quiet"
    short = plan(None, None, 1, 1, short=True)
    assert (short.stall_spare_s, plan(None, None, 1, 1, short=False).stall_spare_s) == (10.0, 0.0)
    assert short.hold_s_max + short.before_s + short.after_s < SHORT_S_MAX / 2
    assert {one.name for one in DRILLS.values() if not one.fits_short} == {
        "deploy-next-release",
        "roll-back-over-newer-entries",
    }
    listed = CliRunner().invoke(drill, ["list"]).output
    assert all(name in listed for name in DRILLS)


@pytest.mark.parametrize("arguments", [["run"], ["run", "kill-nobody"]])
def test_a_drill_has_to_be_named(arguments: list[str]) -> None:
    result = CliRunner().invoke(drill, arguments)
    assert result.exit_code == 2
    assert "no such drill: kill-nobody" in result.output or "say --all" in result.output
