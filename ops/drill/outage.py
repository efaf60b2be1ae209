"""`inkfast drill outage`: PostgreSQL is away for as long as one likes, while teachers type as before a deadline."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import click

from ops.audit.checks import audit_stores
from ops.audit.command import as_json, lines_of
from ops.drill.figures import MICROSECONDS, Facts, read_facts
from ops.drill.load import Habits, Load, Road, Size
from ops.drill.scene import Stand
from ops.drill.stands import Stands

DRAIN_RATIO_MIN = 3.0
BEFORE_S, AFTER_S = 5.0, 5.0
AUDIT_S_MAX = 600.0
SAY_EVERY_S = 30.0
# As in life: a save every few seconds, and tabs that stay open. A tab that is opened anew sends what is not recorded.
CALM = Habits(window_ms_max=3_000, reopen_every_s=1e9)


class Outage(NamedTuple):
    """What came of it. Times in seconds, rates in edits a second."""

    outage_s: float
    acknowledged: int
    failed_saves: int
    arrival_rate: float
    drain_rate: float
    drain_s: float
    stall_s: float
    audit_holds: bool
    all_recorded: bool

    @property
    def passed(self) -> bool:
        """Whether no save failed, everything acknowledged is stored, and it was recorded fast enough."""
        is_whole = self.audit_holds and self.all_recorded and not self.failed_saves
        return is_whole and self.drain_rate >= DRAIN_RATIO_MIN * self.arrival_rate


@click.command()
@click.option("--minutes", type=click.FloatRange(min=0.05), default=60.0, show_default=True, help="Without PostgreSQL.")
@click.option("--teachers", type=click.IntRange(2), default=40, show_default=True)
@click.option("--rate", type=click.FloatRange(min=1), default=200.0, show_default=True, help="Edits per second.")
@click.option("--seed", type=int, default=20141104, show_default=True, help="Of what is typed.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Keep the ledger, the audit and logs here."
)
def outage(minutes: float, teachers: int, rate: float, seed: int, out: Path | None) -> None:
    """Stop PostgreSQL while teachers type, start it again, let everything be recorded, and audit.

    Exit status 1 where a save failed, an acknowledged edit is not stored as typed, or the journal was recorded
    at less than three times the rate at which edits had come. The rate counts from PostgreSQL's start until clients
    have heard that all of the outage is recorded, while they type on.
    """
    with tempfile.TemporaryDirectory(prefix="inkfast-outage-") as temporary:
        folder = Path(temporary) if out is None else out
        folder.mkdir(parents=True, exist_ok=True)
        found = _run(folder, minutes * 60, Size(teachers, rate, seed))
    for line in lines(found):
        click.echo(line)
    raise SystemExit(0 if found.passed else 1)


def _run(folder: Path, outage_s: float, size: Size) -> Outage:
    ledger = folder / "outage.jsonl"
    ledger.unlink(missing_ok=True)
    with Stands(size.teachers, {}, folder) as stands:
        standing = stands.at(Stand.WIRED)
        installation, stores = standing.installation, standing.installation.own_stores
        load = Load(Road(installation.url), standing.tokens, ledger, size, CALM, record_s_max=60 + outage_s)
        with load:
            time.sleep(BEFORE_S)
            stopped_at = time.time_ns()
            stores.postgres.stop()
            _wait(load, outage_s)
            started_at = time.time_ns()
            stores.postgres.start()
            time.sleep(AFTER_S)
        facts = read_facts(ledger, started_at * MICROSECONDS // 10**9)
        report = asyncio.run(audit_stores(installation.settings, [ledger], AUDIT_S_MAX, lambda _: None))
    (folder / "outage.json").write_text(json.dumps(as_json(report, [ledger]), indent=2) + "\n")
    if not report.holds:
        for line in lines_of(report):
            click.echo(line)
    away_s = (started_at - stopped_at) / 10**9
    typed = _typed_between(ledger, stopped_at // 1000, started_at // 1000)
    return _outage(facts, away_s, typed, report.counts["acknowledged"], holds=report.holds)


def _outage(facts: Facts, away_s: float, typed: int, acknowledged: int, *, holds: bool) -> Outage:
    return Outage(
        away_s,
        acknowledged,
        facts.failed_saves,
        typed / away_s,
        typed / max(0.001, facts.drain_s),
        facts.drain_s,
        facts.stall_s,
        audit_holds=holds,
        all_recorded=not facts.unrecorded,
    )


def _wait(load: Load, seconds: float) -> None:
    """Say now and then that it goes on; ServerError when the load has ended."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        load.is_typing()
        click.echo(f"PostgreSQL is away; {left / 60:.1f} minutes to go")
        time.sleep(min(SAY_EVERY_S, left))


def _typed_between(ledger: Path, first: int, last: int) -> int:
    """Count the edits that were typed between two moments (microseconds since 1970), each once."""
    typed: set[str] = set()
    with ledger.open("rb") as file:
        for line in file:
            if line.endswith(b"\n") and b'"typed"' in line:
                event = json.loads(line)
                if event["event"] == "typed" and first <= event["t"] <= last:
                    typed.add(event["edit_id"])
    return len(typed)


def lines(found: Outage) -> list[str]:
    """Return the result for a person."""
    ratio = found.drain_rate / max(0.001, found.arrival_rate)
    arrived, recorded = f"{found.arrival_rate:.0f} edits/s", f"{found.drain_rate:.0f} edits/s"
    return [
        f"PostgreSQL away for {found.outage_s / 60:.1f} minutes; {found.acknowledged} edits acknowledged in all",
        f"failed saves: {found.failed_saves}; longest stall of saving: {found.stall_s:.2f} s",
        f"arrival {arrived}, recorded afterwards at {recorded}: {ratio:.1f} times as fast, in {found.drain_s:.1f} s",
        "the audit holds: nothing lost, nothing twice" if found.audit_holds else "THE AUDIT DOES NOT HOLD",
        "passed" if found.passed else "DID NOT PASS",
    ]
