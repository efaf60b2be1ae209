"""A store is away, has lost everything, or is back from a backup, under clients that go on typing."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
from typing import TYPE_CHECKING

import msgspec
import pytest
from click.testing import CliRunner

from app.drafts.keys import PARTITIONS, partition_of
from app.errors import RecordsUnavailableError
from app.records import leases
from app.records.pool import connect
from app.settings import Settings
from ops.incarnation import incarnation
from ops.servers import ValkeyServer
from tests.conftest import SECRET_KEY
from tests.faults.desk import Desk, assert_all_is_well, audited
from tests.world import (
    CO_TEACHER,
    ESSAY,
    OTHER_SECTION,
    QUIZ,
    SECTION,
    STUDENTS,
    Process,
    api_process,
    fetch,
    flush_all,
    make_school,
    running_flusher,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadtests.ledger import Ledger
    from ops.servers import PostgresServer

_numbers = itertools.count(1)


@pytest.fixture
def spare_valkey(server_dir: Path) -> Iterator[ValkeyServer]:
    """A journal of one's own, empty, that a test may kill."""
    folder = server_dir / f"v{next(_numbers)}"
    server = ValkeyServer(folder, folder.with_suffix(".run"), config={"maxmemory": "256mb"})
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
async def stores(spare_database_url: str, spare_valkey: ValkeyServer) -> Settings:
    settings = Settings(
        database_url=spare_database_url, redis_url=spare_valkey.url, secret_key=SECRET_KEY, lease_ms=500
    )
    await make_school(settings.database_url)
    return settings


async def _forget_positions(process: Process, *sections: int) -> None:
    """What housekeeping does to idle sections when the journal's memory is half full."""
    for section in sections:
        await process.store.evict(partition_of(section), [section])


async def _types_a_round(desk: Desk, item: int = QUIZ) -> None:
    for student in STUDENTS:
        desk.type(desk.outbox._next_seq % 20, student, item)
    await desk.save()


async def test_while_postgres_is_away_saving_goes_on(
    stores: Settings, spare_postgres: PostgresServer, ledger: Ledger, ledger_path: Path
) -> None:
    async with api_process(stores) as process, running_flusher(stores):
        known, theirs = Desk(process, ledger), Desk(process, ledger, CO_TEACHER)
        await _types_a_round(known)
        await _types_a_round(theirs, ESSAY)
        await known.until_recorded()
        await theirs.until_recorded()
        spare_postgres.stop()
        for _ in range(5):
            await _types_a_round(known)
            await _types_a_round(theirs, ESSAY)
        stranger = Desk(process, ledger, section_id=OTHER_SECTION)  # nothing is known of this section or client
        for _ in range(3):
            await _types_a_round(stranger, 7101)
        assert not known.refusals + theirs.refusals + stranger.refusals
        assert not known.outbox.unsent + theirs.outbox.unsent + stranger.outbox.unsent
        assert (known.outbox.drafted_seq, known.outbox.recorded_seq) == (30, 5)
        assert stranger.outbox.recorded_seq == 0
        spare_postgres.start()
        for desk in (known, theirs, stranger):
            await desk.until_recorded()
    report = await assert_all_is_well(stores, ledger_path)
    assert report.counts["applied"] == report.counts["typed"] == 75


async def test_a_conflict_whose_answer_was_lost_is_told_once_postgres_is_back(
    stores: Settings, spare_postgres: PostgresServer, ledger: Ledger, ledger_path: Path
) -> None:
    """Recorded meanwhile, and sent again while nobody can say as what: its client must not let go of it before."""
    async with api_process(stores) as process:
        mine, theirs = Desk(process, ledger), Desk(process, ledger, CO_TEACHER)
        mine.type(1)
        await mine.save()
        theirs.type(9)
        await theirs.save(lose_answer=True)
        await flush_all(stores)
        spare_postgres.stop()
        answer = await theirs.save()
        assert answer is not None
        assert [o["outcome"] for o in answer["outcomes"]] == ["drafted"]
        assert theirs.outbox.unrecorded == 1
        await theirs.save()
        assert theirs.outbox.unrecorded == 1, "nor at the next poll"
        spare_postgres.start()
        async with running_flusher(stores):
            await theirs.until_recorded()
            await mine.until_recorded()
        assert len(theirs.outbox.conflicts) == 1
    await assert_all_is_well(stores, ledger_path)


async def test_a_value_that_nobody_could_check_is_called_neither_a_conflict_nor_rejected_yet(
    stores: Settings, spare_postgres: PostgresServer, ledger: Ledger, ledger_path: Path
) -> None:
    """The roster cannot be read, the history can (PostgreSQL comes back in between): what is said has to stay true."""
    async with api_process(stores) as knowing, api_process(stores) as ignorant:
        mine, theirs = Desk(knowing, ledger), Desk(ignorant, ledger, CO_TEACHER)
        mine.type(1)
        await mine.save()

        async def away(*_: object, **__: object) -> None:
            raise RecordsUnavailableError("away")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ignorant.rules, "fresh", away)
            theirs.type(21)  # too high, and based on nothing where something stands
            answer = await theirs.save()
        assert answer is not None
        assert [o["outcome"] for o in answer["outcomes"]] == ["drafted"]
        async with running_flusher(stores):
            await theirs.until_recorded()
            await mine.until_recorded()
    await assert_all_is_well(stores, ledger_path)


