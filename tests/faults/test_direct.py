"""The journal is away: saving goes on straight into PostgreSQL, and nothing is lost or overwritten when it is back."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import redis

from app.drafts.keys import STREAM, partition_of, section_key
from app.errors import JournalUnavailableError, SeqGapError
from app.gradebook import write_directly
from app.records.pool import connect
from ops.audit.checks import audit_stores
from tests.awake import Awake
from tests.conftest import SILENCE_MS_MAX
from tests.world import (
    CO_TEACHER,
    ESSAY,
    QUIZ,
    SECTION,
    Tab,
    api_process,
    fetch,
    flush_all,
    make_school,
    outcomes,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.api.services import Services
    from app.records.pool import Connection
    from app.settings import Settings
    from ops.servers import ValkeyServer
    from tests.world import Process

BACK_S_MAX = 20


@asynccontextmanager
async def killed(valkey: ValkeyServer) -> AsyncIterator[None]:
    """The journal's server is gone meanwhile, and comes back with what it had."""
    await asyncio.to_thread(valkey.kill)
    try:
        yield
    finally:
        await asyncio.to_thread(valkey.start)


async def drafted(tab: Tab, *edits: dict[str, Any]) -> dict[str, Any]:
    """Save until the journal takes it: its breaker closes when a probe has been there."""
    await journal_is_back(tab.process)
    return await tab.save(*edits)


async def journal_is_back(process: Process | Services) -> None:
    async with asyncio.timeout(BACK_S_MAX):
        while any(lane.breaker.is_open for lane in process.edit_cells._committer._lanes.values()):
            await asyncio.sleep(0.01)


async def history(settings: Settings, *ids: str) -> dict[str, tuple[str, str, int | None]]:
    rows = await fetch(
        settings,
        "SELECT edit_id::text AS id, status::text AS s, path::text AS p, cell_version AS v FROM edit_log"
        " WHERE edit_id = ANY ($1::uuid[])",
        list(ids),
    )
    return {row["id"]: (row["s"], row["p"], row["v"]) for row in rows}


async def parked_count(settings: Settings) -> int:
    return int((await fetch(settings, "SELECT sum(parked) AS n FROM flush_partition"))[0]["n"])


async def test_saving_goes_on_and_says_recorded(own_school: Settings, own_valkey: ValkeyServer) -> None:
    async with api_process(own_school) as process:
        tab = Tab(process)
        assert outcomes(await tab.save(tab.edit(101, "1"))) == ["drafted"]
        await flush_all(own_school)
        async with killed(own_valkey):
            answer = await tab.save(tab.edit(101, "2"), tab.edit(102, "3"))
            assert outcomes(answer) == ["recorded", "recorded"]
            assert [o["cell_version"] for o in answer["outcomes"]] == [2, 1]
            assert (answer["drafted_seq"], answer["recorded_seq"]) == (3, 3)
            assert answer["receipt"]
            again = await tab.save()  # a poll
            assert (again["drafted_seq"], again["recorded_seq"]) == (3, 3)
        # Back: its heads are older than the records, and the next edit stands on what was recorded meanwhile.
        assert outcomes(await drafted(tab, tab.edit(101, "4"))) == ["drafted"]
        await flush_all(own_school)
        rows = await fetch(
            own_school, "SELECT value->>'score' AS v, cell_version AS n FROM cell WHERE student_id = 101"
        )
        assert [(r["v"], r["n"]) for r in rows] == [("4", 3)]


async def test_what_the_dead_journal_holds_is_asked_for_again_and_counted_once(
    own_school: Settings, own_valkey: ValkeyServer
) -> None:
    async with api_process(own_school) as process:
        tab = Tab(process)
        first, second = tab.edit(101, "1"), tab.edit(101, "2")
        assert outcomes(await tab.save(first, second)) == ["drafted", "drafted"]  # and not flushed
        async with killed(own_valkey):
            third = tab.edit(101, "3")
            with pytest.raises(SeqGapError) as gap:
                await tab.save(third)
            assert gap.value.params == {"expected_seq": 1}
            assert (await tab.save())["drafted_seq"] == 0  # a poll says so too
            assert outcomes(await tab.save(first, second, third)) == ["recorded"] * 3
        fourth = tab.edit(101, "4")
        assert outcomes(await drafted(tab, fourth)) == ["drafted"]
        await flush_all(own_school)
        found = await history(own_school, *(e["edit_id"] for e in (first, second, third, fourth)))
        assert sorted(found.values(), key=lambda f: f[2] or 0) == [
            ("A", "d", 1),
            ("A", "d", 2),
            ("A", "d", 3),
            ("A", "j", 4),
        ]
        assert (await tab.save())["recorded_seq"] == 4


