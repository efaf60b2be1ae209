"""PostgreSQL is put back from a backup: nobody is shown, or bound to, what it was before it had replayed its log."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec
import pytest

from app.drafts.keys import PARTITIONS
from app.drafts.snapshots import SnapshotCache
from app.drafts.store import DraftStore
from app.drafts.topology import Topology
from app.errors import RecordsUnavailableError
from app.gradebook.cached_sections import CachedSections
from app.gradebook.read_section import ReadSection
from app.records import leases
from app.records.pool import connect
from ops.incarnation import mint
from ops.migrate import apply_migrations
from ops.servers import PostgresServer
from tests.conftest import SMALL, psql
from tests.world import SECTION, STUDENTS, Tab, api_process, fetch, flush_all, grant, make_school, outcomes
from workers.flusher import Flusher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from app.settings import Settings

ANNA = STUDENTS[0]
WAIT_S_MAX = 60


@pytest.fixture
def archived_postgres(server_dir: Path, memory_dir: Path) -> Iterator[PostgresServer]:
    """A server of its own, migrated, whose log says enough to be replayed on a backup that can be read meanwhile."""
    config = SMALL | {"wal_level": "replica"}
    server = PostgresServer(memory_dir / "archived-pg", server_dir / "archived-run", fast=True, config=config)
    server.start()
    try:
        apply_migrations(server.dsn)
        yield server
    finally:
        server.kill()


def back_up(server: PostgresServer, backup: Path) -> None:
    server.stop()
    subprocess.run(["cp", "-a", server.data_dir, backup], check=True)
    server.start()


def put_back(server: PostgresServer, backup: Path, go: Path) -> None:
    """Return when the backup can be read; it replays what came after it once `go` is there."""
    server.stop()
    lost = backup.with_name("lost")
    server.data_dir.rename(lost)
    backup.rename(server.data_dir)
    restore = f"test -e {go} && cp {lost}/pg_wal/%f %p"
    with (server.data_dir / "postgresql.auto.conf").open("a") as file:
        file.write(f"restore_command = '{restore}'\nwal_retrieve_retry_interval = '50ms'\n")
    (server.data_dir / "standby.signal").touch()
    server.start()


@asynccontextmanager
async def snapshot_cache(settings: Settings) -> AsyncIterator[CachedSections]:
    """The cache of one process; a busy machine must not look like a cache that is away."""
    cached = CachedSections(settings, SnapshotCache(settings.snapshot_cache_url, answer_s_max=WAIT_S_MAX))
    try:
        yield cached
    finally:
        await cached.close()


async def test_a_backup_that_still_replays_its_log_is_away(
    settings: Settings, archived_postgres: PostgresServer, memory_dir: Path
) -> None:
    """It can be read, knows its old incarnation, and lacks what has been called recorded since."""
    backup, go = memory_dir / "backup", memory_dir / "go"
    settings = msgspec.structs.replace(
        settings, database_url=archived_postgres.dsn, snapshot_cache_url=settings.redis_url
    )
    await make_school(settings.database_url)
    async with api_process(settings) as process, snapshot_cache(settings) as cached:
        reading, tab = ReadSection(settings, process.pool, process.store, cached, rules=process.rules), Tab(process)

        async def look() -> tuple[bool, list[str]]:
            """Whether PostgreSQL is said to be away, and the scores."""
            snapshot = await reading.read_section(grant(), SECTION)
            return snapshot.records_are_away, [msgspec.json.decode(value)["score"] for value in snapshot.cells.value]

        await tab.save(tab.edit(ANNA, "11"))
        await flush_all(settings)
        assert await look() == (False, ["11"])
        async with asyncio.timeout(WAIT_S_MAX):
            while await cached.find(SECTION) is None:
                await asyncio.sleep(0.02)
        back_up(archived_postgres, backup)
        await tab.save(tab.edit(ANNA, "12"))
        await flush_all(settings)
        assert (await tab.save())["recorded_seq"] == 2
        put_back(archived_postgres, backup, go)
        assert [row[0] for row in await fetch(settings, "SELECT value->>'score' FROM cell")] == ["11"]
        assert await look() == (True, ["12"])
        with pytest.raises(RecordsUnavailableError, match="can be read only"):
            await connect(settings.database_url, application_name="test")
        answer = await tab.save(tab.edit(ANNA, "13"))
        assert (outcomes(answer), answer["recorded_seq"]) == (["drafted"], 2)
        assert await look() == (True, ["13"])
        go.touch()
        async with asyncio.timeout(
            WAIT_S_MAX
        ):  # until what was archived is there: a server that is promoted looks no more
            while [row[0] for row in await fetch(settings, "SELECT value->>'score' FROM cell")] != ["12"]:
                await asyncio.sleep(0.02)
        psql(archived_postgres, "SELECT pg_promote()")  # returns when it is done
        await mint(settings)
        await flush_all(settings)
        assert await look() == (False, ["13"])
        assert (await tab.save())["recorded_seq"] == 3
    assert [row[0] for row in await fetch(settings, "SELECT cell_version FROM edit_log ORDER BY 1")] == [1, 2, 3]


async def test_whoever_takes_more_partitions_after_a_restore_binds_all_of_them_anew(school: Settings) -> None:
    """The flusher knows one history of the database: what it bound to another it must not record under this one."""
    topology = Topology(school.redis_url)
    await topology.learn()
    store, other = DraftStore(topology), uuid4()
    flusher = Flusher(school, store)
    connection = await connect(school.database_url, application_name="test")
    try:
        await leases.announce_flusher(connection, other, school.lease_ms)
        await flusher._keep_leases()
        assert len(flusher._incarnations) == PARTITIONS // 2
        minted = await leases.mint_incarnation(connection)
        await leases.retire_flusher(connection, other)
        flusher._renew_at = 0.0  # a third of a lease later
        await flusher._keep_leases()
        bound = [await store.read_incarnation(partition) for partition in range(PARTITIONS)]
        assert {b and b.incarnation for b in bound} == {minted}
        assert {b.incarnation for b in flusher._incarnations.values()} == {minted}
    finally:
        if flusher._connection is not None:
            flusher._connection.terminate()
        await connection.close()
        topology.close()
