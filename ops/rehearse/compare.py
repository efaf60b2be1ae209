"""`inkfast compare`: what differs between runs, and whether that is more than the noise of repeats.

The first run is compared with each of the others. Where there are three or more, those after the first are repeats of
each other, and their spread is the noise: a difference inside it is called so. Runs of different schema, profile, size,
machine or verdict's ground are not compared.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import click

from ops.arguments import NewFile
from ops.endings import AskedWronglyError, NothingDoneError, ends_as, written
from ops.processes import ServerError
from ops.rehearse.figures import FORMAT
from ops.rehearse.verdict import INVALID

if TYPE_CHECKING:
    from collections.abc import Sequence

FIGURE_MAX = 1e300  # more is no figure; and a difference of two of them would be none
NEEDED: dict[str, type] = {
    "verdict": str,
    "reasons": list,
    "faults": list,
    "audit": dict,
    "began_at": str,
    "command": str,
}
NOISE_WITHOUT_REPEATS = 0.10  # of a single pair: two runs of one thing differ by so much on a shared machine
# Of these one is one too many: they have no noise, and the worst of the repeats counts.
LOSSES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("lost", ("audit", "lost")),
    ("stored twice", ("audit", "duplicated")),
    ("out of order", ("audit", "out_of_order")),
    ("otherwise than typed or told", ("audit", "mismatch")),
)
# (name, path in run.json, whether more is better)
FIGURES: tuple[tuple[str, tuple[str, ...], bool], ...] = (
    ("edits saved a second", ("edits_per_s", "drafted"), True),
    ("edit to drafted, p50 ms", ("age_ms", "drafted", "p50"), False),
    ("edit to drafted, p99 ms", ("age_ms", "drafted", "p99"), False),
    ("edit to recorded, p99 ms", ("age_ms", "recorded", "p99"), False),
    ("request, p50 ms", ("request_ms", "p50"), False),
    ("request, p99 ms", ("request_ms", "p99"), False),
    ("oldest un-recorded, s", ("oldest_unrecorded_s_max",), False),
    ("failed requests, %", ("failed_requests_percent",), False),
    ("drain, s", ("drain_s",), False),
    ("API, CPU-s for 1,000 edits", ("cost", "API", "cpu_s_per_1000_edits"), False),
    ("journal, CPU-s for 1,000 edits", ("cost", "journal", "cpu_s_per_1000_edits"), False),
    ("flusher, CPU-s for 1,000 edits", ("cost", "flusher", "cpu_s_per_1000_edits"), False),
    ("PostgreSQL, CPU-s for 1,000 edits", ("cost", "PostgreSQL", "cpu_s_per_1000_edits"), False),
    *((name, path, False) for name, path in LOSSES),
)
ALIKE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("format", ("format",)),
    ("profile", ("profile",)),
    ("teachers", ("teachers",)),
    ("duration", ("duration_s",)),
    ("processor", ("machine", "processor")),
    ("cores", ("machine", "cores")),
    ("API processes", ("processes", "api")),
)


class NotComparedError(AskedWronglyError):
    """Nothing is said of them."""

    def format_message(self) -> str:
        """Say so first."""
        return f"these cannot be compared: {self.message}"


class Difference(NamedTuple):
    """One figure: of the first run, the median of the others, by how much, and the noise, as shares of the first."""

    name: str
    first: float
    others: float
    change: float
    noise: float
    is_better_higher: bool

    @property
    def word(self) -> str:
        """Say what it is."""
        if abs(self.change) <= self.noise:
            return "within noise"
        return "better" if (self.change > 0) == self.is_better_higher else "WORSE"


def _file(path: Path) -> Path:
    return path / "run.json" if path.is_dir() else path


def read_run(path: Path) -> dict[str, Any]:
    """Return run.json of a folder or a file; ServerError where there is none, or none that can be compared."""
    file = _file(path)
    try:
        run = json.loads(file.read_text(), parse_constant=_refuse, parse_float=_figure)
    except (OSError, ValueError, RecursionError) as error:
        raise ServerError(f"{file}: {error}") from error
    if not isinstance(run, dict) or run.get("format") != FORMAT:
        raise ServerError(f"{file} is no run of format {FORMAT}")
    if missing := [name for name, kind in NEEDED.items() if not isinstance(run.get(name), kind)]:
        raise ServerError(f"{file} is damaged: {', '.join(missing)}")
    if run["verdict"] == INVALID:
        raise ServerError(f"{file}: an invalid run has shown nothing ({'; '.join(map(str, run['reasons']))})")
    return run


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no figure")


def _figure(text: str) -> float:
    if not math.isfinite(figure := float(text)):
        _refuse(text)
    return figure


def unlike(runs: Sequence[dict[str, Any]]) -> list[str]:
    """Return why these runs cannot be compared; empty where they can."""
    found = []
    for name, path in ALIKE:
        values = list(dict.fromkeys(str(_at(run, path)) for run in runs))
        if len(values) > 1:
            found.append(f"{name}: {' against '.join(values)}")
    kinds = list(dict.fromkeys(" ".join(map(_fault, run["faults"])) or "none" for run in runs))
    if len(kinds) > 1:
        found.append(f"faults: {' against '.join(kinds)}")
    if len({(run["began_at"], run["command"], json.dumps(run["audit"])) for run in runs}) < len(runs):
        found.append("one of them is there twice: that is no repeat")
    return found


def _fault(mark: Any) -> str:
    return str(mark.get("name")) if isinstance(mark, dict) else str(mark)


def differences(runs: Sequence[dict[str, Any]]) -> list[Difference]:
    """Return what differs between the first run and the median of the others."""
    found = []
    for name, path, is_better_higher in FIGURES:
        values = [_at(run, path) for run in runs]
        if not all(map(_is_figure, values)):
            continue
        first, others = float(values[0]), [float(value) for value in values[1:]]
        is_loss = (name, path) in LOSSES
        middle = max(others) if is_loss else median(others)
        unit = abs(first) or abs(middle) or 1.0
        noise = (max(others) - min(others)) / unit if len(others) > 1 else NOISE_WITHOUT_REPEATS
        noise = 0.0 if is_loss else noise
        found.append(Difference(name, first, middle, (middle - first) / unit, noise, is_better_higher))
    return found


def not_compared(runs: Sequence[dict[str, Any]]) -> list[str]:
    """Return the figures that some of the runs have and others do not: one that never drained has no time for it."""
    have = {name: [_is_figure(_at(run, path)) for run in runs] for name, path, _ in FIGURES}
    return [name for name, found in have.items() if any(found) and not all(found)]


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < FIGURE_MAX


def _at(run: dict[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = run
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="A B [C]...")
@click.option("--json", "json_path", type=NewFile(), help="Write the differences here too.")
def compare(runs: tuple[Path, ...], json_path: Path | None) -> None:
    """Compare run A with B, or with the median of B, C, …, which then say how much repeats differ.

    Each is a folder of `inkfast rehearse`, or its run.json. With only B a difference of up to 10 % is called noise.
    Exit status 1 where something is worse beyond the noise, 2 where the runs are not alike, or cannot be read, 3 where
    it came to no end, or --json could not be written.
    """
    if len(runs) < 2:
        raise click.UsageError("two runs at least")
    files = [_file(path) for path in runs]
    if json_path is not None and json_path.resolve() in [file.resolve() for file in files]:
        raise click.UsageError(f"--json {json_path} is one of the runs, and would be gone")
    with ends_as(NotComparedError):
        read = [read_run(file) for file in files]
        if why := unlike(read):
            raise ServerError("they are not alike: " + "; ".join(why))
    with ends_as(NothingDoneError):
        found = differences(read)
        for line in lines_of(found, len(read) - 1):
            click.echo(line)
        if missing := not_compared(read):
            click.echo(f"not compared, as not every run has them: {', '.join(missing)}")
    worse = 1 if any(one.word == "WORSE" for one in found) else 0
    text = json.dumps([one._asdict() | {"word": one.word} for one in found], indent=2) + "\n"
    if json_path is not None and not written(json_path, text):
        worse = worse or NothingDoneError.exit_code
    sys.exit(worse)


def lines_of(found: Sequence[Difference], repeats: int) -> list[str]:
    """Return the comparison for a person."""
    ground = (
        f"spread of {repeats} repeats" if repeats > 1 else f"{NOISE_WITHOUT_REPEATS:.0%} assumed: one run is no repeat"
    )
    lines = [f"{'':34}{'A':>12}{'others':>12}{'change':>9}{'noise':>8}   ({ground})"]
    for one in found:
        figures = f"{one.first:>12,.5g}{one.others:>12,.5g}{one.change:>+9.1%}{one.noise:>8.1%}"
        lines.append(f"{one.name:34}{figures}   {one.word}")
    return lines


__all__ = ["compare"]
