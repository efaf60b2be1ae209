"""`inkfast rehearse`: one command before a deadline, and a go or no-go that can be trusted."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import importlib.util
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.model.grants import GRANT_HOURS_MAX
from app.settings import Settings
from loadtests.rehearsal.profiles import PROFILES, STREAMING
from ops.installation import DEFAULT_DATA_DIR, data_dir_option, settings_environment
from ops.processes import ServerError
from ops.rehearse.faults import FAULTS, FaultAt, parse_fault, seconds_of
from ops.rehearse.junit import junit_of
from ops.rehearse.overload import sentences_of
from ops.rehearse.prepare import COLUMNS, SECTIONS_EACH, School, forget_school, prepare_school
from ops.rehearse.progress import Progress
from ops.rehearse.report import html_of
from ops.rehearse.run import Outcome, Wanted, rehearse_at, write_files
from ops.rehearse.slo import OBJECTIVES, read_slo
from ops.rehearse.stand import embedded, existing
from ops.rehearse.verdict import EXIT_OF, LAG_MS_P99_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from loadtests.rehearsal.profiles import Profile
    from ops.rehearse.stand import Target

SEED = 20141104
GRANTS_FILE = "rehearsal-grants.jsonl"
GRANT_HOURS = 72.0
STREAMS_PER_PROCESS = 13_000  # descriptors are limited to 20,000 on many machines
SOURCES = tuple(f"127.0.0.{n}" for n in range(2, 6))
WRITE_WORDS = "--write-outside-rehearsal-sections"


class Profiles(click.Group):
    """Profiles are commands of their own, and stand in the table of profiles.py."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Name the profiles where none of them was asked for."""
        if self.get_command(ctx, args[0]) is None:
            raise click.UsageError(f"no such profile: {args[0]} (there are: {', '.join(PROFILES)})", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Profiles)
def rehearse() -> None:
    """Let a district type at the service, and say whether it holds: PROFILE, or `prepare` for a target of one's own.

    \b
    inkfast rehearse smoke                                  a minute, on an installation of its own
    inkfast rehearse deadline-evening --scale 0.1           a tenth of the teachers
    inkfast rehearse everyone-at-once --fault kill-valkey@5m
    inkfast rehearse prepare --teachers 2080                a school for rehearsals in the installation here
    inkfast rehearse deadline-evening --host http://127.0.0.1:8000

    Exit status 0: pass. 1: fail. 2: it was asked for wrongly. 3: invalid, nothing was shown.
    """  # noqa: D301 -- \b is click's mark for "do not wrap"


class Duration(click.ParamType[float]):
    """A duration as Locust writes it."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return it in seconds."""
        if isinstance(value, float):
            return value
        try:
            return seconds_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


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
    click.Option(["--teachers"], type=click.IntRange(1), help="At most at once.  [default: as the profile says]"),
    click.Option(["--scale"], type=click.FloatRange(0, min_open=True), default=1.0, help="Of the profile's teachers."),
    click.Option(["--duration"], type=Duration(), help="Of typing: 90s, 10m.  [default: as the profile says]"),
    click.Option(["--seed"], type=int, default=SEED, show_default=True, help="Of what is typed, when, and of faults."),
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
    click.Option(
        ["--out"], type=click.Path(file_okay=False, path_type=Path), help="[default: rehearsals/PROFILE-TIME]"
    ),
    click.Option(["--host"], help="An installation that is there.  [default: one of its own, thrown away afterwards]"),
    click.Option(
        ["--grants"], type=click.Path(dir_okay=False, path_type=Path), help=f"[default: {GRANTS_FILE} in --data-dir]"
    ),
    click.Option(["--api-processes"], type=click.IntRange(1, 15), default=2, show_default=True, help="Of its own."),
    click.Option(["--processes"], type=click.IntRange(1), help="Of the generator.  [default: as many as are needed]"),
    click.Option(["--drain"], type=Duration(), default="2m", help="For all to be recorded at the end. [default: 2m]"),
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
        type=click.FloatRange(1),
        default=LAG_MS_P99_MAX,
        show_default=True,
        help="A generator that is later (1 timer in 100) makes the run invalid.",
    ),
    click.Option(["--quiet"], is_flag=True, help="No progress."),
    click.Option(
        [WRITE_WORDS, "may_write_anywhere"], is_flag=True, help="Type into real sections, if the grants have them."
    ),
)


def _add(profile: Profile) -> None:
    @click.pass_context
    def run(_: click.Context, /, **options: Any) -> None:
        _run(profile, options)

    size = f"{profile.teachers:,} teachers, {profile.duration_s / 60:g} minutes"
    command = click.Command(
        profile.name,
        callback=run,
        params=[*OPTIONS],
        help=f"{profile.title.capitalize()}: {size}.\n\n{profile.source}.",
        short_help=profile.title,
    )
    rehearse.add_command(command)


for _profile in PROFILES.values():
    _add(_profile)


