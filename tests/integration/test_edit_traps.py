"""The traps of the edit path, a test each, over real stores."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from app.drafts.keys import STREAM, partition_of
from app.errors import MalformedRequestError, NotPermittedError, SeqGapError
from app.gradebook.read_section import ReadSection
from app.records import edits, leases
from app.records.pool import connect
from tests.world import (
    CO_TEACHER,
    ESSAY,
    QUIZ,
    SECTION,
    STRANGER,
    STUDENTS,
    TEACHER,
    Process,
    Tab,
    api_process,
    fetch,
    flush_all,
    grant,
    make_school,
    outcomes,
    running_flusher,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.settings import Settings

ANNA, BEN, CARLA = STUDENTS[:3]
HISTORY = """
    SELECT edit_id::text AS id, status::text AS status, cell_version, value->>'score' AS score, code
    FROM edit_log ORDER BY recorded_at, client_seq
"""


@pytest.fixture
async def process(settings: Settings) -> AsyncIterator[Process]:
    await make_school(settings.database_url)
    async with api_process(settings) as opened:
        yield opened


async def history(settings: Settings) -> dict[str, Any]:
    """The history by edit id."""
    return {row["id"]: row for row in await fetch(settings, HISTORY)}


async def score(settings: Settings, student: int, item: int = QUIZ) -> str | None:
    """The recorded score of a cell."""
    rows = await fetch(
        settings,
        "SELECT value->>'score' AS s FROM cell WHERE kind = 1 AND item = $1 AND student_id = $2",
        item,
        student,
    )
    return rows[0]["s"] if rows else None


def at(answer: dict[str, Any], place: int = 0) -> dict[str, Any]:
    """One outcome."""
    outcome: dict[str, Any] = answer["outcomes"][place]
    return outcome


async def test_a_resend_of_a_recorded_edit_is_recorded_also_elsewhere(settings: Settings, process: Process) -> None:
    tab = Tab(process)
    edit = tab.edit(ANNA, "10")
    await tab.save(edit)
    assert outcomes(await tab.save(edit)) == ["drafted"]  # still in the journal: the same edit, found
    await flush_all(settings)
    assert at(await tab.save(edit)) == {"edit_id": edit["edit_id"], "outcome": "recorded", "cell_version": 1}
    async with api_process(settings) as other:
        assert outcomes(await tab.save(edit, process=other)) == ["recorded"]
    await flush_all(settings)
    assert len(await history(settings)) == 1


async def test_a_resend_under_another_client_has_no_second_effect(settings: Settings, process: Process) -> None:
    tab = Tab(process)
    edit = tab.edit(ANNA, "10")
    await tab.save(edit)
    reopened = Tab(process)  # the outbox was opened again: another client id, the same edit
    assert outcomes(await reopened.save(edit)) == ["drafted"]
    await flush_all(settings)
    third = Tab(process)
    assert outcomes(await third.save(edit)) == ["recorded"]
    await flush_all(settings)
    assert [row["cell_version"] for row in (await history(settings)).values()] == [1]
    for opened in (tab, reopened, third):  # or its outbox would hold the edit for ever
        assert (await opened.save())["recorded_seq"] == 1
    third.seq = 1
    assert (await third.save(third.edit(BEN, "11")))["drafted_seq"] == 2
    await flush_all(settings)
    assert (await third.save())["recorded_seq"] == 2


async def test_a_refused_edit_that_comes_under_another_client_is_told_there_too(
    settings: Settings, process: Process
) -> None:
    mine, theirs = Tab(process), Tab(process, CO_TEACHER)
    await mine.save(mine.edit(ANNA, "10"))
    conflict, rejected = theirs.edit(ANNA, "11"), theirs.edit(BEN, "99")
    assert outcomes(await theirs.save(conflict, rejected)) == ["conflict", "rejected"]
    for _ in range(2):  # first from the journal, then from the records
        opened = Tab(process, CO_TEACHER)
        again = [edit | {"seq": seq} for seq, edit in enumerate((rejected, conflict), 1)]
        assert outcomes(await opened.save(*again)) == ["rejected", "conflict"]
        await flush_all(settings)
        answer = await opened.save()
        assert (answer["recorded_seq"], answer["exceptions"]) == (2, [])
    assert sorted(row["status"] for row in (await history(settings)).values()) == ["A", "C", "R"]


async def test_a_resend_of_a_rejected_edit_stays_rejected(settings: Settings, process: Process) -> None:
    tab = Tab(process)
    edit = tab.edit(ANNA, "21")
    first = at(await tab.save(edit))
    assert (first["outcome"], first["code"], first["params"]) == (
        "rejected",
        "score_out_of_range",
        {"min": "0", "max": "20"},
    )
    assert at(await tab.save(edit)) == first
    await flush_all(settings)
    # Even where the rule has changed since: the edit has the outcome that it has.
    await fetch(settings, "UPDATE line_item SET result_value_max = 100 WHERE line_item_id = $1", QUIZ)
    async with api_process(settings) as other:
        assert at(await tab.save(edit, process=other)) == first
    row = (await history(settings))[edit["edit_id"]]
    assert (row["status"], row["score"], row["code"]) == ("R", "21", "score_out_of_range")
    assert await score(settings, ANNA) is None


async def test_a_resend_of_a_conflict_stays_a_conflict(settings: Settings, process: Process) -> None:
    mine, theirs = Tab(process), Tab(process, CO_TEACHER)
    await mine.save(mine.edit(ANNA, "10"))
    edit = theirs.edit(ANNA, "11")
    first = at(await theirs.save(edit))
    assert first["outcome"] == "conflict"
    await flush_all(settings)
    async with api_process(settings) as other:
        again = at(await theirs.save(edit, process=other))
    assert (again["outcome"], again["head"]["value"]) == ("conflict", {"score": "10"})
    assert (await history(settings))[edit["edit_id"]]["status"] == "C"


async def test_an_edit_whose_answer_was_lost_and_whose_successor_was_typed(
    settings: Settings, process: Process
) -> None:
    tab = Tab(process)
    first = tab.edit(ANNA, "10")
    await tab.save(first)  # the answer is lost
    second = tab.edit(ANNA, "12")
    answer = await tab.save(first, second)
    assert outcomes(answer) == ["drafted", "drafted"]
    assert [o["cell_version"] for o in answer["outcomes"]] == [1, 2]
    await flush_all(settings)
    third = tab.edit(ANNA, "13")
    answer = await tab.save(first, second, third)
    assert outcomes(answer) == ["recorded", "recorded", "drafted"]
    await flush_all(settings)
    assert await score(settings, ANNA) == "13"
    assert len(await history(settings)) == 3


async def test_two_tabs_number_their_edits_apart_and_conflict_openly(settings: Settings, process: Process) -> None:
    left, right = Tab(process), Tab(process)
    await left.save(left.edit(ANNA, "10"), left.edit(BEN, "11"))
    answer = await right.save(right.edit(CARLA, "12"), right.edit(BEN, "13"))
    assert outcomes(answer) == ["drafted", "conflict"]
    assert answer["drafted_seq"] == 2
    await flush_all(settings)
    assert [await score(settings, s) for s in (ANNA, BEN, CARLA)] == ["10", "11", "12"]


async def test_a_gap_is_refused_whole(settings: Settings, process: Process) -> None:
    tab = Tab(process)
    lost = tab.edit(ANNA, "10")
    later = tab.edit(BEN, "11")
    with pytest.raises(SeqGapError) as gap:
        await tab.save(later)
    assert gap.value.params == {"expected_seq": 1}
    await flush_all(settings)
    assert await history(settings) == {}
    assert outcomes(await tab.save(lost, later)) == ["drafted", "drafted"]


async def test_seq_that_does_not_rise_by_one_is_malformed(process: Process) -> None:
    tab = Tab(process)
    first, second = tab.edit(ANNA, "10"), tab.edit(BEN, "11")
    with pytest.raises(MalformedRequestError):
        await tab.save(second, first)
    with pytest.raises(MalformedRequestError):
        await tab.save(first, first)


async def test_an_overtaking_send_is_harmless(settings: Settings, process: Process) -> None:
    tab = Tab(process)
    first, second = tab.edit(ANNA, "10"), tab.edit(BEN, "11")
    answer = await tab.save(first, second)  # leaving the page: sent at once, and overtakes the save before
    assert outcomes(await tab.save(first)) == ["drafted"]
    assert answer["drafted_seq"] == (await tab.save())["drafted_seq"] == 2
    await flush_all(settings)
    assert len(await history(settings)) == 2


async def test_a_refused_head_heals(settings: Settings, process: Process) -> None:
    mine, theirs = Tab(process), Tab(process, CO_TEACHER)
    await mine.save(mine.edit(ANNA, "10"))
    await flush_all(settings)
    # PostgreSQL moves on without the journal (as a direct write does): what is drafted now will be refused.
    true_head = str(uuid.uuid4())
    await fetch(
        settings,
        """WITH log AS (INSERT INTO edit_log (school_year, section_id, edit_id, kind, item, student_id, cell_version,
             base_id, status, value, author_id, client_id, client_seq, entered_at, received_at, path)
           SELECT 2026, section_id, $1::uuid, kind, item, student_id, cell_version + 1, edit_id, 'A', '{"score":"15"}',
             12, gen_random_uuid(), 1, now(), now(), 'd' FROM cell)
           UPDATE cell SET edit_id = $1::uuid, value = '{"score":"15"}', cell_version = cell_version + 1""",
        true_head,
    )
    doomed, heir = mine.edit(ANNA, "11"), mine.edit(ANNA, "12")
    assert outcomes(await mine.save(doomed, heir)) == ["drafted", "drafted"]
    await flush_all(settings)
    answer = await mine.save()
    told = [(e["edit_id"], e["outcome"], e["head"]["value"]) for e in answer["exceptions"]]
    assert told == [(doomed["edit_id"], "conflict", {"score": "15"}), (heir["edit_id"], "conflict", {"score": "15"})]
    assert answer["recorded_seq"] == 3
    rows = await history(settings)
    assert (rows[doomed["edit_id"]]["status"], rows[heir["edit_id"]]["status"]) == ("S", "C")  # typed over its own
    theirs.seen["score", QUIZ, ANNA] = true_head
    assert at(await theirs.save(theirs.edit(ANNA, "16")))["cell_version"] == 3
    await flush_all(settings)
    assert await score(settings, ANNA) == "16"


async def test_exceptions_are_repeated_until_they_were_seen(settings: Settings, process: Process) -> None:
    await test_a_refused_head_heals(settings, process)
    tab = Tab(process)
    rows = await fetch(settings, "SELECT client_id::text AS c, client_seq AS s FROM edit_exception ORDER BY client_seq")
    tab.client_id = rows[0]["c"]
    assert [e["seq"] for e in (await tab.save())["exceptions"]] == [2, 3]
    tab.exceptions_seen_seq = 2
    assert [e["seq"] for e in (await tab.save())["exceptions"]] == [3]
    tab.exceptions_seen_seq = 3
    assert (await tab.save())["exceptions"] == []
    assert (await tab.save())["exceptions"] == []


async def test_a_section_of_a_school_year_without_its_own_partition(settings: Settings) -> None:
    await make_school(settings.database_url, school_year=2031, own_partition=False)
    async with api_process(settings) as process:
        tab = Tab(process)
        edit = tab.edit(ANNA, "10")
        await tab.save(edit)
        await flush_all(settings)
        assert outcomes(await tab.save(edit)) == ["recorded"]
    rows = await fetch(settings, "SELECT tableoid::regclass::text AS place FROM edit_log")
    assert [row["place"] for row in rows] == ["edit_log_default"]


async def test_an_unknown_format_holds_its_partition_and_no_other(settings: Settings, process: Process) -> None:
    partition = partition_of(SECTION)
    await process.topology.call(partition, b"XADD", STREAM[partition], b"*", b"d", b"\x63from a newer release")
    held, free = Tab(process), Tab(process, section_id=4002)
    assert partition_of(4002) != partition
    edit = held.edit(ANNA, "10")
    assert outcomes(await held.save(edit)) == ["drafted"]
    await free.save(free.edit(ANNA, "11", item=7101))
    async with running_flusher(settings):
        while not await fetch(settings, "SELECT 1 FROM edit_log"):
            pass
    assert [row["score"] for row in (await history(settings)).values()] == ["11"]
    assert await fetch(settings, "SELECT 1 FROM edit_quarantine") == []
    assert (await process.store.backlog([partition]))[0] == 2
    assert outcomes(await held.save(edit)) == ["drafted"]


async def test_a_line_item_made_through_one_process_and_typed_into_through_another(
    settings: Settings, process: Process
) -> None:
    rows = await fetch(
        settings, "INSERT INTO line_item_reservation (section_id, line_item_id) VALUES ($1, 9001) RETURNING 1", SECTION
    )
    assert rows
    tab, elsewhere = Tab(process), Tab(process)
    async with api_process(settings) as other:
        await elsewhere.save(elsewhere.edit(BEN, "1"), process=other)  # its copy of the roster knows no column 9001
        made = tab.edit(0, "", item=9001, kind="line_item", value={"title": "New", "result_value_max": "5"})
        in_it = tab.edit(ANNA, "5", item=9001)
        assert outcomes(await tab.save(made, in_it)) == ["drafted", "drafted"]
        answer = await elsewhere.save(
            elsewhere.edit(BEN, "4.5", item=9001), elsewhere.edit(CARLA, "6", item=9001), process=other
        )
        assert outcomes(answer) == ["drafted", "rejected"]
        assert at(answer, 1)["params"]["max"] == "5"
    await flush_all(settings)
    columns = await fetch(
        settings, "SELECT title, result_value_max::text AS m FROM line_item WHERE line_item_id = 9001"
    )
    assert [tuple(c) for c in columns] == [("New", "5")]
    assert (await score(settings, ANNA, 9001), await score(settings, BEN, 9001)) == ("5", "4.5")


async def test_a_restored_database_heals_under_living_clients(settings: Settings, process: Process) -> None:
    tab = Tab(process)
    await tab.save(tab.edit(ANNA, "10"), tab.edit(BEN, "10"))
    await flush_all(settings)
    await tab.save(tab.edit(ANNA, "11"))
    await flush_all(settings)
    await tab.save(tab.edit(ANNA, "12"))  # drafted on "11", which the backup does not hold
    await fetch(settings, "ALTER TABLE edit_log DISABLE TRIGGER USER")
    await fetch(settings, "DELETE FROM edit_log WHERE client_seq = 3")
    await fetch(
        settings,
        """UPDATE cell c SET cell_version = 1, value = e.value, edit_id = e.edit_id FROM edit_log e
           WHERE e.student_id = c.student_id AND e.cell_version = 1""",
    )
    await fetch(settings, "UPDATE client_position SET recorded_seq = 2")
    await fetch(settings, "ALTER TABLE edit_log ENABLE TRIGGER USER")
    connection = await connect(settings.database_url, application_name="test")
    await leases.mint_incarnation(connection)
    await connection.close()
    await flush_all(settings)
    assert await score(settings, ANNA) == "12"
    answer = await tab.save(tab.edit(ANNA, "13"), tab.edit(BEN, "13"))
    assert outcomes(answer) == ["drafted", "drafted"]
    await flush_all(settings)
    assert (await score(settings, ANNA), await score(settings, BEN)) == ("13", "13")
    assert (await tab.save())["recorded_seq"] == 6


async def test_typing_on_replaces_ones_own_open_conflict_and_resolving_closes_it(
    settings: Settings, process: Process
) -> None:
    mine, theirs = Tab(process), Tab(process, CO_TEACHER)
    head = mine.edit(ANNA, "10")
    await mine.save(head)
    first, second = theirs.edit(ANNA, "11"), theirs.edit(ANNA, "12")
    assert outcomes(await theirs.save(first)) == ["conflict"]
    assert outcomes(await theirs.save(second)) == ["conflict"]  # based on the own conflict: counts as its base
    await flush_all(settings)
    rows = await history(settings)
    assert (rows[first["edit_id"]]["status"], rows[second["edit_id"]]["status"]) == ("S", "C")
    keep_mine = theirs.edit(ANNA, "12", base=head["edit_id"], resolves=[second["edit_id"]])
    assert at(await theirs.save(keep_mine))["cell_version"] == 2
    await flush_all(settings)
    rows = await history(settings)
    assert rows[second["edit_id"]]["status"] == "S"
    assert await score(settings, ANNA) == "12"


async def test_a_base_that_names_an_own_rejected_edit_counts_as_its_base(settings: Settings, process: Process) -> None:
    tab = Tab(process)
    wrong = tab.edit(ANNA, "210")
    assert outcomes(await tab.save(wrong)) == ["rejected"]
    right = tab.edit(ANNA, "20")
    assert right["base"] == wrong["edit_id"]
    assert at(await tab.save(right))["cell_version"] == 1
    await flush_all(settings)
    again = tab.edit(ANNA, "19")
    async with api_process(settings) as other:
        assert at(await tab.save(again, process=other))["cell_version"] == 2
    await flush_all(settings)
    assert await score(settings, ANNA) == "19"


async def test_drafted_seq_falls_when_the_journal_was_lost(settings: Settings, process: Process) -> None:
    tab = Tab(process)
    first = tab.edit(ANNA, "10")
    await tab.save(first)
    await flush_all(settings)
    second, third = tab.edit(ANNA, "11"), tab.edit(BEN, "12")
    assert (await tab.save(second, third))["drafted_seq"] == 3
    await process.topology.call(0, b"FLUSHALL")
    answer = await tab.save()
    assert (answer["drafted_seq"], answer["recorded_seq"]) == (1, 1)
    fourth = tab.edit(CARLA, "13")
    with pytest.raises(SeqGapError):
        await tab.save(fourth)
    assert outcomes(await tab.save(second, third, fourth)) == ["drafted"] * 3
    await flush_all(settings)
    assert [await score(settings, s) for s in (ANNA, BEN, CARLA)] == ["11", "12", "13"]
    assert len(await history(settings)) == 4


async def test_a_former_teachers_edit_is_kept_for_the_office(settings: Settings, process: Process) -> None:
    left_at = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    await fetch(
        settings, "UPDATE enrollment SET hidden_at = $2 WHERE user_id = $1 AND role = 'teacher'", TEACHER, left_at
    )
    tab = Tab(process)
    before = tab.edit(ANNA, "10", entered_at=(left_at - dt.timedelta(minutes=5)).isoformat())
    after = tab.edit(BEN, "11", entered_at=(left_at + dt.timedelta(minutes=5)).isoformat())
    elsewhere = grant(TEACHER, 4002)
    answer = json.loads(await process.edit_cells.save(elsewhere, SECTION, tab.body(before, after)))
    assert outcomes(answer) == ["drafted", "rejected"]
    assert at(answer, 1)["code"] == "enrollment_ended"
    await flush_all(settings)
    kept = await fetch(settings, "SELECT edit_id::text AS id, code FROM edit_quarantine")
    assert [tuple(k) for k in kept] == [(before["edit_id"], "enrollment_ended")]
    answer = json.loads(await process.edit_cells.save(elsewhere, SECTION, tab.body()))
    assert [(e["edit_id"], e["outcome"]) for e in answer["exceptions"]] == [(before["edit_id"], "quarantined")]
    assert answer["recorded_seq"] == 2


async def test_a_strangers_section_is_refused_and_nothing_is_journaled(process: Process) -> None:
    tab = Tab(process, STRANGER)
    with pytest.raises(NotPermittedError):
        await process.edit_cells.save(grant(STRANGER, 4002), SECTION, tab.body(tab.edit(ANNA, "10")))
    assert (await process.store.backlog())[0] == 0


async def test_a_new_student_or_column_is_looked_up_before_it_is_refused(settings: Settings, process: Process) -> None:
    tab = Tab(process)
    await tab.save(tab.edit(ANNA, "1"))  # the process knows the roster now
    await fetch(
        settings, "INSERT INTO line_item (section_id, line_item_id, title) VALUES ($1, 7099, 'Late column')", SECTION
    )
    assert outcomes(await tab.save(tab.edit(ANNA, "90", item=7099))) == ["drafted"]
    answer = await tab.save(tab.edit(999, "1"), tab.edit(ANNA, "1", item=123_456))
    assert [o["code"] for o in answer["outcomes"]] == ["unknown_student", "unknown_line_item"]


async def test_extra_credit_is_the_columns_decision(settings: Settings, process: Process) -> None:
    await fetch(settings, "UPDATE line_item SET is_extra_credit = true WHERE line_item_id = $1", ESSAY)
    tab = Tab(process)
    answer = await tab.save(tab.edit(ANNA, "105", item=ESSAY), tab.edit(ANNA, "20.5"), tab.edit(BEN, "-1", item=ESSAY))
    assert outcomes(answer) == ["drafted", "rejected", "rejected"]


BAD_VALUES: list[tuple[str, Any]] = [
    ("score", {"score": 17.5}),
    ("score", {"score": "17,5"}),
    ("score", {"score": "1e3"}),
    ("score", {"score": "17.5", "extra": 1}),
    ("score", {"status": ["absent"]}),
    ("score", "17"),
    ("score", None),
    ("score", []),
    ("score", {"score": "1" * 300}),
    ("comment", {"text": "a\x00b"}),
    ("comment", {"text": "x" * 2001}),
    ("attendance", {"category": "sleeping"}),
    ("score", {"status": ["a\x00b"]}),  # the reason names what was wrong, and must be storable itself
    ("score", {"a\x00b": 1}),
    ("attendance", {"category": "\ud83d\x00"}),
    ("score", {"score": "1", "status": ["late"] * 9}),
]


async def test_values_that_do_not_fit_are_rejected_and_kept(settings: Settings, process: Process) -> None:
    tab = Tab(process)
    bad = [
        tab.edit(ANNA, "", item=2026110600 if kind == "attendance" else QUIZ, kind=kind, value=value)
        for kind, value in BAD_VALUES
    ]
    answer = await tab.save(*bad, tab.edit(BEN, "5"))
    assert outcomes(answer) == ["rejected"] * len(bad) + ["drafted"]
    assert {o["code"] for o in answer["outcomes"][:-1]} == {"value_malformed", "value_too_large"}
    await flush_all(settings)
    rows = await fetch(settings, "SELECT edit_id::text AS id, value::text AS v FROM edit_log WHERE status = 'R'")
    assert {row["id"] for row in rows} == {edit["edit_id"] for edit in bad}
    assert all(row["v"] for row in rows)
    assert await score(settings, BEN) == "5"


async def test_a_clock_that_is_millennia_off_spoils_nothing(settings: Settings, process: Process) -> None:
    reading = ReadSection(settings, process.pool, process.store)
    tab = Tab(process)
    moments = ("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "1969-12-31T23:59:59Z")
    edits = [
        tab.edit(student, "1", entered_at=moment) for student, moment in zip((ANNA, BEN, CARLA), moments, strict=True)
    ]
    assert outcomes(await tab.save(*edits)) == ["drafted"] * 3
    drafted = await reading.read_section(grant(), SECTION)
    assert drafted.cells.state == ["drafted"] * 3
    assert outcomes(await Tab(process, CO_TEACHER).save(Tab(process, CO_TEACHER).edit(ANNA, "2"))) == ["conflict"]
    await flush_all(settings)
    recorded = await reading.read_section(grant(), SECTION)
    assert recorded.cells.state == ["recorded"] * 3
    assert len(await reading.read_history(grant(), SECTION, "score", QUIZ, ANNA)) == 2


async def test_a_conflict_of_another_cell_is_not_resolved(settings: Settings, process: Process) -> None:
    """`resolves` names open conflicts of the same cell; anything else would close somebody's conflict unseen."""
    mine, theirs = Tab(process), Tab(process, CO_TEACHER)
    await mine.save(mine.edit(ANNA, "10"))
    conflict = theirs.edit(ANNA, "11")
    await theirs.save(conflict)
    await flush_all(settings)
    assert outcomes(await mine.save(mine.edit(BEN, "12", resolves=[conflict["edit_id"]]))) == ["drafted"]
    await flush_all(settings)
    assert (await history(settings))[conflict["edit_id"]]["status"] == "C"
    keep = mine.edit(ANNA, "10", resolves=[conflict["edit_id"]])
    assert outcomes(await mine.save(keep)) == ["drafted"]
    await flush_all(settings)
    assert (await history(settings))[conflict["edit_id"]]["status"] == "S"


