"""What `inkfast bench` measures on: servers in a temporary directory, a district, and the programs under load.

Everything listens on loopback or a unix socket, is started here and has ended when the stand is closed.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Self

import redis

from app.drafts.keys import STREAM
from app.model.grants import Grant, derive_grant_key, mint
from loadtests.bench.plan import EDITS_PER_SAVE, GO, READY, Section, Teacher
from ops.environment import environment
from ops.migrate import apply_migrations
from ops.processes import ServerError
from ops.servers import PostgresServer, ValkeyServer, postgres_bin
from ops.supervisor import PythonService

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent.parent
_SCHOOL = Path(__file__).with_name("school.sql")
SECRET_KEY = "for-benchmarks-only-and-long-enough-0123456789"  # noqa: S105 -- of a district that lives for minutes
READY_S_MAX = 60.0
COLUMNS = 60
TEMPORARY = Path(tempfile.gettempdir())
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class BenchError(ServerError):
    """It cannot be measured; the message says why."""


class RoundError(BenchError):
    """This round cannot be counted: something else than acknowledgements came."""


def cpu_s(pid: int, *, with_children: bool = False) -> float:
    """Return the CPU-seconds of a process; with the children that it has or had, for PostgreSQL's backends."""
    own = _cpu_fields(pid)
    while with_children:
        ticks = 0
        for child in children_of(pid):
            with contextlib.suppress(FileNotFoundError):  # it has just ended; its parent's figures say so
                ticks += sum(_cpu_fields(child)[:2])
        before, own = own, _cpu_fields(pid)
        if own[2:] == before[2:]:
            return (sum(own) + ticks) / _CLOCK_TICKS
    return sum(own[:2]) / _CLOCK_TICKS


def _cpu_fields(pid: int) -> list[int]:
    """Return user and system time, of the process and of the children that it has waited for."""
    return [int(field) for field in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]]


def children_of(pid: int) -> list[int]:
    """Return the children of a process that are there now; none if it has ended."""
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]


class Dialogue:
    """A measuring program: it prepares, says "ready", waits for "go", and answers with one line of JSON."""

    def __init__(self, module: str, *arguments: str, environment: dict[str, str], plan: bytes = b"") -> None:
        self._module = module
        self._popen = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=ROOT,
        )
        assert self._popen.stdin is not None  # noqa: S101 -- a pipe was asked for
        assert self._popen.stdout is not None  # noqa: S101 -- the same
        self._stdin, self._stdout = self._popen.stdin, self._popen.stdout
        self._tell(plan)
        self.wait_ready()

    def wait_ready(self) -> None:
        """Return when it is about to wait for "go"; RoundError with its complaint when it ends instead."""
        if self._stdout.readline() != READY:
            self._fail()

    def go(self) -> bytes:
        """Let it measure; return its answer. RoundError with its complaint when it has none."""
        self._tell(GO)
        answer = self._stdout.readline()
        if not answer:
            self._fail()
        return answer

    def close(self) -> None:
        """Let it end."""
        self._popen.communicate()

    def _tell(self, line: bytes) -> None:
        try:
            self._stdin.write(line)
            self._stdin.flush()
        except BrokenPipeError:
            self._fail()

    def _fail(self) -> None:
        _, complaint = self._popen.communicate()
        lines = complaint.decode(errors="replace").strip().splitlines()
        raise RoundError(f"{self._module}: {lines[-1] if lines else 'it ended without a word'}")


class Served:
    """One program that answers HTTP on loopback, behind a listening socket that belongs to the stand."""

    def __init__(self, name: str, folder: Path, arguments: Sequence[str], given: dict[str, str]) -> None:
        self.name = name
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.listener.listen(4096)
        self.port: int = self.listener.getsockname()[1]
        descriptor = self.listener.fileno()
        filled = [argument.replace("{fd}", str(descriptor)) for argument in arguments]
        self.service = PythonService(name, folder, filled, given, pass_fds=(descriptor,))
        self.service.spawn()

    @property
    def pid(self) -> int:
        """Its process."""
        return self.service.process.pid

    def wait_ready(self, path: str = "/") -> None:
        """Return when it answers, whatever it answers."""
        self.service.process.wait_until(lambda: answers(self.port, path), timeout_s=READY_S_MAX)

    def stop(self) -> None:
        """End it."""
        self.service.stop()
        self.listener.close()


