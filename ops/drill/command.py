"""`inkfast drill`: break an installation of one's own on purpose, under load, and prove that nothing was lost."""

from __future__ import annotations

import shlex
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops.drill.catalogue import CLUSTER_DRILLS, DRILLS
from ops.drill.outage import outage
from ops.drill.report import verdict, write_report
from ops.drill.run import QUIET, plan, run_drills

if TYPE_CHECKING:
    from types import FrameType

SEED = 20141104


@click.group()
def drill() -> None:
    """Break an installation of one's own on purpose, under load, and audit what is left."""


drill.add_command(outage)


@drill.command("list")
def list_drills() -> None:
    """Name every drill, what it breaks, and for how many seconds."""
    width = max(len(name) for name in (*DRILLS, *CLUSTER_DRILLS))
    for name, one in DRILLS.items():
        click.echo(f"{name:<{width}} {one.hold_s:4.0f} s  {one.breaks}")
    for name, cluster in CLUSTER_DRILLS.items():
        click.echo(f"{name:<{width}} {cluster.seconds:4.0f} s  {cluster.breaks} (only by name, or with --all)")


@drill.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "all_drills", is_flag=True, help="Run every drill.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write drills.md and drills.json here.")
@click.option(
    "--short", is_flag=True, help="Little load, each drill under 20 s, its stall up to 10 s longer; no clusters."
)
@click.option("--seed", type=int, default=SEED, show_default=True, help="Of the faults' moments, and of the load.")
@click.option("--teachers", type=click.IntRange(2), help="[default: 20; with --short 6]")
@click.option("--rate", type=click.FloatRange(min=1), help="Edits per second.  [default: 300; with --short 80]")
@click.option("--rounds", type=click.IntRange(1), default=1, show_default=True, help="How often each fault is made.")
def run(
    names: tuple[str, ...],
    out: Path | None,
    teachers: int | None,
    rate: float | None,
    seed: int,
    rounds: int,
    *,
    all_drills: bool,
    short: bool,
) -> None:
    """Run the named drills, or all of them, each against an installation in a temporary folder (fsync on, as always).

    Teachers type, one thing is broken and mended, everything is recorded, and the audit compares what was acknowledged
    with what is stored. Exit status 1 where a drill did not pass: anything lost, stored twice, out of order, not
    recorded in the end, or a save that took longer than this fault may make it take. `inkfast drill list` names them.
    --out keeps ledgers, audits and logs as well, in a folder beside the two files.
    """
    signal.signal(signal.SIGTERM, _leave)
    unknown = sorted(set(names) - DRILLS.keys() - CLUSTER_DRILLS.keys())
    if unknown or not (names or all_drills):
        raise click.UsageError(f"no such drill: {', '.join(unknown)}" if unknown else "name drills, or say --all")
    wanted = [one for name, one in DRILLS.items() if name in names or (all_drills and (one.fits_short or not short))]
    clusters = [c for name, c in CLUSTER_DRILLS.items() if name in names or (all_drills and not short)]
    limits = [one.limit for one in wanted] + [cluster.limit for cluster in clusters]
    if any(limit.seconds is None for limit in limits) and DRILLS[QUIET] not in wanted:
        wanted.insert(0, DRILLS[QUIET])
    with tempfile.TemporaryDirectory(prefix="inkfast-drills-") as temporary:
        folder = Path(temporary) if out is None else out / "runs"
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.jsonl"):
            old.unlink()  # a ledger is appended to
        result = run_drills(wanted, clusters, plan(teachers, rate, seed, rounds, short=short), folder, click.echo)
    if out is not None:
        write_report(out, result.rows, result.not_run, shlex.join(["inkfast", *sys.argv[1:]]))
    click.echo(verdict(result.rows))
    sys.exit(0 if all(row.passed for row in result.rows) else 1)


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(143)  # by way of every context: servers end, disks are unmounted