async def test_two_teachers_on_two_paths_are_a_conflict_and_nobody_is_overwritten(
    own_school: Settings, own_valkey: ValkeyServer
) -> None:
    async with api_process(own_school) as process:
        mine, theirs = Tab(process), Tab(process, CO_TEACHER)
        drafted_edit = mine.edit(101, "1")
        assert outcomes(await mine.save(drafted_edit)) == ["drafted"]
        async with killed(own_valkey):
            direct = theirs.edit(101, "2")  # has not seen mine
            assert outcomes(await theirs.save(direct)) == ["recorded"]
        await flush_all(own_school)
        found = await history(own_school, drafted_edit["edit_id"], direct["edit_id"])
        assert (found[direct["edit_id"]][0], found[drafted_edit["edit_id"]][0]) == ("A", "C")
        answer = await drafted(mine)
        assert [e["outcome"] for e in answer["exceptions"]] == ["conflict"]


async def test_an_edit_on_top_of_one_that_only_the_journal_knows_is_parked_until_that_comes(
    own_school: Settings, own_valkey: ValkeyServer
) -> None:
    async with api_process(own_school) as process:
        mine, theirs = Tab(process), Tab(process, CO_TEACHER)
        base = mine.edit(101, "1")
        await mine.save(base)
        async with killed(own_valkey):
            on_top = theirs.edit(101, "2", base=base["edit_id"])  # they saw it
            further = theirs.edit(101, "3")
            other = theirs.edit(102, "9")
            answer = await theirs.save(on_top, further, other)
            assert outcomes(answer) == ["drafted", "drafted", "recorded"]
            assert answer["drafted_seq"] == 0  # asked for again until it is judged
            assert outcomes(await theirs.save(on_top, further, other)) == ["drafted", "drafted", "recorded"]
            assert {k: v[0] for k, v in (await history(own_school, on_top["edit_id"], further["edit_id"])).items()} == {
                on_top["edit_id"]: "P",
                further["edit_id"]: "P",
            }
            assert await parked_count(own_school) == 2
        await flush_all(own_school)
        found = await history(own_school, base["edit_id"], on_top["edit_id"], further["edit_id"])
        assert [found[e["edit_id"]][::2] for e in (base, on_top, further)] == [("A", 1), ("A", 2), ("A", 3)]
        assert await parked_count(own_school) == 0
        answer = await drafted(theirs, on_top, further, other)
        assert outcomes(answer) == ["recorded"] * 3
        await flush_all(own_school)
        assert (await theirs.save())["recorded_seq"] == 3


async def test_a_parked_edit_whose_base_ended_otherwise_is_a_conflict_and_its_author_hears(
    own_school: Settings, own_valkey: ValkeyServer
) -> None:
    async with api_process(own_school) as process:
        mine, theirs = Tab(process), Tab(process, CO_TEACHER)
        base = mine.edit(101, "1")
        await mine.save(base)
        async with killed(own_valkey):
            parked = theirs.edit(101, "2", base=base["edit_id"])
            assert outcomes(await theirs.save(parked)) == ["drafted"]
            third = Tab(process)
            first_come = third.edit(101, "5")
            assert outcomes(await third.save(first_come)) == ["recorded"]
        await flush_all(own_school)
        found = await history(own_school, base["edit_id"], parked["edit_id"], first_come["edit_id"])
        assert {k: v[0] for k, v in found.items()} == {
            first_come["edit_id"]: "A",
            base["edit_id"]: "C",
            parked["edit_id"]: "C",
        }
        assert outcomes(await drafted(theirs, parked)) == ["conflict"]
        assert await parked_count(own_school) == 0


async def test_what_is_parked_and_sent_again_through_the_journal_is_judged(
    own_school: Settings, own_valkey: ValkeyServer
) -> None:
    async with api_process(own_school) as process:
        tab = Tab(process)
        await tab.save(tab.edit(102, "1"))
        async with killed(own_valkey):
            with pytest.raises(SeqGapError):
                await tab.save(tab.edit(101, "2"))
            lone = Tab(process)
            orphan = lone.edit(101, "2", base=str(uuid.uuid4()))  # nobody has ever heard of its base
            assert outcomes(await lone.save(orphan)) == ["drafted"]
        assert outcomes(await drafted(lone, orphan)) == ["drafted"]
        await flush_all(own_school)
        assert (await history(own_school, orphan["edit_id"]))[orphan["edit_id"]][0] == "C"
        answer = await lone.save()
        assert (answer["recorded_seq"], [e["outcome"] for e in answer["exceptions"]]) == (1, ["conflict"])
        assert await parked_count(own_school) == 0


