"""What the promise stands on: nothing is acknowledged before it is on disk, and on no journal that could lose it."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlparse

import asyncpg
import pytest
import redis

from app.drafts.codec import CELL, NO_ID, NORMAL, Context, pack_client, pack_edit, pack_save, with_context
from app.drafts.committer import Committer
from app.drafts.doctor import UnsafeJournalError, require_durable
from app.drafts.keys import STREAM
from app.drafts.store import DraftStore
from app.drafts.topology import Topology
from app.gradebook.edit_cells import EditCells
from app.gradebook.recording.recorder import UnknownOutcomeError
from app.gradebook.rules import RulesCache
from app.gradebook.write_directly import WriteDirectly
from app.records.pool import create_pool
from app.settings import Settings
from ops.environment import environment
from ops.servers import PostgresServer, ValkeyServer, valkey_bin
from tests.conftest import SECRET_KEY, SILENCE_MS_MAX
from tests.faults.desk import Desk, assert_all_is_well
from tests.world import STUDENTS, Process, api_process, make_school
from workers.flusher import Flusher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from loadtests.ledger import Ledger

ROOT = Path(__file__).resolve().parents[2]
REDIS_FLOOR = Path("/usr/bin/redis-server")  # Debian's 7.0: the oldest that is supported; ./ops/test installs it
CALLS = "read,readv,recvfrom,write,writev,pwrite64,sendto,sendmsg,fsync,fdatasync,close"
EDITS_PER_CLIENT, CLIENTS = 25, 4
_numbers = itertools.count(1)


class Traced(NamedTuple):
    """What strace saw of a server until it was killed, and what its next start found after a power cut."""

    replies: int
    early: int
    lost: int


class Trace:
    """What reached the disk, and when, as the kernel saw it.

    The marks are in the data: an edit's value holds ENTRYnE, and what its client sends next, after the reply, is an
    ECHO of ACKnK. By then a fdatasync that began after the edit was written must have finished. One-sided: a reply that
    is early by less than a round trip can pass, a reported one is real.
    """

    def __init__(self) -> None:
        self._written: set[int] = set()
        self._synced: set[int] = set()
        self._size: dict[str, int] = {}
        self._began: dict[str, tuple[str, set[int], int]] = {}
        self._writing: dict[str, str] = {}
        self.acknowledged: set[int] = set()
        self.early: set[int] = set()
        self.durable_bytes = 0

    def read(self, path: Path) -> None:
        for line in path.read_text(errors="replace").splitlines():
            found = re.match(r"(\d+)\s+(.*)", line)
            if found:
                self._take(*found.groups())

    def _take(self, thread: str, call: str) -> None:
        written = re.match(r"(?:write|writev|pwrite64)\((\d+)", call)
        if written:
            self._written.update(int(n) for n in re.findall(r"ENTRY(\d+)E", call))
            self._writing[thread] = written[1]
        done = re.search(r"= (\d+)$", call)
        if done and (written or re.search(r"<\.\.\. (?:write|writev|pwrite64) resumed", call)):
            descriptor = self._writing[thread]
            self._size[descriptor] = self._size.get(descriptor, 0) + int(done[1])
        closed = re.match(r"close\((\d+)", call)
        if closed:
            self._size.pop(closed[1], None)  # the next file gets its number
        syncing = re.match(r"f(?:data)?sync\((\d+)", call)
        if syncing:
            self._began[thread] = (syncing[1], set(self._written), self._size.get(syncing[1], 0))
        if re.search(r"f(?:data)?sync(?:\(| resumed).*= 0$", call):
            _, entries, self.durable_bytes = self._began[thread]
            self._synced |= entries
        for number in (int(n) for n in re.findall(r"ACK(\d+)K", call)):
            self.acknowledged.add(number)
            if number not in self._synced:
                self.early.add(number)


async def _client(topology: Topology, committer: Committer, number: int) -> None:
    """Send edits through the real committer, one after the other, and say after each reply that it is here."""
    client_id, section_id = pack_client(11, uuid.uuid4().bytes), 4001 + number
    connection = await topology.node(0).connection()
    base = NO_ID
    for seq in range(1, EDITS_PER_CLIENT + 1):
        mark, edit_id = number * 1000 + seq, uuid.uuid4().bytes
        value = b'{"text":"ENTRY%dE"}' % mark
        edit = pack_edit(NORMAL, seq, CELL.pack(2, 7001, 101), edit_id, base, 1_794_002_604_000, value, b"")
        save = pack_save(client_id, section_id, seq, 0, 0, 1_794_002_604_000, 0, [edit])
        reply = await committer.commit(number, section_id, save, 1)
        if reply[:1] == b"N":
            context = Context(recorded_seq=0, exceptions=b"", columns=[CELL.pack(2, 7001, 0)[:5]], heads={}, settled={})
            reply = await committer.commit(number, section_id, with_context(save, context), 1)
        assert reply[:1] == b"O"
        await connection.call("ECHO", f"ACK{mark}K")
        base = edit_id


async def _trace(binary: Path, appendfsync: str, folder: Path) -> Traced:
    """Send edits to a traced server, kill it, drop every byte that was not fsynced, and start it again."""
    socket, path = folder / "s", folder / "trace"
    server = [str(binary), "--port", "0", "--unixsocket", str(socket), "--dir", str(folder), "--save", ""]
    server += ["--appendonly", "yes", "--appendfsync", appendfsync, "--maxmemory", "64mb"]
    strace = ["strace", "-f", "-s", "65536", "-e", f"trace={CALLS}", "-o", str(path)]
    topology = Topology(f"unix://{socket}")
    committer = Committer(topology, queue_edits_max=1000, wait_ms_max=20_000)
    traced = await _start([*strace, *server], socket)
    with redis.Redis(unix_socket_path=str(socket)) as client:
        pid = client.info("server")["process_id"]
    try:
        await asyncio.gather(*(_client(topology, committer, number) for number in range(CLIENTS)))
    finally:
        os.kill(pid, signal.SIGKILL)  # first: everysec has a second, in which nothing else is to be done
        await committer.close()
        topology.close()
        await traced.wait()
    trace = Trace()
    trace.read(path)
    socket.unlink()
    os.truncate(folder / "appendonlydir" / "appendonly.aof.1.incr.aof", trace.durable_bytes)
    kept = await _entries([*server], socket)
    return Traced(len(trace.acknowledged), len(trace.early), len(trace.acknowledged - kept))


async def _start(command: list[str], socket: Path) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    async with asyncio.timeout(60):
        while not _answers(socket):
            await asyncio.sleep(0.02)
    return process


def _answers(socket: Path) -> bool:
    try:
        with redis.Redis(unix_socket_path=str(socket)) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


async def _entries(server: list[str], socket: Path) -> set[int]:
    """Which edits the journal holds after a start."""
    process = await _start(server, socket)
    with redis.Redis(unix_socket_path=str(socket)) as client:
        found = [fields[b"d"] for number in range(CLIENTS) for _, fields in client.xrange(STREAM[number])]
    process.terminate()
    await process.wait()
    return {int(n) for raw in found for n in re.findall(rb"ENTRY(\d+)E", raw)}


@pytest.mark.parametrize("binary", [valkey_bin(), REDIS_FLOOR], ids=["embedded Valkey", "Redis 7.0"])
async def test_no_edit_is_acknowledged_before_it_is_on_disk(binary: Path, tmp_path: Path) -> None:
    """Neither as the kernel saw it, nor after a power cut: everything that was never fsynced is dropped."""
    assert await _trace(binary, "always", tmp_path) == Traced(replies=EDITS_PER_CLIENT * CLIENTS, early=0, lost=0)


async def test_the_trace_would_show_an_early_acknowledgement(tmp_path: Path) -> None:
    """The control: with everysec nearly all are early, and a power cut loses most of a second's."""
    traced = await _trace(valkey_bin(), "everysec", tmp_path)
    assert traced.replies == EDITS_PER_CLIENT * CLIENTS
    assert traced.early > traced.replies // 2
    assert traced.lost > 0


