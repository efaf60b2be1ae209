"""Loads and keeps the rules of sections. A refusal is never made from a stale copy: it is looked up first."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections import OrderedDict
from contextlib import suppress
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from app.drafts.codec import CELL
from app.errors import InkfastError, JournalUnavailableError, NotFoundError
from app.model.kinds import Kind, LineItemValue, ValueRejectedError, parse_value
from app.model.section_rules import Ids, ScoreRange, SectionRules
from app.records.sections import read_section_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from app.drafts.codec import Head
    from app.drafts.store import DraftStore
    from app.gradebook.recorded_section import RecordedSection
    from app.records.pool import Connection, Pool
    from app.settings import Settings

# More than a district's teachers have open in an hour. With fewer than are typed into in turn, each save would find
# that its section has just been dropped, and ask PostgreSQL. About 1.3 kB each.
SECTIONS_KEPT_MAX = 120_000
REFRESH_S_MIN = 1.0  # however much nonsense a client sends
GATHER_S = 0.5  # copies that are used past their time meanwhile are read anew in one question
RENEWED_AT_ONCE_MAX = 200


async def load_rules(connection: Connection, sections: Iterable[int], now: float) -> dict[int, SectionRules]:
    """Return the rules of these sections as recorded in PostgreSQL, in one question; none for what is no section."""
    return {
        row["section_id"]: SectionRules(
            section_id=row["section_id"],
            school_year=row["school_year"],
            students=Ids(row["students"] or ()),
            line_items={
                item: _range_of(low, high, is_extra_credit)
                for item, low, high, is_extra_credit in zip(
                    *(row[name] or () for name in ("line_items", "lows", "highs", "extra_credit")), strict=True
                )
            },
            reserved=Ids(row["reserved"] or ()),
            loaded_at=now,
        )
        for row in await read_section_rules(connection, sorted(sections))
    }


@lru_cache(4096)
def _range_of(low: Decimal, high: Decimal, is_extra_credit: bool) -> ScoreRange:  # noqa: FBT001 -- the key of a cache
    """Return the one object for a range: a district's columns have few different ones."""
    return ScoreRange(low, high, is_extra_credit)


def today_in(time_zone: str) -> dt.date:
    """Return today's date where the school is: `org.time_zone` decides what "today" is."""
    return dt.datetime.now(ZoneInfo(time_zone)).date()


def drafted_line_items(heads: dict[bytes, Head]) -> dict[int, LineItemValue]:
    """Return the columns whose definitions are in the journal, perhaps not yet recorded."""
    found = {}
    for cell, head in heads.items():
        if cell[0] != Kind.LINE_ITEM:
            continue
        kind, item, student = CELL.unpack(cell)
        if student == 0:
            try:
                value = parse_value(kind, head.value)
            except ValueRejectedError:
                continue
            assert isinstance(value, LineItemValue)  # noqa: S101 -- parse_value gave it for this kind
            found[item] = value
    return found


