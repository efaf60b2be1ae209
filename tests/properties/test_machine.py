"""Several tabs, two stores that come and go, a flusher that dies: nothing is lost, and nothing happens twice.

Hypothesis plays a small district over real stores: it types, sends, loses answers, reads, records, lets the flusher die
between COMMIT and drain, evicts, loses the journal, takes PostgreSQL away, and cuts processes off from the journal, so
that they write past it. Each tab keeps an outbox as the protocol
demands. In the end everything comes back, every outbox has to empty, and the history has to account for every edit.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from app.drafts.keys import STREAM, partition_of, section_key
from app.drafts.store import DraftStore, StreamEntry
from app.drafts.topology import Topology
from app.errors import JournalUnavailableError, SeqGapError
from app.gradebook import rules as section_rules
from app.gradebook.read_section import ReadSection
from app.settings import Settings
from tests.conftest import SECRET_KEY
from tests.world import CO_TEACHER, ESSAY, QUIZ, STUDENTS, TEACHER, Process, Tab, api_process, grant, make_school
from workers import flusher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.servers import ValkeyServer

EXAMPLES = 200
STEPS = 40
SECTIONS = 2_000
SHARED = tuple((QUIZ, student) for student in STUDENTS[:2])
OWN = {"left": (ESSAY, 103), "right": (ESSAY, 104), "theirs": (ESSAY, 105)}  # cells of one tab alone
SETTLE_S_MAX = 30


class GatedStore(DraftStore):
    """A journal that shows the flusher only the entries it is to record now, and can fail just before a drain."""

    def __init__(self, topology: Topology) -> None:
        super().__init__(topology)
        self.shown: frozenset[tuple[int, bytes]] = frozenset()  # partition and stream id; a batch is often read twice
        self.dies_before_drain = False

    async def lengths(self, partitions: Any) -> list[int]:
        return await super().lengths(partitions) if self.shown else [0] * len(partitions)

    async def read_entries(self, *arguments: Any, **named: Any) -> list[StreamEntry]:
        found = await super().read_entries(*arguments, **named)
        return [entry for entry in found if (entry.partition, entry.stream_id) in self.shown]

    async def drain(self, settled: Any) -> int:
        if self.dies_before_drain:
            self.dies_before_drain = False
            raise JournalUnavailableError("died between COMMIT and drain")
        return await super().drain(settled)


class JournalGate:
    """Between one process and the journal. Blind: what the journal holds cannot be read either."""

    def __init__(self, process: Process) -> None:
        self.is_shut = self.is_blind = False
        self._cells = process.edit_cells
        self._commit, self._directly = self._cells._committer.commit, self._cells._directly
        self._pending, self._refresh = self._directly._pending, self._directly.refresh
        self._cells._committer.commit = self.commit  # type: ignore[method-assign]
        self._directly._pending = self.pending  # type: ignore[method-assign]
        self._directly.refresh = self.refresh  # type: ignore[method-assign]

    async def commit(self, *arguments: Any, **named: Any) -> bytes:
        if self.is_shut:
            raise JournalUnavailableError("cut off")
        return await self._commit(*arguments, **named)

    async def pending(self, saves: Any) -> list[Any]:
        return [] if self.is_blind else await self._pending(saves)

    async def refresh(self, section_id: int) -> None:
        if self.is_shut:
            raise JournalUnavailableError("cut off")
        await self._refresh(section_id)


@dataclass
class Typed:
    """An edit, what was answered of it, and what of that its tab was told."""

    edit: dict[str, Any]
    answered: set[str] = field(default_factory=set)
    told: list[str] = field(default_factory=list)
    is_settled: bool = False  # an exception told of it: PostgreSQL's verdict, which no later "drafted" takes back
    cell_version: int | None = None


class Outbox:
    """What one tab keeps until it is settled."""

    def __init__(self, name: str, tab: Tab) -> None:
        self.name = name
        self.user_id = tab.user_id
        self._tab = tab
        self.typed: list[Typed] = []
        self.drafted_seq = self.recorded_seq = 0

    def type(self, cell: tuple[int, int], score: str) -> None:
        item, student = cell
        self.typed.append(Typed(self._tab.edit(student, score, item=item)))

    def see(self, cell: tuple[int, int], edit_id: str | None) -> None:
        """Type on this from now on; None: the cell is empty."""
        self._tab.seen.pop(("score", *cell), None)
        if edit_id is not None:
            self._tab.seen["score", *cell] = edit_id

    @property
    def kept(self) -> int:
        """How many edits it may not let go of."""
        return len(self.typed) - self.recorded_seq

    async def send(
        self, process: Process, *, lose_answer: bool = False, at_most: int = 200, may_not_know: bool = False
    ) -> None:
        """Send from the oldest unacknowledged edit, and from further back where the server asks for it."""
        for _ in range(3):
            batch = [t.edit for t in self.typed[self.drafted_seq : self.drafted_seq + at_most]]
            try:
                answer = await self._request(process, batch)
            except SeqGapError as gap:
                expected_seq = gap.params["expected_seq"]
                if expected_seq <= self.recorded_seq:
                    # The journal has not heard of what went past it, and PostgreSQL cannot be asked. A client may begin
                    # anew under another id; this one waits.
                    assert may_not_know, "the server asks for what it has settled"
                    return
                self.drafted_seq = expected_seq - 1
                continue
            if not lose_answer:
                self.take(answer, batch)
            return
        raise AssertionError("the server asks for edits without end")

    async def _request(self, process: Process, edits: list[dict[str, Any]]) -> dict[str, Any]:
        answer = await self._tab.save(*edits, process=process)
        for said, edit in zip(answer["outcomes"], edits, strict=True):
            self.typed[edit["seq"] - 1].answered.add(said["outcome"])
        for said in answer["exceptions"]:
            self.typed[said["seq"] - 1].answered.add(said["outcome"])
        return answer

    def take(self, answer: dict[str, Any], batch: list[dict[str, Any]]) -> None:
        """Believe an answer."""
        for outcome, edit in zip(answer["outcomes"], batch, strict=True):
            assert outcome["edit_id"] == edit["edit_id"]
            if edit["seq"] <= self.recorded_seq:
                continue  # it has left the outbox, and came by a send that was overtaken
            typed = self.typed[edit["seq"] - 1]
            if typed.is_settled and outcome["outcome"] == "drafted":
                continue
            typed.told.append(outcome["outcome"])
            typed.cell_version = outcome.get("cell_version")
        for exception in answer["exceptions"]:
            typed = self.typed[exception["seq"] - 1]
            assert typed.edit["edit_id"] == exception["edit_id"]
            typed.told.append(exception["outcome"])
            typed.is_settled = True
            self._tab.exceptions_seen_seq = max(self._tab.exceptions_seen_seq, exception["seq"])
        # Not past what it was answered itself: of later edits, an answer that got lost may have said something else.
        answered = max(self.drafted_seq, batch[-1]["seq"] if batch else 0)
        self.drafted_seq = min(answer["drafted_seq"], answered)
        self.recorded_seq = max(self.recorded_seq, min(answer["recorded_seq"], answered))


class District:
    """The stores and processes that all plays share; each play has a section of its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.loop = asyncio.new_event_loop()
        self.sections = itertools.count(5_001)
        self._stack = AsyncExitStack()
        self._stop = asyncio.Event()

    async def open(self) -> None:
        self.near = await self._stack.enter_async_context(api_process(self.settings))
        self.other = await self._stack.enter_async_context(api_process(self.settings))
        nowhere = msgspec.structs.replace(self.settings, database_url="postgresql://inkfast@/none?host=/nonexistent")
        self.cut_off = await self._stack.enter_async_context(api_process(nowhere))
        self.gates = {"near": JournalGate(self.near), "other": JournalGate(self.other)}
        self.topology = Topology(self.settings.redis_url)
        await self.topology.call(0, b"FLUSHALL")  # other tests had sections of these numbers
        self.store = GatedStore(self.topology)
        self.flusher = flusher.Flusher(self.settings, self.store)
        self._flushing = asyncio.create_task(self.flusher.run(self._stop))

    async def close(self) -> None:
        self._stop.set()
        await self._flushing
        self.topology.close()
        await self._stack.aclose()

    async def flush(self, partition: int, entries: int, rows_max: int, *, dies: bool = False) -> None:
        """Record the oldest entries of a partition; return when they are drained, or the flusher has died over them."""
        oldest = await DraftStore.read_entries(self.store, [partition], entries)
        if not oldest:
            return
        self.flusher._settings = msgspec.structs.replace(self.settings, flush_batch_rows_max=rows_max)
        self.store.dies_before_drain = dies
        self.store.shown = frozenset((entry.partition, entry.stream_id) for entry in oldest)
        async with asyncio.timeout(SETTLE_S_MAX):
            while self.store.dies_before_drain if dies else await self._is_waiting(partition):
                await asyncio.sleep(0.002)
        self.store.shown = frozenset()
        async with asyncio.timeout(SETTLE_S_MAX):  # the flusher has come to rest
            while self.flusher._draining is not None or self.flusher._ahead is not None or self.flusher._cursors:
                await asyncio.sleep(0.002)

    async def _is_waiting(self, partition: int) -> bool:
        oldest = await DraftStore.read_entries(self.store, [partition], 1)
        return bool(oldest) and (partition, oldest[0].stream_id) in self.store.shown


