"""Runs drills one after the other: load, fault, healing, recording, audit, row."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from app.errors import InkfastError
from ops.audit.checks import DISORDER, LOST, MISMATCH, TWICE, WAITING, Report, audit_stores
from ops.audit.command import as_json, lines_of
from ops.drill.figures import MICROSECONDS, Facts, read_facts
from ops.drill.installation import HEAL_S_MAX
from ops.drill.load import Load, Size
from ops.drill.report import Row
from ops.drill.scene import ClusterDrill, Drill, MissingError, Scene, ordered
from ops.drill.stands import Standing, Stands
from ops.processes import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

QUIET = "quiet"
REPORT_LINES_MAX = 6


class Plan(NamedTuple):
    """How each drill is run. Times in seconds; `rounds`: how often the fault is injected.

    `stall_spare_s` is allowed beyond each limit: a machine that does other things too stands still by itself.
    """

    size: Size
    hold_s_max: float
    before_s: float
    after_s: float
    rounds: int
    settings: Mapping[str, str]
    stall_spare_s: float


def plan(teachers: int | None, rate: float | None, seed: int, rounds: int, *, short: bool) -> Plan:
    """Return the full plan, or one that keeps each drill under 20 s."""
    if short:
        size = Size(teachers or 6, rate or 80.0, seed)
        return Plan(size, 2.5, 1.0, 1.0, rounds, {"INKFAST_LEASE_MS": "2000"}, 10.0)
    return Plan(Size(teachers or 20, rate or 300.0, seed), float("inf"), 3.0, 3.0, rounds, {}, 0.0)


class Result(NamedTuple):
    """Rows of what was run, and why the rest was not."""

    rows: list[Row]
    not_run: dict[str, str]


def run_drills(
    drills: Sequence[Drill], clusters: Sequence[ClusterDrill], how: Plan, folder: Path, say: Callable[[str], None]
) -> Result:
    """Run all of them; ledgers, audits and logs are left in `folder`. A drill that breaks down did not pass."""
    result = Result([], {})
    quiet_s = 0.0
    with Stands(how.size.teachers, how.settings, folder) as stands:
        for drill in ordered(drills):
            say(f"{drill.name}: {drill.breaks}")
            try:
                drill.require()
                row = run_drill(drill, stands.at(drill.stand), how, folder, quiet_s)
            except MissingError as missing:
                result.not_run[drill.name] = f"needs {missing}"
                say(f"  not run: needs {missing}")
                continue
            except (ServerError, InkfastError, OSError) as error:
                row = Row(drill.name, 0, 0, 0, 0, 0.0, 0.0, (f"broke down: {error}",))
                stands.leave()
            if not drill.leaves_whole or row.complaints:
                stands.leave()
            quiet_s = row.stall_s if drill.name == QUIET else quiet_s
            _tell(row, result, say)
    for cluster in clusters:
        say(f"{cluster.name}: {cluster.breaks}")
        _tell(_run_cluster(cluster, how, folder, quiet_s), result, say)
    return result


def _tell(row: Row, result: Result, say: Callable[[str], None]) -> None:
    result.rows.append(row)
    verdict = "passed" if row.passed else "DID NOT PASS"
    say(f"  {verdict}: {row.acknowledged} acknowledged, stall {row.stall_s:.2f} s, drained in {row.drain_s:.2f} s")
    for complaint in row.complaints:
        say(f"    {complaint}")


def run_drill(drill: Drill, standing: Standing, how: Plan, folder: Path, quiet_s: float) -> Row:
    """Run one; `quiet_s`: the longest stall of quiet running, for drills that are held to it."""
    ledger = folder / f"{drill.name}.jsonl"
    rng = random.Random(f"{how.size.seed} {drill.name}")  # noqa: S311 -- seeded moments, no secrets
    hold_s = min(drill.hold_s, how.hold_s_max)
    scene = Scene(standing.installation, folder, standing.tokens, hold_s=hold_s, rng=rng)
    fault_s, fault_ended_at = 0.0, 0
    with drill.road(scene) as road:
        load = Load(road, standing.tokens, ledger, how.size)
        with load:
            for _ in range(how.rounds):
                time.sleep(how.before_s * rng.uniform(0.7, 1.3))
                began = time.monotonic()
                drill.inject(scene)
                fault_s = max(fault_s, time.monotonic() - began)
                fault_ended_at = time.time_ns() * MICROSECONDS // 10**9
                load.is_typing()
            time.sleep(how.after_s)
    facts = read_facts(ledger, fault_ended_at)
    report = asyncio.run(audit_stores(standing.installation.settings, [ledger], HEAL_S_MAX, lambda _: None))
    ledger.with_suffix(".json").write_text(json.dumps(as_json(report, [ledger]), indent=2) + "\n")
    drill.examine(scene, facts)
    stall_s_max = drill.limit.stall_s_max(quiet_s, fault_s) + how.stall_spare_s
    return judge(drill, scene.complaints, facts, report, stall_s_max)


def judge(drill: Drill, complaints: Sequence[str], facts: Facts, report: Report, stall_s_max: float) -> Row:
    """Return the row: what the audit found, what the clients saw, and whether that is within the drill's limit."""
    found = list(complaints)
    if report.total(MISMATCH):
        found.append(f"the audit found {report.total(MISMATCH)} wrong")
    if report.total(WAITING):
        found.append(f"{report.total(WAITING)} entries did not leave the journal in time")
    if not report.holds:
        found += [line.strip() for line in lines_of(report) if not line.startswith(("ok", "-"))][:REPORT_LINES_MAX]
    if facts.unacknowledged:
        found.append(f"{facts.unacknowledged} edits were never acknowledged")
    if facts.unrecorded:
        found.append(f"{facts.unrecorded} edits were not recorded in the end")
    if facts.stall_s > stall_s_max:
        found.append(f"a save took {facts.stall_s:.2f} s, {stall_s_max:.2f} s are allowed")
    failed_max = drill.limit.failed_saves_max
    if failed_max is not None and facts.failed_saves > failed_max:
        said = ", ".join(f"{count} x {status} {code}" for (status, code), count in sorted(facts.failures.items()))
        found.append(f"{facts.failed_saves} saves failed, {failed_max} are allowed ({said})")
    return Row(
        drill.name,
        report.counts["acknowledged"],
        report.total(LOST),
        report.total(TWICE),
        report.total(DISORDER),
        facts.stall_s,
        facts.drain_s,
        tuple(found),
    )