def answers(port: int, path: str) -> bool:
    """Whether something on this port answers HTTP within a moment, and not with a failure of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Stand:
    """Use as a context: servers run inside it, and nothing is left behind after it."""

    postgres_config: Mapping[str, str] = {}

    def __init__(self, sections: int, *, flush_rows: int, folder: Path | None = None, columns: int = COLUMNS) -> None:
        self.flush_rows = flush_rows
        self.columns = columns
        self._sections = sections
        self._parent = folder
        self._next_section = 1
        self._served: list[Served] = []

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="ink-bench-", dir=self._parent or TEMPORARY))
        self.folder.chmod(0o711)  # the servers do not run as root
        # The journal is as durable as in production; memory is what the largest run needs, with room to spare.
        self.postgres = PostgresServer(self.folder / "pg", self.folder / "run", config=self.postgres_config)
        self.journal = self.make_journal()
        try:
            self.postgres.start()
            self.start_journal()
            self._make_district()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for served in self._served:
            served.stop()
        servers: list[ValkeyServer | PostgresServer] = [*self.journal, self.postgres]
        for server in servers:
            if server.process.running:
                server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def make_journal(self) -> list[ValkeyServer]:
        """Return the journal's servers, which are not started yet."""
        return [ValkeyServer(self.folder / "valkey", self.folder / "run")]

    def start_journal(self) -> None:
        """Return when all of them take writes."""
        for server in self.journal:
            server.start()

    @property
    def valkey(self) -> ValkeyServer:
        """The first of the journal's servers; by default the only one."""
        return self.journal[0]

    @property
    def journal_url(self) -> str:
        """Where the service finds its journal."""
        return self.valkey.url

    def migrate(self) -> None:
        """Bring the database to the newest schema."""
        apply_migrations(self.postgres.dsn)

    def _make_district(self) -> None:
        self.migrate()
        self.psql(
            "-f",
            str(_SCHOOL),
            "-v",
            f"sections={self._sections}",
            "-v",
            f"columns={self.columns}",
        )

    def describe(self) -> str:
        """Return the servers' versions and what a durable write costs on their disk."""
        with redis.Redis.from_url(self.valkey.url) as client:
            info = client.info("server")
        journal = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"
        postgres = self.psql("-c", "SHOW server_version").split()[0]
        return f"PostgreSQL {postgres}, {journal}, fdatasync {_fdatasync_us(self.folder):.0f} µs (median)"

    def psql(self, *arguments: str, superuser: bool = False) -> str:
        """Run psql on the stand's database; return what it printed."""
        dsn = self.postgres.dsn_of("inkfast", "postgres") if superuser else self.postgres.dsn
        command: list[str | Path] = [postgres_bin() / "psql", dsn, "-qXAt", "-v", "ON_ERROR_STOP=1", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"psql: {done.stderr.strip()[-500:]}")
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        """What the service's processes are given."""
        return {
            **{k: v for k, v in environment().items() if not k.startswith("INKFAST_")},
            "DATABASE_URL": self.postgres.dsn,
            "REDIS_URL": self.journal_url,
            "INKFAST_SECRET_KEY": SECRET_KEY,
            "INKFAST_FLUSH_BATCH_ROWS_MAX": str(self.flush_rows),
            "INKFAST_API_NICENESS": "0",  # as that of what it is compared with
            # A save that went past the journal would be another measurement: a disk may be slow, a machine may be full.
            "INKFAST_JOURNAL_SILENCE_MS_MAX": "20000",
        }

    def serve(self, name: str, *arguments: str) -> Served:
        """Start a program that takes `--fd {fd}` among its arguments."""
        served = Served(name, self.folder / "run", arguments, self.environment)
        self._served.append(served)
        return served

    def teachers(self, count: int, sections_each: int, *, columns: int | None = None) -> list[Teacher]:
        """Return teachers with grants, each with sections in which nobody has typed yet."""
        found = []
        for _ in range(count):
            ids = range(self._next_section, self._next_section + sections_each)
            self._next_section = ids.stop
            if ids.stop - 1 > self._sections:
                raise BenchError("the district is too small for this run")
            sections = [
                Section(s, [1_000_001 + (s * 31 + n) % 3000 for n in range(students_of(s))], _items(s, columns))
                for s in ids
            ]
            found.append(Teacher(_token(ids.start, frozenset(ids)), sections))
        return found

    def start_flusher(self) -> PythonService:
        """Return a flusher that holds all partitions; whoever starts it stops it."""
        flusher = self.start("flusher", "workers.main", "flusher")
        try:
            flusher.process.wait_until(self._are_all_held, timeout_s=READY_S_MAX)
        except ServerError:
            flusher.stop()
            raise
        return flusher

    def _are_all_held(self) -> bool:
        held = self.psql("-c", "SELECT count(*) FROM flush_partition WHERE lease_until > clock_timestamp()")
        return int(held) == len(STREAM)

    def start(self, name: str, *arguments: str) -> PythonService:
        """Start a process of the service that answers nobody; whoever starts it stops it."""
        service = PythonService(name, self.folder / "run", arguments, self.environment)
        service.spawn()
        return service

    def meters(self) -> dict[str, Callable[[], float]]:
        """Return what shows the CPU-seconds that both servers have used so far."""
        return {
            "journal": lambda: cpu_s(self.valkey.pid),
            "postgres": lambda: cpu_s(self.postgres.pid, with_children=True),
        }

    @property
    def last_section(self) -> int:
        """The last section that was handed out."""
        return self._next_section - 1

    def settle(self, *, empty_journal: bool) -> None:
        """Bring both servers to a like state before a round: no rewrite or checkpoint is under way or due."""
        self.psql("-c", "CHECKPOINT", superuser=True)
        with redis.Redis.from_url(self.valkey.url) as client:
            if empty_journal:
                client.flushall()
            _until_rewritten(client)  # one of its own: it refuses a second beside it
            client.bgrewriteaof()
            _until_rewritten(client)


