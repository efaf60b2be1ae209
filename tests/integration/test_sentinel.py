"""A pair of servers watched by Sentinel: the same processes go on with the one that takes over."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import redis

from app.drafts.sentinel import SentinelAddress, addresses_of
from app.drafts.topology import Node, Topology
from app.errors import JournalUnavailableError
from ops.cluster.journal import Journal, make_journal, named_by, sentinel_of
from ops.cluster.machines import free_port
from tests.writers import Writers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TAKEOVER_S_MAX = 60
LONG_MS, DOWN_AFTER_MS = 30_000, 400  # until a test kills the primary, nobody takes a busy machine for its end


@pytest.fixture(scope="module")
def journal(server_dir: Path) -> Iterator[Journal]:
    """A primary, its replica and three sentinels."""
    folder = server_dir / "watched"
    folder.mkdir(mode=0o711)
    ports: list[int] = []
    while len(ports) < 5:
        if (port := free_port()) not in ports:  # nobody listens there yet
            ports.append(port)
    nodes = make_journal(folder, "sentinel", ports).nodes
    sentinels = [sentinel_of(folder, i, ports[i + 1], ports[0], down_after_ms=LONG_MS) for i in (1, 2, 3)]
    with ExitStack() as stack:
        made = Journal(nodes, sentinels)
        for _, machine in made.services(0):
            stack.callback(machine.stop)
            machine.spawn()
        made.form()
        for _, machine in made.watchers(0):
            stack.callback(machine.stop)
            machine.spawn()
        made.watch()
        yield made


@pytest.mark.parametrize(
    ("url", "name", "sentinels"),
    [
        ("redis+sentinel://one:1,two/inkfast", "inkfast of one:1,two", ["one:1", "two:26379"]),
        ("rediss+sentinel://u:p@one:1/x?sentinel_password=s", "x of one:1", ["one:1"]),
    ],
)
def test_what_a_sentinel_url_says(url: str, name: str, sentinels: list[str]) -> None:
    (address,) = addresses_of(url)
    assert isinstance(address, SentinelAddress)
    assert (address.name, [sentinel.name for sentinel in address.sentinels]) == (name, sentinels)
    assert address.is_tls == url.startswith("rediss")
    assert all(sentinel.is_tls == address.is_tls for sentinel in address.sentinels)


@pytest.mark.parametrize("url", ["redis+sentinel://one:1", "redis+sentinel:///inkfast"])
def test_a_sentinel_url_without_a_name_or_hosts_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="REDIS_URL"):
        addresses_of(url)


async def test_a_primary_that_nobody_knows_is_away(journal: Journal) -> None:
    unknown = journal.url.replace("/inkfast", "/other")
    with pytest.raises(JournalUnavailableError, match="knows a primary other"):
        await Node(*addresses_of(unknown)).connection()


async def test_a_server_that_is_no_primary_is_not_believed(journal: Journal) -> None:
    """What a sentinel says that has not heard of the last election; here it is made to name the replica."""
    liar = journal.sentinels[2]
    with redis.Redis(port=liar.port) as client:
        primary = journal.nodes[0].port
        client.execute_command("SENTINEL", "REMOVE", "inkfast")
        client.execute_command("SENTINEL", "MONITOR", "inkfast", "127.0.0.1", journal.nodes[1].port, 2)
        try:
            with pytest.raises(JournalUnavailableError, match="not the primary"):
                await Node(*addresses_of(f"redis+sentinel://127.0.0.1:{liar.port}/inkfast")).connection()
        finally:
            client.execute_command("SENTINEL", "REMOVE", "inkfast")
            client.execute_command("SENTINEL", "MONITOR", "inkfast", "127.0.0.1", primary, 2)
            client.execute_command("SENTINEL", "SET", "inkfast", "down-after-milliseconds", LONG_MS)
    journal.watch()


async def test_a_connection_to_a_deposed_primary_is_left(journal: Journal) -> None:
    """It answers READONLY, and the connection is as good as ever: nothing but the question who it is tells."""
    topology = Topology(f"redis://127.0.0.1:{journal.nodes[1].port}")
    (node,) = topology.nodes()
    try:
        lent = await node.connection()
        with pytest.raises(JournalUnavailableError):
            await topology.call(0, b"SET", b"k", b"v")
        assert not lent.is_open
    finally:
        topology.close()


def _named_by(sentinel_port: int) -> int | None:
    with contextlib.suppress(redis.RedisError):  # a machine that stood still for longer than it waits for an answer
        return named_by(sentinel_port)
    return None


async def test_the_replica_takes_over_under_processes_that_go_on(journal: Journal) -> None:
    async with Writers(journal.url, range(1, 6)) as writers, asyncio.timeout(TAKEOVER_S_MAX):
        await writers.more(50)
        await writers.read()
        first, second = journal.nodes
        for sentinel in journal.sentinels:
            with redis.Redis(port=sentinel.port) as client:
                client.execute_command("SENTINEL", "SET", "inkfast", "failover-timeout", 5 * DOWN_AFTER_MS)
                client.execute_command("SENTINEL", "SET", "inkfast", "down-after-milliseconds", DOWN_AFTER_MS)
        first.kill()
        while await asyncio.to_thread(_named_by, journal.sentinels[0].port) != second.port:
            await asyncio.sleep(0.02)
        with redis.Redis(port=second.port) as client:  # it has no replica yet, and has to take writes all the same
            client.config_set("min-replicas-to-write", 0)
        writers.need_no_replica()
        await writers.more(50)
        await writers.finish()
