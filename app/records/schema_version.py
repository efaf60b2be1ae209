"""Is the database as new as this code? The API and the workers ask before they start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncpg

from app.errors import RecordsUnavailableError
from app.records.statements import load

MIGRATIONS = Path(__file__).with_name("migrations")


class OldSchemaError(RecordsUnavailableError):
    """The database lacks a migration of this release: run `inkfast migrate`. The process does not start."""


def newest_schema_version() -> str:
    """Return the version of the newest migration file, as dbmate counts: the digits its name begins with."""
    return max(path.name.split("_", 1)[0] for path in MIGRATIONS.glob("*.sql"))


async def read_schema_version(connection: asyncpg.Connection[Any]) -> str | None:
    """Return the newest applied migration; None in a database that was never migrated."""
    try:
        version: str | None = await connection.fetchval(load("read_schema_version"))
    except asyncpg.UndefinedTableError:
        return None
    return version


async def require_current_schema(connection: asyncpg.Connection[Any]) -> None:
    """Return when this release's newest migration is applied; a newer schema is fine (a release is rolling out).

    OldSchemaError otherwise, and nothing was changed.
    """
    wanted = newest_schema_version()
    found = await read_schema_version(connection)
    if found is None or found < wanted:
        raise OldSchemaError(
            f"the database has schema {found or 'none'}, this release needs {wanted}: run `inkfast migrate`"
        )
