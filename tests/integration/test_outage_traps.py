"""Traps of the edit path that need a store to be away, or to have lost something; a test each, over real stores."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from app.drafts.codec import CELL
from app.drafts.keys import STREAM, partition_of, section_key
from app.drafts.store import DraftStore
from app.drafts.topology import Topology
from app.errors import RecordsUnavailableError, SeqGapError
from app.gradebook import ask_records, edit_cells
from app.records import leases
from app.records.statements import load
from tests.world import (
    CO_TEACHER,
    OTHER_SECTION,
    QUIZ,
    SECTION,
    STUDENTS,
    TEACHER,
    Process,
    Tab,
    api_process,
    fetch,
    flush_all,
    make_school,
    outcomes,
    until_recorded,
)
from workers.flusher import Flusher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.settings import Settings

ANNA, BEN, CARLA = STUDENTS[:3]
PARTITION = partition_of(SECTION)


@pytest.fixture
async def process(settings: Settings) -> AsyncIterator[Process]:
    await make_school(settings.database_url)
    async with api_process(settings) as opened:
        yield opened


@asynccontextmanager
async def cut_off(settings: Settings) -> AsyncIterator[Process]:
    """A process beside the others for which PostgreSQL is away."""
    nowhere = msgspec.structs.replace(settings, database_url="postgresql://inkfast@/none?host=/nonexistent")
    async with api_process(nowhere) as opened:
        yield opened


async def history(settings: Settings) -> dict[str, tuple[str, str | None, str | None]]:
    """Status, score and code by edit id."""
    rows = await fetch(settings, "SELECT edit_id::text, status::text, value->>'score', code FROM edit_log")
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


async def score(settings: Settings, student: int) -> str | None:
    rows = await fetch(
        settings, "SELECT value->>'score' FROM cell WHERE kind = 1 AND item = $1 AND student_id = $2", QUIZ, student
    )
    return rows[0][0] if rows else None


async def head(process: Process, student: int, item: int = QUIZ) -> Any:
    cell = CELL.pack(1, item, student)
    return (await process.store.read_heads(SECTION, [cell])).get(cell)


async def flush_some(settings: Settings, edits: int) -> None:
    """Record the oldest entries, up to so many edits, and drain them."""
    topology = Topology(settings.redis_url)
    flusher = Flusher(msgspec.structs.replace(settings, flush_batch_rows_max=edits), DraftStore(topology))
    await flusher._keep_leases()
    assert await flusher.flush(is_last=True) == edits
    await flusher._drained()
    await flusher._read_again()
    assert flusher._connection is not None
    await leases.retire_flusher(flusher._connection, flusher.owner)
    await flusher._connection.close()
    topology.close()


async def asked_while_flushing(settings: Settings, edits: int) -> list[str]:
    """Record everything, in one batch of so many edits; return what PostgreSQL was asked."""
    topology = Topology(settings.redis_url)
    flusher = Flusher(settings, DraftStore(topology))
    await flusher._keep_leases()
    assert flusher._connection is not None
    asked: list[str] = []
    flusher._connection.add_query_logger(lambda record: asked.append(record.query))
    assert await flusher.flush(is_last=True) == edits
    await flusher._finish()
    topology.close()
    return asked


async def evict(process: Process) -> None:
    await process.store.evict(PARTITION, [SECTION])


async def test_typing_goes_on_while_postgresql_is_away_and_is_recorded_in_order(
    settings: Settings, process: Process
) -> None:
    async with cut_off(settings) as alone:
        tab = Tab(alone)
        for number in range(5):
            answer = await tab.save(tab.edit(ANNA, str(number)), tab.edit(BEN, str(10 + number)))
            assert outcomes(answer) == ["drafted", "drafted"]
        assert (answer["drafted_seq"], answer["recorded_seq"]) == (10, 0)
    await flush_all(settings)
    assert (await score(settings, ANNA), await score(settings, BEN)) == ("4", "14")
    rows = await fetch(settings, "SELECT cell_version FROM edit_log WHERE student_id = $1 ORDER BY client_seq", ANNA)
    assert [row[0] for row in rows] == [1, 2, 3, 4, 5]


async def test_what_nobody_could_check_is_checked_for_all_sections_at_once(
    settings: Settings, process: Process
) -> None:
    """A minute without PostgreSQL can leave edits of every section: a question for each of them would take hours."""
    async with cut_off(settings) as alone:
        for section, item in ((SECTION, QUIZ), (OTHER_SECTION, 7101)):
            tab = Tab(alone, TEACHER, section)
            assert (
                outcomes(await tab.save(tab.edit(ANNA, "7", item=item), tab.edit(BEN, "99", item=item)))
                == ["drafted"] * 2
            )
    asked = await asked_while_flushing(settings, edits=4)
    assert sum("section AS s" in query or "FROM enrollment" in query for query in asked) == 1
    rows = await fetch(settings, "SELECT section_id, status::text FROM edit_log ORDER BY section_id, client_seq")
    assert [tuple(row) for row in rows] == [(s, status) for s in (SECTION, OTHER_SECTION) for status in "AR"]


async def test_one_edit_that_needs_the_referee_does_not_send_every_section_there(
    settings: Settings, process: Process
) -> None:
    tab = Tab(process, TEACHER, OTHER_SECTION)
    await tab.save(tab.edit(ANNA, "7", item=7101))
    await flush_all(settings)
    await tab.save(tab.edit(ANNA, "8", item=7101), tab.edit(BEN, "9", item=7101))
    async with cut_off(settings) as alone:
        odd = Tab(alone)
        await odd.save(odd.edit(ANNA, "5"))
    asked = await asked_while_flushing(settings, edits=3)
    assert load("move_claimed_cells") in asked  # on the journal's word
    assert load("apply_edits") in asked  # as the referee judged
    rows = await fetch(
        settings, "SELECT section_id, value->>'score', status::text FROM edit_log ORDER BY value->>'score'"
    )
    assert [tuple(row) for row in rows] == [(SECTION, "5", "A"), *((OTHER_SECTION, score, "A") for score in "789")]


async def test_what_the_roster_refuses_afterwards_does_not_stay_in_the_journal(
    settings: Settings, process: Process
) -> None:
    """A refused edit that stands in its cell is replaced, although it hangs on PostgreSQL's head."""
    known = Tab(process, CO_TEACHER)
    await known.save(known.edit(ANNA, "10"))
    await flush_all(settings)
    async with cut_off(settings) as alone:
        tab = Tab(alone, seen=dict(known.seen))
        assert outcomes(await tab.save(tab.edit(ANNA, "99"))) == ["drafted"]  # of 20: nobody could look it up
    await flush_all(settings)
    stands = await head(process, ANNA)
    assert (stands.value, stands.is_drafted) == (b'{"score": "10"}', False)
    answer = await tab.save(process=process)
    assert [(e["outcome"], e["code"]) for e in answer["exceptions"]] == [("rejected", "score_out_of_range")]
    assert outcomes(await known.save(known.edit(ANNA, "11"))) == ["drafted"]
    right = tab.edit(BEN, "12")
    assert outcomes(await tab.save(right, process=process)) == ["drafted"]