class Machine(RuleBasedStateMachine):
    """The rules."""

    def __init__(self, district: District) -> None:
        super().__init__()
        self.d = district
        self.section = next(district.sections)
        self.partition = partition_of(self.section)
        self.tabs = {
            "left": Outbox("left", Tab(district.near, TEACHER, self.section)),
            "right": Outbox("right", Tab(district.near, TEACHER, self.section)),
            "theirs": Outbox("theirs", Tab(district.near, CO_TEACHER, self.section)),
        }
        self.is_away = False
        self.has_forked = False
        for gate in district.gates.values():
            gate.is_shut = gate.is_blind = False
        self.may_lose = False
        self.has_lost = False
        self.has_lost_and_away = False

    def run(self, coroutine: Any) -> Any:
        return self.d.loop.run_until_complete(coroutine)

    def process(self, tab: Outbox) -> Process:
        if self.is_away:
            return self.d.cut_off
        return self.d.other if tab.name == "right" else self.d.near

    @initialize(may_lose=st.booleans())
    def a_school_day_begins(self, *, may_lose: bool) -> None:
        self.may_lose = may_lose  # half of all days lose no journal: much more is certain then
        self.run(self.d.topology.call(self.partition, b"DEL", STREAM[self.partition]))

    @rule(
        name=st.sampled_from(sorted(OWN)),
        where=st.sampled_from(("own", "own", *SHARED)),
        score=st.sampled_from(("0", "7", "12.5", "20", "999")),
        count=st.integers(1, 3),
        sends=st.sampled_from(("later", "now", "now", "in vain")),
    )
    def type_(self, name: str, where: Any, score: str, count: int, sends: str) -> None:
        for _ in range(count):
            self.tabs[name].type(OWN[name] if where == "own" else where, score)
        if sends != "later":
            self.send(name, lose_answer=sends == "in vain", at_most=200)

    @rule(name=st.sampled_from(sorted(OWN)), lose_answer=st.booleans(), at_most=st.sampled_from((1, 2, 200)))
    def send(self, name: str, *, lose_answer: bool, at_most: int) -> None:
        tab = self.tabs[name]
        may_not_know = self.is_away and self.has_forked
        self.run(tab.send(self.process(tab), lose_answer=lose_answer, at_most=at_most, may_not_know=may_not_know))

    @rule(name=st.sampled_from(sorted(OWN)), back=st.integers(1, 4))
    def send_again(self, name: str, back: int) -> None:
        """A send that was overtaken: edits that were acknowledged come once more."""
        tab = self.tabs[name]
        start = max(0, tab.drafted_seq - back)
        edits = [t.edit for t in tab.typed[start : tab.drafted_seq]]
        if edits:
            self.run(self._again(tab, edits))

    async def _again(self, tab: Outbox, edits: list[dict[str, Any]]) -> None:
        try:
            answer = await tab._request(self.process(tab), edits)
        except SeqGapError:
            return
        tab.take(answer, edits)

    @rule(name=st.sampled_from(sorted(OWN)))
    def read(self, name: str) -> None:
        """Reading shows what one has typed and sent oneself; what others typed is what one types on from now on."""
        tab = self.tabs[name]
        if self.is_away:
            return
        process = self.process(tab)
        reading = ReadSection(self.d.settings, process.pool, process.store)
        if not self.has_lost:
            self.run(tab.send(process))
        snapshot = self.run(reading.read_section(grant(tab.user_id, self.section), self.section))
        cells = snapshot.cells
        shown = {
            (cells.item[i], cells.student[i]): (cells.edit_id[i], json.loads(bytes(cells.value[i])))
            for i in range(len(cells.item))
        }
        if not self.has_lost:
            self._assert_own_writes(tab, shown)
        for cell in SHARED:
            if not any(t.edit["seq"] > tab.drafted_seq for t in tab.typed if _cell(t) == cell):
                tab.see(cell, shown.get(cell, (None, None))[0])

    def _assert_own_writes(self, tab: Outbox, shown: dict[tuple[int, int], tuple[str, Any]]) -> None:
        standing = [t for t in tab.typed if _cell(t) == OWN[tab.name] and "rejected" not in t.told]
        # Taken while nobody could say what stands in the cell: shown once it is recorded.
        if standing and standing[-1].cell_version is not None:
            assert shown[OWN[tab.name]] == (standing[-1].edit["edit_id"], standing[-1].edit["value"])

    @rule(
        name=st.sampled_from(sorted(OWN)),
        neighbour=st.sampled_from(sorted(OWN)),
        cell=st.sampled_from(SHARED),
        is_cut_off=st.booleans(),
    )
    def type_on_what_an_event_told(self, name: str, neighbour: str, cell: tuple[int, int], *, is_cut_off: bool) -> None:
        """Only the journal knows yet what this is based on, and perhaps it cannot be asked."""
        if name == neighbour:
            return
        self.type_(neighbour, cell, "5", 1, "now")
        self.tabs[name].see(cell, self.tabs[neighbour].typed[-1].edit["edit_id"])
        if is_cut_off:
            for gate in self.d.gates.values():
                gate.is_shut = gate.is_blind = self.has_forked = True
        self.type_(name, cell, "6", 1, "now")

    @rule(entries=st.integers(1, 4), rows_max=st.sampled_from((1, 3, 2_000)), dies=st.booleans())
    def flush(self, entries: int, rows_max: int, *, dies: bool) -> None:
        if not self.is_away:
            self.run(self.d.flush(self.partition, entries, rows_max, dies=dies))

    @rule()
    def evict(self) -> None:
        self.run(self.d.store.evict(self.partition, [self.section]))

    @precondition(lambda self: self.may_lose)
    @rule()
    def lose_the_journal(self) -> None:
        self.run(
            self.d.topology.call(
                self.partition, b"DEL", STREAM[self.partition], section_key(self.partition, self.section)
            )
        )
        self.has_lost = True
        self.has_lost_and_away |= self.is_away

    @rule()
    def postgresql_goes_or_comes_back(self) -> None:
        self.is_away = not self.is_away
        self.has_lost_and_away |= self.is_away and self.has_lost

    @rule(name=st.sampled_from(("near", "other")), is_blind=st.booleans())
    def the_journal_is_cut_off_or_comes_back(self, name: str, *, is_blind: bool) -> None:
        gate = self.d.gates[name]
        gate.is_shut = not gate.is_shut
        gate.is_blind = gate.is_shut and is_blind
        self.has_forked |= gate.is_shut

    def teardown(self) -> None:
        self.is_away = False
        for gate in self.d.gates.values():
            gate.is_shut = gate.is_blind = False
        self.run(self._settle())
        self.run(self._audit())

    async def _settle(self) -> None:
        """Everything is back: all tabs send until nothing is left in any outbox."""
        async with asyncio.timeout(SETTLE_S_MAX):
            while True:
                for tab in self.tabs.values():
                    await tab.send(self.process(tab))
                await self.d.flush(self.partition, 10_000, 2_000)
                if not any(tab.kept for tab in self.tabs.values()):
                    break
        for tab in self.tabs.values():  # and hear what became of the last ones
            await tab.send(self.process(tab))
            await tab.send(self.process(tab))

    async def _audit(self) -> None:
        async with self.d.near.pool.acquire() as connection:
            rows = await connection.fetch(
                "SELECT edit_id::text AS id, status::text AS s, cell_version AS v, base_id::text AS base, item,"
                " student_id AS student, value->>'score' AS score, author_id, client_seq"
                " FROM edit_log WHERE section_id = $1 ORDER BY cell_version NULLS LAST",
                self.section,
            )
            heads = await connection.fetch(
                "SELECT item, student_id AS student, edit_id::text AS id, cell_version AS v FROM cell"
                " WHERE section_id = $1",
                self.section,
            )
        found = {row["id"]: row for row in rows}
        typed = {t.edit["edit_id"]: (tab, t) for tab in self.tabs.values() for t in tab.typed}
        assert found.keys() == typed.keys()
        for edit_id, (tab, t) in typed.items():
            self._assert_told(tab, t, found[edit_id])
        self._assert_chains(rows, heads)
        left = await self.d.store.read_section(self.section)
        assert left.unrecorded == 0
        recorded = {(h["item"], h["student"]): h["id"] for h in heads}
        for cell, head in left.heads.items():
            assert not head.is_drafted
            item, student = int.from_bytes(cell[1:5], "big"), int.from_bytes(cell[5:], "big")
            assert recorded[item, student] == str(uuid.UUID(bytes=head.edit_id))

    def _assert_told(self, tab: Outbox, t: Typed, row: asyncpg.Record) -> None:
        """The history holds what was typed, and its author was told what became of it, and nothing else before."""
        assert (row["score"], row["author_id"]) == (t.edit["value"]["score"], tab.user_id)
        assert t.told, "an outbox let go of an edit that it was never told of"
        final = {"A": {"drafted", "recorded"}, "R": {"rejected"}}.get(row["s"], {"conflict"})
        # Sent again during an outage and lost again, it may have been called drafted once more after its verdict, also
        # where the answer with the verdict was lost.
        assert final & (t.answered if self.has_lost_and_away else set(t.told[-1:])), (t, dict(row))
        if row["s"] != "A":
            assert "recorded" not in t.told, (t, dict(row))
        elif (
            not self.has_lost and not self.has_forked
        ):  # a conflict of a lost journal is judged anew, and may apply now
            assert set(t.told) <= final, (t, dict(row))
        if _cell(t) == OWN[tab.name] and not self.has_lost_and_away:
            assert row["s"] == ("R" if t.edit["value"]["score"] == "999" else "A"), (t, dict(row))

    def _assert_chains(self, rows: list[asyncpg.Record], heads: list[asyncpg.Record]) -> None:
        chains: dict[tuple[int, int], list[asyncpg.Record]] = {}
        for row in rows:
            if row["s"] == "A":
                chains.setdefault((row["item"], row["student"]), []).append(row)
        for chain in chains.values():
            assert [row["v"] for row in chain] == list(range(1, len(chain) + 1))
            assert [row["base"] for row in chain] == [None, *[row["id"] for row in chain[:-1]]]
            for tab in self.tabs.values():
                own = [row["client_seq"] for row in chain if row["id"] in {t.edit["edit_id"] for t in tab.typed}]
                assert own == sorted(own)
        assert {c: (chain[-1]["id"], chain[-1]["v"]) for c, chain in chains.items()} == {
            (h["item"], h["student"]): (h["id"], h["v"]) for h in heads
        }