def _run(profile: Profile, options: dict[str, Any]) -> None:
    signal.signal(signal.SIGTERM, _leave)
    if importlib.util.find_spec("locust") is None:
        raise ServerError("Locust is needed: pip install --require-hashes -r requirements/dev.lock")
    if options["slo"] is not None:
        read_slo(options["slo"])  # complain before the run, not after it
    if options["host"] and options["faults"]:
        raise click.UsageError("--fault breaks only an installation of the rehearsal's own, never one that is there")
    wanted = _wanted(profile, options)
    wanted.out.mkdir(parents=True, exist_ok=True)
    if any(wanted.out.glob("ledgers/*")) or (wanted.out / "figures.jsonl").exists():
        raise ServerError(f"{wanted.out} holds another run: name another folder")
    title = f"{profile.title}: {wanted.teachers:,} teachers, {wanted.duration_s:g} s"
    with _target(wanted, options) as target, Progress(title, wanted.duration_s, quiet=options["quiet"]) as progress:
        outcome = rehearse_at(target, wanted, progress.look, _say)
    _finish(outcome, wanted)


def _wanted(profile: Profile, options: dict[str, Any]) -> Wanted:
    teachers = options["teachers"] or max(1, round(profile.teachers * options["scale"]))
    is_streaming = profile.work == STREAMING
    started = dt.datetime.now(dt.UTC).astimezone().strftime("%Y%m%d-%H%M%S")
    # Absolute: the generator runs in a folder of its own choice.
    out = (options["out"] or Path("rehearsals") / f"{profile.name}-{started}").absolute()
    grants = (options["grants"] or options["data_dir"] / GRANTS_FILE).absolute()
    if not options["host"]:
        grants = out / "grants.jsonl"
    elif not grants.is_file():
        raise ServerError(f"no grants in {grants}: `inkfast rehearse prepare` writes them")
    return Wanted(
        profile=profile.name,
        teachers=teachers,
        scale=round(teachers / profile.teachers, 4),
        duration_s=options["duration"] or profile.duration_s,
        seed=options["seed"],
        faults=options["faults"],
        slo=options["slo"],
        out=out,
        grants=grants,
        processes=options["processes"] or (-(-teachers // STREAMS_PER_PROCESS) if is_streaming else 1),
        sources=SOURCES if is_streaming else (),
        drain_s=options["drain"],
        may_write_anywhere=options["may_write_anywhere"],
        late_ms_max=options["late_ms_max"],
        command=shlex.join(["inkfast", *sys.argv[1:]]),
    )


@contextlib.contextmanager
def _target(wanted: Wanted, options: dict[str, Any]) -> Iterator[Target]:
    if options["host"]:
        yield existing(options["host"], options["data_dir"], _say)
        return
    _say("starting an installation for the rehearsal …")
    window_ms = PROFILES[wanted.profile].save_window_ms
    settings = {"INKFAST_SAVE_WINDOW_MS": str(window_ms)} if window_ms else None
    with embedded(options["api_processes"], options["folder"], wanted.out / "logs", settings) as target:
        assert target.settings is not None  # noqa: S101 -- its own
        asyncio.run(prepare_school(target.settings, School(wanted.teachers), wanted.grants, GRANT_HOURS, _say))
        yield target


def _finish(outcome: Outcome, wanted: Wanted) -> None:
    write_files(outcome, wanted.out)
    (wanted.out / "report.html").write_text(html_of(outcome))
    (wanted.out / "junit.xml").write_text(junit_of(outcome.run))
    run = outcome.run
    click.echo(run["verdict_words"])
    for reason in run["reasons"][1:]:
        click.echo(f"  also: {reason}")
    for sentence in sentences_of(run) if "overload" in run else ():
        click.echo(f"  {sentence}")
    for one in outcome.judged:
        click.echo(f"  {'held  ' if one.holds else 'MISSED'} {one.sentence()}")
    click.echo(f"report: {wanted.out / 'report.html'}")
    sys.exit(EXIT_OF[run["verdict"]])


@rehearse.command("prepare")
@click.option("--teachers", type=click.IntRange(1), default=2_080, show_default=True)
@click.option(
    "--sections", type=click.IntRange(1, 50), default=SECTIONS_EACH, show_default=True, help="Of each teacher."
)
@click.option("--columns", type=click.IntRange(1, 200), default=COLUMNS, show_default=True, help="Of each section.")
@click.option(
    "--hours",
    type=click.FloatRange(0, GRANT_HOURS_MAX, min_open=True),
    default=GRANT_HOURS,
    show_default=True,
    help="How long the grants are good.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help=f"[default: {GRANTS_FILE} in --data-dir]")
@click.option("--remove", is_flag=True, help="Disable the accounts and hide the sections instead.")
@data_dir_option
def prepare(
    teachers: int, sections: int, columns: int, hours: float, out: Path | None, data_dir: Path, *, remove: bool
) -> None:
    """Make a school for rehearsals in an installation that is there, and a file of grants for its teachers.

    Everything in it is called "Rehearsal", and the grants are good for its sections only. A rehearsal types into
    nothing else unless it is told to in so many words. What is there already is kept; the file is made anew, with a new
    password for all its accounts. It is as good as these accounts: keep it as you keep a password.
    """
    settings = Settings.from_env(settings_environment(data_dir))
    if remove:
        hidden, disabled = asyncio.run(forget_school(settings))
        click.echo(f"{hidden:,} sections are hidden, {disabled:,} accounts disabled")
        return
    path = out or data_dir / GRANTS_FILE
    written = asyncio.run(prepare_school(settings, School(teachers, sections, columns), path, hours, _say))
    click.echo(f"{written:,} grants in {path}")


def _say(text: str) -> None:
    click.echo(text, err=True)


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(143)  # by way of every context: generator and servers end
