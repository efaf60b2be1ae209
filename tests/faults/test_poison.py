"""What cannot be recorded: set aside one by one, or held, and never in the way of its neighbours."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from app.drafts.codec import (
    CELL,
    NO_ID,
    NORMAL,
    pack_client,
    pack_edit,
    pack_save,
    unpack_entry,
    unpack_wanted,
    with_context,
)
from app.drafts.keys import STREAM, partition_of
from app.gradebook.context import load_context
from tests.faults.desk import Desk, assert_all_is_well, audited
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
    running_flusher,
    until_recorded,
)

if TYPE_CHECKING:
    from pathlib import Path

    from app.settings import Settings
    from loadtests.ledger import Ledger

GOOD = b'{"score":"1"}'
NOW_MS = 1_794_002_604_000
# What PostgreSQL or the way to it refuses, and the API lets nobody send.
POISON: dict[str, dict[str, Any]] = {
    "a NUL character": {"value": b'{"score":"1\\u0000"}'},
    "half of a surrogate pair": {"value": b'{"score":"\\ud800"}'},
    "no JSON": {"value": b"{score"},
    "no UTF-8": {"value": b'{"score":"\xff"}'},
    "JSON deeper than the stack": {"value": b"[" * 50_000 + b"]" * 50_000},
    "a time of entry out of range": {"entered_ms": 2**63 - 1},
    "a time of entry far out of range": {"entered_ms": 2**64 - 1},
    "nothing at all": {"value": b""},
}


def _edit(seq: int, student: int, **over: Any) -> tuple[bytes, bytes]:
    edit_id = uuid.uuid4().bytes
    fields = {"value": GOOD, "entered_ms": NOW_MS, "base": NO_ID, "extra": b""} | over
    cell = CELL.pack(1, QUIZ, student)
    return edit_id, pack_edit(
        NORMAL, seq, cell, edit_id, fields["base"], fields["entered_ms"], fields["value"], fields["extra"]
    )


async def _plant(process: Process, client_id: bytes, first_seq: int, *edits: bytes, section_id: int = SECTION) -> None:
    """Journal edits past the API's checks, as a client would find them journaled."""
    client = pack_client(TEACHER, client_id)
    save = pack_save(client, section_id, first_seq, 0, 0, int(time.time() * 1000), 0, edits)
    commit, partition = process.edit_cells._committer.commit, partition_of(section_id)
    reply = await commit(partition, section_id, save, len(edits))
    if reply[:1] == b"N":
        cells, wanted = [e[5:14] for e in edits], [i for e in edits for i in (e[14:30], e[30:46])]
        context = await load_context(process.pool, section_id, client, 0, cells, [*wanted, *unpack_wanted(reply)])
        reply = await commit(partition, section_id, with_context(save, context.context), len(edits))
    assert reply[:1] == b"O", reply


async def test_poison_is_set_aside_and_its_neighbours_pass(school: Settings, ledger: Ledger, ledger_path: Path) -> None:
    """Each kind in a save of its own, between good edits, under a successor, and beside a co-teacher's."""
    async with api_process(school) as process, running_flusher(school):
        neighbour = Desk(process, ledger, CO_TEACHER)
        for number, (kind, poison) in enumerate(POISON.items(), start=1):
            tab, student = Tab(process), number * 1000
            good, blob = _edit(1, student)
            bad, poisonous = _edit(2, student + 1, **poison)
            after, successor = _edit(3, student + 1, base=bad)
            last, another = _edit(4, student + 2)
            await _plant(process, uuid.UUID(tab.client_id).bytes, 1, blob, poisonous, successor, another)
            neighbour.type(7, STUDENTS[3])
            await neighbour.save()
            await until_recorded(school)
            await neighbour.until_recorded()
            rows = await fetch(school, f"SELECT edit_id, status::text FROM edit_log WHERE student_id / 1000 = {number}")
            assert {(r[0].bytes, r[1]) for r in rows} == {(good, "A"), (after, "A"), (last, "A")}, kind
            await _check_told(school, tab, bad, poison.get("value", GOOD))
    await assert_all_is_well(school, ledger_path)