async def test_refusals_and_duplicates_are_answered_as_ever(own_school: Settings, own_valkey: ValkeyServer) -> None:
    async with api_process(own_school) as process:
        tab = Tab(process)
        await tab.save(tab.edit(101, "1"))
        await flush_all(own_school)
        async with killed(own_valkey):
            refused, fine = tab.edit(102, "99"), tab.edit(103, "3", ESSAY)
            answer = await tab.save(refused, fine)
            assert outcomes(answer) == ["rejected", "recorded"]
            assert answer["outcomes"][0]["code"] == "score_out_of_range"
            assert answer["recorded_seq"] == 3
            again = await tab.save(refused, fine)
            assert again | {"receipt": None} == answer | {"receipt": None}
            stale = Tab(process, CO_TEACHER)
            conflict = await stale.save(stale.edit(101, "5"))
            assert outcomes(conflict) == ["conflict"]
            assert conflict["outcomes"][0]["head"]["value"] == {"score": "1"}
        found = await fetch(own_school, "SELECT status::text AS s, count(*) AS n FROM edit_log GROUP BY 1 ORDER BY 1")
        assert [(r["s"], r["n"]) for r in found] == [("A", 2), ("C", 1), ("R", 1)]


async def save_while_frozen(tab: Tab, journal: ValkeyServer, first: str, second: str) -> None:
    """Save twice while the journal is frozen: it is given up soon, and not waited for again."""
    os.kill(journal.pid, signal.SIGSTOP)
    try:
        for score, seconds_max in ((first, 4), (second, 1)):
            with Awake() as took:
                assert outcomes(await tab.save(tab.edit(101, score))) == ["recorded"]
            assert took.seconds < seconds_max
    finally:
        os.kill(journal.pid, signal.SIGCONT)
        tab.process.edit_cells._committer.silence_s_max = SILENCE_MS_MAX / 1000  # it may take its time to wake up


async def test_a_frozen_journal_is_given_up_soon(own_school: Settings, own_valkey: ValkeyServer) -> None:
    async with api_process(msgspec.structs.replace(own_school, journal_silence_ms_max=300)) as process:
        tab = Tab(process)
        await tab.save(tab.edit(101, "1"))
        await flush_all(own_school)
        await save_while_frozen(tab, own_valkey, "2", "3")
        assert outcomes(await drafted(tab, tab.edit(101, "4"))) == ["drafted"]
        await flush_all(own_school)
        rows = await fetch(
            own_school, "SELECT value->>'score' AS v FROM edit_log WHERE status = 'A' ORDER BY cell_version"
        )
        assert [r["v"] for r in rows] == ["1", "2", "3", "4"]


async def test_a_journal_that_freezes_again_is_given_up_as_soon_by_a_section_that_was_written_past_it(
    own_school: Settings, own_valkey: ValkeyServer
) -> None:
    """Before anything is saved there again, the journal is asked to forget what it has of that section."""
    async with api_process(msgspec.structs.replace(own_school, journal_silence_ms_max=300)) as process:
        tab = Tab(process)
        async with killed(own_valkey):
            assert outcomes(await tab.save(tab.edit(101, "1"))) == ["recorded"]
        await journal_is_back(process)
        await save_while_frozen(tab, own_valkey, "2", "3")
        assert outcomes(await drafted(tab, tab.edit(101, "4"))) == ["drafted"]


async def test_a_full_journal_is_read_first_and_edits_go_past_it(
    own_school: Settings, own_valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_directly, "PENDING_S_MAX", 10)
    async with api_process(own_school) as process:
        mine, theirs = Tab(process), Tab(process, CO_TEACHER)
        base = mine.edit(101, "1")
        await mine.save(base)
        with redis.Redis.from_url(own_valkey.url) as journal:
            limit = journal.config_get("maxmemory")["maxmemory"]
            journal.config_set("maxmemory", 1)
            try:
                on_top = theirs.edit(101, "2", base=base["edit_id"])
                answer = await theirs.save(on_top)
                assert outcomes(answer) == ["recorded"]  # what it stands on was recorded with it
                assert answer["outcomes"][0]["cell_version"] == 2
                assert outcomes(await mine.save(mine.edit(102, "3"))) == ["recorded"]
                assert journal.xlen(STREAM[partition_of(SECTION)]) == 1
            finally:
                journal.config_set("maxmemory", limit)
        await flush_all(own_school)
        assert outcomes(await drafted(mine, mine.edit(102, "4"))) == ["drafted"]
        assert (await mine.save())["exceptions"] == []


