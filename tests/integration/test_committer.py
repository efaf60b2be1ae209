"""Group commit: many saves share a pipeline, and whatever happens to it, each gets its own answer, once."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import redis

from app.drafts import codec
from app.drafts.codec import CELL, NO_ID
from app.drafts.committer import SAVES_AT_ONCE_MIN, SILENCE_S_MAX, Committer
from app.drafts.connection import JournalProtocol
from app.drafts.keys import STREAM, partition_of, section_key
from app.drafts.topology import Topology
from app.errors import JournalUnavailableError, OverloadedError
from ops.cluster.machines import free_port
from ops.servers import ValkeyServer
from tests.awake import Awake
from tests.starved import JumpingClock, Starved
from tests.tap import Tap
from tests.until import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

WAIT_MS = 1_500
QUICK_MS = 300
SWEEP_MS = 300  # what the clock of the committer adds
_numbers = itertools.count(1)
_ids = itertools.count(1)


class Bench:
    """A committer, and saves for it: each of one edit, in an empty column that is known to be empty."""

    def __init__(self, topology: Topology, committer: Committer, groups: list[int]) -> None:
        self.topology = topology
        self.committer = committer
        self.groups = groups

    async def commit(self, section: int, save: bytes | None = None, edits: int = 1) -> codec.SaveReply:
        packed = save or save_of(section)
        reply = await self.committer.commit(partition_of(section), section, packed, edits)
        assert reply[:1] == b"O", reply
        return codec.unpack_reply(reply, 1)


def save_of(section: int, *, seq: int = 1, client: bytes = b"", student: int = 101) -> bytes:
    """A save of one edit with all the context that it needs."""
    cell = CELL.pack(1, 7, student)
    edit = codec.pack_edit(0, seq, cell, next(_ids).to_bytes(16, "big"), NO_ID, 1, b'{"score":"1"}', b"")
    packed = codec.pack_save(
        codec.pack_client(11, client or next(_ids).to_bytes(16, "big")), section, seq, 0, 0, 1, 0, [edit]
    )
    return codec.with_context(packed, codec.Context(seq - 1, b"", [cell[:5]], {}, {}))


@asynccontextmanager
async def bench(
    url: str, *, wait_ms: int = WAIT_MS, silence_ms: int | None = None, queue: int = 10_000, replicas: int = 0
) -> AsyncIterator[Bench]:
    topology = Topology(url)
    groups: list[int] = []
    committer = Committer(
        topology,
        queue_edits_max=queue,
        wait_ms_max=wait_ms,
        silence_ms_max=silence_ms,
        replicas_min=replicas,
        observe=groups.append,
    )
    try:
        yield Bench(topology, committer, groups)
    finally:
        topology.close()
        await committer.close()


@pytest.fixture
async def tap(redis_url: str, server_dir: Path) -> AsyncIterator[Tap]:
    async with Tap(redis_url, server_dir / f"tap{next(_numbers)}").listening() as tap:
        yield tap


@pytest.fixture
def journal(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def journaled(journal: redis.Redis, section: int) -> int:
    return int(journal.xlen(STREAM[partition_of(section)]))


async def test_many_waiting_saves_travel_as_one_pipeline(tap: Tap, journal: redis.Redis) -> None:
    async with bench(tap.url) as b:
        await b.commit(1)
        journal.config_resetstat()
        written, b.groups[:] = tap.written, []
        sections = range(100, 400)
        replies = await asyncio.gather(*(b.commit(section) for section in sections))
        assert {reply.drafted_seq for reply in replies} == {1}
        assert sum(b.groups) == 300
        assert len(b.groups) <= 3
        assert tap.written - written <= 12  # 64 KiB at a time through the tap
        calls = journal.info("commandstats")["cmdstat_evalsha"]["calls"]
        assert calls <= 3 * 64  # one script call for each partition, not for each save
        assert sum(journaled(journal, section) > 0 for section in sections) == 300


async def test_much_is_sent_before_the_loop_comes_round(redis_url: str) -> None:
    async with bench(redis_url) as b:
        await b.commit(1)
        b.groups.clear()
        await asyncio.gather(*(b.commit(section) for section in range(400, 440)))
        assert b.groups == [SAVES_AT_ONCE_MIN, SAVES_AT_ONCE_MIN, 40 - 2 * SAVES_AT_ONCE_MIN]
        b.groups.clear()
        await asyncio.gather(*(b.commit(section) for section in range(440, 440 + SAVES_AT_ONCE_MIN - 1)))
        assert b.groups == [SAVES_AT_ONCE_MIN - 1]  # little travels together


async def test_the_saves_of_one_section_keep_their_order(redis_url: str, journal: redis.Redis) -> None:
    async with bench(redis_url) as b:
        client = b"c" * 16
        saves = [save_of(7, seq=seq, client=client, student=100 + seq) for seq in range(1, 201)]
        replies = await asyncio.gather(*(b.commit(7, save) for save in saves))
        assert [reply.drafted_seq for reply in replies] == list(range(1, 201))
        seqs = [codec.unpack_entry(i, f[b"d"]).edits[0].seq for i, f in journal.xrange(STREAM[partition_of(7)])]
        assert seqs == list(range(1, 201))


async def test_a_pipeline_whose_answer_is_lost_is_sent_again_and_takes_effect_once(
    tap: Tap, journal: redis.Redis
) -> None:
    async with bench(tap.url) as b:
        await b.commit(1)
        tap.lose_next_answer()
        first = await asyncio.gather(*(b.commit(section) for section in (20, 21, 22)))
        assert [reply.results[0][:2] for reply in first] == [(ord("d"), 1)] * 3
        assert [journaled(journal, section) for section in (20, 21, 22)] == [1, 1, 1]
        assert tap.connections == 2


async def test_a_connection_cut_while_saves_wait_answers_each_of_them_once(tap: Tap, journal: redis.Redis) -> None:
    async with bench(tap.url) as b:
        await b.commit(1)
        tap.hold()
        saves = [asyncio.create_task(b.commit(section)) for section in range(30, 60)]
        await asyncio.sleep(0)
        tap.cut()
        tap.release()
        assert {reply.drafted_seq for reply in await asyncio.gather(*saves)} == {1}
        assert all(journaled(journal, section) for section in range(30, 60))


async def test_a_cancelled_request_leaves_nothing_broken(tap: Tap, journal: redis.Redis) -> None:
    async with bench(tap.url) as b:
        await b.commit(1)
        tap.hold()
        client = b"k" * 16
        kept = asyncio.create_task(b.commit(70, save_of(70, client=client, student=111)))
        gone = asyncio.create_task(b.commit(71))
        late = asyncio.create_task(b.commit(72))
        written = tap.written
        while tap.written == written:  # all three are in flight
            await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        tap.release()
        assert (await kept).drafted_seq == (await late).drafted_seq == 1
        after = await b.commit(70, save_of(70, seq=2, client=client, student=112))
        assert after.drafted_seq == 2  # its own answer, not one left over by the request that is gone
        assert b.committer.waiting_edits == 0
        assert journaled(journal, 71) == 1  # it was sent: its client will find it there


async def test_too_many_waiting_edits_are_refused_at_once(tap: Tap) -> None:
    async with bench(tap.url, queue=10) as b:
        await b.commit(1)
        tap.hold()
        waiting = [asyncio.create_task(b.commit(section, edits=4)) for section in (80, 81)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError) as refused:
            await b.commit(82, edits=4)
        assert refused.value.retry_after_s
        polls = [asyncio.create_task(b.commit(section, edits=0)) for section in (83, 84)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await b.commit(85, edits=0)  # polls take a place too, or a dead journal would collect them without end
        tap.release()
        await asyncio.gather(*waiting, *polls)
        await b.commit(82, edits=4)


async def test_a_journal_that_is_away_is_said_to_be_so_in_time(server_dir: Path) -> None:
    async with bench(f"unix://{server_dir}/nobody-here", wait_ms=QUICK_MS) as b:
        with pytest.raises(JournalUnavailableError) as away, Awake() as took:
            await b.commit(1)
        assert took.seconds < (QUICK_MS + 2 * SWEEP_MS) / 1000
        assert away.value.retry_after_s
        assert b.committer.waiting_edits == 0


@pytest.mark.parametrize("step", ["open", "load_scripts"])
async def test_who_gives_up_while_it_connects_leaves_no_connection_open(
    tap: Tap, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    made: list[JournalProtocol] = []

    class Noted(JournalProtocol):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr("app.drafts.topology.JournalProtocol", Noted)
    topology, loads = Topology(tap.url), asyncio.Event()
    (node,) = topology.nodes()

    async def load(_: JournalProtocol) -> None:
        loads.set()
        await asyncio.Event().wait()

    if step == "open":
        tap.hold()
    else:
        monkeypatch.setattr(node, "load_scripts", load)
    connecting = asyncio.create_task(node.connection())
    async with asyncio.timeout(60):
        while not (loads.is_set() or (step == "open" and tap.written)):
            await asyncio.sleep(0.01)
    assert made[0].is_open
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
    assert not made[0].is_open
    topology.close()


async def is_taken(b: Bench, section: int) -> bool:
    with contextlib.suppress(JournalUnavailableError):
        return (await b.commit(section)).drafted_seq == 1
    return False


async def test_a_frozen_server_is_given_up_and_found_again(tap: Tap) -> None:
    """Nothing is closed by either side (a machine without power): only the clock can tell."""
    async with bench(tap.url, wait_ms=QUICK_MS) as b:
        await b.commit(1)
        tap.hold()
        late = [asyncio.create_task(b.commit(section)) for section in (90, 91)]
        for save in late:
            with pytest.raises(JournalUnavailableError):
                await save
        tap.forsake()
        with Awake() as took:
            while not await is_taken(b, 92):
                assert took.seconds < SILENCE_S_MAX + 3
        assert took.seconds < SILENCE_S_MAX + 3
        lanes = list(b.committer._lanes.values())
        assert sum(len(lane.waiting) for lane in lanes) == 0  # nothing that has expired is kept


async def test_a_server_that_forgot_the_scripts_is_told_them_again(redis_url: str, journal: redis.Redis) -> None:
    async with bench(redis_url) as b:
        await b.commit(1)
        journal.script_flush()
        replies = await asyncio.gather(*(b.commit(section) for section in range(110, 120)))
        assert {reply.drafted_seq for reply in replies} == {1}


async def test_a_server_killed_under_load_loses_nothing_that_it_acknowledged(server_dir: Path) -> None:
    number = next(_numbers)
    server = ValkeyServer(server_dir / f"k{number}", server_dir / f"kr{number}", config={"maxmemory": "64mb"})
    server.start()
    try:
        async with bench(server.url, wait_ms=10_000) as b:
            await b.commit(1)
            saves = [asyncio.create_task(b.commit(section)) for section in range(200, 260)]
            await asyncio.sleep(0)
            server.kill()
            late = [asyncio.create_task(b.commit(section)) for section in range(260, 300)]
            await asyncio.to_thread(server.start)
            replies = await asyncio.gather(*saves, *late)
            assert {reply.drafted_seq for reply in replies} == {1}
        with redis.Redis.from_url(server.url) as client:
            entries = [codec.unpack_entry(i, f[b"d"]) for key in STREAM for i, f in client.xrange(key)]
            assert sorted(e.section_id for e in entries) == [1, *range(200, 300)]
    finally:
        server.stop()


async def test_at_full_memory_nothing_is_accepted(redis_url: str, journal: redis.Redis) -> None:
    limit = journal.config_get("maxmemory")["maxmemory"]
    async with bench(redis_url) as b:
        await b.commit(1)
        journal.config_set("maxmemory", 1)
        try:
            with pytest.raises(JournalUnavailableError) as full:
                await b.commit(120)
        finally:
            journal.config_set("maxmemory", limit)
        assert "OOM" in full.value.detail
        assert full.value.status == 503
        assert not journal.exists(section_key(partition_of(120), 120), STREAM[partition_of(120)])
        assert (await b.commit(120)).drafted_seq == 1


async def test_one_save_that_the_script_stumbles_over_does_not_refuse_the_others(
    redis_url: str, journal: redis.Redis
) -> None:
    bad = 130
    good = [s for s in range(131, 20_000) if partition_of(s) == partition_of(bad)][:3]
    journal.hset(section_key(partition_of(bad), bad), b"h" + CELL.pack(1, 7, 101), b"\x63 of a newer release")
    async with bench(redis_url) as b:
        await b.commit(1)
        results = await asyncio.gather(*(b.commit(s) for s in (bad, *good)), return_exceptions=True)
        assert isinstance(results[0], JournalUnavailableError)
        assert [r.drafted_seq for r in results[1:] if isinstance(r, codec.SaveReply)] == [1, 1, 1]


def _has_first_copy(info: dict[str, Any]) -> bool:
    rewriting = info["aof_rewrite_in_progress"] or info["aof_rewrite_scheduled"]
    return bool(info.get("master_link_status") == "up" and not rewriting and info["aof_enabled"])


@pytest.fixture
def pair(server_dir: Path) -> Iterator[tuple[ValkeyServer, ValkeyServer]]:
    """A primary and its replica, in step."""
    servers: list[ValkeyServer] = []
    try:
        for _ in range(2):
            number = next(_numbers)
            servers.append(
                ValkeyServer(
                    server_dir / f"r{number}",
                    server_dir / f"rr{number}",
                    port=free_port(),
                    config={"maxmemory": "64mb", "repl-diskless-sync-delay": "0"},
                )
            )
            servers[-1].start()
        with redis.Redis.from_url(servers[1].url) as replica, redis.Redis.from_url(servers[0].url) as primary:
            replica.execute_command("REPLICAOF", "127.0.0.1", servers[0].port)
            # Until its file holds the first copy whole, it reports late what comes after.
            until(lambda: _has_first_copy(replica.info()), timeout_s=20, what="the replica's first copy")
            deadline = time.monotonic() + 20
            while primary.execute_command("WAITAOF", 1, 1, 200)[1] < 1:
                primary.set("in-step", 1)
                assert time.monotonic() < deadline
        yield servers[0], servers[1]
    finally:
        for server in servers:
            server.stop()


async def _until_taken(b: Bench, partition: int, save: bytes) -> Any:
    """Save again and again, as outboxes do: a replica that was stopped is in step again when it gets a core."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return await b.commit(partition, save)
        except JournalUnavailableError:
            assert time.monotonic() < deadline