async def _check_told(school: Settings, tab: Tab, bad: bytes, value: bytes) -> None:
    """The poisonous edit is kept as it came, and its author hears of it until she has said so."""
    (row,) = await fetch(school, "SELECT * FROM edit_quarantine WHERE edit_id = $1", uuid.UUID(bytes=bad))
    assert (row["user_id"], row["code"], row["client_seq"]) == (TEACHER, "refused_by_database", 2)
    assert row["sqlstate"]
    assert value in row["raw"]
    for _ in range(2):
        answer = await tab.save()
        assert (answer["drafted_seq"], answer["recorded_seq"]) == (4, 4)
        told = [(x["edit_id"], x["seq"], x["outcome"], x["code"]) for x in answer["exceptions"]]
        assert told == [(str(uuid.UUID(bytes=bad)), 2, "quarantined", "refused_by_database")]
    tab.exceptions_seen_seq = 2
    assert (await tab.save())["exceptions"] == []


async def test_many_poisonous_edits_among_many_good_ones(school: Settings) -> None:
    async with api_process(school) as process:
        tab = Tab(process)
        await tab.save(tab.edit(STUDENTS[4], "1"))
        client_id = uuid.UUID(tab.client_id).bytes
        kinds = list(POISON.values())[:4]
        edits = [_edit(seq, 1000 + seq, **(kinds[seq % 4] if seq % 10 == 0 else {})) for seq in range(2, 152)]
        await _plant(process, client_id, 2, *(blob for _, blob in edits))
        async with running_flusher(school):
            await until_recorded(school)
        assert (await tab.save())["recorded_seq"] == 151
    counts = "SELECT (SELECT count(*) FROM edit_log), (SELECT count(*) FROM edit_quarantine)"
    assert tuple((await fetch(school, counts))[0]) == (136, 15)


async def test_a_successor_of_poison_is_judged_alike_in_a_later_batch(school: Settings) -> None:
    """What was typed over a value that could not be stored goes onto what was there before it, batched or not."""
    async with api_process(school) as process:
        tab = Tab(process)
        head = tab.edit(STUDENTS[1], "1")
        await tab.save(head)
        client_id = uuid.UUID(tab.client_id).bytes
        bad, poisonous = _edit(2, STUDENTS[1], base=uuid.UUID(head["edit_id"]).bytes, value=POISON["no JSON"]["value"])
        async with running_flusher(school):
            await _plant(process, client_id, 2, poisonous)
            await until_recorded(school)
            after, successor = _edit(3, STUDENTS[1], base=bad)
            await _plant(process, client_id, 3, successor)
            await until_recorded(school)
        assert [r[0] for r in await fetch(school, "SELECT status::text FROM edit_log WHERE client_seq = 3")] == ["A"]
        del after


async def test_what_a_co_teacher_typed_over_poison_does_not_block_the_cell(school: Settings) -> None:
    """Both are refused; afterwards the cell can be edited again by anybody who sees what stands in it."""
    async with api_process(school) as process:
        tab, other = Tab(process), Tab(process, CO_TEACHER)
        head = tab.edit(STUDENTS[1], "1")
        await tab.save(head)
        client_id = uuid.UUID(tab.client_id).bytes
        async with running_flusher(school):
            await until_recorded(school)
        bad, poisonous = _edit(2, STUDENTS[1], base=uuid.UUID(head["edit_id"]).bytes, value=POISON["no JSON"]["value"])
        await _plant(process, client_id, 2, poisonous)
        await other.save(other.edit(STUDENTS[1], "2", base=str(uuid.UUID(bytes=bad))))
        async with running_flusher(school):
            await until_recorded(school)
            heads = (await process.store.read_section(SECTION)).heads
            standing = heads[CELL.pack(1, QUIZ, STUDENTS[1])]
            assert (standing.edit_id, standing.is_drafted) == (uuid.UUID(head["edit_id"]).bytes, False)
            exceptions = (await other.save())["exceptions"]
            assert [x["outcome"] for x in exceptions] == ["conflict"]
            again = other.edit(STUDENTS[1], "3", base=exceptions[0]["head"]["edit_id"])
            await other.save(again)
            await until_recorded(school)
        rows = await fetch(school, f"SELECT edit_id FROM cell WHERE student_id = {STUDENTS[1]}")
        assert str(rows[0][0]) == again["edit_id"]