UNSAFE = {
    "appendfsync": "everysec",
    "appendonly": "no",
    "no-appendfsync-on-rewrite": "yes",
    "maxmemory-policy": "allkeys-lru",
    "maxmemory": "0",
}


@pytest.fixture
def configured(valkey: ValkeyServer) -> Iterator[redis.Redis]:
    """The journal's server, whose settings are put back."""
    with redis.Redis.from_url(valkey.url) as client:
        before = {name: client.config_get(name)[name] for name in UNSAFE}
        yield client
        for name, value in before.items():
            client.config_set(name, value)


@pytest.mark.parametrize("name", list(UNSAFE))
async def test_a_journal_that_could_lose_an_edit_is_refused(
    valkey: ValkeyServer, configured: redis.Redis, name: str
) -> None:
    topology = Topology(valkey.url)
    try:
        await require_durable(topology)
        configured.config_set(name, UNSAFE[name])
        with pytest.raises(UnsafeJournalError, match=rf"{name} is .*{UNSAFE[name]}"):
            await require_durable(topology)
    finally:
        topology.close()


@pytest.mark.parametrize("command", [["workers.main", "flusher"], ["app.main", "--port", "0"]])
def test_a_process_does_not_start_on_an_unsafe_journal(
    settings: Settings, configured: redis.Redis, command: list[str]
) -> None:
    configured.config_set("appendfsync", "everysec")
    own = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url, "INKFAST_SECRET_KEY": SECRET_KEY}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**environment(), **own},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "appendfsync is 'everysec': set it to always" in done.stderr


