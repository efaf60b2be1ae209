"""The journal on several servers: a Cluster of three primaries with a replica each, or a pair watched by Sentinel."""

from __future__ import annotations

import contextlib
import re
import signal
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ops.cluster.machines import Machine
from ops.drill.installation import wait_until
from ops.processes import Process, ServerError, choose_identity
from ops.servers import START_S_MAX, ValkeyServer, valkey_bin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SERVICE = "inkfast"
SLOTS = 16_384
PRIMARIES = 3
SENTINELS = 3
QUORUM = 2
FORM_S_MAX = 60.0
DOWN_AFTER_MS = 2_000
# One replica for each primary, and no write without it (docs/operations/journal.md).
REPLICATED: Mapping[str, str] = {
    "maxmemory": "256mb",
    "min-replicas-to-write": "1",
    "min-replicas-max-lag": "10",
    "repl-diskless-sync-delay": "0",
}
CLUSTERED: Mapping[str, str] = {
    "cluster-node-timeout": str(DOWN_AFTER_MS),
    "cluster-replica-validity-factor": "0",
    "cluster-allow-replica-migration": "no",
    "cluster-require-full-coverage": "no",
}


class SentinelServer:
    """One sentinel, whose file (it writes into it what it learns) is made on the first start."""

    def __init__(self, folder: Path, port: int, primary_port: int, *, down_after_ms: int = DOWN_AFTER_MS) -> None:
        self.port = port
        self._folder = folder
        self._first = (
            f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {primary_port} {QUORUM}\n"
            f"sentinel down-after-milliseconds {SERVICE} {down_after_ms}\n"
            f"sentinel failover-timeout {SERVICE} {5 * down_after_ms}\n"
            f"sentinel parallel-syncs {SERVICE} 1\n"
        )
        self.process = Process("Sentinel", folder.with_name(folder.name + ".log"))

    def monitored(self) -> int:
        """Return the port of the primary that it will watch when it starts."""
        path = self._folder / "sentinel.conf"
        text = path.read_text() if path.exists() else self._first
        return int(re.findall(rf"^sentinel monitor {SERVICE} \S+ (\d+)", text, re.MULTILINE)[0])

    def spawn(self) -> None:
        """Start it without waiting."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / "sentinel.conf"
        if not path.exists():
            path.write_text(self._first)
        identity = choose_identity(self._folder, also=(valkey_bin(),))
        identity.owns(self._folder)
        self.process.spawn([valkey_bin(), path, "--sentinel"], identity=identity)

    def stop(self) -> None:
        """End it."""
        self.process.stop(signal.SIGTERM)


class Journal(NamedTuple):
    """The servers of one journal, in the layers in which they are started, and how clients find them."""

    nodes: Sequence[ValkeyServer]
    sentinels: Sequence[SentinelServer]

    @property
    def url(self) -> str:
        """REDIS_URL."""
        if self.sentinels:
            hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
            return f"redis+sentinel://{hosts}/{SERVICE}"
        if len(self.nodes) > 1:
            return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return self.nodes[0].url

    @property
    def replicas_min(self) -> int:
        """INKFAST_JOURNAL_REPLICAS_MIN."""
        return 0 if len(self.nodes) == 1 else 1

    def services(self, away_s: float) -> list[tuple[str, Machine]]:
        """Return the nodes by name, for the supervisor; they are started, and formed, before the sentinels."""
        return [(f"valkey-{i}", Machine(node, away_s)) for i, node in enumerate(self.nodes, 1)]

    def watchers(self, away_s: float) -> list[tuple[str, Machine]]:
        """Return the sentinels by name, for the supervisor."""
        return [(f"sentinel-{i}", Machine(sentinel, away_s)) for i, sentinel in enumerate(self.sentinels, 1)]

    def form(self) -> None:
        """Return when every primary has a replica that is in step; servers that know each other already are left."""
        for node in self.nodes:
            node.wait_ready()
        if self.sentinels:
            self._form_pair()
        elif len(self.nodes) > 1:
            self._form_cluster()

    def watch(self) -> None:
        """Return when the sentinels, which have just been started, know the replica and each other."""
        for sentinel in self.sentinels:
            wait_until(partial(_pings, sentinel.port), START_S_MAX, "a sentinel")
        wait_until(self._sentinels_agree, FORM_S_MAX, "the sentinels, that know each other and the replica")

    def _form_pair(self) -> None:
        primary = self.sentinels[0].monitored()
        with _clients(self.nodes) as clients:
            for node, client in zip(self.nodes, clients, strict=True):
                if node.port != primary:
                    client.execute_command("REPLICAOF", "127.0.0.1", primary)
            wait_until(lambda: _in_step(clients) == 1, FORM_S_MAX, "the replica in step with its primary")

    def _sentinels_agree(self) -> bool:
        for sentinel in self.sentinels:
            with client_of(sentinel.port) as client:
                try:
                    known = client.sentinel_master(SERVICE)
                except (redis.ConnectionError, redis.TimeoutError):
                    return False
                if known["num-other-sentinels"] < len(self.sentinels) - 1 or known["num-slaves"] < 1:
                    return False
        return True

    def _form_cluster(self) -> None:
        with _clients(self.nodes) as clients:
            is_new = "cluster_known_nodes:1\r" in _info(clients[0])
            if is_new:
                self._introduce(clients)
            wait_until(lambda: all(map(_is_whole, clients)), FORM_S_MAX, "the Cluster that is whole")
            if is_new:
                self._give_replicas(clients)
            replicas = len(self.nodes) - PRIMARIES
            wait_until(lambda: _in_step(clients) == replicas, FORM_S_MAX, "a replica in step with each primary")

    def _introduce(self, clients: list[Any]) -> None:
        share = -(-SLOTS // PRIMARIES)
        for i, client in enumerate(clients):
            if i < PRIMARIES:
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", i * share, min(SLOTS, (i + 1) * share) - 1)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port)

    @staticmethod
    def _give_replicas(clients: list[Any]) -> None:
        for i, replica in enumerate(clients[PRIMARIES:]):
            primary = clients[i].execute_command("CLUSTER", "MYID")
            wait_until(partial(_replicates, replica, primary), FORM_S_MAX, "a replica that knows its primary")


def make_journal(folder: Path, kind: str, ports: Sequence[int]) -> Journal:
    """Return the servers of `kind` (cluster, sentinel, single) in `folder`; they are not started yet."""
    if kind == "single":
        return Journal([_node(folder, 1, None, {})], [])
    if kind == "sentinel":
        nodes = [_node(folder, i, ports[i - 1], REPLICATED) for i in (1, 2)]
        return Journal(nodes, [sentinel_of(folder, i, ports[i + 1], ports[0]) for i in range(1, SENTINELS + 1)])
    return Journal(
        [_node(folder, i, ports[i - 1], {**REPLICATED, **CLUSTERED}) for i in range(1, 2 * PRIMARIES + 1)], []
    )


def sentinel_of(folder: Path, number: int, port: int, primary_port: int, **options: Any) -> SentinelServer:
    """Return a sentinel that watches the primary at `primary_port`, until it hears of another."""
    return SentinelServer(folder / f"sentinel-{number}", port, primary_port, **options)


def _node(folder: Path, number: int, port: int | None, config: Mapping[str, str]) -> ValkeyServer:
    is_clustered = "cluster-node-timeout" in config
    return ValkeyServer(
        folder / f"valkey-{number}", folder / f"v{number}", port=port, cluster=is_clustered, config=config
    )


def client_of(port: int) -> redis.Redis:
    """Return a client of a loopback server that asks once: by itself it would ask a dead one for seconds."""
    return redis.Redis(port=port, socket_timeout=2, retry=Retry(NoBackoff(), 0))


def named_by(sentinel_port: int) -> int:
    """Return the port of the primary that this sentinel names."""
    with client_of(sentinel_port) as client:
        address: Any = client.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", SERVICE)
        return int(address[1])


def primary_of(url: str, slot: int = 0) -> int:
    """Return the port of the primary that serves `slot` now, of the journal at `url`; ServerError where none does."""
    scheme, _, rest = url.partition("://")
    for host in rest.partition("/")[0].split(","):
        port = int(host.rpartition(":")[2])
        with contextlib.suppress(redis.RedisError, StopIteration):
            if scheme.endswith("+sentinel"):
                return named_by(port)
            with client_of(port) as client:
                shares: Any = client.execute_command("CLUSTER SLOTS")
                return next(int(share[2][1]) for share in shares if share[0] <= slot <= share[1])
    raise ServerError(f"nobody of {url} says who the primary is")


@contextlib.contextmanager
def _clients(nodes: Sequence[ValkeyServer]) -> Any:
    clients = [redis.Redis(port=node.port or 0) for node in nodes]
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


def _pings(port: int) -> bool:
    with contextlib.suppress(redis.RedisError), client_of(port) as client:
        return bool(client.ping())
    return False


def _info(client: Any) -> str:
    reply: bytes = client.execute_command("CLUSTER", "INFO")
    return reply.decode()


def _is_whole(client: Any) -> bool:
    return "cluster_state:ok" in _info(client)


def _replicates(client: Any, primary: bytes) -> bool:
    try:
        client.execute_command("CLUSTER", "REPLICATE", primary)
    except redis.ResponseError:
        return False  # it has not heard of that node yet
    return True


def _in_step(clients: list[Any]) -> int:
    """Return how many are replicas whose file holds the first copy whole: until then they report late."""
    infos = [client.info() for client in clients]
    return sum(
        info["role"] == "slave"
        and info["master_link_status"] == "up"
        and not info["aof_rewrite_in_progress"]
        and not info["aof_rewrite_scheduled"]
        for info in infos
    )
