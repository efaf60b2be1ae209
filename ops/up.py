"""`inkfast up`: everything on one machine, started in order, kept running, stopped in order."""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import shutil
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from app.api.web_files import WebFiles
from app.settings import Settings
from ops.build_web import WebBuildError, build_web
from ops.deploy import Deploys
from ops.district import load_district
from ops.environment import environment
from ops.installation import Installation, data_dir_option
from ops.migrate import apply_migrations
from ops.processes import ServerError, alive, locked
from ops.servers import CacheServer, PostgresServer, ValkeyServer, postgres_bin, postgres_major
from ops.supervisor import PythonService, StopRequestedError, Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.watched import Service

HOST = "127.0.0.1"
BACKLOG = 4096
READY_S_MAX = 60.0
LOCK_S_MAX = 20.0
FREE_MIB_MIN = 300  # an empty PostgreSQL takes 60 MiB, its first WAL files as much again
LOG_BYTES_MAX = 20_000_000
MIB = 1024 * 1024
# A layer is stopped before the layers under it: what the API has accepted the flusher may still record.
SERVERS, BACKGROUND, API = 0, 1, 2


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # its output may go to the disk that has just become full
        click.echo(text)


class _Clock:
    """Says what each step of the start took."""

    def __init__(self) -> None:
        self._began = self._last = time.monotonic()
        self._steps: list[str] = []

    def step(self, name: str) -> None:
        now = time.monotonic()
        self._steps.append(f"{name} {now - self._last:.1f}")
        self._last = now

    def __str__(self) -> str:
        return f"{self._last - self._began:.1f} s ({', '.join(self._steps)})"


class Wanted(NamedTuple):
    """The options of `inkfast up`."""

    port: int
    host: str
    data_dir: Path
    fresh: bool
    roster: Path | None
    demo_teachers: int
    workers: int | None
    metrics_port: int | None


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any free one.")
@click.option("--host", default=HOST, show_default=True, help="Address to listen on.")
@data_dir_option
@click.option("--fresh", is_flag=True, help="Throw away what is in the data directory first.")
@click.option(
    "--roster",
    type=click.Path(exists=True, path_type=Path),
    help="Import this OneRoster folder or zip instead of the demo district.",
)
@click.option(
    "--demo-teachers", type=click.IntRange(0), default=20, show_default=True, help="Size of the demo; 0: none."
)
@click.option("--workers", type=click.IntRange(1), help="API processes  [default: one for each core, 2 to 4]")
@click.option(
    "--metrics-port",
    type=click.IntRange(1, 65000),
    help="First API process's own port on loopback; the next ones follow.",
)
def up(**options: Any) -> None:
    """Start PostgreSQL, Valkey, the API, the flusher and housekeeping, and keep them running until Ctrl-C.

    A second start on the same --data-dir finds everything as it was. DATABASE_URL or REDIS_URL in the environment
    take the place of the servers that it brings. VALKEY_BIN (a program) and POSTGRES_BIN (a folder) replace their
    binaries.
    """
    wanted = Wanted(**options)
    clock = _Clock()
    try:
        with _own(wanted) as (installation, lock), _listen(wanted) as listener:
            is_built = _build()
            clock.step("gradebook")
            with Supervisor(installation, _say, lock=lock) as supervisor:
                _start(supervisor, installation, listener, wanted, clock, is_built=is_built)
                with contextlib.closing(Deploys(supervisor, installation)) as deploys:
                    supervisor.attend(deploys)
                    supervisor.run()
                _say("stopping: what was accepted is written first")
            _say("stopped; nothing is left running")
    except StopRequestedError:
        _say("stopped before everything was running; nothing is left running")
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}:
            raise
        raise ServerError(f"{error.strerror}: {error.filename or wanted.data_dir}") from error


def _build() -> bool:
    """Build the gradebook if its sources have changed; without it the service runs all the same."""
    try:
        build_web(_say)
    except WebBuildError as error:
        _say(f"{error}")
    return WebFiles().is_built


def _workers() -> int:
    return min(4, max(2, os.cpu_count() or 2))