async def test_a_verdict_on_a_neighbour_does_not_throw_out_a_chain_that_stands(
    settings: Settings, process: Process
) -> None:
    mine = Tab(process)
    await mine.save(mine.edit(ANNA, "1"))
    await flush_all(settings)
    await mine.save(mine.edit(ANNA, "2"))
    async with cut_off(settings) as alone:
        theirs = Tab(alone, CO_TEACHER)
        stale = theirs.edit(ANNA, "9")  # on nothing: PostgreSQL will call it a conflict, and cannot be asked
        assert outcomes(await theirs.save(stale)) == ["drafted"]
    await mine.save(mine.edit(ANNA, "3"))
    await flush_some(settings, 2)  # the second edit and the stale one; the third is still on its way
    assert (await head(process, ANNA)).value == b'{"score": "3"}'
    assert outcomes(await mine.save(mine.edit(ANNA, "4"))) == ["drafted"]  # it was a conflict, with nobody
    await flush_all(settings)
    assert await score(settings, ANNA) == "4"
    assert (await history(settings))[stale["edit_id"]][0] == "C"


async def test_a_resend_while_postgresql_is_away_has_no_second_effect(settings: Settings, process: Process) -> None:
    tab = Tab(process)
    first, second = tab.edit(ANNA, "1"), tab.edit(ANNA, "2")
    await tab.save(first, second)
    await flush_all(settings)
    await evict(process)
    async with cut_off(settings) as alone:
        assert outcomes(await tab.save(first, process=alone)) == ["drafted"]  # nobody can say that it is recorded
    await flush_all(settings)
    assert len(await history(settings)) == 2
    assert await score(settings, ANNA) == "2"
    stands = await head(process, ANNA)
    assert stands is None or stands.value == b'{"score": "2"}'
    assert outcomes(await tab.save(tab.edit(ANNA, "3"))) == ["drafted"]


