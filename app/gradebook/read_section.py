"""What a teacher sees: recorded cells with the drafts laid over them, so that reads see one's own writes.

Drafts are in the journal, or wait in PostgreSQL for one that is there (parked).

Order matters: the journal is read first, then PostgreSQL. The other way round, an edit that is recorded and drained
between the two reads would be in neither. At equal versions PostgreSQL wins. While it is away, the section as it was
kept last takes its place (app/gradebook/cached_sections.py), and the answer says from when that is.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from app.drafts.codec import CELL
from app.errors import (
    InkfastError,
    JournalUnavailableError,
    NotFoundError,
    NotPermittedError,
    OverloadedError,
    RecordsUnavailableError,
)
from app.gradebook.cell_history import drafted_row, history_row
from app.gradebook.context import head_of_row
from app.gradebook.database_history import DatabaseHistory
from app.gradebook.recorded_section import read_facts, read_parked, read_recorded
from app.gradebook.rules import drafted_line_items, today_in
from app.gradebook.section_drafts import heads_over, of_columns, read_drafts, without_judged
from app.gradebook.shown_cells import Cells, columns_of, lay_over
from app.model.kinds import KIND_OF_NAME, Kind
from app.model.written import dashed, rfc3339
from app.records import edits as records
from app.records import sections
from app.records.accounts import read_section_access
from app.records.opening import list_taught_sections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.drafts.codec import Head
    from app.drafts.store import DraftStore
    from app.gradebook.cached_sections import CachedSections
    from app.gradebook.ladder import Ladder
    from app.gradebook.load import Turns
    from app.gradebook.recorded_section import RecordedSection
    from app.gradebook.rules import RulesCache
    from app.gradebook.section_drafts import Drafts
    from app.model.grants import Grant
    from app.records.pool import Connection, Pool
    from app.settings import Settings


LOOK_S_MAX: Final = 0.3
_AWAY = (RecordsUnavailableError, OverloadedError, TimeoutError)


class SectionSnapshot(Struct):
    """A section as it stands at `as_of`, drafts included.

    With `records_are_away` what is recorded is that of `as_of`, and the drafts are those of now.
    """

    section: dict[str, Any]
    students: list[dict[str, Any]]
    line_items: list[dict[str, Any]]
    reserved_line_item_ids: list[int]
    cells: Cells
    conflicts: list[dict[str, Any]]
    authors: dict[str, str]
    records_are_away: bool
    as_of: str
    next_save_ms: int


class ListedSections(NamedTuple):
    """The sections that somebody teaches, as they were at `as_of_ms`: now, unless PostgreSQL is away."""

    sections: list[dict[str, Any]]
    as_of_ms: int
    records_are_away: bool


class ReadSection:
    """Reading, for one API process. Without `cached` there is nothing to read while PostgreSQL is away."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        store: DraftStore,
        cached: CachedSections | None = None,
        ladder: Ladder | None = None,
        *,
        rules: RulesCache | None = None,
        turns: Turns | None = None,
    ) -> None:
        places = max(1, settings.database_connections_max // 6)
        self._pool = pool.share("reading", places, settings.reading_wait_ms_max)
        self._reports_pool = pool.share("reports", 1, settings.report_wait_ms_max)
        self._store = store
        self._cached = cached
        self._ladder = ladder
        self._rules = rules
        self._turns = turns
        self._history = DatabaseHistory(*([rules.forget] if rules is not None else []))
        self._window_ms = settings.save_window_ms

    async def list_sections(self, grant: Grant) -> ListedSections:
        """Return summaries of the sections that the user teaches today, or did when PostgreSQL was last asked.

        RecordsUnavailableError while it is away, if that is not known.
        """
        cached = self._cached
        as_of_ms = _now_ms()
        try:
            async with self._a_look(), self._pool.acquire() as connection:
                found = await list_taught_sections(connection, grant.user_id)
        except _AWAY as error:
            if cached is None or (listed := await cached.find_list(grant.user_id)) is None:
                raise _away(error) from None
            return ListedSections(listed.sections, listed.as_of_ms, records_are_away=True)
        if cached is not None:
            cached.keep_list(grant.user_id, as_of_ms, found)
        return ListedSections(found, as_of_ms, records_are_away=False)

    async def read_section(
        self, grant: Grant, section_id: int, *, columns: Sequence[tuple[int, int]] | None = None
    ) -> SectionSnapshot:
        """Return the section's snapshot.

        With `columns` (kind, item) only their cells are in it. Raises NotPermittedError for a section that the user
        does not teach, RecordsUnavailableError while PostgreSQL is away and the section was not kept. While the
        journal is away, what is recorded is shown alone.
        """
        as_of_ms = _now_ms()
        drafts, cached = await read_drafts(self._store, section_id), self._cached
        try:
            async with self._a_look():
                recorded, drafts = await self._read(grant, section_id, as_of_ms, drafts, columns)
        except _AWAY as error:
            if cached is None or (kept := await self._find_kept(cached, grant, section_id)) is None:
                raise _away(error) from None
            if not self._history.is_past(kept.incarnation, drafts.incarnation):
                return self._show(kept, drafts, columns, records_are_away=True)
            # PostgreSQL was restored, and is there, or was a moment ago: it alone can say what stands now.
            recorded, drafts = await self._read(grant, section_id, as_of_ms, drafts, columns)
        self._history.heard(recorded.incarnation)
        if cached is not None and columns is None:
            cached.keep(recorded)
        if self._rules is not None:
            self._rules.learn(recorded, drafts.heads)
        return self._show(recorded, drafts, columns)

    def _a_look(self) -> asyncio.Timeout:
        """Bound a look at PostgreSQL that was away a moment ago.

        It may be back, and what is kept may be older than what its reader was just told is recorded.
        """
        is_away = self._cached is not None and self._cached.records_are_away()
        return asyncio.timeout(LOOK_S_MAX if is_away else None)

    async def _find_kept(self, cached: CachedSections, grant: Grant, section_id: int) -> RecordedSection | None:
        """Return the section as it was kept, for who is known to teach it.

        Raise NotPermittedError for whom PostgreSQL has said not to teach it.
        """
        if grant.section_ids is None or section_id not in grant.section_ids:
            listed = await cached.find_list(grant.user_id)
            if listed is None:
                return None
            if not any(section["section_id"] == section_id for section in listed.sections):
                raise NotPermittedError("this is not one of your sections")
        return await cached.find(section_id)

    async def _read(
        self,
        grant: Grant,
        section_id: int,
        as_of_ms: int,
        drafts: Drafts,
        columns: Sequence[tuple[int, int]] | None,
    ) -> tuple[RecordedSection, Drafts]:
        """Return what is recorded, and the drafts without what was judged by then."""
        # Who else teaches it is read only with what will be kept: for the page that shows it while PostgreSQL is away.
        with_teachers = self._cached is not None and columns is None and self._cached.is_due(section_id)
        async with self._pool.acquire() as connection:
            await _require_teacher(connection, grant, section_id)
            drafts = await without_judged(connection, section_id, drafts)
            heads = of_columns(drafts.heads, columns)
            recorded = await read_recorded(
                connection, section_id, as_of_ms, heads, columns, with_teachers=with_teachers
            )
            # With the place still taken: else those who wait for their turn would be as many as PostgreSQL can answer,
            # and nobody would be refused while they wait.
            if self._turns is not None:
                await self._turns.take()
            return recorded, drafts

    def _show(
        self,
        recorded: RecordedSection,
        drafts: Drafts,
        columns: Sequence[tuple[int, int]] | None,
        *,
        records_are_away: bool = False,
    ) -> SectionSnapshot:
        rows = recorded.rows
        if records_are_away and columns is not None:  # all of it was kept
            rows = [row for row in rows if (row.kind, row.item) in columns]
        parked = () if records_are_away else recorded.parked
        heads = heads_over(drafts, rows, parked, columns, records_are_away=records_are_away)
        shown, drafted = lay_over(heads, rows, records_are_away=records_are_away)
        line_items = _line_items(recorded.line_items, drafts.heads, with_recorded=records_are_away)
        made = {column["line_item_id"] for column in line_items}
        return SectionSnapshot(
            section=recorded.facts | {"today": today_in(recorded.facts["time_zone"]).isoformat()},
            students=recorded.students,
            line_items=line_items,
            reserved_line_item_ids=[i for i in recorded.reserved if i not in made],
            cells=columns_of(shown, drafted),
            conflicts=recorded.conflicts,
            authors={str(user): name for user, name in (recorded.teachers | recorded.names).items()},
            records_are_away=records_are_away,
            as_of=rfc3339(recorded.as_of_ms),
            next_save_ms=self._window_ms if self._ladder is None else self._ladder.save_window_ms,
        )

    async def read_columns(self, section_id: int, columns: Sequence[tuple[int, int]]) -> dict[bytes, Head]:
        """Return the heads of some columns (kind, item), drafts over records: for who may see them already.

        While a store is away, what the other one has is returned, and nothing while both are.
        """
        drafts = await read_drafts(self._store, section_id)
        try:
            async with self._pool.acquire() as connection:
                drafts = await without_judged(connection, section_id, drafts)
                parked = await read_parked(connection, section_id)
                rows = await records.read_columns(connection, section_id, columns)
        except (RecordsUnavailableError, OverloadedError):
            return heads_over(drafts, [], [], columns, bases_are_hidden=True)
        heads = heads_over(drafts, rows, parked, columns)
        shown, drafted = lay_over(heads, rows)
        recorded = {CELL.pack(*row[:3]): head_of_row(row) for row in shown if row[:3] not in drafted}
        return recorded | {cell: heads[cell] for cell in (CELL.pack(*place) for place in drafted)}

    async def read_teachers(self, section_id: int) -> dict[int, str]:
        """Return the names of those who teach the section today, the one in charge first.

        Whoever asks has been shown the section. While PostgreSQL is away, those of when the section was kept.
        """
        try:
            async with self._pool.acquire() as connection:
                return await sections.read_section_teachers(connection, section_id)
        except (RecordsUnavailableError, OverloadedError):
            kept = await self._cached.find(section_id) if self._cached is not None else None
            if kept is None or not kept.teachers:
                raise
            return kept.teachers

    async def read_names(self, users: Sequence[int]) -> dict[int, str]:
        """Return the display names of users; of nobody while PostgreSQL is away."""
        try:
            async with self._pool.acquire() as connection:
                return await sections.read_user_names(connection, users)
        except (RecordsUnavailableError, OverloadedError):
            return {}

    async def read_history(
        self, grant: Grant, section_id: int, kind: str, item: int, student: int
    ) -> list[dict[str, Any]]:
        """Return every edit of a cell, newest first: the drafted head, then what is recorded.

        OverloadedError while the journal's memory runs short: what can wait has to.
        """
        if self._ladder is not None and self._ladder.reports_are_off:
            raise OverloadedError("histories are not read while the journal is short of memory", retry_after_s=60)
        cell = (int(KIND_OF_NAME[kind]), item, student)
        try:
            drafted = (await self._store.read_heads(section_id, [CELL.pack(*cell)])).get(CELL.pack(*cell))
        except JournalUnavailableError:
            drafted = None
        async with self._reports_pool.acquire() as connection:
            await _require_teacher(connection, grant, section_id)
            facts = await read_facts(connection, section_id)
            rows = await sections.read_cell_history(connection, facts["school_year"], section_id, cell)
            history = [history_row(row) for row in rows]
            if (
                drafted is not None
                and drafted.is_drafted
                and dashed(drafted.edit_id) not in {h["edit_id"] for h in history}
            ):
                names = await sections.read_user_names(connection, [drafted.author_id])
                history.insert(0, drafted_row(drafted, names.get(drafted.author_id)))
        return history


def _away(error: Exception) -> InkfastError:
    if isinstance(error, InkfastError):
        return error
    return RecordsUnavailableError("PostgreSQL is away", retry_after_s=5)


async def _require_teacher(connection: Connection, grant: Grant, section_id: int) -> None:
    if grant.section_ids is not None and section_id in grant.section_ids:
        return
    if not 0 < section_id < 2**32:
        raise NotFoundError("no such section")
    if not (await read_section_access(connection, grant.user_id, section_id)).is_active:
        raise NotPermittedError("this is not one of your sections")


def _line_items(
    recorded: Sequence[dict[str, Any]], heads: dict[bytes, Head], *, with_recorded: bool = False
) -> list[dict[str, Any]]:
    """Lay the definitions in the journal over the recorded columns.

    A clean head is a copy of what was recorded once, and the roster may have changed the column since. `with_recorded`:
    what was recorded is a copy too, and clean heads add the columns that it does not know yet.
    """
    columns = {column["line_item_id"]: column for column in recorded}
    known = set(columns)
    for item, value in drafted_line_items(heads).items():
        if heads[CELL.pack(Kind.LINE_ITEM, item, 0)].is_drafted or (with_recorded and item not in known):
            # Every field: the stored form leaves defaults out; a column that is shown again has no `is_hidden`.
            made = msgspec.structs.asdict(value)
            columns[item] = columns.get(item, {"line_item_id": item}) | made
    return sorted(
        columns.values(), key=lambda c: (c.get("position") or 0, str(c.get("due_date") or "9999"), c["line_item_id"])
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