def _run_cluster(drill: ClusterDrill, how: Plan, folder: Path, quiet_s: float) -> Row:
    # Not in `folder`: sockets want a short path, and servers one that they may walk to.
    with tempfile.TemporaryDirectory(prefix="inkfast-drill-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        try:
            found = drill.run(Path(name), seconds=drill.seconds, seed=how.size.seed)
        except (ServerError, InkfastError, OSError) as error:
            return Row(drill.name, 0, 0, 0, 0, 0.0, 0.0, (f"broke down: {error}",))
        finally:
            for ledger in Path(name).glob("*.jsonl"):
                if ledger.stem != "tokens":
                    shutil.copy(ledger, folder / f"{drill.name}.jsonl")
    complaints = [f"the audit found {found['wrong']} wrong"] if found["wrong"] else []
    if not found["all_recorded"]:
        complaints.append("not everything was recorded in the end")
    stall_s_max = drill.limit.stall_s_max(quiet_s, 0.0)
    if found["stall_s"] > stall_s_max:
        complaints.append(f"a save took {found['stall_s']:.2f} s, {stall_s_max:.2f} s are allowed")
    return Row(
        drill.name,
        found["acknowledged"],
        found["lost"],
        found["duplicated"],
        found["out_of_order"],
        found["stall_s"],
        found["drain_s"],
        tuple(complaints),
    )