async def test_an_acknowledgement_waits_for_the_replicas_disk(pair: tuple[ValkeyServer, ValkeyServer]) -> None:
    primary, replica = pair
    async with bench(primary.url, wait_ms=2_000, replicas=1) as b:
        save = save_of(1)
        assert (await b.commit(1)).drafted_seq == 1
        os.kill(replica.pid, signal.SIGSTOP)
        try:
            with pytest.raises(JournalUnavailableError, match="replicas"):
                await b.commit(140, save)
            with pytest.raises(JournalUnavailableError, match="replicas"):
                await b.commit(140, save)  # found there, and still not vouched for
        finally:
            os.kill(replica.pid, signal.SIGCONT)
        reply = await _until_taken(b, 140, save)
        assert reply.results[0][:2] == (ord("d"), 1)
    with redis.Redis.from_url(primary.url) as client:
        assert journaled(client, 140) == 1


async def test_a_duplicate_is_not_acknowledged_by_an_fsync_of_somebody_elses(
    pair: tuple[ValkeyServer, ValkeyServer],
) -> None:
    """Sent again by another process, it meets a replica that has all which that connection ever wrote: nothing."""
    primary, replica = pair
    async with (
        bench(primary.url, wait_ms=2_000, replicas=1) as first,
        bench(primary.url, wait_ms=600, replicas=1) as second,
    ):
        save = save_of(141)
        await first.commit(1)
        await second.topology.node(0).connection()
        os.kill(replica.pid, signal.SIGSTOP)
        try:
            with pytest.raises(JournalUnavailableError):
                await first.commit(141, save)
            with pytest.raises(JournalUnavailableError):
                await second.commit(141, save)
        finally:
            os.kill(replica.pid, signal.SIGCONT)
    async with bench(primary.url, wait_ms=2_000, replicas=1) as third:
        reply = await _until_taken(third, 141, save)
        assert reply.results[0][:2] == (ord("d"), 1)
    with redis.Redis.from_url(primary.url) as client:
        assert journaled(client, 141) == 1


