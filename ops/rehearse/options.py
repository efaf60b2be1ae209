"""What a rehearsal can be told on the command line; what is out of all reason is refused before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ops.arguments import Finite, Folder
from ops.installation import DEFAULT_DATA_DIR
from ops.rehearse.faults import FAULTS, FaultAt, parse_fault, seconds_of
from ops.rehearse.slo import OBJECTIVES
from ops.rehearse.verdict import LAG_MS_P99_MAX

SEED = 20141104
SEED_MAX = 2**63 - 1
GRANTS_FILE = "rehearsal-grants.jsonl"
WRITE_WORDS = "--write-outside-rehearsal-sections"
# By their parameters: options for an installation of the rehearsal's own alone, and for one that is there (--host).
OF_ITS_OWN = frozenset({"faults", "folder", "api_processes"})
OF_ONE_THAT_IS_THERE = frozenset({"grants", "data_dir", "may_write_anywhere"})
SCHOOL_MAX = 1_000_000  # teachers: ten times of what has been tried
DURATION_S_MAX = 48 * 3_600.0  # the grants of an installation of its own end after 72 hours


class Duration(click.ParamType[float]):
    """A duration as Locust writes it, of at least so many seconds."""

    name = "duration"

    def __init__(self, least_s: float) -> None:
        self._least_s = least_s

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return it in seconds."""
        if isinstance(value, float):
            return value
        try:
            seconds = seconds_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not self._least_s <= seconds <= DURATION_S_MAX:
            self.fail(f"{value}: from {self._least_s:g}s to {DURATION_S_MAX / 3_600:g}h", param, ctx)
        return seconds


class Fault(click.ParamType[FaultAt]):
    """A fault and its moment."""

    name = "name@t"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> FaultAt:
        """Return it as it is meant."""
        try:
            return parse_fault(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


OPTIONS = (
    click.Option(
        ["--teachers"], type=click.IntRange(1, SCHOOL_MAX), help="At most at once.  [default: as the profile says]"
    ),
    click.Option(["--scale"], type=Finite(0, min_open=True), help="Of the profile's teachers.  [default: 1]"),
    click.Option(["--duration"], type=Duration(1), help="Of typing: 90s, 10m.  [default: as the profile says]"),
    click.Option(
        ["--seed"],
        type=click.IntRange(0, SEED_MAX),
        default=SEED,
        show_default=True,
        help="Of what is typed, when, and of faults.",
    ),
    click.Option(
        ["--fault", "faults"],
        type=Fault(),
        multiple=True,
        help=f"NAME@T or NAME@T+LENGTH, as in stop-postgres@4m+2m, on an installation of its own: {', '.join(FAULTS)}.",
    ),
    click.Option(
        ["--slo"],
        type=click.Path(dir_okay=False, path_type=Path),
        help=f"TOML with a table [slo]: {', '.join(OBJECTIVES)}.  [default: the design's]",
    ),
    click.Option(["--out"], type=Folder(file_okay=False, path_type=Path), help="[default: rehearsals/PROFILE-TIME]"),
    click.Option(["--host"], help="An installation that is there.  [default: one of its own, thrown away afterwards]"),
    click.Option(
        ["--grants"],
        type=click.Path(dir_okay=False, path_type=Path),
        help=f"With --host.  [default: {GRANTS_FILE} in --data-dir]",
    ),
    click.Option(
        ["--api-processes"],
        type=click.IntRange(1, 15),
        default=2,
        show_default=True,
        help="Of an installation of its own.",
    ),
    click.Option(
        ["--processes"], type=click.IntRange(1, 64), help="Of the generator.  [default: as many as are needed]"
    ),
    click.Option(["--drain"], type=Duration(0), default="2m", help="For all to be recorded at the end. [default: 2m]"),
    click.Option(
        ["--dir", "folder"],
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Where its own servers keep their files: the disk that is measured.  [default: /tmp]",
    ),
    click.Option(
        ["--data-dir"],
        type=click.Path(file_okay=False, path_type=Path),
        default=DEFAULT_DATA_DIR,
        show_default=True,
        help="With --host: where `inkfast up` keeps its data.",
    ),
    click.Option(
        ["--late-ms-max"],
        type=Finite(1),
        default=LAG_MS_P99_MAX,
        show_default=True,
        help="A generator that is later (1 timer in 100) makes the run invalid.",
    ),
    click.Option(["--quiet"], is_flag=True, help="No progress."),
    click.Option(
        [WRITE_WORDS, "may_write_anywhere"],
        is_flag=True,
        help="With --host: into real sections, too, if the grants have them.",
    ),
)