async def test_a_resolution_that_comes_too_late_resolves_nothing(settings: Settings, process: Process) -> None:
    mine, theirs = Tab(process), Tab(process, CO_TEACHER)
    head = mine.edit(ANNA, "10")
    await mine.save(head)
    conflict = theirs.edit(ANNA, "11")
    await theirs.save(conflict)
    await mine.save(mine.edit(ANNA, "12"))  # meanwhile the head has moved
    keep = theirs.edit(ANNA, "11", base=head["edit_id"], resolves=[conflict["edit_id"]])
    assert outcomes(await theirs.save(keep)) == ["conflict"]
    await flush_all(settings)
    rows = await history(settings)
    assert (rows[conflict["edit_id"]]["status"], rows[keep["edit_id"]]["status"]) == ("C", "C")
    assert await score(settings, ANNA) == "12"


async def test_an_edit_twice_in_one_save_takes_effect_once(settings: Settings, process: Process) -> None:
    tab = Tab(process)
    edit = tab.edit(ANNA, "10")
    twin = edit | {"seq": 2}
    answer = await tab.save(edit, twin)
    assert outcomes(answer) == ["drafted", "drafted"]
    await flush_all(settings)
    assert [row["cell_version"] for row in (await history(settings)).values()] == [1]
    assert (await tab.save())["recorded_seq"] == 2


