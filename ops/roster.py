"""`inkfast roster`: import OneRoster packages, approve held runs, make a demo district.

Exit status of `import` and `approve`: 0 imported, 3 imported but some rows were refused, 4 the package was refused and
nothing was changed, 5 held for approval and nothing was changed, 6 another import is running, 1 anything else.
"""

from __future__ import annotations

import asyncio
import codecs
import datetime as dt
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import click
import msgspec

from app.errors import RecordsUnavailableError
from app.gradebook.sign_in import end_all_of_user
from app.model.passwords import hash_password
from app.records import rosters
from app.records.accounts import read_account
from app.rosters.demo import RESULTS_TEACHERS_MAX, SEED, load_demo_district
from app.rosters.demo_csv import write_demo_package
from app.rosters.demo_district import TEACHERS_MAX, DemoDistrict
from app.rosters.importer import (
    ApprovalError,
    ImportBusyError,
    ImportFailedError,
    ImportOptions,
    approve_import,
    import_package,
    peak_rss_mib,
)
from app.rosters.report import text_lines
from ops.environment import environment
from ops.installation import DEFAULT_DATA_DIR, Installation
from ops.processes import ServerError
from ops.roster_progress import shown_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from app.rosters.report import ImportReport

EXIT_STATUS = {"imported": 0, "refused": 4, "held": 5, "failed": 1}
EXIT_ROWS_REFUSED = 3
EXIT_BUSY = 6
PERCENT = click.FloatRange(0, 100)
Result = TypeVar("Result")


@click.group()
def roster() -> None:
    """Import OneRoster packages, approve held runs, make a demo district."""


def _database_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--data-dir",
        type=click.Path(file_okay=False, path_type=Path),
        default=DEFAULT_DATA_DIR,
        show_default=True,
        help="Where `inkfast up` keeps its data, if DATABASE_URL is not set.",
    )(function)


def database_url(data_dir: Path) -> str:
    """Return DATABASE_URL, else the database that `inkfast up` runs in `data_dir`; ServerError without either."""
    url = environment().get("DATABASE_URL") or Installation(data_dir).read().get("database_url")
    if not url:
        raise ServerError(f"no database: set DATABASE_URL, or run `inkfast up` (nothing in {data_dir})")
    return str(url)


def _encoding(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    try:
        return codecs.lookup(value).name if value else None
    except LookupError:
        raise click.BadParameter(f"no encoding is called {value!r}") from None


_import_options = (
    click.option("--hide-share-max", type=PERCENT, default=5.0, show_default=True, metavar="PERCENT",
                 help="Hold a run that would hide a larger share of the sections, students or enrollments."),
    click.option("--refused-share-max", type=PERCENT, default=1.0, show_default=True, metavar="PERCENT",
                 help="Refuse the package when a larger share of the rows of one of its files is refused."),
    click.option("--encoding", callback=_encoding, metavar="NAME",
                 help="Encoding of files without a byte order mark, such as windows-1252. Default: UTF-8."),
    click.option("--report", "report_path", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
                 help="Write the report with every refused row to this JSON file."),
    click.option("--rows", "rows_max", type=click.IntRange(min=0), default=20, show_default=True,
                 help="How many refused rows to print."),
)  # fmt: skip


def _with_import_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_import_options):
        function = option(function)
    return _database_option(function)


@roster.command("import")
@click.argument("package", metavar="DIR_OR_ZIP", type=click.Path(path_type=Path))
@click.option("--approve", is_flag=True, help="Import also if the run would be held.")
@_with_import_options
def import_command(
    package: Path,
    data_dir: Path,
    hide_share_max: float,
    refused_share_max: float,
    encoding: str | None,
    report_path: Path | None,
    rows_max: int,
    *,
    approve: bool,
) -> None:
    """Import a OneRoster 1.1 or 1.2 CSV package, bulk or delta.

    Exit status: 0 imported, 3 imported but some rows were refused, 4 package refused, 5 held for approval,
    6 another import is running. Refused or held: nothing was changed.
    """
    options = ImportOptions(
        hide_share_max=hide_share_max,
        refused_share_max=refused_share_max,
        approve=approve,
        encoding=encoding,
        report_path=report_path,
    )
    with shown_progress() as progress:
        report = _run(import_package(database_url(data_dir), package, options, progress))
    _finish(report, rows_max)


