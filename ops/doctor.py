"""`inkfast doctor`: is this installation safe to type into? A line for each thing, with what to do about it."""

from __future__ import annotations

import asyncio
import platform
import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple

import click

from app.drafts import doctor as journal_doctor
from app.drafts.topology import Topology
from app.errors import InkfastError
from app.records import doctor as records_doctor
from app.records.pool import connect
from app.settings import Settings
from ops.installation import data_dir_option, settings_environment

if TYPE_CHECKING:
    from pathlib import Path

PYTHON_MIN = (3, 11)
# The journal's server ends itself when it cannot write, by design: it must not come to that.
FREE_PERCENT_MIN = 15
GIB = 1024**3


class Line(NamedTuple):
    """One verdict: fine when `advice` is empty."""

    subject: str
    value: str
    advice: str


async def examine_servers(settings: Settings) -> list[Line]:
    """Ask both stores; one that does not answer is a line too."""
    lines: list[Line] = []
    topology = Topology(settings.redis_url)
    try:
        await topology.learn()
        found = await journal_doctor.examine(topology)
        lines += [Line(finding.subject, finding.value, finding.problem or finding.advice) for finding in found]
    except InkfastError as error:
        lines.append(Line("journal", "away", f"{error.detail}: start it, or correct REDIS_URL"))
    finally:
        topology.close()
    try:
        connection = await connect(settings.database_url, application_name="inkfast-doctor")
    except InkfastError as error:
        return [*lines, Line("PostgreSQL", "away", f"{error.detail}: start it, or correct DATABASE_URL")]
    try:
        lines += [Line(*finding) for finding in await records_doctor.examine(connection)]
    finally:
        await connection.close()
    return lines


def examine_machine(data_dir: Path) -> list[Line]:
    """Look at Python and at the disk under the data directory."""
    old = "" if sys.version_info >= PYTHON_MIN else "install Python 3.11 or newer"
    lines = [Line("Python", platform.python_version(), old)]
    if data_dir.exists():
        usage = shutil.disk_usage(data_dir)
        percent = 100 * usage.free // usage.total
        advice = "" if percent >= FREE_PERCENT_MIN else f"free some of it: below {FREE_PERCENT_MIN} % is dangerous"
        lines.append(Line("free disk space", f"{usage.free / GIB:.1f} GiB ({percent} %)", advice))
    return lines


@click.command()
@data_dir_option
def doctor(data_dir: Path) -> None:
    """Check the journal's and PostgreSQL's durability settings, the schema, disk and Python.

    Exit status 1 when anything needs a hand.
    """
    lines = examine_machine(data_dir)
    settings = Settings.from_env(settings_environment(data_dir))
    lines += asyncio.run(examine_servers(settings))
    for line in lines:
        click.echo(f"{'PROBLEM' if line.advice else 'ok':<8} {line.subject:<50} {line.value}")
        if line.advice:
            click.echo(f"         {line.advice}")
    problems = sum(1 for line in lines if line.advice)
    click.echo(f"{problems} to mend" if problems else "all is well")
    sys.exit(1 if problems else 0)
