"""PostgreSQL under Patroni: a primary, a synchronous standby, and the etcd in which they agree who is which."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg

from ops.cluster.machines import Machine
from ops.drill.installation import wait_until
from ops.processes import Process, choose_identity, socket_dir
from ops.servers import DATABASE, OWNER, SUPERUSER, postgres_bin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SCOPE = "inkfast"
NODES = 2
TTL_S = 20  # the shortest that Patroni takes: so long the dead primary's key stands in etcd
FORM_S_MAX = 120.0
STOP_S_MAX = 30.0
PORTS_PER_NODE = 2
ROLES = (OWNER, SUPERUSER, "replicator")
# Non-strict: with one node left there is no synchronous standby, and recording goes on (docs/operations/records.md).
DCS: Mapping[str, Any] = {
    "ttl": TTL_S,
    "loop_wait": 5,
    "retry_timeout": 5,
    "synchronous_mode": True,
    "synchronous_mode_strict": False,
    "postgresql": {
        "use_pg_rewind": True,
        "use_slots": True,
        "parameters": {
            "wal_level": "replica",
            "hot_standby": "on",
            "wal_log_hints": "on",
            "synchronous_commit": "on",
            "max_connections": 100,
        },
    },
}


class EtcdServer:
    """One etcd. Three on machines of their own is what a district runs."""

    def __init__(self, program: Path, folder: Path, port: int) -> None:
        self.port = port
        self._program = program
        self._folder = folder
        self.process = Process("etcd", folder.with_name("etcd.log"))

    def spawn(self) -> None:
        """Start it without waiting."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        identity = choose_identity(self._folder, also=(self._program,))
        identity.owns(self._folder)
        client, peer = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.port + 10_000}"
        options = {
            "name": "one",
            "data-dir": self._folder,
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"one={peer}",
        }
        self.process.spawn(
            [self._program, *(f"--{name}={value}" for name, value in options.items())], identity=identity
        )

    def wait_ready(self) -> None:
        """Return when it answers."""
        url = f"http://127.0.0.1:{self.port}/health"
        self.process.wait_until(lambda: _asked(url).get("health") == "true", timeout_s=FORM_S_MAX)

    def stop(self) -> None:
        """End it."""
        self.process.stop(signal.SIGTERM)


class PatroniNode:
    """Patroni, and the PostgreSQL that it starts and stops."""

    def __init__(self, python: Path, folder: Path, number: int, ports: tuple[int, int], etcd_port: int) -> None:
        self.name = f"patroni-{number}"
        self.port, self.api_port = ports
        self.data_dir = folder / f"pg-{number}"
        self._python = python
        self._folder = folder
        self._etcd_port = etcd_port
        self.process = Process(self.name, folder / f"{self.name}.log")

    def spawn(self) -> None:
        """Start it without waiting: it makes or copies the database, and begins or follows."""
        own = self._folder / self.name
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        identity = choose_identity(self.data_dir, also=(self._python, postgres_bin()))
        identity.owns(self.data_dir)
        config = own / "patroni.yml"  # JSON is YAML
        config.write_text(json.dumps(self._config(own, socket_dir(own / "s", identity)), indent=2))
        config.chmod(0o600)
        identity.owns(own)
        for path in (config, own / "s"):
            identity.owns(path)
        self.process.spawn([self._python, "-m", "patroni", config], identity=identity)

    def stop(self) -> None:
        """End PostgreSQL, and then Patroni."""
        self.process.stop(signal.SIGTERM, timeout_s=STOP_S_MAX)

    def _config(self, own: Path, sockets: Path) -> dict[str, Any]:
        words = passwords(self._folder)
        sign_in = {name: {"username": name, "password": words[name]} for name in ROLES}
        return {
            "scope": SCOPE,
            "name": self.name,
            "restapi": {
                "listen": f"127.0.0.1:{self.api_port}",
                "connect_address": f"127.0.0.1:{self.api_port}",
            },
            "etcd3": {"host": f"127.0.0.1:{self._etcd_port}"},
            "bootstrap": {
                "dcs": DCS,
                "initdb": [
                    {"encoding": "UTF8"},
                    {"locale-provider": "builtin"},
                    {"locale": "C.UTF-8"},
                    "data-checksums",
                ],
            },
            "postgresql": {
                "listen": f"127.0.0.1:{self.port}",
                "connect_address": f"127.0.0.1:{self.port}",
                "data_dir": str(self.data_dir),
                "bin_dir": str(postgres_bin()),
                "pgpass": str(own / "pgpass"),
                "parameters": {"unix_socket_directories": str(sockets), "timezone": "UTC", "log_timezone": "UTC"},
                "authentication": {
                    "superuser": sign_in[SUPERUSER],
                    "rewind": sign_in[SUPERUSER],
                    "replication": sign_in["replicator"],
                },
                "pg_hba": [
                    "local all all scram-sha-256",
                    "host all all 127.0.0.1/32 scram-sha-256",
                    "host replication replicator 127.0.0.1/32 scram-sha-256",
                ],
            },
        }