async def test_no_edits_are_a_poll(process: Process) -> None:
    answer = await Tab(process).save()
    assert (answer["outcomes"], answer["drafted_seq"], answer["recorded_seq"], answer["receipt"]) == ([], 0, 0, None)


async def test_eviction_keeps_drafts_and_forgets_nothing_for_empty(settings: Settings, process: Process) -> None:
    tab, other = Tab(process), Tab(process, CO_TEACHER)
    await tab.save(tab.edit(ANNA, "10"))
    await flush_all(settings)
    drafted = tab.edit(BEN, "11")
    await tab.save(drafted)
    await process.store.evict(partition_of(SECTION), [SECTION])
    assert outcomes(await tab.save(drafted)) == ["drafted"]
    answer = await other.save(other.edit(ANNA, "12"), other.edit(BEN, "13"))
    assert outcomes(answer) == ["conflict", "conflict"]
    await flush_all(settings)
    assert (await score(settings, ANNA), await score(settings, BEN)) == ("10", "11")


async def test_a_long_chain_of_edits_that_never_applied_is_looked_up_at_once(
    settings: Settings, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody types on for an hour on top of a conflict: asking link by link took a batch fifty rounds."""
    mine, theirs = Tab(process), Tab(process, CO_TEACHER)
    await mine.save(mine.edit(101, "1"))
    for number in range(3):  # three batches, each on top of the one before
        await theirs.save(*[theirs.edit(101, str(number)) for _ in range(20)])
        await flush_all(settings)
    asked = 0
    look_up = edits.find_edits_with_bases

    async def counted(*arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        return await look_up(*arguments)

    monkeypatch.setattr(edits, "find_edits_with_bases", counted)
    answer = await theirs.save(theirs.edit(101, "9"))
    await flush_all(settings)
    assert outcomes(answer) == ["conflict"]
    assert asked <= 3
    rows = await fetch(settings, "SELECT status::text AS s, count(*) AS n FROM edit_log GROUP BY 1 ORDER BY 1")
    assert [(row["s"], row["n"]) for row in rows] == [("A", 1), ("C", 1), ("S", 60)]
