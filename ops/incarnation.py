"""`inkfast incarnation renew`: PostgreSQL was restored from a backup; the journal is to find together with it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from app.records.leases import mint_incarnation
from app.records.pool import connect
from app.settings import Settings
from ops.installation import data_dir_option, settings_environment

if TYPE_CHECKING:
    from pathlib import Path

NEXT = """\
What happens next, without further help:
  - Each flusher notices before its next batch, writes nothing until then, and binds its partitions to this history.
  - What the journal had copied from the database is dropped, and read anew.
  - Edits that were not recorded yet are linked to what the restored database holds, and recorded.
  - Teachers go on typing. Whoever had a cell on the screen that the backup does not know is asked: mine or theirs.
What was recorded after the backup was taken is not in it, and the clients have let go of it. To see how much that is:
  inkfast audit LEDGER            (docs/ledger.md; exit status 1 names the first ten)"""


@click.group()
def incarnation() -> None:
    """Tell journal and database that a backup was restored."""


@incarnation.command()
@data_dir_option
def renew(data_dir: Path) -> None:
    """Begin a new history of the database, after a backup was put back.

    Stop the flushers first (what they record on the old history is taken for conflicts), put the backup back, start
    PostgreSQL, run this, start the flushers. A promoted standby and a dump into a new cluster are noticed without it; a
    copy of the files is not.
    """
    settings = Settings.from_env(settings_environment(data_dir))
    click.echo(f"new incarnation: {asyncio.run(mint(settings))}")
    click.echo(NEXT)


async def mint(settings: Settings) -> str:
    """Return the new incarnation, once it is committed; RecordsUnavailableError leaves the old one."""
    connection = await connect(settings.database_url, application_name="inkfast-incarnation")
    try:
        return await mint_incarnation(connection)
    finally:
        await connection.close()
