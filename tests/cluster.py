"""Valkey Clusters for the tests: made from the embedded server's binary, each node a process of its own."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import redis

from ops.cluster.machines import free_port
from ops.servers import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack
    from pathlib import Path

SLOTS = 16_384
NODES = 3
FORM_S_MAX = 60
_numbers = itertools.count()


class Cluster:
    """Three primaries."""

    def __init__(self, nodes: list[ValkeyServer]) -> None:
        self.nodes = nodes
        self.clients = [redis.Redis(port=node.port or 0) for node in nodes]
        self.ids = [str(self.call(i, "CLUSTER", "MYID")) for i in range(len(nodes))]

    def call(self, node: int, *command: object) -> Any:
        """Run one command on one node."""
        reply = self.clients[node].execute_command(*command)
        return reply.decode() if isinstance(reply, bytes) else reply

    @property
    def url(self) -> str:
        """The seed address."""
        return self.nodes[0].url

    def owner(self, slot: int) -> int:
        """The node that serves a slot."""
        port = next(r[2][1] for r in self.clients[0].execute_command("CLUSTER", "SLOTS") if r[0] <= slot <= r[1])
        return next(i for i, node in enumerate(self.nodes) if node.port == port)

    def begin_move(self, slot: int, source: int, target: int) -> None:
        """Declare a slot moving."""
        self.call(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.ids[source])
        self.call(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.ids[target])

    def migrate(self, source: int, target: int, *keys: bytes) -> None:
        """Move keys."""
        for key in keys:
            self.call(source, "MIGRATE", "127.0.0.1", self.nodes[target].port, key, 0, 5_000)

    def end_move(self, slot: int, target: int) -> None:
        """Hand the slot over, on every node."""
        for node in (target, *(i for i in range(NODES) if i != target)):
            self.call(node, "CLUSTER", "SETSLOT", slot, "NODE", self.ids[target])


def start_cluster(stack: ExitStack, folder: Path, config: Mapping[str, str], *, spares: int = 0) -> Cluster:
    """Start nodes that know each other: the first NODES share the slots, and `spares` more have none yet.

    They may not be whole yet (`formed`); the stack stops them.
    """
    nodes = []
    for _ in range(NODES + spares):
        number = next(_numbers)
        node = ValkeyServer(
            folder / f"c{number}", folder / f"cr{number}", port=free_port(), cluster=True, config=dict(config)
        )
        node.start()
        stack.callback(node.stop)
        nodes.append(node)
    made = Cluster(nodes)
    stack.callback(lambda: [client.close() for client in made.clients])
    share = -(-SLOTS // NODES)
    for i in range(len(nodes)):
        if i < NODES:
            made.call(i, "CLUSTER", "ADDSLOTSRANGE", i * share, min(SLOTS, (i + 1) * share) - 1)
        made.call(i, "CLUSTER", "SET-CONFIG-EPOCH", i + 1)
        if i:
            made.call(i, "CLUSTER", "MEET", "127.0.0.1", nodes[0].port)
    return made


async def formed(cluster: Cluster) -> None:
    """Wait until every node calls the cluster whole."""
    async with asyncio.timeout(FORM_S_MAX):
        while not all("cluster_state:ok" in _info(cluster, i) for i in range(NODES)):
            await asyncio.sleep(0.05)


def _info(cluster: Cluster, node: int) -> str:
    reply = cluster.call(node, "CLUSTER", "INFO")
    return str(reply)
