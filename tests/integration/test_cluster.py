"""The same code on a Cluster of three primaries, with a slot moving meanwhile: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import pytest

from app.drafts.keys import PARTITIONS, TAGS, partition_of
from app.drafts.topology import SLOT_OF_PARTITION, Topology
from ops.audit.checks import audit_stores
from ops.cluster.machines import free_port
from tests.cluster import NODES, SLOTS, Cluster, formed, start_cluster
from tests.world import SECTION, STUDENTS, Process, Tab, api_process, fetch, make_school, outcomes, running_flusher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.settings import Settings


@pytest.fixture(scope="module")
def cluster(server_dir: Path) -> Iterator[Cluster]:
    """A formed cluster, empty."""
    with ExitStack() as stack:
        made = start_cluster(stack, server_dir, {"maxmemory": "128mb", "cluster-node-timeout": "5000"})
        asyncio.run(formed(made))
        yield made


@pytest.fixture
def cluster_settings(settings: Settings, cluster: Cluster) -> Settings:
    """Settings for the cluster, empty."""
    for client in cluster.clients:
        client.flushall()
    return msgspec.structs.replace(settings, redis_url=cluster.url)


@pytest.fixture
def redirections(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What kinds of redirection the topology met."""
    met: set[str] = set()
    retry = Topology.retry

    async def counted(self: Topology, partition: int, packed: bytes, error: str) -> Any:
        met.add(error.split(maxsplit=1)[0])
        return await retry(self, partition, packed, error)

    monkeypatch.setattr(Topology, "retry", counted)
    moved, at_redirect = Topology.moved, Topology.at_redirect

    def seen_moved(self: Topology, partition: int, error: str) -> None:
        met.add("MOVED")
        moved(self, partition, error)

    def seen_redirect(self: Topology, error: str) -> Any:
        met.add(error.split(maxsplit=1)[0])
        return at_redirect(self, error)

    monkeypatch.setattr(Topology, "moved", seen_moved)
    monkeypatch.setattr(Topology, "at_redirect", seen_redirect)
    sleep = asyncio.sleep

    async def seen_pause(seconds: float, result: Any = None) -> Any:
        if seconds == 0.025:
            met.add("TRYAGAIN")
        return await sleep(seconds, result)

    monkeypatch.setattr("app.drafts.topology.asyncio.sleep", seen_pause)
    return met


async def recorded_once(settings: Settings, edit_ids: list[str]) -> None:
    """Every edit stands in the history exactly once, and the journal is empty."""
    rows = await fetch(settings, "SELECT edit_id::text AS id, status::text AS status FROM edit_log")
    assert sorted(row["id"] for row in rows) == sorted(edit_ids)
    assert {row["status"] for row in rows} == {"A"}


async def until_empty(process: Process) -> None:
    """Wait until everything is recorded."""
    async with asyncio.timeout(60):
        while (await process.store.backlog())[0]:
            await asyncio.sleep(0.02)


async def test_saves_reach_every_primary_and_are_recorded(cluster_settings: Settings, cluster: Cluster) -> None:
    await make_school(cluster_settings.database_url)
    sections = range(5_000, 5_000 + 48)
    await more_sections(cluster_settings, sections)
    async with api_process(cluster_settings) as process, running_flusher(cluster_settings):
        tabs = [Tab(process, section_id=section) for section in sections]
        edits = [tab.edit(STUDENTS[0], "11", item=section) for tab, section in zip(tabs, sections, strict=True)]
        answers = await asyncio.gather(*(tab.save(edit) for tab, edit in zip(tabs, edits, strict=True)))
        assert {word for answer in answers for word in outcomes(answer)} == {"drafted"}
        assert {cluster.owner(SLOT_OF_PARTITION[partition_of(s)]) for s in sections} == {0, 1, 2}
        await until_empty(process)
        await recorded_once(cluster_settings, [edit["edit_id"] for edit in edits])