@contextlib.contextmanager
def _own(wanted: Wanted) -> Iterator[tuple[Installation, int]]:
    """Make the data directory, keep it for this process alone, and check that there is room in it."""
    installation = Installation(wanted.data_dir)
    if wanted.data_dir.exists() and not wanted.data_dir.is_dir():
        raise ServerError(f"{wanted.data_dir} is a file; --data-dir needs a directory")
    for folder in (installation.data_dir, installation.run_dir, installation.log_dir):
        try:
            folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        except OSError as error:
            raise ServerError(f"cannot make {folder}: {error.strerror}") from error
    pid_path = installation.pid_path("supervisor")
    owner = _living(pid_path)
    in_use = f"{installation.data_dir} is in use by another `inkfast up` (process {owner}): stop it, or use --data-dir"
    # After `kill -9` of its supervisor the guardian keeps the lock until the last process is gone.
    with locked(installation.run_dir / "supervisor.lock", wait_s=0 if owner else LOCK_S_MAX, in_use=in_use) as lock:
        if wanted.fresh:
            _throw_away(installation)
        free_mib = shutil.disk_usage(installation.data_dir).free // MIB
        if free_mib < FREE_MIB_MIN:
            raise ServerError(
                f"the disk is full: {free_mib} MiB free for {installation.data_dir}, {FREE_MIB_MIN} MiB are needed"
            )
        for log in installation.log_dir.glob("*.log"):
            if log.stat().st_size > LOG_BYTES_MAX:
                log.replace(log.with_suffix(".log.old"))
        pid_path.write_text(f"{os.getpid()}\n")
        yield installation, lock
        pid_path.unlink(missing_ok=True)


def _living(pid_path: Path) -> int | None:
    """Return the process in this file; None when it has ended, or does within a second (just killed)."""
    deadline = time.monotonic() + 1
    with contextlib.suppress(OSError, ValueError):
        pid = int(pid_path.read_text())
        while alive(pid):
            if time.monotonic() > deadline:
                return pid
            time.sleep(0.02)
    return None


def _throw_away(installation: Installation) -> None:
    # Only what this program made, by name: --data-dir may be somebody's home by mistake.
    for path in (*installation.data_dir.glob("pg[0-9][0-9]"), installation.data_dir / "valkey"):
        if path.exists():
            with locked(path.with_name(path.name + ".lock"), wait_s=20, in_use=f"{path} is still in use"):
                shutil.rmtree(path)
    for name in ("settings.json", "secret_key"):
        (installation.data_dir / name).unlink(missing_ok=True)


@contextlib.contextmanager
def _listen(wanted: Wanted) -> Iterator[socket.socket]:
    """Open the socket that all API processes share: while one of them is started again nobody is refused."""
    host, port = wanted.host, wanted.port
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise ServerError(f"port {port} of {host} cannot be used ({reason}): choose another with --port") from error
        listener.listen(BACKLOG)
        yield listener


