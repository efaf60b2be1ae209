"""What the fault tests share: a ledger, and the small school."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec
import pytest

from loadtests.ledger import Ledger
from ops.migrate import apply_migrations
from ops.servers import PostgresServer, ValkeyServer
from tests.conftest import SMALL, psql
from tests.world import make_school

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.settings import Settings

TEMPLATE = "spare_template"
_numbers = itertools.count(1)


@pytest.fixture
def ledger_path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


@pytest.fixture
def ledger(ledger_path: Path) -> Iterator[Ledger]:
    with Ledger(ledger_path) as ledger:
        ledger.run(writer="tests")
        yield ledger


@pytest.fixture
async def school(settings: Settings) -> Settings:
    await make_school(settings.database_url)
    return settings


@pytest.fixture
def own_valkey(server_dir: Path) -> Iterator[ValkeyServer]:
    """A journal that a test may kill."""
    number = next(_numbers)
    server = ValkeyServer(server_dir / f"d{number}", server_dir / f"dr{number}", config={"maxmemory": "64mb"})
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def own_school(settings: Settings, own_valkey: ValkeyServer) -> Settings:
    """The small school, over a journal that a test may kill."""
    await make_school(settings.database_url)
    return msgspec.structs.replace(settings, redis_url=own_valkey.url)


@pytest.fixture(scope="session")
def spare_postgres(server_dir: Path, memory_dir: Path) -> Iterator[PostgresServer]:
    """A server that a test may stop; it has to leave it running."""
    server = PostgresServer(memory_dir / "spare-pg", server_dir / "spare-run", fast=True, config=SMALL)
    server.start()
    try:
        psql(server, f"CREATE DATABASE {TEMPLATE} OWNER inkfast")
        apply_migrations(server.dsn_of(TEMPLATE))
        yield server
    finally:
        server.stop()


@pytest.fixture
def spare_database_url(spare_postgres: PostgresServer) -> Iterator[str]:
    """A fresh, migrated database on the spare server."""
    if not spare_postgres.process.running:
        spare_postgres.start()  # a test that failed has left it stopped
    name = f"spare_{next(_numbers)}"
    psql(spare_postgres, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER inkfast")
    yield spare_postgres.dsn_of(name)
    if spare_postgres.process.running:
        psql(spare_postgres, f"DROP DATABASE {name} WITH (FORCE)")
