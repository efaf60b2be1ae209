"""One installation whose cost is measured: its shape, its servers, and what each of its parts has used so far.

What runs only now and then is off, for a few seconds of it would decide a turn: checkpoints, vacuum, rewrites of the
journal's file. docs/benchmarks.md says what that leaves out.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import redis

from app.drafts.keys import STREAM
from loadtests.bench.plan import EDITS_PER_SAVE, CrowdPlan, decode_crowd_result, encode
from ops.bench.rounds import spent, used_bytes
from ops.bench.stand import READY_S_MAX, BenchError, Dialogue, Stand, children_of, students_of
from ops.bench.steady import LATE_SHARE_MAX, on_cpu_s
from ops.cluster.journal import CLUSTERED, Journal
from ops.cluster.machines import free_port
from ops.environment import environment
from ops.servers import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from threading import Barrier

API, JOURNAL, FLUSHER, POSTGRES = PARTS = ("API", "journal", "flusher", "PostgreSQL")
COLUMNS_MIN, COLUMNS_MAX = 20, 100  # of a section; ops/bench/school.sql numbers no more
STUDENTS_MIN: Final = min(map(students_of, range(13)))
_SEED: Final = 8

Cpu = dict[int, float]  # process id -> seconds on a CPU


class Shape(NamedTuple):
    """What an installation consists of, and how many teachers type into it."""

    name: str
    teachers: int
    api_processes: int = 1
    shards: int = 1
    is_over_tcp: bool = False  # its journal, as every Cluster's; else over a unix socket, as `inkfast up` has it


class Load(NamedTuple):
    """Edits a second over so many sockets, for so many seconds a turn; and how many of them a flush takes at most."""

    edits_per_s: float
    seconds: float
    sockets: int
    flush_rows: int
    late_share_max: float = LATE_SHARE_MAX

    @property
    def saves(self) -> int:
        """How many saves a turn consists of."""
        return max(1, int(self.edits_per_s * self.seconds / EDITS_PER_SAVE))

    def columns(self, turns: int, teachers: int) -> int:
        """Return how many columns the sections of so few teachers need, so that no cell is typed twice."""
        saves_each = -(-turns * self.saves // teachers) + 1
        columns = max(COLUMNS_MIN, -(-saves_each // (STUDENTS_MIN // EDITS_PER_SAVE)))
        if columns > COLUMNS_MAX:
            raise BenchError("so few teachers have not so many cells: fewer rounds or seconds, or a lower rate")
        return columns


class Turn(msgspec.Struct):
    """What one turn took, for each 1,000 edits: CPU-seconds by part, and bytes by what they are."""

    cpu: dict[str, float]
    bytes: dict[str, float]
    p50_ms: float
    p99_ms: float
    generator_share: float


class ShapedStand(Stand):
    """A stand whose journal is of the wanted shape."""

    postgres_config = {"checkpoint_timeout": "1d", "max_wal_size": "64GB", "autovacuum": "off"}  # noqa: RUF012 -- only read; subclasses replace it whole
    shape: Shape

    def make_journal(self) -> list[ValkeyServer]:
        """Return one server, or the primaries of a Cluster; without replicas, so that only the number differs."""
        config = {"auto-aof-rewrite-percentage": "0"}
        is_cluster = self.shape.shards > 1
        return [
            ValkeyServer(
                self.folder / f"valkey-{number}",
                self.folder / f"v{number}",
                port=free_port() if is_cluster or self.shape.is_over_tcp else None,
                cluster=is_cluster,
                config={**config, **(CLUSTERED if is_cluster else {})},
            )
            for number in range(self.shape.shards)
        ]

    def start_journal(self) -> None:
        """Return when all servers take writes, and a Cluster is whole."""
        super().start_journal()
        Journal(self.journal, []).form()

    @property
    def journal_url(self) -> str:
        """Where the service finds its journal."""
        if self.shape.is_over_tcp and self.shape.shards == 1:
            return f"redis://127.0.0.1:{self.valkey.port}"
        return Journal(self.journal, []).url


class Side:
    """One installation while it serves; its teachers have opened their sections and saved once."""

    def __init__(self, stand: ShapedStand, load: Load, stack: contextlib.ExitStack) -> None:
        self._stand, self._load = stand, load
        shape = stand.shape
        clients = [stack.enter_context(redis.Redis(unix_socket_path=str(s.socket_path))) for s in stand.journal]
        self._journals = [(client, [key for key in STREAM if _serves(client, key)]) for client in clients]
        self._apis = [stand.serve(f"api-{n}", "app.main", "--fd", "{fd}") for n in range(shape.api_processes)]
        for api in self._apis:
            api.wait_ready("/readyz")
        self._flusher = stand.start_flusher()
        stack.callback(self._flusher.stop)
        ports = [api.port for api in self._apis]
        plan = CrowdPlan(
            "127.0.0.1",
            ports[0],
            _SEED,
            stand.teachers(shape.teachers, 1, columns=stand.columns),
            saves=load.saves,
            saves_per_s=load.edits_per_s / EDITS_PER_SAVE,
            ports=ports,
            sockets=min(load.sockets, shape.teachers),
        )
        self._crowd = Dialogue("loadtests.bench.crowd", environment=dict(environment()), plan=encode(plan) + b"\n")
        stack.callback(self._crowd.close)
        self._acknowledged = shape.teachers * EDITS_PER_SAVE
        self._until_recorded()
        stand.psql("-c", "VACUUM (ANALYZE)", superuser=True)

    def turn(self, both: Barrier | None = None) -> Turn:
        """Put the load on it when `both` are ready, wait until all of it is recorded, and return what that took."""
        edits = self._load.saves * EDITS_PER_SAVE
        bytes_before = self._bytes()
        if both is not None:
            both.wait(READY_S_MAX)
        cpu_before = self._cpu()
        result = decode_crowd_result(self._crowd.go())
        self._until_recorded()
        cpu, bytes_after = self._cpu(), self._bytes()
        seconds = self._load.seconds
        if result.elapsed_s > seconds * self._load.late_share_max + result.p99_ms / 1000:
            raise BenchError(f"{self._load.edits_per_s:,.0f} edits a second are too many for this machine: --rate")
        self._acknowledged += edits
        self._crowd.wait_ready()
        grown = spent(bytes_before, bytes_after, edits)
        grown["HTTP, requests"] = result.sent_bytes * 1000 / edits
        grown["HTTP, answers"] = result.received_bytes * 1000 / edits
        return Turn(
            {part: on_cpu_between(cpu_before[part], cpu[part]) * 1000 / edits for part in PARTS},
            grown,
            result.p50_ms,
            result.p99_ms,
            result.cpu_share,
        )

    def audit(self) -> None:
        """Raise BenchError unless the history has every edit that was acknowledged, once, and nothing else."""
        found = self._stand.psql("-c", "SELECT status, count(*) FROM edit_log GROUP BY status").split()
        if found != [f"A|{self._acknowledged}"]:
            raise BenchError(f"{self._acknowledged} edits were acknowledged; the history has {found}")

    def _cpu(self) -> dict[str, Cpu]:
        postgres = self._stand.postgres.pid
        return {
            API: on_cpu(api.pid for api in self._apis),
            JOURNAL: on_cpu(server.pid for server in self._stand.journal),
            FLUSHER: on_cpu([self._flusher.process.pid]),
            POSTGRES: on_cpu([postgres, *children_of(postgres)]),
        }

    def _bytes(self) -> dict[str, float]:
        sizes = self._stand.psql("-c", "SELECT pg_current_wal_insert_lsn() - '0/0', pg_database_size('inkfast')")
        wal, tables = map(float, sizes.split("|"))
        clients = [client for client, _ in self._journals]
        return {
            "journal, file": sum(client.info("persistence")["aof_current_size"] for client in clients),
            "journal, memory kept": sum(map(used_bytes, clients)),
            "PostgreSQL, log": wal,
            "PostgreSQL, tables": tables,
            "API, read and written": sum(read_and_written(api.pid) for api in self._apis),
        }

    def _until_recorded(self) -> None:
        """Return when the journal holds nothing; looked at seldom, for a look is work of the journal."""
        deadline = time.monotonic() + READY_S_MAX
        while True:
            time.sleep(0.5)
            if not any(map(_holds, self._journals)):
                return
            if time.monotonic() > deadline:
                raise BenchError("not everything was recorded")


@contextlib.contextmanager
def serving(shape: Shape, load: Load, columns: int, folder: Path | None) -> Iterator[Side]:
    """Run an installation of this shape; nothing of it is left afterwards."""
    stand = ShapedStand(shape.teachers, flush_rows=load.flush_rows, folder=folder, columns=columns)
    stand.shape = shape
    with stand, contextlib.ExitStack() as stack:
        yield Side(stand, load, stack)


def _serves(client: redis.Redis, key: bytes) -> bool:
    try:
        client.exists(key)
    except redis.ResponseError:  # MOVED: another one does
        return False
    return True


def _holds(journal: tuple[redis.Redis, list[bytes]]) -> bool:
    client, streams = journal
    with client.pipeline(transaction=False) as pipeline:
        for stream in streams:
            pipeline.xlen(stream)
        return any(pipeline.execute())


def on_cpu(pids: Iterable[int]) -> Cpu:
    """Return the seconds that each of these processes has been on a CPU so far; none for one that has ended."""
    return {pid: seconds for pid in pids if (seconds := on_cpu_s(pid))}


def on_cpu_between(before: Cpu, after: Cpu) -> float:
    """Return the seconds between two looks; what was done by a process that has ended meanwhile is not counted."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())


def read_and_written(pid: int) -> int:
    """Return how many bytes a process has read and written so far, from and to files and sockets."""
    lines = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(lines["rchar"]) + int(lines["wchar"])
