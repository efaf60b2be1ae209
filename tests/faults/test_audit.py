"""The audit finds what it is there to find: each invariant is broken on purpose, and it must say so."""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse
from uuid import UUID

import asyncpg
import pytest
import redis
from click.testing import CliRunner

import ops.audit.command
from app.drafts.codec import CLIENT, POSITION, Head
from app.drafts.keys import STREAM, partition_of, section_key
from app.settings import Settings
from loadtests.ledger import Ledger
from ops.audit.checks import DISORDER, LOST, MISMATCH, TWICE, WAITING
from ops.audit.ledger import LedgerError
from tests.conftest import SECRET_KEY, SILENCE_MS_MAX, psql
from tests.faults.desk import Desk, assert_all_is_well, audited
from tests.world import CO_TEACHER, ESSAY, QUIZ, SECTION, STUDENTS, api_process, flush_all, make_school

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from ops.audit.checks import Report
    from ops.servers import PostgresServer, ValkeyServer

_copies = itertools.count(1)


class Run:
    """A finished run: databases are copied from it, and ledgers altered."""

    def __init__(self, settings: Settings, ledger: Path) -> None:
        self.settings = settings
        self.ledger = ledger
        self.events = [json.loads(line) for line in ledger.read_text().splitlines()]

    def edits(self, outcome: str) -> list[str]:
        answers = [e for e in self.events if e["event"] == "answered"]
        said = [o for a in answers for o in a["outcomes"]] + [
            [x[0], x[2], x[3]] for a in answers for x in a["exceptions"]
        ]
        return list(dict.fromkeys(o[0] for o in said if o[1] == outcome))