async def test_what_was_lost_with_the_journal_is_sent_again_although_later_edits_were_taken(
    settings: Settings, process: Process
) -> None:
    """Two faults: the journal is lost while PostgreSQL is away. The hole is noticed, and drafted_seq falls to it."""
    tab = Tab(process)
    first = tab.edit(ANNA, "1")
    await tab.save(first)
    await flush_all(settings)
    second = tab.edit(BEN, "2")
    await tab.save(second)
    await process.topology.call(0, b"FLUSHALL")
    third = tab.edit(CARLA, "3")
    async with cut_off(settings) as alone:
        assert (await tab.save(third, process=alone))["drafted_seq"] == 3  # taken on trust
    await flush_all(settings)
    answer = await tab.save()
    assert (answer["drafted_seq"], answer["recorded_seq"]) == (1, 1)
    fourth = tab.edit(ANNA, "4")
    with pytest.raises(SeqGapError) as gap:
        await tab.save(fourth)
    assert gap.value.params == {"expected_seq": 2}
    assert outcomes(await tab.save(second, third, fourth)) == ["drafted", "recorded", "drafted"]
    await flush_all(settings)
    assert [await score(settings, s) for s in (ANNA, BEN, CARLA)] == ["4", "2", "3"]
    assert (await tab.save())["recorded_seq"] == 4


async def test_an_exception_above_a_hole_waits_until_the_hole_is_settled(settings: Settings, process: Process) -> None:
    """The first edit is refused after the second: had its author seen that one, he would never hear of this."""
    tab = Tab(process)
    first, second = tab.edit(ANNA, "99"), tab.edit(BEN, "99")  # of 20
    async with cut_off(settings) as alone:
        assert outcomes(await tab.save(first, process=alone)) == ["drafted"]
        await process.topology.call(0, b"FLUSHALL")
        assert outcomes(await tab.save(second, process=alone)) == ["drafted"]  # taken on trust
    await flush_all(settings)
    answer = await tab.save()
    assert (answer["drafted_seq"], answer["recorded_seq"]) == (0, 0)
    tab.exceptions_seen_seq = max((e["seq"] for e in answer["exceptions"]), default=0)
    async with cut_off(settings) as alone:
        assert outcomes(await tab.save(first, second, process=alone)) == ["drafted", "drafted"]
    await flush_all(settings)
    answer = await tab.save()
    assert answer["recorded_seq"] == 2
    assert {e["seq"]: e["outcome"] for e in answer["exceptions"]} == {1: "rejected", 2: "rejected"}


