"""`inkfast drill kill`: kill things on purpose under load, and prove afterwards that nothing was lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ops.audit.checks import DISORDER, LOST, MISMATCH, TWICE, Report, audit_stores
from ops.audit.command import as_json, lines_of
from ops.drill.figures import longest_stall_s
from ops.drill.installation import HEAL_S_MAX, DrillInstallation, Load, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TARGETS = {"api": ("api-1", "api-2"), "flusher": ("flusher",), "valkey": ("valkey",), "postgres": ("postgres",)}
SEVERAL = "several"
ALL_NAMES = tuple(name for names in TARGETS.values() for name in names)
PAUSE_S_MIN, PAUSE_S_MAX = 0.3, 5.0
TEACHERS, RATE = 20, 300.0
SEED = 20141104


class Row(NamedTuple):
    """What became of the load while one target was killed again and again."""

    target: str
    kills: int
    acknowledged: int
    lost: int
    duplicated: int
    out_of_order: int
    wrong: int
    longest_stall_s: float
    all_recorded: bool

    @property
    def is_clean(self) -> bool:
        """Whether the promise was kept."""
        return not self.lost + self.duplicated + self.out_of_order + self.wrong and self.all_recorded


@click.group()
def drill() -> None:
    """Break an installation of one's own on purpose, under load, and audit what is left."""


@drill.command()
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Kills of each target.")
@click.option(
    "--target",
    "targets",
    type=click.Choice([*TARGETS, "all", SEVERAL]),
    multiple=True,
    default=("all",),
    help="What to kill; may be given more than once.  [default: all, which is each of the four]",
)
@click.option("--rate", type=click.FloatRange(min=1), default=RATE, show_default=True, help="Edits per second.")
@click.option("--teachers", type=click.IntRange(2), default=TEACHERS, show_default=True)
@click.option("--seed", type=int, default=SEED, show_default=True, help="Of the moments of the kills, and of the load.")
@click.option(
    "--pause-s",
    type=click.FloatRange(min=PAUSE_S_MIN),
    default=PAUSE_S_MAX,
    show_default=True,
    help="Longest time between the healing after one kill and the next.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Keep ledgers, reports and logs here.")
def kill(targets: tuple[str, ...], teachers: int, out: Path | None, **options: Any) -> None:
    """Kill -9 API processes, the flusher, Valkey and PostgreSQL, each alone, at random moments under load.

    Starts an installation of its own in a temporary folder (fsync on, as always), lets teachers type, kills, waits
    until another process does the work of the killed one, and goes on. Then lets everything be recorded, and audits.
    "several" kills one to five of them at a time, and does not wait: it finds what happens while something heals.
    Exit status 1 where anything acknowledged was lost, stored twice, out of order, or not recorded in the end.
    """
    wanted = [name for name in (*TARGETS, SEVERAL) if name in targets or ("all" in targets and name != SEVERAL)]
    with _folder(out) as folder:
        click.echo(f"seed {options['seed']}; starting an installation in {folder}")
        with DrillInstallation(folder / "data", teachers) as installation:
            installation.write_tokens(folder / "tokens.jsonl")
            rows = [
                _Phase(installation, folder, target, teachers, **options | {"seed": options["seed"] + number}).run()
                for number, target in enumerate(wanted)
            ]
        for line in table(rows):
            click.echo(line)
    sys.exit(0 if all(row.is_clean for row in rows) else 1)


@contextlib.contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    """Yield an empty folder: a temporary one, or one in `out` that is kept, but for the stores."""
    if out is None:
        with tempfile.TemporaryDirectory(prefix="inkfast-drill-", ignore_cleanup_errors=True) as name:
            Path(name).chmod(0o711)  # the servers run as another user
            yield Path(name)
        return
    out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=out))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        for kept in (folder / "data" / "log").glob("*.log"):
            shutil.copy(kept, folder / f"{kept.stem}.log")
        shutil.rmtree(folder / "data", ignore_errors=True)
        (folder / "tokens.jsonl").unlink(missing_ok=True)


class _Phase(NamedTuple):
    """One target, killed again and again, with a load and an audit of its own."""

    installation: DrillInstallation
    folder: Path
    target: str
    teachers: int
    rounds: int
    rate: float
    seed: int
    pause_s: float

    def run(self) -> Row:
        rng = random.Random(self.seed)  # noqa: S311 -- seeded moments, no secrets
        ledger = self.folder / f"{self.target}.jsonl"
        tokens = self.folder / "tokens.jsonl"
        load = Load(self.installation, tokens, ledger, rate=self.rate, teachers=self.teachers, seed=self.seed)
        with load:
            for number in range(1, self.rounds + 1):
                time.sleep(rng.uniform(PAUSE_S_MIN, self.pause_s))
                names = _several(rng) if self.target == SEVERAL else [rng.choice(TARGETS[self.target])]
                click.echo(f"kill -9 {' '.join(names)} ({number} of {self.rounds})")
                kill = self.installation.kill_now if self.target == SEVERAL else self.installation.kill
                for name in names:
                    kill(name)
            wait_until(self.installation.is_serving, HEAL_S_MAX, "readiness after the last kill")
            time.sleep(rng.uniform(PAUSE_S_MIN, self.pause_s))
        report = asyncio.run(audit_stores(self.installation.settings, [ledger], HEAL_S_MAX, lambda _: None))
        ledger.with_suffix(".json").write_text(json.dumps(as_json(report, [ledger]), indent=2) + "\n")
        if not report.holds:
            for line in lines_of(report):
                click.echo(line)
        return self._row(report, load)

    def _row(self, report: Report, load: Load) -> Row:
        return Row(
            self.target,
            self.rounds,
            report.counts["acknowledged"],
            report.total(LOST),
            report.total(TWICE),
            report.total(DISORDER),
            report.total(MISMATCH),
            longest_stall_s(load.ledger),
            load.all_recorded,
        )


def _several(rng: random.Random) -> list[str]:
    return rng.sample(ALL_NAMES, rng.choice((1, 1, 2, 3, len(ALL_NAMES))))


def table(rows: Sequence[Row]) -> list[str]:
    """Return the result for a person."""
    head = ("target", "kills", "acknowledged", "lost", "duplicated", "out of order", "wrong", "longest stall of saving")
    lines = [" | ".join(head)]
    for row in rows:
        cells = (row.target, row.kills, row.acknowledged, row.lost, row.duplicated, row.out_of_order, row.wrong)
        texts = [*map(str, cells), f"{row.longest_stall_s:.1f} s"]
        padded = [
            text.rjust(len(name)) if at else text.ljust(len(name))
            for at, (text, name) in enumerate(zip(texts, head, strict=True))
        ]
        lines.append(" | ".join(padded) + ("" if row.all_recorded else "   NOT ALL RECORDED"))
    kills, acknowledged = sum(row.kills for row in rows), sum(row.acknowledged for row in rows)
    if all(row.is_clean for row in rows):
        lines.append(f"{kills} kills, {acknowledged} acknowledged edits: none lost, none twice, none out of order")
    else:
        lines.append(f"{kills} kills, {acknowledged} acknowledged edits: THE PROMISE WAS BROKEN")
    return lines
