"""`inkfast token USER`: a bearer token for trying the API, on the standing of whoever may read the secret key."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import click

from app.errors import RecordsUnavailableError
from app.gradebook.sign_in import grant_for
from app.model.grants import GRANT_HOURS_MAX, derive_grant_key
from app.records.pool import connect
from app.settings import Settings
from ops.installation import data_dir_option, settings_environment
from ops.processes import ServerError

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("user")
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True, max=GRANT_HOURS_MAX),
    default=12,
    show_default=True,
    help="Its term; nobody renews it.",
)
@data_dir_option
def token(user: str, hours: float, data_dir: Path) -> None:
    """Print a bearer token for USER (a user name, such as teacher1), and nothing else.

    It says what the user may do now; for one who leaves, `DELETE /api/v1/session` with it ends it before its time.
    """
    settings = Settings.from_env(settings_environment(data_dir))
    minted = asyncio.run(_mint(settings, user, hours))
    if minted is None:
        raise ServerError(f"there is no user {user!r} who may sign in")
    click.echo(minted)


async def _mint(settings: Settings, user: str, hours: float) -> str | None:
    try:
        connection = await connect(settings.database_url, application_name="inkfast-token")
    except RecordsUnavailableError as error:
        raise ServerError(error.detail) from error
    try:
        return await grant_for(connection, user, derive_grant_key(settings.secret_key), time.time(), hours)
    finally:
        await connection.close()