async def test_an_acknowledgement_does_not_wait_for_the_replica_to_report_by_itself(
    pair: tuple[ValkeyServer, ValkeyServer],
) -> None:
    """A replica reports once a second unless it is asked after its fsync; ten saves in turn would take ten seconds."""
    async with bench(pair[0].url, wait_ms=5_000, replicas=1) as b:
        await b.commit(1)
        with Awake() as took:
            for section in range(160, 170):
                assert (await b.commit(section)).drafted_seq == 1
        assert took.seconds < 5


async def test_without_a_replica_nothing_is_acknowledged_where_one_is_demanded(redis_url: str) -> None:
    async with bench(redis_url, wait_ms=400, replicas=1) as b:
        with pytest.raises(JournalUnavailableError, match="replicas"):
            await b.commit(150)


async def test_a_silence_is_not_the_journals_where_this_process_got_no_core(
    tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = JumpingClock(monkeypatch)
    monkeypatch.setattr("app.patience.CoreTime", Starved)
    async with bench(tap.url, wait_ms=600_000, silence_ms=60_000) as b:
        await b.commit(1)
        (lane,) = b.committer._lanes.values()
        tap.hold()
        save, written = asyncio.create_task(b.commit(2)), tap.written
        while tap.written == written:
            await asyncio.sleep(0)
        await clock.jump(90.0)  # more than a minute of silence, and no core for all of it
        assert not lane.breaker.is_open
        tap.release()
        assert (await save).drafted_seq == 1