def _start(
    supervisor: Supervisor,
    installation: Installation,
    listener: socket.socket,
    wanted: Wanted,
    clock: _Clock,
    *,
    is_built: bool,
) -> None:
    host, port = listener.getsockname()[:2]
    child_environment = dict(environment())
    database_url, redis_url, cache_url = _start_servers(supervisor, installation, child_environment)
    child_environment |= {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    child_environment["INKFAST_SNAPSHOT_CACHE_URL"] = cache_url
    child_environment.setdefault("INKFAST_SECRET_KEY", installation.secret_key())
    child_environment.setdefault("INKFAST_PUBLIC_URL", f"http://{host}:{port}")
    settings = Settings.from_env(child_environment)
    clock.step("servers")
    apply_migrations(database_url)
    clock.step("schema")
    installation.write(
        database_url=database_url,
        redis_url=redis_url,
        snapshot_cache_url=cache_url,
        public_url=settings.public_url,
        port=port,
    )
    accounts = load_district(installation, child_environment, wanted.roster, wanted.demo_teachers, _say)
    clock.step("district")
    _start_application(supervisor, installation, listener, wanted, child_environment)
    clock.step("API")
    _say(f"Inkfast is running at {settings.public_url}")
    _say(
        f"the gradebook: {settings.public_url}/app/"
        if is_built
        else "the gradebook is not built: teachers get the plain page"
    )
    for line in accounts:
        _say(line)
    _say(f"data and logs: {installation.data_dir}    ready in {clock}    stop: Ctrl-C")


def _start_servers(supervisor: Supervisor, installation: Installation, given: dict[str, str]) -> tuple[str, str, str]:
    postgres: PostgresServer | None = None
    valkey: ValkeyServer | None = None
    cache: CacheServer | None = None
    data_dir, run_dir, log_dir = installation.data_dir, installation.run_dir, installation.log_dir
    services: list[tuple[str, Service]] = []
    if "DATABASE_URL" not in given:
        major = postgres_major(postgres_bin())  # a new major version cannot open an old one's files
        postgres = PostgresServer(data_dir / f"pg{major}", run_dir, log_dir=log_dir)
        services.append(("postgres", postgres))
    if "REDIS_URL" not in given:
        valkey = ValkeyServer(installation.journal_dir, run_dir, log_dir=log_dir)
        services.append(("valkey", valkey))
    if "INKFAST_SNAPSHOT_CACHE_URL" not in given:
        cache = CacheServer(run_dir, log_dir=log_dir)
        services.append(("snapshots", cache))
    supervisor.start(services, layer=SERVERS)
    for server in (postgres, valkey, cache):
        if server is not None:
            server.wait_ready()
    return (
        given["DATABASE_URL"] if postgres is None else postgres.dsn,
        given["REDIS_URL"] if valkey is None else valkey.url,
        given["INKFAST_SNAPSHOT_CACHE_URL"] if cache is None else cache.url,
    )


def _start_application(
    supervisor: Supervisor,
    installation: Installation,
    listener: socket.socket,
    wanted: Wanted,
    child_environment: dict[str, str],
) -> None:
    log_dir = installation.log_dir
    descriptor = listener.fileno()
    api: list[tuple[str, PythonService]] = []
    for number in range(1, (wanted.workers or _workers()) + 1):
        arguments = ["app.main", "--fd", str(descriptor), "--worker", str(number)]
        if wanted.metrics_port is not None:
            arguments += ["--own-port", str(wanted.metrics_port + number - 1)]
        name = f"api-{number}"
        api.append((name, PythonService(name, log_dir, arguments, child_environment, pass_fds=(descriptor,))))
    # The first page needs one API process; the others would only take the processor from it.
    supervisor.start(api[:1], layer=API)
    host, port = listener.getsockname()[:2]
    api[0][1].process.wait_until(lambda: _answers(host, port), timeout_s=READY_S_MAX)
    background: list[tuple[str, Service]] = [
        (name, PythonService(name, log_dir, ["workers.main", name], child_environment))
        for name in ("flusher", "housekeeping")
    ]
    if "REDIS_URL" not in environment():  # beside its own journal a district runs the guard itself
        background.append(
            (
                "disk-guard",
                PythonService("disk-guard", log_dir, _guard(installation, child_environment), child_environment),
            )
        )
    supervisor.start(background, layer=BACKGROUND)
    supervisor.start(api[1:], layer=API)


def _guard(installation: Installation, child_environment: dict[str, str]) -> list[str]:
    settings = Settings.from_env(child_environment)
    limits = {
        "--free-percent-min": settings.journal_disk_free_percent_min,
        "--free-mib-max": settings.journal_disk_free_mib_max,
        "--free-mib-min": settings.journal_disk_free_mib_min,
        "--ballast-mib": settings.journal_ballast_mib,
    }
    arguments = ["ops.cli", "disk-guard", "--dir", str(installation.journal_dir), "--redis-url", settings.redis_url]
    return arguments + [part for name, value in limits.items() for part in (name, str(value))]


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1" if host == "0.0.0.0" else host, port, timeout=2)  # noqa: S104 -- compared, not bound
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