async def test_a_slot_moves_while_teachers_type(
    cluster_settings: Settings, cluster: Cluster, redirections: set[str]
) -> None:
    await make_school(cluster_settings.database_url)
    partition = partition_of(SECTION)
    slot = SLOT_OF_PARTITION[partition]
    source = cluster.owner(slot)
    target = (source + 1) % NODES
    neighbour = next(s for s in range(6_000, 9_000) if partition_of(s) == partition)
    await more_sections(cluster_settings, [neighbour])
    sent: list[str] = []
    async with api_process(cluster_settings) as process, running_flusher(cluster_settings):
        tab, other = Tab(process), Tab(process, section_id=neighbour)

        async def save(tab: Tab, student: int, item: int) -> None:
            edit = tab.edit(student, "12", item=item)
            sent.append(edit["edit_id"])
            assert outcomes(await tab.save(edit)) == ["drafted"]

        await save(tab, STUDENTS[0], 7001)
        await until_empty(process)
        cluster.begin_move(slot, source, target)
        await save(tab, STUDENTS[1], 7001)  # all keys are still at the source
        tag = TAGS[partition].encode()
        cluster.migrate(source, target, tag + b":log")
        waiting = asyncio.create_task(save(tab, STUDENTS[2], 7001))  # its keys are at two places
        fresh = asyncio.create_task(save(other, STUDENTS[0], neighbour))  # its section has no key at all yet
        async with asyncio.timeout(60):
            while "TRYAGAIN" not in redirections:
                await asyncio.sleep(0.01)
        cluster.migrate(source, target, tag + b":s:%d" % SECTION, tag + b":inc")
        await waiting  # now all its keys are at the target, which the source names with ASK
        cluster.end_move(slot, target)
        await fresh
        await save(tab, STUDENTS[3], 7001)
        await save(other, STUDENTS[1], neighbour)
        await until_empty(process)
        await recorded_once(cluster_settings, sent)
        await all_is_well(cluster_settings)
    assert {"MOVED", "ASK", "TRYAGAIN"} <= redirections
    cluster.begin_move(slot, target, source)  # leave it as it was found
    for key in cluster.clients[target].execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
        cluster.migrate(target, source, key)
    cluster.end_move(slot, source)


async def test_an_atomic_slot_migration_under_load(cluster_settings: Settings, cluster: Cluster) -> None:
    await make_school(cluster_settings.database_url)
    slot = SLOT_OF_PARTITION[partition_of(SECTION)]
    source = cluster.owner(slot)
    target = (source + 2) % NODES
    sent: list[str] = []
    async with api_process(cluster_settings) as process, running_flusher(cluster_settings):
        tabs = [Tab(process), Tab(process)]  # two windows of one teacher, each with students of its own
        stop = asyncio.Event()

        async def type_on(tab: Tab, students: tuple[int, ...]) -> None:
            for student in itertools.cycle(students):
                edit = tab.edit(student, "13")
                sent.append(edit["edit_id"])
                assert outcomes(await tab.save(edit)) == ["drafted"]
                if stop.is_set():
                    return

        typing = asyncio.gather(*(type_on(tab, tuple(STUDENTS[i::2])) for i, tab in enumerate(tabs)))
        cluster.call(source, "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", cluster.ids[target])
        async with asyncio.timeout(60):
            while cluster.owner(slot) != target or not _serves(cluster, target, slot):
                assert not typing.done(), "they type until they are told to stop"
                await asyncio.sleep(0.02)
        stop.set()
        await typing
        await until_empty(process)
        await recorded_once(cluster_settings, sent)
        await all_is_well(cluster_settings)


async def all_is_well(settings: Settings) -> None:
    """History, cells, positions and what is left in the journal agree."""
    report = await audit_stores(settings, [], 10, lambda _: None)
    assert report.holds, [v for v in report.verdicts if not v.holds]


def _serves(cluster: Cluster, node: int, slot: int) -> bool:
    ranges = cluster.clients[node].execute_command("CLUSTER", "SLOTS")
    return any(r[0] <= slot <= r[1] and r[2][1] == cluster.nodes[node].port for r in ranges)


async def more_sections(settings: Settings, sections: Any) -> None:
    """Sections of teacher 11 with the five students, and one column of the section's own number."""
    connection = await asyncpg.connect(settings.database_url)
    try:
        for section in sections:
            await connection.execute(
                f"""
                INSERT INTO section (section_id, sourced_id, title, course_id, org_id, school_year)
                  VALUES ({section}, 's{section}', 'More', 1, 1, 2026);
                INSERT INTO enrollment (section_id, sourced_id, user_id, role)
                  VALUES ({section}, 't{section}', 11, 'teacher');
                INSERT INTO enrollment (section_id, sourced_id, user_id, role)
                  SELECT {section}, 'm{section}-' || u, u, 'student' FROM unnest(ARRAY[101, 102, 103, 104, 105]) u;
                INSERT INTO line_item (section_id, line_item_id, title) VALUES ({section}, {section}, 'Quiz');
                """
            )
    finally:
        await connection.close()


async def test_any_of_the_nodes_that_are_named_tells_where_the_others_are(cluster: Cluster) -> None:
    topology = Topology(cluster.url.replace("://", f"://127.0.0.1:{free_port()},"))  # the first of them is away
    try:
        await topology.learn()
        assert {node.address.port for node in topology.nodes()} == {node.port for node in cluster.nodes}
    finally:
        topology.close()


def test_the_partitions_are_spread_evenly() -> None:
    share = -(-SLOTS // NODES)
    counts = [sum(1 for slot in SLOT_OF_PARTITION if slot // share == node) for node in range(NODES)]
    assert sum(counts) == PARTITIONS
    assert max(counts) - min(counts) <= 1
