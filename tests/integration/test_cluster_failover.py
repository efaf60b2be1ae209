"""A primary of a Cluster dies, its replica takes over: the same processes go on, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import redis

from app.drafts.committer import Committer
from app.drafts.keys import STREAM, partition_of
from app.drafts.topology import SLOT_OF_PARTITION, Topology
from app.errors import JournalUnavailableError
from tests.cluster import NODES, SLOTS, formed, start_cluster
from tests.integration.test_committer import save_of
from tests.writers import Writers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ops.servers import ValkeyServer
    from tests.cluster import Cluster

TAKEOVER_S_MAX = 60
CONFIG = {
    "maxmemory": "64mb",
    "cluster-node-timeout": "30000",  # until a test kills a primary, nobody takes a busy machine for its end
    "cluster-replica-validity-factor": "0",
    "repl-diskless-sync-delay": "0",
}


@pytest.fixture(scope="module")
def failing_cluster(server_dir: Path) -> Iterator[tuple[Cluster, ValkeyServer]]:
    """Three primaries, and a replica of the first."""
    with ExitStack() as stack:
        made = start_cluster(stack, server_dir, CONFIG, spares=1)
        asyncio.run(_with_replica(made))
        yield made, made.nodes[NODES]


async def _with_replica(cluster: Cluster) -> None:
    await formed(cluster)
    async with asyncio.timeout(TAKEOVER_S_MAX):
        while True:  # until the newcomer has heard of the first
            with contextlib.suppress(redis.ResponseError):
                cluster.call(NODES, "CLUSTER", "REPLICATE", cluster.ids[0])
                break
            await asyncio.sleep(0.05)
        while cluster.clients[0].execute_command("WAITAOF", 1, 1, 100)[1] < 1:
            with contextlib.suppress(redis.ResponseError):
                section = next(s for s in range(1, 10_000) if _is_at_first(s))
                cluster.clients[0].execute_command("SETEX", STREAM[partition_of(section)] + b":in-step", 60, 1)
            await asyncio.sleep(0.05)


def _is_at_first(section: int) -> bool:
    return SLOT_OF_PARTITION[partition_of(section)] < -(-SLOTS // NODES)


async def test_a_redirected_save_waits_for_the_replicas_disk_too(
    failing_cluster: tuple[Cluster, ValkeyServer],
) -> None:
    cluster, _ = failing_cluster
    topology = Topology(cluster.url)
    committer = Committer(topology, queue_edits_max=100, wait_ms_max=2_000, replicas_min=1)
    section = next(s for s in range(1, 10_000) if not _is_at_first(s))
    partition = partition_of(section)
    assert topology.node(partition).address.port == cluster.nodes[0].port  # it has not learnt the map: MOVED
    try:
        with pytest.raises(JournalUnavailableError, match="replicas"):
            await committer.commit(partition, section, save_of(section), 1)
        assert topology.node(partition).address.port != cluster.nodes[0].port
    finally:
        topology.close()
        await committer.close()


async def test_a_replica_takes_over_under_processes_that_go_on(
    failing_cluster: tuple[Cluster, ValkeyServer],
) -> None:
    cluster, replica = failing_cluster
    sections = [s for s in range(1, 10_000) if _is_at_first(s)][:5]
    async with Writers(cluster.url, sections) as writers, asyncio.timeout(TAKEOVER_S_MAX):
        await writers.more(100)
        await writers.read()
        for node in range(NODES + 1):
            cluster.call(node, "CONFIG", "SET", "cluster-node-timeout", 800)
        cluster.nodes[0].kill()
        while writers.topology.node(partition_of(sections[0])).address.port != replica.port:
            await asyncio.sleep(0.05)
        writers.need_no_replica()
        await writers.more(50)
        await writers.finish()
