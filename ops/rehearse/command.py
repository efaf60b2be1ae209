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
from loadtests.rehearsal.grants import Grants, GrantsError
from loadtests.rehearsal.profiles import PROFILES, STREAMING
from ops.arguments import Finite, NewFile, given
from ops.endings import AskedWronglyError, NothingDoneError, ends_as
from ops.installation import data_dir_option, settings_environment
from ops.processes import ServerError
from ops.rehearse.junit import junit_of
from ops.rehearse.options import GRANTS_FILE, OF_ITS_OWN, OF_ONE_THAT_IS_THERE, OPTIONS, SCHOOL_MAX
from ops.rehearse.overload import sentences_of
from ops.rehearse.prepare import (
    COLUMNS,
    SECTIONS_EACH,
    School,
    check_can_be_written,
    forget_school,
    prepare_school,
)
from ops.rehearse.progress import Progress
from ops.rehearse.report import html_of
from ops.rehearse.run import Outcome, Wanted, rehearse_at, write_files
from ops.rehearse.slo import read_slo
from ops.rehearse.stand import embedded, existing
from ops.rehearse.verdict import EXIT_OF

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from loadtests.rehearsal.profiles import Profile
    from ops.rehearse.stand import Target

GRANT_HOURS = 72.0
STREAMS_PER_PROCESS = 13_000  # descriptors are limited to 20,000 on many machines
SOURCES = tuple(f"127.0.0.{n}" for n in range(2, 6))
OF_A_SCHOOL = frozenset({"teachers", "sections", "columns", "hours", "out"})
OF_A_RUN = ("run.json", "report.html", "figures.jsonl", "ledgers/*")


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

    Exit status 0: pass. 1: fail. 2: it was asked for wrongly. 3: invalid, nothing was shown, or it came to no end.
    """  # noqa: D301 -- \b is click's mark for "do not wrap"


def _add(profile: Profile) -> None:
    @click.pass_context
    def run(_: click.Context, /, **options: Any) -> None:
        _run(profile, options)

    size = f"{profile.teachers:,} teachers, {profile.duration_s / 60:.3g} minutes"
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


class NoVerdictError(NothingDoneError):
    """It came to no end. Never status 1: that is a verdict."""

    def format_message(self) -> str:
        """Say so first."""
        return f"no verdict: {self.message}"


def _run(profile: Profile, options: dict[str, Any]) -> None:
    signal.signal(signal.SIGTERM, _leave)
    if importlib.util.find_spec("locust") is None:
        raise AskedWronglyError("Locust is needed: pip install --require-hashes -r requirements/dev.lock")
    with ends_as(AskedWronglyError, NoVerdictError):
        wanted = _wanted(profile, options)
        existing_one = existing(options["host"], options["data_dir"], _say) if options["host"] is not None else None
        _begin_folder(wanted.out)
    title = f"{profile.title}: {wanted.teachers:,} teachers, {wanted.duration_s:g} s"
    with ends_as(NoVerdictError, NoVerdictError):
        with (
            contextlib.nullcontext(existing_one) if existing_one else _embedded(wanted, options) as target,
            Progress(title, wanted.duration_s, quiet=options["quiet"]) as progress,
        ):
            outcome = rehearse_at(target, wanted, progress.look, _say)
        _finish(outcome, wanted)


def _check(profile: Profile, options: dict[str, Any]) -> None:
    """Refuse what contradicts itself, before anything starts: an option that is not heeded would mislead."""
    if options["host"] is not None and (unheeded := given(OF_ITS_OWN)):
        raise click.UsageError(
            f"{unheeded[0]} is for an installation of the rehearsal's own, never one that is there (--host)"
        )
    if options["host"] is None and (unheeded := given(OF_ONE_THAT_IS_THERE)):
        raise click.UsageError(
            f"{unheeded[0]} is for an installation that is there (--host); the rehearsal's own brings what it needs"
        )
    if options["teachers"] and options["scale"]:
        raise click.UsageError("--teachers and --scale both say how many: one of them")
    duration_s = options["duration"] or profile.duration_s
    for fault in options["faults"]:
        if fault.at_s >= duration_s:
            raise click.UsageError(f"{fault.name}@{fault.at_s:g}s: the typing ends after {duration_s:g} s")


def _begin_folder(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    if any(any(out.glob(pattern)) for pattern in OF_A_RUN):
        raise ServerError(f"{out} holds another run: name another folder")
    (out / "logs").mkdir(exist_ok=True)


def _wanted(profile: Profile, options: dict[str, Any]) -> Wanted:
    _check(profile, options)
    teachers = options["teachers"] or max(1, round(profile.teachers * (options["scale"] or 1.0)))
    if teachers > SCHOOL_MAX:
        raise click.UsageError(f"--scale {options['scale']:g}: more than {SCHOOL_MAX:,} teachers")
    is_streaming = profile.work == STREAMING
    processes = options["processes"] or (-(-teachers // STREAMS_PER_PROCESS) if is_streaming else 1)
    if processes > teachers:
        raise click.UsageError(f"--processes {processes}: there are only {teachers:,} teachers")
    started = dt.datetime.now(dt.UTC).astimezone().strftime("%Y%m%d-%H%M%S")
    # Absolute: the generator runs in a folder of its own choice.
    out = (options["out"] or Path("rehearsals") / f"{profile.name}-{started}").absolute()
    return Wanted(
        profile=profile.name,
        teachers=teachers,
        scale=round(teachers / profile.teachers, 4),
        duration_s=options["duration"] or profile.duration_s,
        seed=options["seed"],
        faults=options["faults"],
        slo=read_slo(options["slo"]) if options["slo"] is not None else None,
        out=out,
        grants=out / "grants.jsonl" if options["host"] is None else _grants(options),
        processes=processes,
        sources=SOURCES if is_streaming else (),
        drain_s=options["drain"],
        may_write_anywhere=options["may_write_anywhere"],
        late_ms_max=options["late_ms_max"],
        command=shlex.join(["inkfast", *sys.argv[1:]]),
    )


def _grants(options: dict[str, Any]) -> Path:
    path: Path = (options["grants"] or options["data_dir"] / GRANTS_FILE).absolute()
    if not path.is_file():
        raise ServerError(f"no grants in {path}: `inkfast rehearse prepare` writes them")
    try:
        Grants(path)  # complains of a line that is none
    except GrantsError as error:
        raise ServerError(str(error)) from error
    return path


@contextlib.contextmanager
def _embedded(wanted: Wanted, options: dict[str, Any]) -> Iterator[Target]:
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
@click.option("--teachers", type=click.IntRange(1, SCHOOL_MAX), default=2_080, show_default=True)
@click.option(
    "--sections", type=click.IntRange(1, 50), default=SECTIONS_EACH, show_default=True, help="Of each teacher."
)
@click.option("--columns", type=click.IntRange(1, 200), default=COLUMNS, show_default=True, help="Of each section.")
@click.option(
    "--hours",
    type=Finite(0, GRANT_HOURS_MAX, min_open=True),
    default=GRANT_HOURS,
    show_default=True,
    help="How long the grants are good.",
)
@click.option("--out", type=NewFile(), help=f"[default: {GRANTS_FILE} in --data-dir]")
@click.option("--remove", is_flag=True, help="Disable the accounts and hide the sections instead.")
@data_dir_option
def prepare(
    teachers: int, sections: int, columns: int, hours: float, out: Path | None, data_dir: Path, *, remove: bool
) -> None:
    """Make a school for rehearsals in an installation that is there, and a file of grants for its teachers.

    Everything in it is called "Rehearsal", and the grants are good for its sections only. A rehearsal types into
    nothing else unless it is told to in so many words. What is there already is kept; the file is made anew, with a new
    password for all its accounts. It is as good as these accounts: keep it as you keep a password.

    Exit status 2: it was asked for wrongly, and nothing was made. 3: the stores could not be reached or refused, or it
    came to no end; what was made by then is kept, and another call goes on.
    """
    if remove and (unheeded := given(OF_A_SCHOOL)):
        raise click.UsageError(f"{unheeded[0]} is for a school that is made, and --remove makes none")
    path = out or data_dir / GRANTS_FILE
    with ends_as(AskedWronglyError):
        settings = Settings.from_env(settings_environment(data_dir))
        if not remove:
            check_can_be_written(path)
    with ends_as(NothingDoneError):
        if remove:
            hidden, disabled = asyncio.run(forget_school(settings))
            click.echo(f"{hidden:,} sections are hidden, {disabled:,} accounts disabled")
            return
        written = asyncio.run(prepare_school(settings, School(teachers, sections, columns), path, hours, _say))
        click.echo(f"{written:,} grants in {path}")


def _say(text: str) -> None:
    click.echo(text, err=True)


def _leave(_number: int, _frame: FrameType | None) -> None:
    _say("no verdict: it was told to end, and stops what it has started")
    sys.exit(143)  # by way of every context: generator and servers end