def _until_rewritten(client: redis.Redis) -> None:
    deadline = time.monotonic() + READY_S_MAX
    while any(client.info("persistence")[f"aof_rewrite_{what}"] for what in ("in_progress", "scheduled")):
        if time.monotonic() > deadline:
            raise BenchError("the journal's server does not end its rewrite")
        time.sleep(0.02)


def _fdatasync_us(folder: Path) -> float:
    times = []
    with (folder / "fdatasync").open("wb", buffering=0) as file:
        for _ in range(200):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return median(times) * 1e6


def students_of(section_id: int) -> int:
    """Return how many students a section of the district has (ops/bench/school.sql)."""
    return 24 + section_id * 5 % 13


def _items(section_id: int, columns: int | None) -> list[int]:
    # Without a number: 8 to 32 columns, so that no size of hash table is met by luck.
    count = columns if columns is not None else 8 + section_id * 7 % 25
    return [section_id * 100 + n for n in range(count)]


def cells_of(teacher: Teacher) -> int:
    """Return how many cells a plan types for this teacher: whole saves only."""
    per_section = (len(s.students) * len(s.items) // EDITS_PER_SAVE for s in teacher.sections)
    return EDITS_PER_SAVE * sum(per_section)


def _token(user_id: int, section_ids: frozenset[int]) -> str:
    now = int(time.time())
    grant = Grant(f"bench-{user_id}", user_id, None, ("teacher",), (1,), section_ids, now, now + 86_400, "Bench")
    return mint(grant, derive_grant_key(SECRET_KEY))