@roster.command()
@click.argument("roster_import_id", metavar="ID", type=int)
@_with_import_options
def approve(
    roster_import_id: int,
    data_dir: Path,
    hide_share_max: float,
    refused_share_max: float,
    encoding: str | None,
    report_path: Path | None,
    rows_max: int,
) -> None:
    """Import the package of a held run after all; it must not have changed since."""
    options = ImportOptions(
        hide_share_max=hide_share_max,
        refused_share_max=refused_share_max,
        encoding=encoding,
        report_path=report_path,
    )
    with shown_progress() as progress:
        report = _run(approve_import(database_url(data_dir), roster_import_id, options, progress))
    _finish(report, rows_max)


@roster.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@_database_option
def list_command(limit: int, data_dir: Path) -> None:
    """List the latest imports."""

    async def read() -> list[rosters.ImportRun]:
        connection = await rosters.connect_for_import(database_url(data_dir))
        try:
            return await rosters.roster_list_imports(connection, limit)
        finally:
            await connection.close()

    for run in _run(read()):
        click.echo(f"{run.roster_import_id:>6}  {run.started_at:%Y-%m-%d %H:%M}  {run.outcome:<9} {run.source}")


@roster.command("set-password")
@click.argument("username")
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True, help="Asked for if not given.")
@_database_option
def set_password(username: str, password: str, data_dir: Path) -> None:
    """Give an imported account a password, so that it can sign in."""

    async def write() -> bool:
        connection = await rosters.connect_for_import(database_url(data_dir))
        try:
            if not await rosters.roster_set_password(connection, username, hash_password(password)):
                return False
            account = await read_account(connection, username)
            if account is not None:  # whoever knew the old password is signed out
                await end_all_of_user(connection, account.user_id)
            return True
        finally:
            await connection.close()

    if not _run(write()):
        raise ServerError(f"nobody is called {username!r}")
    click.echo(f"{username} can sign in")


@roster.command()
@click.option(
    "--teachers", type=click.IntRange(1, TEACHERS_MAX), default=20, show_default=True, help="How large it is."
)
@click.option("--seed", type=int, default=SEED, show_default=True, help="The same seed gives the same district.")
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]), help="The day that columns are due around. Default: today.")
@click.option(
    "--results/--no-results",
    default=None,
    help=f"Scores in some columns. Default: up to {RESULTS_TEACHERS_MAX} teachers.",
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Write a OneRoster 1.2 package."
)
@click.option(
    "--semesters", type=click.IntRange(1, 2), default=1, show_default=True, help="With --out: sections of both."
)
@_database_option
def demo(
    teachers: int,
    seed: int,
    today: dt.datetime | None,
    out: Path | None,
    semesters: int,
    data_dir: Path,
    *,
    results: bool | None,
) -> None:
    """Make a demo district: into the database, or with --out as a OneRoster 1.2 folder."""
    begun = time.monotonic()
    day = (today or dt.datetime.now(dt.UTC)).date()
    wants_results = teachers <= RESULTS_TEACHERS_MAX if results is None else results

    def say(text: str) -> None:
        click.echo(f"{time.monotonic() - begun:7.1f} s  {text}", err=True)

    if out is not None:
        district = DemoDistrict(teachers, seed, day, semesters=semesters)
        try:
            counts = write_demo_package(district, out, with_results=wants_results, progress=say)
        except FileExistsError as error:
            raise ServerError(str(error)) from None
        rows = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        click.echo(f"{out}: {rows}")
    else:
        url = database_url(data_dir)
        work = load_demo_district(
            url, teachers=teachers, seed=seed, today=day, progress=say, with_results=wants_results
        )
        found = msgspec.structs.asdict(_run(work))
        state = "was there already" if found.pop("was_there") else "loaded"
        click.echo(f"demo district {state}: " + ", ".join(f"{name} {count:,}" for name, count in found.items()))
    click.echo(f"{time.monotonic() - begun:.1f} s, at most {peak_rss_mib()} MiB")


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    try:
        return asyncio.run(work)
    except ImportBusyError as error:
        click.echo(f"inkfast: {error}", err=True)
        sys.exit(EXIT_BUSY)
    except (ApprovalError, ImportFailedError, RecordsUnavailableError) as error:
        raise ServerError(str(error)) from None


def _finish(report: ImportReport, rows_max: int) -> NoReturn:
    for line in text_lines(report, rows_max):
        click.echo(line)
    status = EXIT_STATUS[report.outcome]
    sys.exit(EXIT_ROWS_REFUSED if not status and report.refused_total else status)


if __name__ == "__main__":
    try:
        roster(prog_name="inkfast roster")
    except ServerError as failure:
        click.echo(f"inkfast: {failure}", err=True)
        sys.exit(1)