async def test_an_exception_that_was_lost_with_the_journal_is_told_when_postgresql_is_back(
    settings: Settings, process: Process
) -> None:
    """Its author saves on before he has heard, while only the journal answers, and it knows nothing of him any more."""
    tab = Tab(process)
    async with cut_off(settings) as alone:
        assert outcomes(await tab.save(tab.edit(ANNA, "99"), process=alone)) == ["drafted"]  # of 20
        await flush_all(settings)
        await process.topology.call(0, b"FLUSHALL")
        answer = await tab.save(tab.edit(BEN, "5"), process=alone)
        assert (outcomes(answer), answer["exceptions"]) == (["drafted"], [])
        assert (await tab.save(process=alone))["exceptions"] == []
    await flush_all(settings)
    answer = await tab.save()
    assert answer["recorded_seq"] == 2
    assert [(e["seq"], e["outcome"]) for e in answer["exceptions"]] == [(1, "rejected")]
    tab.exceptions_seen_seq = 1
    assert (await tab.save())["exceptions"] == []


async def test_a_damaged_entry_is_set_aside_and_what_it_held_is_sent_again(
    settings: Settings, process: Process
) -> None:
    tab = Tab(process)
    first, second = tab.edit(ANNA, "1"), tab.edit(BEN, "2")
    await tab.save(first)
    entry = (await process.topology.call(PARTITION, b"XRANGE", STREAM[PARTITION], b"-", b"+"))[0]
    await process.topology.call(PARTITION, b"XDEL", STREAM[PARTITION], entry[0])
    await process.topology.call(PARTITION, b"XADD", STREAM[PARTITION], b"*", b"d", entry[1][1][:-3])
    await tab.save(second)
    await flush_all(settings)
    kept = await fetch(settings, "SELECT code, raw FROM edit_quarantine")
    assert [(row["code"], row["raw"]) for row in kept] == [("unreadable", entry[1][1][:-3])]
    answer = await tab.save()
    assert (answer["drafted_seq"], answer["recorded_seq"]) == (0, 0)
    assert len((await tab.save(first, second))["outcomes"]) == 2
    await flush_all(settings)
    assert (await tab.save())["recorded_seq"] == 2
    assert (await score(settings, ANNA), await score(settings, BEN)) == ("1", "2")
    for student in (ANNA, BEN):
        assert not (await head(process, student)).is_drafted
    assert outcomes(await tab.save(tab.edit(ANNA, "3"))) == ["drafted"]


async def test_own_rejected_edits_on_both_sides_of_the_flush_count_as_their_base(
    settings: Settings, process: Process
) -> None:
    tab = Tab(process)
    await tab.save(tab.edit(ANNA, "210"))
    await flush_all(settings)  # the first mistake is recorded, the second is not
    await tab.save(tab.edit(ANNA, "2000"))
    answer = await tab.save(tab.edit(ANNA, "20"))
    assert [(o["outcome"], o["cell_version"]) for o in answer["outcomes"]] == [("drafted", 1)]  # judged here and now
    await flush_all(settings)
    assert await score(settings, ANNA) == "20"


async def test_a_long_row_of_own_mistakes_stops_nobody(settings: Settings, process: Process) -> None:
    """Each based on the one before, and each recorded: PostgreSQL is asked link by link."""
    tab, other = Tab(process), Tab(process, CO_TEACHER)
    await tab.save(*[tab.edit(ANNA, str(number)) for number in range(21, 51)])
    await flush_all(settings)
    async with api_process(settings) as elsewhere:
        answer = await tab.save(tab.edit(ANNA, "20"), process=elsewhere)
        assert [(o["outcome"], o["cell_version"]) for o in answer["outcomes"]] == [("drafted", 1)]
    await other.save(other.edit(BEN, "5"))
    await flush_all(settings)
    assert (await score(settings, ANNA), await score(settings, BEN)) == ("20", "5")


