"""`inkfast cluster`: journal and PostgreSQL as a district runs them, on loopback and from packages, for drills."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ops.cluster import failover as failovers
from ops.cluster.journal import Journal, make_journal
from ops.cluster.machines import Machine, free_port
from ops.cluster.packages import etcd_program, patroni_python
from ops.cluster.records import Records, make_records
from ops.installation import Installation
from ops.processes import ServerError, locked
from ops.servers import PostgresServer, postgres_bin, postgres_major
from ops.supervisor import StopRequestedError, Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

F = TypeVar("F", bound="Callable[..., Any]")

JOURNALS = ("cluster", "sentinel", "single")
RECORDS = ("patroni", "single")
PORTS = 16
LOCK_S_MAX = 20.0
AWAY_S = 30.0  # longer than Patroni takes to notice
AGREEMENT, SERVERS, WATCHERS = 0, 1, 2  # layers: etcd, then the stores, then the sentinels


def data_dir_option() -> Callable[[F], F]:
    """Give a command `--data-dir`, which has no default: these stores are somebody's on purpose."""
    return click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), required=True)


@click.group()
def cluster() -> None:
    """Start the stores on several servers, and make them fail over."""


@cluster.command()
@data_dir_option()
@click.option("--journal", type=click.Choice(JOURNALS), default="cluster", show_default=True)
@click.option("--records", type=click.Choice(RECORDS), default="patroni", show_default=True)
@click.option(
    "--away-s",
    type=click.FloatRange(min=0),
    default=AWAY_S,
    show_default=True,
    help="How long a server that has died stays away, as its machine would.",
)
def start(data_dir: Path, journal: str, records: str, away_s: float) -> None:
    """Start the servers on loopback, and keep them running until Ctrl-C.

    The journal: a Cluster of three primaries with a replica each, or a primary and its replica watched by three
    sentinels. The records: PostgreSQL under Patroni with a synchronous standby, and one etcd. Where they are is
    written to DIR/environment; with it `inkfast up` runs on them:

    \b
    set -a; . DIR/environment; set +a; ./ops/up --data-dir OTHER
    """  # noqa: D301 -- \b is click's mark for "do not wrap"
    try:
        with _own(data_dir) as (installation, lock), Supervisor(installation, _say, lock=lock) as supervisor:
            _start(supervisor, installation, journal, records, away_s)
            supervisor.run()
            _say("stopping")
        _say("stopped; nothing is left running")
    except StopRequestedError:
        _say("stopped before everything was running; nothing is left running")


@cluster.command()
@click.argument("store", type=click.Choice(("journal", "records")))
@data_dir_option()
def failover(store: str, data_dir: Path) -> None:
    """Kill -9 the primary of a store that `inkfast cluster start` runs, and wait until another one takes writes."""
    fail = failovers.fail_journal if store == "journal" else failovers.fail_records
    done = fail(data_dir)
    click.echo(f"{done.killed} was killed; {done.successor} has taken over after {done.seconds:.1f} s")


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        click.echo(text)


@contextlib.contextmanager
def _own(data_dir: Path) -> Iterator[tuple[Installation, int]]:
    installation = Installation(data_dir)
    for folder in (installation.data_dir, installation.run_dir):
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    in_use = f"{installation.data_dir} is in use by another `inkfast cluster start`"
    with locked(installation.run_dir / "supervisor.lock", wait_s=LOCK_S_MAX, in_use=in_use) as lock:
        yield installation, lock


def _start(supervisor: Supervisor, installation: Installation, journal: str, records: str, away_s: float) -> None:
    kept = installation.read()
    if kept.get("journal", journal) != journal or kept.get("records", records) != records:
        raise ServerError(
            f"{installation.data_dir} holds a {kept['journal']} journal and {kept['records']} records: take another"
        )
    ports = kept.get("ports") or _free_ports()
    installation.write(journal=journal, records=records, ports=ports)
    redis_url, replicas_min = _start_journal(supervisor, installation, journal, ports, away_s)
    database_url = _start_records(supervisor, installation, records, ports[8:], away_s)
    installation.write(redis_url=redis_url, database_url=database_url)
    given = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "INKFAST_JOURNAL_REPLICAS_MIN": str(replicas_min),
    }
    path = installation.data_dir / "environment"
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in given.items()))
    _say(f"journal ({journal}) and records ({records}) are running; {path} says where    stop: Ctrl-C")


def _free_ports() -> list[int]:
    ports: list[int] = []
    while len(ports) < PORTS:
        port = free_port()
        if port not in ports:
            ports.append(port)
    return ports


def _start_journal(
    supervisor: Supervisor, installation: Installation, kind: str, ports: list[int], away_s: float
) -> tuple[str, int]:
    made: Journal = make_journal(_folder(installation, "journal"), kind, ports)
    supervisor.start(made.services(away_s), layer=SERVERS)
    made.form()
    supervisor.start(made.watchers(away_s), layer=WATCHERS)
    made.watch()
    return made.url, made.replicas_min


def _start_records(
    supervisor: Supervisor, installation: Installation, kind: str, ports: list[int], away_s: float
) -> str:
    folder = _folder(installation, "records")
    if kind == "single":
        major = postgres_major(postgres_bin())
        server = PostgresServer(folder / f"pg{major}", folder / "run")
        supervisor.start([("postgres", Machine(server, away_s))], layer=SERVERS)
        server.wait_ready()
        return server.dsn
    made: Records = make_records(folder, (patroni_python(_say), etcd_program(_say)), ports)
    supervisor.start([("etcd", Machine(made.etcd, 0))], layer=AGREEMENT)
    made.etcd.wait_ready()
    supervisor.start(made.services(away_s), layer=SERVERS)
    made.form()
    return made.url


def _folder(installation: Installation, name: str) -> Path:
    folder = installation.data_dir / name
    folder.mkdir(mode=0o711, exist_ok=True)
    folder.chmod(0o711)  # the umask may have closed it to the user of the servers
    return folder


__all__ = ["cluster"]