class RulesCache:
    """The rules of the sections that this process has served lately."""

    def __init__(
        self, settings: Settings, pool: Pool, store: DraftStore, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool = pool
        self._store = store
        self._clock = clock
        self._keep_s = settings.roster_cache_s
        self._rules: OrderedDict[int, SectionRules] = OrderedDict()
        self._refreshing: dict[int, asyncio.Task[SectionRules]] = {}
        self._old: dict[int, None] = {}  # used past their time, in that order
        self._renewing: asyncio.Task[None] | None = None

    def known(self, section_id: int) -> SectionRules | None:
        """Return what is known now, however old; a copy past its time is read anew in the background, with others."""
        rules = self._rules.get(section_id)
        if rules is not None and self._clock() - rules.loaded_at > self._keep_s:
            self._old[section_id] = None
            if self._renewing is None:
                self._renewing = asyncio.get_running_loop().create_task(self._renew())
        return rules

    async def fresh(self, section_id: int, *, than: SectionRules | None = None) -> SectionRules:
        """Return rules newer than the ones given (or any), looked up at most once a second and section.

        A client that sends nonsense waits out that second: a refusal is never made from a copy. Raises NotFoundError
        if there is no such section, RecordsUnavailableError if PostgreSQL cannot be asked.
        """
        rules = self._rules.get(section_id)
        if rules is not None and rules is than:
            await asyncio.sleep(max(0.0, rules.loaded_at + REFRESH_S_MIN - self._clock()))
            rules = self._rules.get(section_id)
        if rules is not None and rules is not than:
            return rules
        return await asyncio.shield(self._refresh(section_id))

    def learn(self, recorded: RecordedSection, heads: dict[bytes, Head]) -> None:
        """Take the rules out of a section that was just read: who opens a section types into it."""
        facts, now = recorded.facts, self._clock()
        rules = SectionRules(
            section_id=facts["section_id"],
            school_year=facts["school_year"],
            students=Ids(student["student_id"] for student in recorded.students),
            line_items={
                column["line_item_id"]: _range_of(
                    Decimal(column["result_value_min"]), Decimal(column["result_value_max"]), column["is_extra_credit"]
                )
                for column in recorded.line_items
            },
            reserved=Ids(recorded.reserved),
            loaded_at=now - (_now_ms() - recorded.as_of_ms) / 1000,
        )
        self._keep(rules, heads)

    def forget(self) -> None:
        """Forget all of it: the database is another than it was."""
        self._rules.clear()

    def _refresh(self, section_id: int) -> asyncio.Task[SectionRules]:
        task = self._refreshing.get(section_id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._load(section_id))
            self._refreshing[section_id] = task
            task.add_done_callback(lambda done: self._finished(section_id, done))
        return task

    def _finished(self, section_id: int, task: asyncio.Task[SectionRules]) -> None:
        self._refreshing.pop(section_id, None)
        if not task.cancelled():
            task.exception()  # a failed background refresh keeps the old copy; whoever waits gets the error

    async def _load(self, section_id: int) -> SectionRules:
        if section_id not in (loaded := await self._load_all([section_id])):
            raise NotFoundError("no such section")
        return loaded[section_id]

    async def _renew(self) -> None:
        """Read old copies anew until none has been used; what cannot be asked about now is when it is used again."""
        try:
            while self._old:
                await asyncio.sleep(GATHER_S)
                some = list(islice(self._old, RENEWED_AT_ONCE_MAX))
                for section_id in some:
                    del self._old[section_id]
                with suppress(InkfastError):
                    await self._load_all(some)
        finally:
            self._renewing = None

    async def _load_all(self, sections: Sequence[int]) -> dict[int, SectionRules]:
        now = self._clock()
        async with self._pool.acquire() as connection:
            loaded = await load_rules(connection, sections, now)
        # A column made or changed through another process may be drafted and not yet recorded. A clean head is a copy
        # of what was recorded once, and the roster import may have changed the column since.
        columns = {
            section_id: [CELL.pack(Kind.LINE_ITEM, item, 0) for item in {*rules.line_items, *rules.reserved}]
            for section_id, rules in loaded.items()
        }
        heads: dict[int, dict[bytes, Head]] = {}
        with suppress(JournalUnavailableError):
            heads = await self._store.read_heads_of({section: cells for section, cells in columns.items() if cells})
        for section_id, rules in loaded.items():
            self._keep(rules, heads.get(section_id, {}))
        return loaded

    def _keep(self, rules: SectionRules, heads: dict[bytes, Head]) -> None:
        for item, value in drafted_line_items(heads).items():
            if item not in rules.line_items or heads[CELL.pack(Kind.LINE_ITEM, item, 0)].is_drafted:
                rules.made[item] = ScoreRange.of(value)
        self._rules[rules.section_id] = rules
        self._rules.move_to_end(rules.section_id)
        while len(self._rules) > SECTIONS_KEPT_MAX:
            self._rules.popitem(last=False)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