async def test_an_edit_on_a_direct_one_is_no_conflict_though_the_journal_still_shows_its_own(
    own_school: Settings, own_valkey: ValkeyServer
) -> None:
    """The journal's drafted head is not overwritten by PostgreSQL's newer one; the flush decides."""
    async with api_process(own_school) as process:
        tab = Tab(process)
        first = tab.edit(101, "1")
        await tab.save(first)
        async with killed(own_valkey):
            second = tab.edit(101, "2")
            assert outcomes(await tab.save(first, second)) == ["recorded", "recorded"]
        third = tab.edit(101, "3")
        assert outcomes(await drafted(tab, third)) == ["drafted"]
        await flush_all(own_school)
        found = await history(own_school, first["edit_id"], second["edit_id"], third["edit_id"])
        assert [found[e["edit_id"]][0] for e in (first, second, third)] == ["A", "A", "A"]


async def test_a_lost_journal_costs_nothing(own_school: Settings, own_valkey: ValkeyServer) -> None:
    async with api_process(own_school) as process:
        tab = Tab(process)
        kept = [tab.edit(101, str(n)) for n in range(1, 4)]
        await tab.save(*kept)
        with redis.Redis.from_url(own_valkey.url) as journal:
            journal.flushall()
        assert not await fetch(own_school, "SELECT 1 FROM edit_log")
        async with killed(own_valkey):
            assert outcomes(await tab.save(*kept)) == ["recorded"] * 3
        assert (await drafted(tab))["recorded_seq"] == 3


async def test_both_away_is_503_with_a_time_to_come_back_and_nothing_half_done(
    spare_school: Settings, own_valkey: ValkeyServer, spare_postgres: Any
) -> None:
    settings = msgspec.structs.replace(spare_school, redis_url=own_valkey.url, commit_wait_ms_max=500)
    async with api_process(settings) as process:
        tab = Tab(process)
        await tab.save(tab.edit(101, "1"))
        await flush_all(settings)
        edit = tab.edit(101, "2")
        waits: set[int | None] = set()
        await asyncio.to_thread(spare_postgres.stop)
        try:
            async with killed(own_valkey):
                for _ in range(3):
                    with pytest.raises(JournalUnavailableError) as away:
                        await tab.save(edit)
                    waits.add(away.value.retry_after_s)
                process.edit_cells._away_since_s -= 45  # it lasts
                with pytest.raises(JournalUnavailableError) as long_away:
                    await tab.save(edit)
                assert (long_away.value.retry_after_s or 0) >= 5
        finally:
            await asyncio.to_thread(spare_postgres.start)
        assert waits == {1}  # the answer spreads it for each client (tests/api/test_problems.py)
        with redis.Redis.from_url(own_valkey.url) as journal:
            assert not journal.hexists(
                section_key(partition_of(SECTION), SECTION), b"u" + uuid.UUID(edit["edit_id"]).bytes
            )
        answer = await drafted(tab, edit)
        assert outcomes(answer)[0] in {"drafted", "recorded"}
        await flush_all(settings)
        assert (await history(settings, edit["edit_id"]))[edit["edit_id"]][0] == "A"


@pytest.fixture
async def spare_school(settings: Settings, spare_database_url: str) -> Settings:
    own = msgspec.structs.replace(settings, database_url=spare_database_url)
    await make_school(own.database_url)
    return own


