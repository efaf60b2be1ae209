"""Forward only, in order, refused when old, and the same schema on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from app.records.schema_version import OldSchemaError, newest_schema_version, require_current_schema
from ops.migrate import apply_migrations, dbmate_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def test_a_migrated_database_is_current(connection: asyncpg.Connection) -> None:
    await require_current_schema(connection)


async def test_an_old_schema_is_refused(connection: asyncpg.Connection) -> None:
    await connection.execute("DELETE FROM schema_migrations WHERE version = $1", newest_schema_version())
    with pytest.raises(OldSchemaError, match="inkfast migrate"):
        await require_current_schema(connection)


async def test_a_database_without_a_schema_is_refused(connection: asyncpg.Connection) -> None:
    await connection.execute("DROP TABLE schema_migrations")
    with pytest.raises(OldSchemaError, match="schema none"):
        await require_current_schema(connection)


async def test_a_newer_schema_is_fine(connection: asyncpg.Connection) -> None:
    await connection.execute("INSERT INTO schema_migrations (version) VALUES ('29991231000000')")
    await require_current_schema(connection)


def test_migrating_again_changes_nothing(database_url: str) -> None:
    assert apply_migrations(database_url).strip() == ""


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("postgresql://u:p@db.example:5433/x", "postgres://u:p@db.example:5433/x"),
        ("postgresql://u@/x?host=/run/a%20b", "postgres://u@/x?socket=%2Frun%2Fa%20b&sslmode=disable"),
        ("postgresql://u@/x?host=db1,db2", "postgres://u@/x?host=db1%2Cdb2"),
    ],
)
def test_dbmate_is_told_the_same_place(dsn: str, expected: str) -> None:
    assert dbmate_url(dsn).replace("/run", "%2Frun") == expected