async def test_a_restarted_postgres_is_written_to_at_once(
    stores: Settings, spare_postgres: PostgresServer, ledger: Ledger, ledger_path: Path
) -> None:
    """Long before the leases of the flusher that lost its connection would have run out."""
    settings = msgspec.structs.replace(stores, lease_ms=60_000)
    async with api_process(settings) as process, running_flusher(settings):
        desk = Desk(process, ledger)
        await _types_a_round(desk)
        await desk.until_recorded()
        spare_postgres.stop()
        await _types_a_round(desk)
        spare_postgres.start()
        await desk.until_recorded()
    await assert_all_is_well(stores, ledger_path)


async def test_a_column_made_while_postgres_is_away_takes_scores_from_every_process(
    stores: Settings, spare_postgres: PostgresServer, ledger: Ledger, ledger_path: Path
) -> None:
    """Made through one process that knows the section, scored through another that knows nothing."""
    (reserved,) = await fetch(stores, "SELECT nextval('line_item_id_seq') AS id")
    await fetch(stores, f"INSERT INTO line_item_reservation VALUES ({SECTION}, {reserved['id']})")
    async with api_process(stores) as knowing, api_process(stores) as ignorant:
        maker, scorer = Desk(knowing, ledger), Desk(ignorant, ledger, CO_TEACHER)
        await _types_a_round(maker)
        await flush_all(stores)
        await maker.until_recorded()
        spare_postgres.stop()
        column = {"title": "Lab", "result_value_max": "10"}
        maker.outbox.type(("line_item", reserved["id"], 0), column)
        await maker.save()
        scorer.type(9.5, STUDENTS[0], reserved["id"])
        scorer.type(11, STUDENTS[1], reserved["id"])
        await scorer.save()
        assert not maker.outbox.unsent + scorer.outbox.unsent
        spare_postgres.start()
        async with running_flusher(stores):
            await maker.until_recorded()
            await scorer.until_recorded()
    await assert_all_is_well(stores, ledger_path)
    rows = await fetch(
        stores, f"SELECT student_id, status::text, code FROM edit_log WHERE item = {reserved['id']} ORDER BY 1"
    )
    assert [tuple(r) for r in rows] == [
        (0, "A", None),
        (STUDENTS[0], "A", None),
        (STUDENTS[1], "R", "score_out_of_range"),
    ]
    assert scorer.outbox.exceptions_seen_seq == 2


@pytest.mark.parametrize("polls_first", [True, False])
async def test_a_client_forgotten_by_the_journal_saves_while_postgres_is_away(
    stores: Settings, spare_postgres: PostgresServer, ledger: Ledger, ledger_path: Path, *, polls_first: bool
) -> None:
    """An idle client's position makes room in a full memory; its next poll or save finds PostgreSQL gone."""
    async with api_process(stores) as process:
        desk = Desk(process, ledger)
        await _types_a_round(desk)
        await flush_all(stores)
        await desk.until_recorded()
        await _forget_positions(process, SECTION)
        spare_postgres.stop()
        if polls_first:
            await desk.save()
        await _types_a_round(desk)
        await _types_a_round(desk)
        assert desk.outbox.unsent == 0
        assert desk.outbox.renumbered == 0
        spare_postgres.start()
        async with running_flusher(stores):
            await desk.until_recorded()
    await assert_all_is_well(stores, ledger_path)


async def _lose_everything(server: ValkeyServer) -> None:
    server.kill()
    shutil.rmtree(server.data_dir)
    server.start()


async def test_a_lost_journal_comes_back_from_the_clients(
    stores: Settings, spare_valkey: ValkeyServer, ledger: Ledger, ledger_path: Path
) -> None:
    async with api_process(stores) as process:
        mine, theirs = Desk(process, ledger), Desk(process, ledger, CO_TEACHER)
        for desk, item in ((mine, QUIZ), (theirs, ESSAY)):
            await _types_a_round(desk, item)
        await flush_all(stores)
        for desk, item in ((mine, QUIZ), (theirs, ESSAY)):
            for _ in range(3):
                await _types_a_round(desk, item)
            assert (desk.outbox.drafted_seq, desk.outbox.recorded_seq) == (20, 5)
        await _lose_everything(spare_valkey)
        async with running_flusher(stores):
            mine.type(1)  # one goes on typing, the other only polls
            await mine.until_recorded()
            await theirs.until_recorded()
        assert theirs.outbox.resent == 15
    report = await assert_all_is_well(stores, ledger_path)
    assert report.counts["applied"] == report.counts["typed"] == 41


