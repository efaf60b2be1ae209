"""PostgreSQL with a synchronous standby that takes over: what was committed on one of them alone is not believed."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import pytest

from app.drafts.store import DraftStore
from app.drafts.topology import Topology
from app.errors import RecordsUnavailableError
from app.records.pool import HOST_S_MAX, Pool, connect, create_pool, writable_url
from ops.migrate import apply_migrations
from ops.servers import PostgresServer, postgres_bin
from tests.awake import Awake
from tests.conftest import SMALL
from tests.world import QUIZ, STUDENTS, Tab, api_process, make_school, outcomes
from workers.flusher import Flusher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from app.settings import Settings

_numbers = itertools.count(1)
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'inkfast-flusher'"


class Road:
    """A loopback port that leads to a server's socket, until it is closed or nothing moves on it any more."""

    def __init__(self, server: PostgresServer) -> None:
        self._socket = f"{server._sockets}/.s.PGSQL.5432"
        self._moves = asyncio.Event()
        self._moves.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Road]:
        server = await asyncio.start_server(self._lead, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()

    def freeze(self) -> None:
        self._moves.clear()

    def cut(self) -> None:
        """Drop what is under way: it never arrives."""
        for task in self._tasks:
            task.cancel()
        self._moves.set()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_unix_connection(self._socket)
        except OSError:
            writer.close()
            return
        for source, target in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._carry(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65_536):
                await self._moves.wait()
                target.write(data)
                await target.drain()
        except ConnectionError:
            pass
        finally:
            target.close()


async def _as_superuser(server: PostgresServer, *statements: str) -> list[Any]:
    connection = await asyncpg.connect(server.dsn_of("postgres", "postgres"))
    try:
        return [await connection.fetch(statement) for statement in statements][-1]
    finally:
        connection.terminate()


@pytest.fixture
def primary(server_dir: Path, memory_dir: Path) -> Iterator[PostgresServer]:
    """A server of its own, migrated."""
    number = next(_numbers)
    config = SMALL | {"wal_level": "replica"}
    server = PostgresServer(memory_dir / f"p{number}", server_dir / f"pr{number}", fast=True, config=config)
    server.start()
    try:
        apply_migrations(server.dsn)
        yield server
    finally:
        server.kill()  # in order, it would wait for a standby that is gone


@asynccontextmanager
async def standby_of(primary: PostgresServer, road: Road, server_dir: Path) -> AsyncIterator[PostgresServer]:
    """A standby that follows over `road`."""
    number = next(_numbers)
    source = f"host=127.0.0.1 port={road.port} user=postgres application_name=standby sslmode=disable"
    folder = primary.data_dir.with_name(f"s{number}")
    server = PostgresServer(folder, server_dir / f"sr{number}", fast=True, config=SMALL | {"primary_conninfo": source})
    command = [postgres_bin() / "pg_basebackup", "-d", primary.dsn_of("postgres", "postgres")]
    command += ["-D", server.data_dir, "-X", "stream", "-c", "fast", "--no-sync"]
    await asyncio.to_thread(subprocess.run, command, check=True)
    (server.data_dir / "standby.signal").touch()
    with ExitStack() as stack:
        stack.callback(server.kill)
        server.spawn()
        async with asyncio.timeout(60):
            while not await _as_superuser(primary, "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'"):
                await asyncio.sleep(0.05)
        yield server


def across(*roads: Road) -> str:
    return f"postgresql://inkfast@{','.join(f'127.0.0.1:{road.port}' for road in roads)}/inkfast?sslmode=disable"


async def test_a_commit_that_the_standby_never_saw_is_recorded_by_the_one_that_takes_over(
    settings: Settings, primary: PostgresServer, server_dir: Path
) -> None:
    """The trap of synchronous commit, whole: the wait is cut short, COMMIT returns, and the primary is gone."""
    async with (
        Road(primary).open() as link,
        standby_of(primary, link, server_dir) as standby,
        Road(primary).open() as first,
        Road(standby).open() as second,
    ):
        both = msgspec.structs.replace(settings, database_url=across(first, second), lease_ms=1000)
        await make_school(primary.dsn)
        await _as_superuser(
            primary,
            "ALTER DATABASE inkfast SET synchronous_commit = on",
            "ALTER SYSTEM SET synchronous_standby_names = 'standby'",
            "SELECT pg_reload_conf()",
        )
        topology = Topology(both.redis_url)
        flusher, stop = Flusher(both, DraftStore(topology)), asyncio.Event()
        async with api_process(both) as process, asyncio.timeout(90):
            tab = Tab(process)
            assert outcomes(await tab.save(tab.edit(STUDENTS[0], "1"))) == ["drafted"]
            task = asyncio.create_task(flusher.run(stop))
            try:
                while (await process.store.backlog())[0]:
                    await asyncio.sleep(0.02)
                link.freeze()
                unseen = tab.edit(STUDENTS[1], "2")
                assert outcomes(await tab.save(unseen)) == ["drafted"]
                cancelled = 0
                while cancelled < 3:
                    for row in await _as_superuser(primary, WAITING):
                        await _as_superuser(primary, f"SELECT pg_cancel_backend({row['pid']})")
                        cancelled += 1
                    await asyncio.sleep(0.02)
                only_there = "SELECT 1 FROM edit_log WHERE edit_id = $1"
                on_primary = await asyncpg.connect(primary.dsn)
                assert await on_primary.fetchval(only_there, unseen["edit_id"]) == 1  # committed, and not safe
                on_primary.terminate()
                assert (await process.store.backlog())[0] == 1  # so it is kept
                assert (await tab.save())["recorded_seq"] == 1  # and nobody is told otherwise
                primary.kill()
                link.cut()
                await _as_superuser(standby, "SELECT pg_promote()")
                assert outcomes(await tab.save(tab.edit(STUDENTS[2], "3"))) == ["drafted"]
                while (await process.store.backlog())[0]:
                    await asyncio.sleep(0.02)
            finally:
                stop.set()
                await task
                topology.close()
        on_standby = await asyncpg.connect(standby.dsn)
        found = await on_standby.fetch("SELECT value->>'score' FROM cell WHERE item = $1 ORDER BY student_id", QUIZ)
        assert [row[0] for row in found] == ["1", "2", "3"]
        assert await on_standby.fetchval("SELECT count(*) FROM edit_log") == 3
        await on_standby.close()


async def test_of_several_hosts_the_one_that_can_be_written_is_used_although_another_is_silent(
    settings: Settings, primary: PostgresServer, server_dir: Path
) -> None:
    async with (
        Road(primary).open() as silent,
        Road(primary).open() as link,
        standby_of(primary, link, server_dir) as standby,
        Road(standby).open() as second,
        Road(primary).open() as third,
    ):
        silent.freeze()  # connections are taken, and nobody answers: a frozen machine
        url = across(silent, second, third)
        with Awake() as took:
            connection = await connect(url, application_name="test")
        assert not await connection.fetchval("SELECT pg_is_in_recovery()")
        await connection.close()
        assert took.seconds < HOST_S_MAX + 1.5
        assert f":{third.port}/" in await writable_url(url)
        pool = await create_pool(msgspec.structs.replace(settings, database_url=url, database_acquire_ms_max=4_000))
        for _ in range(2):  # the second time without the silent one
            with Awake() as took:
                async with pool.acquire() as held, pool.acquire() as lent:
                    assert not await held.fetchval("SELECT pg_is_in_recovery()")
                    assert not await lent.fetchval("SELECT pg_is_in_recovery()")
        assert took.seconds < HOST_S_MAX
        await pool.close()


async def test_what_was_connected_to_a_primary_that_is_one_no_longer_is_given_up(
    settings: Settings, primary: PostgresServer
) -> None:
    pool = await create_pool(msgspec.structs.replace(settings, database_url=primary.dsn))
    async with pool.acquire() as one, pool.acquire() as other:
        pids = {await connection.fetchval("SELECT pg_backend_pid()") for connection in (one, other)}
    with pytest.raises(RecordsUnavailableError):
        await _write_to_standby(pool)
    async with pool.acquire() as one, pool.acquire() as other:
        assert not pids & {await connection.fetchval("SELECT pg_backend_pid()") for connection in (one, other)}
    await pool.close()


async def _write_to_standby(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await connection.execute("SET default_transaction_read_only = on")  # as on a server that was demoted
        await connection.execute("CREATE TABLE written (n int)")