def _cell(typed: Typed) -> tuple[int, int]:
    return typed.edit["item"], typed.edit["student"]


@pytest.fixture(scope="module")
def district(module_database_url: str, valkey: ValkeyServer) -> Iterator[District]:
    made = District(
        Settings(database_url=module_database_url, redis_url=valkey.url, secret_key=SECRET_KEY, flush_linger_ms=0)
    )
    made.loop.run_until_complete(_prepare(made))
    yield made
    made.loop.run_until_complete(made.close())
    made.loop.close()


async def _prepare(district: District) -> None:
    await make_school(district.settings.database_url)
    connection = await asyncpg.connect(district.settings.database_url)
    await connection.execute(
        f"""
        INSERT INTO section (section_id, sourced_id, title, course_id, org_id, school_year)
          SELECT s, 'm' || s, 'More', 1, 1, 2026 FROM generate_series(5001, {5000 + SECTIONS}) s;
        INSERT INTO enrollment (section_id, sourced_id, user_id, role)
          SELECT s, 'm' || s || '-' || u, u, CASE WHEN u < 100 THEN 'teacher' ELSE 'student' END
          FROM generate_series(5001, {5000 + SECTIONS}) s, unnest(ARRAY[11, 12, 101, 102, 103, 104, 105]) u;
        INSERT INTO line_item (section_id, line_item_id, title, result_value_max)
          SELECT s, i, 'Column', CASE i WHEN {QUIZ} THEN 20 ELSE 100 END
          FROM generate_series(5001, {5000 + SECTIONS}) s, unnest(ARRAY[{QUIZ}, {ESSAY}]) i;
        """
    )
    await connection.close()
    async with asyncio.timeout(SETTLE_S_MAX):
        await district.open()


def test_nothing_is_lost_and_nothing_happens_twice(district: District, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(section_rules, "REFRESH_S_MIN", 0.0)  # a refusal waits for a fresh look, which is fast here
    monkeypatch.setattr(flusher, "POLL_S", 0.002)
    monkeypatch.setattr(flusher, "BACKOFF_S_MIN", 0.002)
    run_state_machine_as_test(
        partial(Machine, district),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