class Records(NamedTuple):
    """The servers of one PostgreSQL with a standby."""

    folder: Path
    etcd: EtcdServer
    nodes: Sequence[PatroniNode]

    @property
    def url(self) -> str:
        """DATABASE_URL: all hosts, and the one that can be written is used."""
        return self._url(OWNER, DATABASE)

    def _url(self, user: str, database: str) -> str:
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        word = passwords(self.folder)[user]
        return f"postgresql://{user}:{word}@{hosts}/{database}?sslmode=disable&target_session_attrs=read-write"

    def services(self, away_s: float) -> list[tuple[str, Machine]]:
        """Return Patroni's nodes by name, for the supervisor; etcd is started before them."""
        return [(node.name, Machine(node, away_s)) for node in self.nodes]

    def form(self) -> None:
        """Return when there are a primary, a synchronous standby and the application's database."""
        wait_until(self._is_whole, FORM_S_MAX, "a primary with a synchronous standby")
        asyncio.run(self._make_database())

    def _is_whole(self) -> bool:
        roles = {member["role"] for member in members(self.nodes[0].api_port) if member["state"] in RUNNING}
        return {"leader", "sync_standby"} <= roles

    async def _make_database(self) -> None:
        connection = await asyncpg.connect(self._url(SUPERUSER, "postgres"))
        try:
            if await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", OWNER) is None:
                word = passwords(self.folder)[OWNER]  # made by us: no quote in it
                await connection.execute(f"CREATE ROLE {OWNER} LOGIN CREATEDB PASSWORD '{word}'")
            if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE) is None:
                await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        finally:
            await connection.close()


RUNNING = ("running", "streaming")


def make_records(folder: Path, programs: tuple[Path, Path], ports: Sequence[int]) -> Records:
    """Return the servers in `folder`; `programs`: Patroni's Python, and etcd. They are not started yet."""
    python, etcd = programs
    pairs = [(ports[1 + PORTS_PER_NODE * i], ports[2 + PORTS_PER_NODE * i]) for i in range(NODES)]
    nodes = [PatroniNode(python, folder, i, pair, ports[0]) for i, pair in enumerate(pairs, 1)]
    return Records(folder, EtcdServer(etcd, folder / "etcd", ports[0]), nodes)


def passwords(folder: Path) -> dict[str, str]:
    """Return the passwords of the roles; made on the first call, readable only for their owner."""
    path = folder / "passwords.json"
    with contextlib.suppress(FileNotFoundError):
        return dict(json.loads(path.read_text()))
    path.touch(mode=0o600)
    words = {name: secrets.token_urlsafe(24) for name in ROLES}
    path.write_text(json.dumps(words))
    return words


def members(api_port: int) -> list[dict[str, Any]]:
    """Return what this node's Patroni knows of all; nothing while it does not answer."""
    return list(_asked(f"http://127.0.0.1:{api_port}/cluster").get("members", []))


def _asked(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 -- our own address
            return dict(json.load(answer))
    except (OSError, ValueError, urllib.error.URLError):
        return {}