async def test_an_unknown_format_holds_its_partition_and_nobody_else(
    school: Settings, ledger: Ledger, ledger_path: Path
) -> None:
    """An entry of a newer release: nothing behind it may pass, nothing is lost, and it flows once that is gone."""
    assert partition_of(SECTION) != partition_of(OTHER_SECTION)
    stream = STREAM[partition_of(SECTION)]
    async with api_process(school) as process:
        held, free = Desk(process, ledger), Desk(process, ledger, section_id=OTHER_SECTION)
        held.type(1)
        await held.until_drafted()
        stream_id = await process.topology.call(partition_of(SECTION), "XADD", stream, "*", "d", b"\x02of tomorrow")
        async with running_flusher(school):
            held.type(2)
            for score in range(3):
                free.type(score, item=7101)
                await free.until_recorded()
                await held.save()
            assert (held.outbox.drafted_seq, held.outbox.recorded_seq) == (2, 1)
            report = await audited(school, ledger_path, wait_s=0)
            assert {v.name for v in report.verdicts if not v.holds} == {"I10"}
            assert report.counts["held"] == 1
            assert not await fetch(school, "SELECT 1 FROM edit_quarantine"), "never quarantined"
            await process.topology.call(partition_of(SECTION), "XDEL", stream, stream_id)
            await held.until_recorded()
    await assert_all_is_well(school, ledger_path)


async def test_a_damaged_entry_is_kept_as_it_is_and_lets_the_others_pass(
    school: Settings, ledger: Ledger, ledger_path: Path
) -> None:
    stream, partition = STREAM[partition_of(SECTION)], partition_of(SECTION)
    async with api_process(school) as process:
        desk = Desk(process, ledger)
        desk.type(1)
        await desk.save()
        (_, fields), *_ = await process.topology.call(partition, "XRANGE", stream, "-", "+")
        damaged = [b"\x01", fields[1][:60], fields[1][:-1], fields[1] + b"?"]
        for raw in damaged:
            await process.topology.call(partition, "XADD", stream, "*", "d", raw)
        desk.type(2)
        async with running_flusher(school):
            await desk.until_recorded()
            await until_recorded(school)
        rows = await fetch(school, "SELECT code, raw FROM edit_quarantine")
        assert sorted(r["raw"] for r in rows) == sorted(damaged)
        assert {r["code"] for r in rows} == {"unreadable"}
        report = await audited(school, ledger_path)
        assert {v.name for v in report.verdicts if not v.holds} == {"I10"}, "somebody has to look at it"
        assert report.total("lost") == 0


@pytest.mark.parametrize("bits", [0x01, 0x80, 0xFF])
async def test_a_damaged_byte_anywhere_stops_nobody_else(school: Settings, ledger: Ledger, bits: int) -> None:
    """Each byte of an entry in turn is another one: whatever becomes of it, the edits of others are recorded."""
    async with api_process(school) as process:
        desk, neighbour = Desk(process, ledger), Desk(process, ledger, section_id=OTHER_SECTION)
        desk.type(1, resolves=[str(uuid.uuid4())])
        desk.type(20.5)
        await desk.save()
        partition, stream = partition_of(SECTION), STREAM[partition_of(SECTION)]
        (_, fields), *_ = await process.topology.call(partition, "XRANGE", stream, "-", "+")
        for at in range(1, len(fields[1])):  # byte 0 is the format: it holds the partition
            damaged = bytearray(fields[1])
            for edit in unpack_entry(b"0-0", fields[1]).edits:  # ids of their own, so that none is a duplicate
                start = damaged.index(edit.edit_id)
                damaged[start : start + 16] = uuid.uuid4().bytes
            damaged[at] ^= bits
            await process.topology.call(partition, "XADD", stream, "*", "d", bytes(damaged))
        neighbour.type(5, item=7101)
        async with running_flusher(school):
            await desk.until_recorded()
            await neighbour.until_recorded()
            await until_recorded(school)