@pytest.fixture(scope="module")
def run(module_database_url: str, valkey: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    settings = Settings(
        database_url=module_database_url,
        redis_url=valkey.url,
        secret_key=SECRET_KEY,
        journal_silence_ms_max=SILENCE_MS_MAX,
    )
    path = tmp_path_factory.mktemp("run") / "ledger.jsonl"
    asyncio.run(_run(settings, path))
    return Run(settings, path)


async def _run(settings: Settings, path: Path) -> None:
    """Chains, lost answers, a collision that is settled and one that is not, a refusal, snapshots."""
    await make_school(settings.database_url)
    with Ledger(path) as ledger:
        ledger.run(writer="tests")
        async with api_process(settings) as process:
            mine, theirs = Desk(process, ledger), Desk(process, ledger, CO_TEACHER)
            for i, student in itertools.product(range(3), STUDENTS):
                mine.type(i + 1, student)
            await mine.save(lose_answer=True)
            await mine.save()
            theirs.type(9, STUDENTS[1])
            mine.type(5, STUDENTS[1])
            await mine.save()
            await theirs.save()
            theirs.outbox.settle(theirs.outbox.conflicts.popleft(), keep_mine=True)
            theirs.type(8, STUDENTS[2])
            theirs.type(21, STUDENTS[0], ESSAY, base=None)
            theirs.type(20.5, STUDENTS[3])
            mine.type(4, STUDENTS[0])
            await theirs.save()
            await mine.save()
            await flush_all(settings)
            await mine.until_recorded()
            await theirs.until_recorded()
            for desk in (mine, theirs):
                await _read(desk, process, ledger)
        ledger.end()


async def _read(desk: Desk, process: Any, ledger: Ledger) -> None:
    heads = (await process.store.read_section(SECTION)).heads
    asked_at = ledger.now()
    rows = [(*_cell(cell), _uuid(head.edit_id), head.cell_version, "recorded") for cell, head in heads.items()]
    names = ("kind", "item", "student", "edit_id", "cell_version", "state")
    desk.outbox.shown(asked_at, dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def _cell(cell: bytes) -> tuple[str, int, int]:
    return "score", int.from_bytes(cell[1:5], "big"), int.from_bytes(cell[5:9], "big")


def _uuid(raw: bytes) -> str:
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


async def _execute(database_url: str, statements: tuple[str, ...]) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("SET session_replication_role = replica")  # the history refuses to be changed
    for statement in statements:
        done = await connection.execute(statement)
        assert not done.endswith(" 0"), f"nothing was planted: {statement}"
    await connection.close()


@pytest.fixture
def examined(run: Run, postgres: PostgresServer) -> Iterator[Any]:
    """Run statements in a copy of the run's database; return what the audit says of it."""
    names: list[str] = []

    async def examine(*statements: str, ledger: Path | None = None, has_ledger: bool = True) -> Report:
        settings = run.settings
        if statements:
            name = f"audited_{next(_copies)}"
            psql(postgres, f"CREATE DATABASE {name} TEMPLATE {urlparse(run.settings.database_url).path[1:]}")
            names.append(name)
            url = postgres.dsn_of(name, "postgres")
            settings = Settings(database_url=url, redis_url=run.settings.redis_url, secret_key=SECRET_KEY)
            await _execute(url, statements)
        report = await audited(settings, *[ledger or run.ledger][:has_ledger], wait_s=0.2)
        assert report.holds == all(v.holds for v in report.verdicts)
        for category in (LOST, TWICE, DISORDER, MISMATCH, WAITING):
            found = sum(verdict.violations.get(category, 0) for verdict in report.verdicts)
            assert min(found, 1) <= report.total(category) <= found, "a total may be less, and never none"
        return report

    yield examine
    for name in names:
        psql(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def planted(examined: Any) -> Any:
    """Run statements in a copy of the run's database; return the invariants that the audit calls broken."""

    async def plant(*statements: str, ledger: Path | None = None) -> set[str]:
        report = await examined(*statements, ledger=ledger)
        return {v.name for v in report.verdicts if not v.holds}

    return plant


def _totals(report: Report) -> dict[str, int]:
    """The totals that are not 0."""
    totals = {category: report.total(category) for category in (LOST, TWICE, DISORDER, MISMATCH, WAITING)}
    return {category: total for category, total in totals.items() if total}


def _altered(run: Run, tmp_path: Path, change: Any) -> Path:
    """The run's ledger with `change` applied to each event; events for which it returns None are left out."""
    path = tmp_path / "altered.jsonl"
    events = [change(json.loads(json.dumps(event))) for event in run.events]
    assert events != run.events, "nothing was altered"
    path.write_text("".join(json.dumps(event) + "\n" for event in events if event is not None))
    return path


async def test_a_clean_run_holds(run: Run) -> None:
    report = await assert_all_is_well(run.settings, run.ledger)
    counts = report.counts
    assert counts["acknowledged"] == counts["typed"] == counts["told_recorded"] == 22
    assert counts["sent_again"] == 15
    assert (counts["open_conflicts"], counts["settled_conflicts"], counts["rejected"]) == (1, 1, 1)
    assert [v.name for v in report.verdicts] == [f"I{i}" for i in range(1, 12)]


async def test_without_a_ledger_what_needs_none_is_checked(run: Run) -> None:
    report = await assert_all_is_well(run.settings)
    assert [v.name for v in report.verdicts if v.checked] == ["I3", "I4", "I6", "I10"]


async def test_a_lost_edit_is_found(run: Run, planted: Any) -> None:
    lost = run.edits("rejected")[0]
    assert await planted(f"DELETE FROM edit_log WHERE edit_id = '{lost}'") == {"I1", "I6", "I9"}


def _stored_again(edit: str) -> str:
    columns = "section_id, edit_id, kind, item, student_id, status, value, author_id, client_id, entered_at, path"
    columns += ", client_seq, received_at, cell_version, base_id, resolves"
    return (
        f"INSERT INTO edit_log (school_year, {columns}) SELECT 2020, {columns} FROM edit_log WHERE edit_id = '{edit}'"
    )


async def test_an_edit_stored_twice_is_found(run: Run, planted: Any) -> None:
    assert await planted(_stored_again(run.edits("rejected")[0])) == {"I1", "I6"}


async def test_an_edit_that_nobody_sent_is_found(run: Run, planted: Any, tmp_path: Path) -> None:
    unsent = run.edits("rejected")[0]

    def forget(event: dict[str, Any]) -> dict[str, Any] | None:
        if event.get("edit_id") == unsent:
            return None
        if event["event"] == "answered":
            event["outcomes"] = [o for o in event["outcomes"] if o[0] != unsent]
        return event

    assert await planted(ledger=_altered(run, tmp_path, forget)) == {"I2"}


@pytest.mark.parametrize(
    ("field", "value"),
    [("value", {"score": "19"}), ("student", STUDENTS[4]), ("entered_at", "2026-11-06T14:03:21Z"), ("user_id", 99)],
)
async def test_an_altered_edit_is_found(run: Run, planted: Any, tmp_path: Path, field: str, value: Any) -> None:
    altered = run.edits("rejected")[0]

    def change(event: dict[str, Any]) -> dict[str, Any]:
        return event | {field: value} if event.get("edit_id") == altered else event

    assert await planted(ledger=_altered(run, tmp_path, change)) == {"I2"}


async def test_an_edit_linked_to_another_base_is_found(run: Run, planted: Any, tmp_path: Path) -> None:
    first, _, third = _chain(run)

    def change(event: dict[str, Any]) -> dict[str, Any]:
        return event | {"base": first} if event.get("edit_id") == third else event

    assert await planted(ledger=_altered(run, tmp_path, change)) == {"I2"}


def _chain(run: Run) -> list[str]:
    """The three edits of a cell that one teacher typed into, each on top of the one before."""
    typed = [e for e in run.events if e["event"] == "typed" and (e["item"], e["student"]) == (QUIZ, STUDENTS[4])]
    assert len(typed) == 3
    return [event["edit_id"] for event in typed]


async def test_one_deleted_row_is_one_lost_edit(run: Run, examined: Any) -> None:
    """A position covers it, and it was called recorded: three rules are broken, and one edit is lost."""
    report = await examined(f"DELETE FROM edit_log WHERE edit_id = '{run.edits('rejected')[0]}'")
    assert sum(verdict.violations.get(LOST, 0) for verdict in report.verdicts) == 3
    assert _totals(report) == {LOST: 1}
    lines = ops.audit.command.lines_of(report)
    assert sum("1 LOST" in line for line in lines) == 3
    assert lines[-1] == "FOUND: 1 lost"
    assert ops.audit.command.as_json(report, [])["found"]["lost"] == 1


@pytest.mark.parametrize(
    ("place", "also"),
    [
        (0, {DISORDER: 1}),  # the edit after it is the first of its chain, and says that it is the second
        (1, {DISORDER: 1}),
        (2, {MISMATCH: 1}),  # the cell shows an edit that the history does not have
    ],
)
async def test_a_deleted_row_of_a_chain_is_one_lost_edit_and_one_gap(
    run: Run, examined: Any, place: int, also: dict[str, int]
) -> None:
    report = await examined(f"DELETE FROM edit_log WHERE edit_id = '{_chain(run)[place]}'")
    assert _totals(report) == {LOST: 1, **also}


@pytest.mark.parametrize(
    "planting",
    [
        "DELETE FROM edit_log WHERE edit_id = '{1}'",
        "UPDATE cell SET edit_id = '{0}', cell_version = 2 WHERE edit_id = '{1}'",
    ],
)
async def test_a_cell_that_disagrees_with_its_history_is_one_edit_and_it_is_named(
    run: Run, examined: Any, planting: str
) -> None:
    """The later one of both, whichever of the two places lacks it: the journal means the same."""
    report = await examined(planting.format(*_chain(run)[1:]))
    assert report.total(MISMATCH) == 1
    assert {o.edit_id for v in report.verdicts if v.name in {"I4", "I10"} for o in v.offending} == {_chain(run)[2]}


async def test_several_deleted_rows_are_so_many_lost_edits(run: Run, examined: Any) -> None:
    report = await examined(f"DELETE FROM edit_log WHERE author_id = {CO_TEACHER}")
    assert report.total(LOST) == len(
        {e["edit_id"] for e in run.events if e.get("user_id") == CO_TEACHER and "seq" in e}
    )


async def test_everything_lost_is_all_that_was_acknowledged(run: Run, examined: Any) -> None:
    report = await examined("DELETE FROM edit_log")
    assert report.total(LOST) == report.counts["acknowledged"] == 22
    cells = {(e["kind"], e["item"], e["student"]) for e in run.events if e["event"] == "typed"}
    assert 0 < report.total(MISMATCH) <= len(cells), "each cell shows an edit without history"


@pytest.mark.parametrize("has_ledger", [True, False])
async def test_a_row_stored_twice_is_one_duplicate(run: Run, examined: Any, *, has_ledger: bool) -> None:
    report = await examined(_stored_again(run.edits("rejected")[0]), has_ledger=has_ledger)
    assert _totals(report) == {TWICE: 1}


async def test_an_applied_row_stored_twice_is_one_duplicate_and_one_version_too_many(run: Run, examined: Any) -> None:
    report = await examined(_stored_again(_chain(run)[1]))
    assert _totals(report) == {TWICE: 1, DISORDER: 1}


async def test_two_edits_in_each_others_place_are_two_out_of_order(run: Run, examined: Any) -> None:
    """Both stand on another edit than their base; that one is also numbered wrongly does not make it a third."""
    _, second, third = _chain(run)
    version = "UPDATE edit_log SET cell_version = {} WHERE edit_id = '{}'"
    moves = ((99, second), (2, third), (3, second))
    report = await examined(*(version.format(*move) for move in moves))
    assert sum(verdict.violations.get(DISORDER, 0) for verdict in report.verdicts) == 3
    assert report.total(DISORDER) == 2
    assert report.total(MISMATCH) == 1  # the cell, and a snapshot, show the third, which was not applied last
    assert not report.total(LOST) + report.total(TWICE)


async def test_a_gap_in_a_long_chain_is_one_out_of_order(run: Run, examined: Any) -> None:
    versions = f"item = {QUIZ} AND student_id = {STUDENTS[4]}"
    report = await examined(
        *(f"UPDATE edit_log SET cell_version = {10 + n} WHERE {versions} AND cell_version = {n}" for n in (1, 2, 3)),
        f"UPDATE cell SET cell_version = 13 WHERE {versions}",
    )
    assert report.total(DISORDER) == 1


LAST = f"edit_id = (SELECT edit_id FROM cell WHERE item = {QUIZ} AND student_id = {STUDENTS[4]})"


async def test_a_gap_in_a_chain_is_found(planted: Any) -> None:
    broken = await planted(
        f"UPDATE edit_log SET cell_version = 9 WHERE {LAST}", f"UPDATE cell SET cell_version = 9 WHERE {LAST}"
    )
    assert broken == {"I3"}


async def test_a_wrong_link_in_a_chain_is_found(planted: Any) -> None:
    assert await planted(f"UPDATE edit_log SET base_id = NULL WHERE {LAST}") == {"I2", "I3"}


@pytest.mark.parametrize(
    "change",
    [
        f'UPDATE cell SET value = \'{{"score":"1.5"}}\' WHERE {LAST}',
        f"UPDATE cell SET author_id = 12 WHERE {LAST}",
        (
            "INSERT INTO cell SELECT section_id, 2, item, student_id, 1, gen_random_uuid(), value, author_id,"
            f" entered_at FROM cell WHERE {LAST}"
        ),
    ],
)
async def test_a_current_value_that_was_never_applied_is_found(planted: Any, change: str) -> None:
    assert await planted(change) == {"I4"}


async def test_an_applied_edit_that_is_not_current_is_found(planted: Any) -> None:
    assert await planted(f"DELETE FROM cell WHERE {LAST}") == {"I4", "I10"}


async def test_a_refusal_that_nobody_told_is_found(run: Run, planted: Any, tmp_path: Path) -> None:
    def change(event: dict[str, Any]) -> dict[str, Any]:
        if event["event"] == "answered":
            event["outcomes"] = [[o[0], "drafted", None, None] if o[1] == "conflict" else o for o in event["outcomes"]]
        return event

    assert await planted(ledger=_altered(run, tmp_path, change)) == {"I5"}


@pytest.mark.parametrize("word", ["conflict", "rejected"])
async def test_a_refusal_of_what_was_applied_is_found(run: Run, planted: Any, tmp_path: Path, word: str) -> None:
    def change(event: dict[str, Any]) -> dict[str, Any]:
        if event["event"] == "answered":
            event["outcomes"] = [[o[0], word, None, None] if o[1] == "drafted" else o for o in event["outcomes"]]
        return event

    assert await planted(ledger=_altered(run, tmp_path, change)) == {"I5"}


async def test_recorded_said_of_a_refused_edit_is_found(run: Run, planted: Any, tmp_path: Path) -> None:
    def change(event: dict[str, Any]) -> dict[str, Any]:
        if event["event"] == "answered":
            event["outcomes"] = [[o[0], "recorded", None, 1] if o[1] == "conflict" else o for o in event["outcomes"]]
        return event

    assert await planted(ledger=_altered(run, tmp_path, change)) == {"I5"}


async def test_a_hole_in_a_clients_numbers_is_found(planted: Any) -> None:
    hole = "UPDATE client_position SET recorded_seq = recorded_seq - 2, ahead = ARRAY[recorded_seq]"
    assert await planted(f"{hole} WHERE user_id = {CO_TEACHER}") == {"I6", "I10"}


async def test_edits_applied_in_another_order_than_typed_are_found(planted: Any) -> None:
    of_cell = f"status = 'A' AND item = {QUIZ} AND student_id = {STUDENTS[4]}"
    swap = f"UPDATE edit_log SET client_seq = 100 - client_seq WHERE {of_cell}"
    assert await planted(swap) == {"I2", "I6"}


async def test_an_edit_applied_after_one_that_was_sent_later_is_found(run: Run, planted: Any, tmp_path: Path) -> None:
    """The last edit of a chain, said to have been acknowledged before the first was sent."""
    chain = [e for e in run.events if e["event"] == "typed" and (e["item"], e["student"]) == (QUIZ, STUDENTS[0])]
    first, last = chain[0], chain[-1]

    def change(event: dict[str, Any]) -> dict[str, Any]:
        if event["event"] == "answered" and any(o[0] == last["edit_id"] for o in event["outcomes"]):
            return event | {"t": first["t"] - 1_000_000}
        return event

    assert "I7" in await planted(ledger=_altered(run, tmp_path, change))


async def test_a_snapshot_without_ones_own_recorded_edit_is_found(run: Run, planted: Any, tmp_path: Path) -> None:
    def change(event: dict[str, Any]) -> dict[str, Any]:
        return event | {"cells": event["cells"][1:]} if event["event"] == "read" else event

    assert await planted(ledger=_altered(run, tmp_path, change)) == {"I8"}


async def test_a_snapshot_that_goes_back_is_found(run: Run, planted: Any, tmp_path: Path) -> None:
    """A second snapshot of the co-teacher that shows an earlier version of a cell which is not her own."""
    read = next(e for e in reversed(run.events) if e["event"] == "read")
    typed = [e for e in run.events if e["event"] == "typed" and (e["item"], e["student"]) == (QUIZ, STUDENTS[4])]
    cells = [
        [*c[:3], typed[0]["edit_id"], 1, "recorded"] if c[:3] == ["score", QUIZ, STUDENTS[4]] else c
        for c in read["cells"]
    ]
    later = read | {"asked_at": read["t"] + 1, "t": read["t"] + 2, "cells": cells}
    path = tmp_path / "later.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in [*run.events, later]))
    assert await planted(ledger=path) == {"I8"}


async def test_an_edit_that_is_still_in_the_journal_is_held_not_lost(run: Run, planted: Any) -> None:
    """The run again, up to the moment before anything was recorded: acknowledged, and un-recorded."""
    async with _in_journal(run) as partition:
        assert await planted() == {"I10"}
        report = await audited(run.settings, run.ledger, wait_s=0)
        rest = next(v for v in report.verdicts if v.name == "I10")
        assert "did not leave the journal in time: they are held, not lost" in rest.offending[0].detail
        assert partition >= 0


@asynccontextmanager
async def _in_journal(run: Run) -> AsyncIterator[int]:
    """An entry that no flusher takes."""
    partition = partition_of(SECTION)
    with redis.Redis.from_url(run.settings.redis_url) as client:
        stream_id = client.xadd(STREAM[partition], {"d": b"\x02of a newer release"})
        try:
            yield partition
        finally:
            client.xdel(STREAM[partition], stream_id)


@pytest.mark.parametrize("what", ["mark", "drafted head", "clean head", "position", "recorded position"])
async def test_a_journal_that_claims_too_much_is_found(run: Run, planted: Any, what: str) -> None:
    key, other = section_key(partition_of(SECTION), SECTION), bytes(range(16))
    cell = b"\x01" + QUIZ.to_bytes(4, "big") + STUDENTS[4].to_bytes(4, "big")
    client_id = (11).to_bytes(4, "big") + other
    name, value = {
        "mark": (b"u" + other, b"A\x00\x00\x00\x01"),
        "drafted head": (b"h" + cell, b"\x01\x01" + Head(9, other, 11, 0, b"{}").pack()[2:]),
        "clean head": (b"h" + cell, Head(9, other, 11, 0, b"{}").pack()),
        "position": (b"c" + client_id, b"\x01\x00\x00\x00\x05\x00\x00\x00\x03"),
        "recorded position": (b"c" + client_id, b"\x01\x00\x00\x00\x05\x00\x00\x00\x05"),
    }[what]
    with redis.Redis.from_url(run.settings.redis_url) as client:
        before = client.hget(key, name)
        client.hset(key, name, value)
        try:
            assert await planted() == {"I10"}
        finally:
            if before is None:
                client.hdel(key, name)
            else:
                client.hset(key, name, before)


async def test_a_lost_entry_of_the_journal_is_one_lost_edit(run: Run, examined: Any, tmp_path: Path) -> None:
    """A mark, a head and a position claim it; the ledger says that these are one."""
    typed = next(e for e in reversed(run.events) if e["event"] == "typed" and e["user_id"] == CO_TEACHER)
    client = {key: typed[key] for key in ("client_id", "user_id", "section_id")}
    edit_id, seq = "01990000-0000-7000-8000-000000000001", typed["seq"] + 1
    now = run.events[-1]["t"]
    answer = {"event": "answered", "t": now + 1, "request": 9, "drafted_seq": seq, "recorded_seq": 0, "exceptions": []}
    events = [
        typed | {"edit_id": edit_id, "seq": seq},
        {"event": "sent", "t": now, "request": 9, "first_seq": seq, "last_seq": seq} | client,
        answer | {"outcomes": [[edit_id, "drafted", None, 9]]} | client,
    ]
    ledger = tmp_path / "lost.jsonl"
    ledger.write_text("".join(json.dumps(event) + "\n" for event in [*run.events, *events]))
    key, raw = section_key(partition_of(SECTION), SECTION), UUID(edit_id).bytes
    cell = b"\x01" + typed["item"].to_bytes(4, "big") + typed["student"].to_bytes(4, "big")
    fields = {
        b"u" + raw: b"A\x00\x00\x00\x09",
        b"h" + cell: b"\x01\x01" + Head(9, raw, CO_TEACHER, 0, b"{}").pack()[2:],
        b"c" + CLIENT.pack(CO_TEACHER, UUID(typed["client_id"]).bytes): POSITION.pack(1, seq, typed["seq"]),
    }
    with redis.Redis.from_url(run.settings.redis_url) as journal:
        before = {name: journal.hget(key, name) for name in fields}
        journal.hset(key, mapping=fields)
        try:
            report = await examined(ledger=ledger)
        finally:
            journal.hdel(key, *fields)
            if kept := {name: value for name, value in before.items() if value is not None}:
                journal.hset(key, mapping=kept)
    assert [v.name for v in report.verdicts if v.violations.get(LOST)] == ["I1", "I10"]
    assert next(v for v in report.verdicts if v.name == "I10").violations[LOST] == 3
    assert _totals(report) == {LOST: 1}


async def test_a_hole_is_the_edit_that_the_ledger_knows_under_this_number(run: Run, examined: Any) -> None:
    """The row is gone, and the position says so: I1, I6 and I9 mean the same edit."""
    edit = next(e for e in reversed(run.events) if e["event"] == "typed" and e["user_id"] == CO_TEACHER)
    client = f"user_id = {CO_TEACHER} AND client_id = '{edit['client_id']}'"
    number = edit["seq"] - 1
    statements = (
        f"DELETE FROM edit_log WHERE author_id = {CO_TEACHER} AND client_seq = {number}",
        f"UPDATE client_position SET recorded_seq = {number - 1}, ahead = ARRAY[{number + 1}] WHERE {client}",
    )
    report = await examined(*statements)
    assert {v.name for v in report.verdicts if v.violations.get(LOST)} == {"I1", "I6", "I9"}
    assert report.total(LOST) == 1


async def test_an_unreadable_entry_in_quarantine_is_found(planted: Any) -> None:
    unreadable = "INSERT INTO edit_quarantine (section_id, code, raw, partition_id) VALUES (0, 'unreadable', 'x', 7)"
    assert await planted(unreadable) == {"I10"}


async def test_an_unanswered_edit_stored_twice_is_found(run: Run, planted: Any, tmp_path: Path) -> None:
    unanswered = run.edits("rejected")[0]

    def change(event: dict[str, Any]) -> dict[str, Any] | None:
        return event if event["event"] not in {"answered", "read"} else None

    quarantined = (
        "INSERT INTO edit_quarantine (section_id, edit_id, code, raw, partition_id)"
        f" VALUES ({SECTION}, '{unanswered}', 'x', 'x', 1)"
    )
    assert await planted(quarantined, ledger=_altered(run, tmp_path, change)) == {"I11"}


async def test_a_ledger_cut_off_in_the_middle_of_a_line_is_read(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_bytes(run.ledger.read_bytes() + b'{"event":"answered","t":17940')
    await assert_all_is_well(run.settings, path)


async def test_a_ledger_damaged_in_its_middle_is_refused(run: Run, tmp_path: Path) -> None:
    lines = run.ledger.read_text().splitlines()
    path = tmp_path / "damaged.jsonl"
    path.write_text("\n".join([*lines[:3], lines[3][:40], *lines[4:]]) + "\n")
    with pytest.raises(LedgerError, match="line 4"):
        await audited(run.settings, path)


def test_the_command_prints_a_line_for_each_invariant(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", run.settings.database_url)
    monkeypatch.setenv("REDIS_URL", run.settings.redis_url)
    monkeypatch.setenv("INKFAST_SECRET_KEY", SECRET_KEY)
    result = CliRunner().invoke(ops.audit.command.audit, [str(run.ledger), "--json", str(tmp_path / "report.json")])
    assert result.exit_code == 0, result.output
    assert "ok     I1   every acknowledged edit is stored, and stored once: 22 acknowledged" in result.output
    assert "all is well: 22 acknowledged edits, none lost, none twice, none out of order" in result.output
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["holds"]
    assert len(report["invariants"]) == 11


def test_the_command_fails_where_an_edit_is_lost(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", run.settings.database_url)
    monkeypatch.setenv("REDIS_URL", run.settings.redis_url)
    monkeypatch.setenv("INKFAST_SECRET_KEY", SECRET_KEY)
    typed = next(e for e in reversed(run.events) if e["event"] == "typed")
    lost = typed | {"edit_id": "01990000-0000-7000-8000-000000000001", "seq": 999}
    client = {key: typed[key] for key in ("client_id", "user_id", "section_id")}
    sent = {"event": "sent", "t": 1, "request": 9, "first_seq": 999, "last_seq": 999} | client
    answer = {"event": "answered", "t": 2, "request": 9, "drafted_seq": 999, "recorded_seq": 0, "exceptions": []}
    answer |= {"outcomes": [[lost["edit_id"], "drafted", None, 1]]} | client
    path = tmp_path / "lost.jsonl"
    path.write_text(run.ledger.read_text() + "".join(json.dumps(e) + "\n" for e in (lost, sent, answer)))
    result = CliRunner().invoke(ops.audit.command.audit, [str(path)])
    assert result.exit_code == 1
    assert "BROKEN I1" in result.output
    assert lost["edit_id"] in result.output
    assert "FOUND: 1 lost" in result.output