async def test_too_much_at_once_is_refused_and_not_queued_without_end(
    own_school: Settings, own_valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody_is_there = asyncio.Event()

    async def connected(*args: Any, **names: Any) -> Connection:
        await everybody_is_there.wait()  # else the first may be recorded before the last has found the journal away
        return await connect(*args, **names)

    tight = msgspec.structs.replace(own_school, direct_queue_edits_max=20, direct_connections_max=1)
    async with api_process(tight) as process:
        tabs = [Tab(process) for _ in range(30)]
        await tabs[0].save(tabs[0].edit(101, "0", base=None))
        await flush_all(tight)
        async with killed(own_valkey):
            monkeypatch.setattr(process.edit_cells._directly, "_open_connection", connected)
            edits = [(tab, tab.edit(102, str(n % 10 + 1), base=None)) for n, tab in enumerate(tabs[1:])]
            saves = [asyncio.create_task(tab.save(edit)) for tab, edit in edits]
            async with asyncio.timeout(BACK_S_MAX):
                while sum(save.done() for save in saves) < len(saves) - tight.direct_queue_edits_max:
                    await asyncio.sleep(0.01)
            everybody_is_there.set()
            results = await asyncio.gather(*saves, return_exceptions=True)
            refused = [r for r in results if isinstance(r, Exception)]
            assert {getattr(r, "code", None) for r in refused} == {"overloaded"}
            taken = [r for r in results if isinstance(r, dict)]
            assert len(taken) == 20
            assert sorted(o for r in taken for o in outcomes(r)) == ["conflict"] * 19 + ["recorded"]


async def test_one_save_right_behind_another_waits_for_nothing(own_school: Settings, own_valkey: ValkeyServer) -> None:
    """Whoever is answered may write again before the lane that answered has quite ended."""
    async with api_process(msgspec.structs.replace(own_school, direct_connections_max=1)) as process:
        tab = Tab(process)
        await tab.save(tab.edit(101, "1"))
        await flush_all(own_school)
        async with killed(own_valkey):
            await tab.save(tab.edit(101, "2"))
            with Awake() as took:
                for score in range(3, 13):
                    assert outcomes(await tab.save(tab.edit(101, str(score)))) == ["recorded"]
            assert took.seconds < 4  # one that is forgotten waits out its five seconds


async def test_many_tabs_through_two_processes_lose_nothing_while_the_journal_comes_and_goes(
    own_school: Settings, own_valkey: ValkeyServer
) -> None:
    async with api_process(own_school) as left, api_process(own_school) as right:
        tabs = [Tab((left, right)[n % 2], section_id=SECTION) for n in range(6)]
        typed: list[dict[str, Any]] = []

        async def type_on(number: int, tab: Tab, stop: asyncio.Event) -> None:
            kept: list[dict[str, Any]] = []
            while not stop.is_set():
                kept.append(tab.edit(101 + number % 5, str(len(kept) % 20), ESSAY if number > 4 else QUIZ))
                typed.append(kept[-1])
                await _deliver(tab, kept)
            await _deliver(tab, kept)

        stop = asyncio.Event()
        work = [asyncio.create_task(type_on(n, tab, stop)) for n, tab in enumerate(tabs)]
        for _ in range(2):
            await _grows(typed, 12)
            async with killed(own_valkey):
                await _grows(typed, 12)
            await asyncio.gather(journal_is_back(left), journal_is_back(right))
        await _grows(typed, 12)
        stop.set()
        await asyncio.gather(*work)
        await flush_all(own_school)
        for tab in tabs:
            await drafted(tab)
        found = await history(own_school, *(e["edit_id"] for e in typed))
        assert found.keys() == {e["edit_id"] for e in typed}
        assert {status for status, _, _ in found.values()} <= {"A"}, found
        assert {path for _, path, _ in found.values()} == {"j", "d"}


async def _grows(typed: list[dict[str, Any]], by: int) -> None:
    goal = len(typed) + by
    async with asyncio.timeout(BACK_S_MAX):
        while len(typed) < goal:
            await asyncio.sleep(0.005)


async def _deliver(tab: Tab, kept: list[dict[str, Any]]) -> None:
    """Send until the server holds all of it, from where it says."""
    at = 0
    async with asyncio.timeout(BACK_S_MAX):
        while True:
            try:
                answer = await tab.save(*kept[max(at, len(kept) - 150) :])
            except SeqGapError as gap:
                at = gap.params["expected_seq"] - 1
                continue
            except JournalUnavailableError:
                await asyncio.sleep(0.01)
                continue
            at = answer["drafted_seq"]
            if at >= len(kept):
                return


async def test_a_parked_edit_that_comes_again_from_an_outbox_opened_anew_is_no_hole(
    own_school: Settings, own_valkey: ValkeyServer
) -> None:
    """Its first number is nobody's any more; the audit must not take it for lost."""
    async with api_process(own_school) as process:
        mine, theirs = Tab(process), Tab(process, CO_TEACHER)
        base = mine.edit(101, "1")
        await mine.save(base)
        async with killed(own_valkey):
            parked, other = theirs.edit(101, "2", base=base["edit_id"]), theirs.edit(102, "9")
            assert outcomes(await theirs.save(parked, other)) == ["drafted", "recorded"]
        opened_anew = Tab(process, CO_TEACHER)
        await drafted(opened_anew, parked | {"seq": 1})
        await flush_all(own_school)
        assert (await history(own_school, parked["edit_id"]))[parked["edit_id"]] == ("A", "d", 2)
    assert (await fetch(own_school, "SELECT FROM client_position WHERE cardinality(ahead) > 0")) != []
    report = await audit_stores(own_school, [], 10, lambda _: None)
    assert report.holds, report