async def test_a_journal_lost_while_postgres_is_away_comes_back_from_the_clients(
    stores: Settings, spare_valkey: ValkeyServer, spare_postgres: PostgresServer, ledger: Ledger, ledger_path: Path
) -> None:
    """Two faults at once: nobody can tell what was held. What is typed on is taken; the hole is found, and filled."""
    async with api_process(stores) as process:
        mine, theirs = Desk(process, ledger), Desk(process, ledger, CO_TEACHER)
        for desk, item in ((mine, QUIZ), (theirs, ESSAY)):
            await _types_a_round(desk, item)
        await flush_all(stores)
        for desk, item in ((mine, QUIZ), (theirs, ESSAY)):
            await _types_a_round(desk, item)
            await _types_a_round(desk, item)
        spare_postgres.stop()
        await _lose_everything(spare_valkey)
        await _types_a_round(mine)
        await _types_a_round(mine)
        await theirs.save()
        spare_postgres.start()
        async with running_flusher(stores):
            await mine.until_recorded()
            await theirs.until_recorded()
    report = await audited(stores, ledger_path)
    assert not report.total("lost") + report.total("duplicated") + report.total("out_of_order")
    assert report.counts["told_recorded"] == report.counts["typed"] == 40


async def _restore(server: PostgresServer, backup: Path) -> None:
    server.stop()
    shutil.rmtree(server.data_dir)
    shutil.copytree(backup, server.data_dir)
    server.start()


def _back_up(server: PostgresServer, backup: Path) -> None:
    server.stop()
    shutil.copytree(server.data_dir, backup)
    server.start()


async def test_a_restored_database_heals_under_living_clients(
    stores: Settings, spare_postgres: PostgresServer, tmp_path: Path, ledger: Ledger, ledger_path: Path
) -> None:
    """The copy is older than what was recorded last: that is gone, and named; everything since is linked anew."""
    async with api_process(stores) as process:
        mine, idle = Desk(process, ledger), Desk(process, ledger, CO_TEACHER)
        await _types_a_round(mine)
        await _types_a_round(idle, ESSAY)
        await flush_all(stores)
        await mine.until_recorded()
        await idle.until_recorded()
        _back_up(spare_postgres, tmp_path / "backup")
        await _types_a_round(mine)
        await flush_all(stores)
        await mine.until_recorded()  # the outbox lets go of these five, and the backup does not have them
        await _types_a_round(mine)
        await _types_a_round(mine)
        await _restore(spare_postgres, tmp_path / "backup")
        result = await _run(stores, "renew")
        assert "new incarnation" in result
        async with running_flusher(stores):
            await mine.until_recorded()
            await _types_a_round(mine)
            await _types_a_round(idle, ESSAY)
            await mine.until_recorded()
            await idle.until_recorded()
    report = await audited(stores, ledger_path)
    verdicts = {v.name: v for v in report.verdicts}
    assert verdicts["I1"].violations == {"lost": 5, "duplicated": 0}
    gone = {o.edit_id for o in verdicts["I1"].offending}
    assert gone == set(_edit_ids(ledger_path, 6, 10))
    assert verdicts["I3"].holds
    assert verdicts["I4"].holds
    assert verdicts["I10"].holds
    assert report.counts["applied"] == report.counts["typed"] - 5 == 30
    assert not report.counts["open_conflicts"]


def _edit_ids(ledger_path: Path, first_seq: int, last_seq: int) -> list[str]:
    events = [json.loads(line) for line in ledger_path.read_text().splitlines()]
    return [
        e["edit_id"]
        for e in events
        if e["event"] == "typed" and e["user_id"] != CO_TEACHER and first_seq <= e["seq"] <= last_seq
    ]


async def _run(settings: Settings, command: str) -> str:
    def invoke() -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DATABASE_URL", settings.database_url)
            patch.setenv("REDIS_URL", settings.redis_url)
            patch.setenv("INKFAST_SECRET_KEY", SECRET_KEY)
            result = CliRunner().invoke(incarnation, [command])
        assert result.exit_code == 0, result.output
        return result.output

    return await asyncio.to_thread(invoke)


async def test_every_partition_notices_a_new_incarnation(stores: Settings, ledger: Ledger, ledger_path: Path) -> None:
    """Minted while the flusher runs: its next transaction writes nothing under the old one."""
    async with api_process(stores) as process, running_flusher(stores):
        desk = Desk(process, ledger)
        await _types_a_round(desk)
        await desk.until_recorded()
        connection = await connect(stores.database_url, application_name="test")
        minted = await leases.mint_incarnation(connection)
        await connection.close()
        await _types_a_round(desk)
        await desk.until_recorded()
        bound = {(await process.store.read_incarnation(p)) for p in range(PARTITIONS)}
        assert {b.incarnation for b in bound if b is not None} == {minted}
    await assert_all_is_well(stores, ledger_path)