async def test_a_long_row_of_own_mistakes_while_postgresql_is_away(settings: Settings, process: Process) -> None:
    async with cut_off(settings) as alone:
        tab = Tab(alone)
        for number in range(21, 41):
            assert outcomes(await tab.save(tab.edit(ANNA, str(number)))) == ["drafted"]
        assert outcomes(await tab.save(tab.edit(ANNA, "20"))) == ["drafted"]
    await flush_all(msgspec.structs.replace(settings, flush_batch_rows_max=1))
    assert await score(settings, ANNA) == "20"
    assert sorted({status for status, _, _ in (await history(settings)).values()}) == ["A", "R"]


async def test_a_conflict_that_is_sent_again_shows_a_head_even_where_that_was_evicted(
    settings: Settings, process: Process
) -> None:
    mine, theirs = Tab(process), Tab(process, CO_TEACHER)
    await mine.save(mine.edit(ANNA, "10"))
    await flush_all(settings)
    edit = theirs.edit(ANNA, "11")
    assert outcomes(await theirs.save(edit)) == ["conflict"]
    await evict(process)
    again = (await theirs.save(edit))["outcomes"][0]
    assert (again["outcome"], again["head"]["value"]) == ("conflict", {"score": "10"})


async def test_what_a_teacher_typed_during_the_outage_is_judged_against_what_a_colleague_typed(
    settings: Settings, process: Process
) -> None:
    """Both typed into one cell while PostgreSQL was away, in processes that could not ask."""
    async with cut_off(settings) as one, cut_off(settings) as two:
        mine, theirs = Tab(one), Tab(two, CO_TEACHER)
        first, second = mine.edit(ANNA, "10"), theirs.edit(ANNA, "11")
        await asyncio.gather(mine.save(first), theirs.save(second))
    await flush_all(settings)
    states = sorted(status for status, _, _ in (await history(settings)).values())
    assert states == ["A", "C"]
    loser = theirs if (await history(settings))[second["edit_id"]][0] == "C" else mine
    answer = await loser.save(process=process)
    assert [e["outcome"] for e in answer["exceptions"]] == ["conflict"]


async def test_nothing_of_a_drained_section_stays_pending(settings: Settings, process: Process) -> None:
    tab, other = Tab(process), Tab(process, CO_TEACHER)
    await tab.save(tab.edit(ANNA, "1"), tab.edit(ANNA, "2"), tab.edit(BEN, "99"))
    await other.save(other.edit(ANNA, "3"))
    await flush_all(settings)
    await until_recorded(settings)
    fields = await process.topology.call(PARTITION, b"HGETALL", section_key(PARTITION, SECTION))
    assert {name[:1] for name in fields[::2]} <= {b"h", b"c", b"m", b"a"}
    await evict(process)
    assert await process.topology.call(PARTITION, b"EXISTS", section_key(PARTITION, SECTION)) == 0


@pytest.mark.parametrize("has_heard", [True, False], ids=["heard", "not-heard"])
async def test_thousands_of_exceptions_are_told_a_few_at_a_time(
    settings: Settings, process: Process, *, has_heard: bool
) -> None:
    """After an outage; and no edit may leave the outbox before its author has heard what became of it."""
    async with cut_off(settings) as alone:
        tab = Tab(alone)
        for _ in range(3):
            typed = [tab.edit(ANNA, "99" if tab.seq % 10 else "7") for _ in range(150)]
            assert outcomes(await tab.save(*typed)) == ["drafted"] * 150
    await flush_all(settings)
    fields = await process.topology.call(PARTITION, b"HGETALL", section_key(PARTITION, SECTION))
    kept = [value for name, value in zip(fields[::2], fields[1::2], strict=True) if name[:1] == b"x"]
    assert max(map(len, kept)) <= 16384, "each entry that adds to them writes all of them again"
    if not has_heard:
        await evict(process)  # then PostgreSQL is asked for them
    told: list[int] = []
    for expected in (200, 200, 5, 0):
        answer = await tab.save(process=process)
        page = [e["seq"] for e in answer["exceptions"]]
        assert (len(page), page) == (expected, sorted(page))
        told += page
        rest = [seq for seq in range(1, 451) if (seq - 1) % 10 and seq not in told]
        assert answer["recorded_seq"] == (rest[0] - 1 if rest else 450)
        assert answer["drafted_seq"] == 450
        tab.exceptions_seen_seq = max([tab.exceptions_seen_seq, *page])
    assert told == [seq for seq in range(1, 451) if (seq - 1) % 10]