async def test_a_journal_that_comes_back_unsafe_acknowledges_nothing(
    school: Settings, server_dir: Path, ledger: Ledger
) -> None:
    """Started again by somebody else, with another configuration: edits go past it until it is put right."""
    folder = server_dir / f"u{next(_numbers)}"
    safe = ValkeyServer(folder, folder.with_suffix(".run"), config={"maxmemory": "64mb"})
    unsafe = ValkeyServer(folder, folder.with_suffix(".run"), config={"maxmemory": "64mb", "appendfsync": "everysec"})
    safe.start()
    topology = Topology(safe.url, is_checked=True)
    pool, store = await create_pool(school), DraftStore(topology)
    committer = Committer(topology, queue_edits_max=1000, wait_ms_max=500)
    rules = RulesCache(school, pool, store)
    try:
        cells = EditCells(school, pool, committer, rules, WriteDirectly(school, store))
        desk = Desk(Process(cells, rules, pool, topology, store), ledger)
        desk.type(1)
        await desk.save()
        assert desk.outbox.unsent == 0
        safe.stop()
        unsafe.start()
        with redis.Redis.from_url(unsafe.url) as journal:
            before = [journal.xlen(key) for key in STREAM]
            desk.type(2)
            await desk.until_drafted()  # it hears of a gap first: what the journal holds of it is sent again
            assert desk.outbox.unrecorded == 0
            assert [journal.xlen(key) for key in STREAM] == before
        unsafe.stop()
        safe.start()
        async with asyncio.timeout(60):
            while any(lane.breaker.is_open for lane in committer._lanes.values()):
                await asyncio.sleep(0.01)
        desk.type(3)
        await desk.until_drafted()
        assert desk.outbox.unrecorded == 1
    finally:
        await committer.close()
        await pool.close()
        topology.close()
        safe.stop()
        unsafe.stop()


class Watched(Flusher):
    """Counts the commits of which nobody knows whether the standby has them."""

    doubtful = 0

    async def _forget(self, error: Exception) -> None:
        self.doubtful += isinstance(error, UnknownOutcomeError)
        await super()._forget(error)


async def _as_superuser(server: PostgresServer, *statements: str) -> list[Any]:
    connection = await asyncpg.connect(server.dsn_of("postgres", "postgres"))
    try:
        return [await connection.fetch(statement) for statement in statements][-1]
    finally:
        connection.terminate()


@pytest.fixture
async def stand_by(spare_postgres: PostgresServer, spare_database_url: str) -> AsyncIterator[Callable[[str], Any]]:
    """Name the standby for which each COMMIT waits; in the end there is none again."""
    name = urlparse(spare_database_url).path[1:]
    await _as_superuser(spare_postgres, f"ALTER DATABASE {name} SET synchronous_commit = on")

    async def wait_for(standby: str) -> None:
        change = f"ALTER SYSTEM SET synchronous_standby_names = '{standby}'"
        await _as_superuser(spare_postgres, change, "SELECT pg_reload_conf()")

    yield wait_for
    await wait_for("")


async def test_a_commit_whose_wait_for_the_standby_was_cut_short_is_not_believed(
    spare_postgres: PostgresServer,
    spare_database_url: str,
    stand_by: Any,
    redis_url: str,
    ledger: Ledger,
    ledger_path: Path,
) -> None:
    """The trap of synchronous commit: COMMIT returns, and the standby has nothing. The journal keeps the edits."""
    settings = Settings(
        database_url=spare_database_url,
        redis_url=redis_url,
        secret_key=SECRET_KEY,
        journal_silence_ms_max=SILENCE_MS_MAX,
        lease_ms=1000,
    )
    await make_school(settings.database_url)
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'inkfast-flusher'"
    async with api_process(settings) as process:
        desk = Desk(process, ledger)
        for student in STUDENTS:
            desk.type(1, student)
        await desk.save()
        topology = Topology(settings.redis_url)
        flusher, stop = Watched(settings, DraftStore(topology)), asyncio.Event()
        task = asyncio.create_task(flusher.run(stop))
        try:
            async with asyncio.timeout(60):
                while not flusher._incarnations:
                    await asyncio.sleep(0.01)
                await stand_by("nobody")
                desk.type(2)
                await desk.save()
                while flusher.doubtful < 2:
                    await desk.save()
                    if not desk.outbox.unrecorded:  # the server had not read its setting yet
                        desk.type(2)
                    for row in await _as_superuser(spare_postgres, waiting):
                        await _as_superuser(spare_postgres, f"SELECT pg_cancel_backend({row['pid']})")
                    await asyncio.sleep(0.05)
                assert await process.store.backlog() != (0, None), "not drained"
                assert desk.outbox.recorded_seq < desk.outbox.drafted_seq
                await stand_by("")
                await desk.until_recorded()
        finally:
            stop.set()
            await task
            topology.close()
    await assert_all_is_well(settings, ledger_path)
