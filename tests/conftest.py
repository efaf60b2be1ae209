"""Real servers for every test: one PostgreSQL and one Valkey a run, a database of its own for each test that asks."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
import redis

from app.gradebook import rules
from app.settings import Settings
from ops.migrate import apply_migrations
from ops.servers import PostgresServer, ValkeyServer, postgres_bin

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPLATE = "inkfast_template"
SECRET_KEY = "for-tests-only-and-long-enough-0123456789"
MEMORY, DISK = Path("/dev/shm"), Path("/tmp")  # noqa: S108 -- a folder of one's own is made in them, by mkdtemp
MEMORY_BYTES_MIN = 1024**3  # for a PostgreSQL without fsync
ALL_BYTES_MIN = 4 * 1024**3  # for all servers, with what their disk guards want left
# Where the servers are not in memory, an fsync may take longer than the second after which a journal is taken for away.
SILENCE_MS_MAX = 30_000
SMALL = {"max_wal_size": "96MB", "min_wal_size": "32MB"}  # it takes memory
_numbers = itertools.count(1)

# Whether an example takes 200 ms is a matter of what else the machine does.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


def psql(server: PostgresServer, statement: str) -> None:
    """Run one statement as the superuser; a program of its own, so that it needs nobody's event loop."""
    command: list[str | Path] = [postgres_bin() / "psql", server.dsn_of("postgres", "postgres"), "-qXc", statement]
    subprocess.run(command, check=True, env={"PGOPTIONS": "-c client_min_messages=warning"})


@pytest.fixture(scope="session")
def server_dir() -> Iterator[Path]:
    """A short path (sockets) that unprivileged servers can walk to (pytest's own is closed to them).

    In memory where there is much room: on some disks a write that is waited for takes longer than the rest of a test,
    and now and then seconds.
    """
    yield from _folder(ALL_BYTES_MIN)


@pytest.fixture(scope="session")
def memory_dir() -> Iterator[Path]:
    """For servers without fsync: in memory where there is room, since a database is 300 files to make and to remove."""
    yield from _folder(MEMORY_BYTES_MIN)


def _folder(bytes_min: int) -> Iterator[Path]:
    is_roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= bytes_min
    path = Path(tempfile.mkdtemp(prefix="ink-", dir=MEMORY if is_roomy else DISK))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(server_dir: Path, memory_dir: Path) -> Iterator[PostgresServer]:
    """A server without fsync, holding the migrated database that the tests' databases are copied from."""
    server = PostgresServer(memory_dir / "pg", server_dir / "run", fast=True, config=SMALL)
    server.start()
    try:
        psql(server, f"CREATE DATABASE {TEMPLATE} OWNER inkfast")
        apply_migrations(server.dsn_of(TEMPLATE))
        yield server
    finally:
        server.stop()


@pytest.fixture
def database_url(postgres: PostgresServer) -> Iterator[str]:
    """A fresh, migrated database; dropped afterwards, whoever is still connected."""
    yield from _database(postgres)


@pytest.fixture(scope="module")
def module_database_url(postgres: PostgresServer) -> Iterator[str]:
    """The same for all tests of one file: for those that only read, or keep to their own sections."""
    yield from _database(postgres)


@pytest.fixture(scope="session")
def session_database_url(postgres: PostgresServer) -> Iterator[str]:
    """The same for all tests that share one service, and keep to their own sections."""
    yield from _database(postgres)


def _database(server: PostgresServer) -> Iterator[str]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    psql(server, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER inkfast")
    yield server.dsn_of(name)
    psql(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def valkey(server_dir: Path) -> Iterator[ValkeyServer]:
    """One journal server, as durable as the service demands."""
    server = ValkeyServer(server_dir / "valkey", server_dir / "run", config={"maxmemory": "256mb"})
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def redis_url(valkey: ValkeyServer) -> str:
    """The journal server, empty."""
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    return valkey.url


@pytest.fixture(scope="session", autouse=True)
def quick_refresh() -> Iterator[None]:
    """A refusal waits until the rules of its section may be read again: not a second in each test that provokes one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "REFRESH_S_MIN", 0.05)
        yield


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    """Settings for a fresh database and an empty journal, which is away only where a test takes it away."""
    return Settings(
        database_url=database_url, redis_url=redis_url, secret_key=SECRET_KEY, journal_silence_ms_max=SILENCE_MS_MAX
    )