async def test_a_save_sent_again_with_what_postgresql_knew_before_tells_its_author_what_became_of_it(
    settings: Settings, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer is lost on the way, and it is recorded meanwhile: what it asked PostgreSQL is old by then."""
    async with cut_off(settings) as alone:
        theirs = Tab(alone, CO_TEACHER)
        await theirs.save(theirs.edit(ANNA, "99"))  # will be rejected, and leave the cell empty
    mine = Tab(process)
    committer = process.edit_cells._committer
    commit, sent_again = committer.commit, []

    async def commit_twice(*what: Any, **how: Any) -> bytes:
        reply = await commit(*what, **how)
        if what[2][1] == 1 and reply[:1] == b"O":
            await flush_all(settings)
            sent_again.append(what)
            reply = await commit(*what, **how)
        return reply

    monkeypatch.setattr(committer, "commit", commit_twice)
    answer = await mine.save(mine.edit(ANNA, "11"))
    assert len(sent_again) == 1
    assert outcomes(answer) == ["drafted"]
    assert answer["recorded_seq"] == 0, "that it is a conflict has not been told yet"
    await flush_all(settings)
    answer = await mine.save()
    assert [(e["seq"], e["outcome"]) for e in answer["exceptions"]] == [(1, "conflict")]
    assert answer["recorded_seq"] == 1


@pytest.mark.parametrize("recorded_before", [0, 1], ids=["an-empty-cell", "a-recorded-cell"])
@pytest.mark.parametrize("entries", [1, 2], ids=["under-a-draft", "under-what-is-recorded"])
async def test_an_edit_recorded_while_it_is_looked_up_is_no_conflict_then_nor_when_postgresql_has_gone(
    settings: Settings, process: Process, monkeypatch: pytest.MonkeyPatch, recorded_before: int, entries: int
) -> None:
    """An outbox is opened anew, and what it sends again is recorded while PostgreSQL is asked, which then goes away."""
    tab = Tab(process)
    for _ in range(recorded_before):
        await tab.save(tab.edit(ANNA, "0"))
        await flush_all(settings)
    first, second = tab.edit(ANNA, "1"), tab.edit(ANNA, "2")
    for edit in (first, second):
        await tab.save(edit)
    load_context = edit_cells.load_context

    async def load_and_flush(*arguments: Any) -> Any:
        context = await load_context(*arguments)
        await flush_some(settings, entries)
        return context

    async def gone(*_: Any) -> Any:
        raise RecordsUnavailableError("PostgreSQL has gone")

    again = Tab(process)
    monkeypatch.setattr(ask_records, "SAVE_S_MAX", 60.0)  # the flush may take long
    monkeypatch.setattr(edit_cells, "load_context", load_and_flush)
    edits = [edit | {"seq": seq} for seq, edit in enumerate((first, second), 1)]
    assert outcomes(await again.save(*edits)) == ["drafted", "drafted"]
    monkeypatch.setattr(edit_cells, "load_context", gone)
    assert outcomes(await again.save(*edits)) == ["drafted", "drafted"]
    monkeypatch.undo()
    await flush_all(settings)
    assert [o["outcome"] for o in (await again.save(*edits))["outcomes"]] == ["recorded", "recorded"]
    answer = await again.save()
    assert (answer["recorded_seq"], answer["exceptions"]) == (2, [])
    assert await score(settings, ANNA) == "2"
    assert {status for status, _, _ in (await history(settings)).values()} == {"A"}
