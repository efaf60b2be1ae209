"""Statements of the roster import: staging, checking, merging, and the record of each run.

An import has one connection of its own and no timeouts: it works through millions of rows in single statements. Staging
tables are in the schema roster_stage; the statements of one family (refuse, merge) take the table's name.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from app.records.pool import connect
from app.records.statements import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from uuid import UUID

    from app.records.pool import Connection

STAGE = "roster_stage"
DEADLOCK_TRIES_MAX = 5

_REFUSE = {
    "org": "roster_refuse_org",
    "academic_session": "roster_refuse_academic_session",
    "course": "roster_refuse_course",
    "user_account": "roster_refuse_user_account",
    "user_role": "roster_refuse_user_role",
    "section": "roster_refuse_section",
    "enrollment": "roster_refuse_enrollment",
    "category": "roster_refuse_category",
    "line_item": "roster_refuse_line_item",
    "result": "roster_refuse_result",
}
_MERGE = {
    "org": "roster_merge_org",
    "academic_session": "roster_merge_academic_session",
    "course": "roster_merge_course",
    "user_account": "roster_merge_user_account",
    "section": "roster_merge_section",
    "enrollment": "roster_merge_enrollment",
    "category": "roster_merge_category",
}


class MergeCounts(msgspec.Struct, frozen=True):
    """What merging one file did; `incoming` rows were to be there in the end, and most were already."""

    added: int
    changed: int
    returned: int
    hidden: int
    incoming: int


class ResultCounts(msgspec.Struct, frozen=True):
    """What a stretch of results did, counted in results (one may fill two cells)."""

    added: int
    changed: int
    kept: int
    results: int


class HidingCount(msgspec.Struct, frozen=True):
    """How much of one kind of record a package would hide."""

    what: str
    visible: int
    hiding: int


class RefusedRow(msgspec.Struct, frozen=True):
    """A row that is not imported, and why."""

    file: str
    line: int
    sourced_id: str | None
    code: str
    reason: str


class ImportRun(msgspec.Struct, frozen=True):
    """One row of roster_import; `report` is JSON."""

    roster_import_id: int
    source: str
    source_digest: str
    started_at: dt.datetime
    finished_at: dt.datetime | None
    outcome: str
    report: str


async def connect_for_import(dsn: str) -> Connection:
    """Open the import's own connection: no statement timeout, and memory for joins of millions of rows."""
    return await connect(
        dsn, application_name="inkfast roster", statement_timeout="0", work_mem="64MB", plan_cache_mode="auto"
    )


async def roster_lock_imports(connection: Connection) -> bool:
    """Take the lock that one import holds as long as it is connected; False when another import has it."""
    return bool(await connection.fetchval(load("roster_lock_imports")))


async def roster_fail_stale_imports(connection: Connection) -> None:
    """Mark runs that were cut short as failed. Only under the lock of imports."""
    await connection.execute(load("roster_fail_stale_imports"))


async def roster_start_import(connection: Connection, source: str, digest: str) -> int:
    """Begin a run and return its number."""
    return int(await connection.fetchval(load("roster_start_import"), source, digest))


async def roster_finish_import(connection: Connection, roster_import_id: int, outcome: str, report: bytes) -> None:
    """Write the outcome and the report of a run."""
    await connection.execute(load("roster_finish_import"), roster_import_id, outcome, report.decode())


async def roster_read_import(connection: Connection, roster_import_id: int) -> ImportRun | None:
    """Return one run."""
    row = await connection.fetchrow(load("roster_read_import"), roster_import_id)
    return ImportRun(**dict(row)) if row else None


async def roster_list_imports(connection: Connection, limit: int) -> list[ImportRun]:
    """Return the latest runs, newest first."""
    return [ImportRun(**dict(row)) for row in await connection.fetch(load("roster_list_imports"), limit)]


async def roster_mark_approved(connection: Connection, roster_import_id: int, approved_as: int) -> None:
    """Note on a held run which run did what it was held for."""
    await connection.execute(load("roster_mark_approved"), roster_import_id, approved_as)


async def roster_empty_staging(connection: Connection) -> None:
    """Leave nothing of an earlier package."""
    await connection.execute(load("roster_empty_staging"))


async def roster_stage_file(connection: Connection, name: str, mode: str) -> None:
    """Note whether a file is bulk or delta."""
    await connection.execute(load("roster_stage_file"), name, mode)


async def copy_into(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    records: Iterable[Sequence[Any]],
    *,
    schema: str | None = None,
) -> int:
    """COPY rows into a table as fast as they come, a buffer at a time; return how many."""
    said: str = await connection.copy_records_to_table(table, records=records, columns=columns, schema_name=schema)
    return _count(said)


async def roster_stage_roles_of_users(connection: Connection) -> None:
    """Stage the roles that OneRoster 1.1 keeps in users.csv; users must have been checked."""
    await connection.execute(load("roster_stage_roles_of_users"))


async def roster_analyze_staging(connection: Connection) -> None:
    """Let the planner know how much is staged."""
    await connection.execute(load("roster_analyze_staging"))


async def roster_analyze(connection: Connection) -> None:
    """Let the planner know how large the roster has become."""
    await connection.execute(load("roster_analyze"))


async def roster_refuse(connection: Connection, table: str) -> int:
    """Mark the staged rows of one table that others prove wrong (ids used twice, references); return how many."""
    return _count(await connection.execute(load(_REFUSE[table])))


async def roster_refuse_usernames(connection: Connection) -> int:
    """Mark the users whose name somebody else has; repeat until it returns 0."""
    return _count(await connection.execute(load("roster_refuse_usernames")))


async def roster_find_org_cycle(connection: Connection) -> tuple[int, str] | None:
    """Return the line and the path of an org that would be its own ancestor."""
    row = await connection.fetchrow(load("roster_find_org_cycle"))
    return (row["line"], row["path"]) if row else None


async def roster_find_academic_session_cycle(connection: Connection) -> tuple[int, str] | None:
    """Return the line and the path of a session that would be its own ancestor."""
    row = await connection.fetchrow(load("roster_find_academic_session_cycle"))
    return (row["line"], row["path"]) if row else None


async def roster_count_refused(connection: Connection) -> dict[str, tuple[int, int]]:
    """Return, by file, how many rows are refused, and how many of those name no record."""
    rows = await connection.fetch(load("roster_count_refused"))
    return {row["file"]: (row["refused"], row["unnamed"]) for row in rows}


async def roster_list_refused(connection: Connection) -> AsyncIterator[RefusedRow]:
    """Yield every refused row, in the order of files and lines, without holding them all."""
    async with connection.transaction():
        async for row in connection.cursor(load("roster_list_refused"), prefetch=1_000):
            yield RefusedRow(row["file"], row["line"], row["sourced_id"], row["refused"], row["reason"])


async def roster_count_hiding(
    connection: Connection, *, sections: bool, users: bool, roles: bool, enrollments: bool
) -> list[HidingCount]:
    """Return how much the package would hide; the flags say for which files absence means hiding."""
    rows = await connection.fetch(load("roster_count_hiding"), sections, users, roles, enrollments)
    return [HidingCount(row["what"], row["visible"], row["hiding"]) for row in rows]


async def roster_merge(connection: Connection, table: str, *, hides_absent: bool) -> MergeCounts:
    """Bring one staged table into the roster: add, change, hide, bring back."""
    return _merged(await connection.fetchrow(load(_MERGE[table]), hides_absent))


async def roster_merge_user_role(connection: Connection, *, hides_absent: bool, hides_unlisted: bool) -> MergeCounts:
    """Bring the staged roles into the roster; `hides_unlisted` only hides roles of users who are in the package."""
    return _merged(await connection.fetchrow(load("roster_merge_user_role"), hides_absent, hides_unlisted))


async def roster_merge_line_item(
    connection: Connection, *, hides_absent: bool, definition_kind: int, entry_kinds: Sequence[int]
) -> MergeCounts:
    """Bring the staged line items into the sections; those that teachers have changed or filled are left to them."""
    return _merged(
        await connection.fetchrow(load("roster_merge_line_item"), hides_absent, definition_kind, list(entry_kinds))
    )


async def roster_link_org(connection: Connection) -> None:
    """Set parents that were added together with their children."""
    await connection.execute(load("roster_link_org"))


async def roster_link_academic_session(connection: Connection) -> None:
    """Set parents that were added together with their children."""
    await connection.execute(load("roster_link_academic_session"))


async def roster_link_section(connection: Connection) -> None:
    """Tie sections to their terms."""
    await connection.execute(load("roster_link_section"))


async def roster_park_usernames(connection: Connection) -> None:
    """Make room for names that change hands; only right before the users are merged, in the same transaction."""
    await connection.execute(load("roster_park_usernames"))


async def roster_name_district(connection: Connection) -> None:
    """Give the installation the name of its only district."""
    await connection.execute(load("roster_name_district"))


async def roster_list_school_years(connection: Connection) -> list[int]:
    """Return the school years of the staged sections; their terms must have been merged."""
    return [row[0] for row in await connection.fetch(load("roster_list_school_years"))]


async def roster_ensure_school_year(connection: Connection, year: int) -> bool:
    """Make the partition of the history for a school year; False where its edits already live in the default one."""
    return bool(await connection.fetchval(load("roster_ensure_school_year"), year))


async def roster_count_moved_school_years(connection: Connection) -> int:
    """Return how many sections have terms in another school year than their own."""
    return int(await connection.fetchval(load("roster_count_moved_school_years")))


async def roster_count_results_of_others(connection: Connection) -> int:
    """Return how many staged results are of people who are not students of the section."""
    return int(await connection.fetchval(load("roster_count_results_of_others")))


async def roster_allow_extra_credit(connection: Connection, definition_kind: int) -> int:
    """Mark line items that hold scores above their maximum; return how many were not marked before."""
    return _count(await connection.execute(load("roster_allow_extra_credit"), definition_kind))


async def roster_apply_results(
    connection: Connection, lines: tuple[int, int], kinds: tuple[int, int], client_id: UUID
) -> ResultCounts:
    """Record the results of a stretch of lines in one transaction, during which nothing is flushed.

    Whoever else writes these cells at the same moment goes first, and this is tried again. After DEADLOCK_TRIES_MAX
    tries the error is raised, and nothing of the stretch is recorded.
    """
    tries = 0
    while True:
        try:
            async with connection.transaction():
                await connection.fetchval(load("roster_hold_flushes"))
                row = await connection.fetchrow(load("roster_apply_results"), *lines, *kinds, client_id)
        except (asyncpg.DeadlockDetectedError, asyncpg.UniqueViolationError):
            tries += 1
            if tries == DEADLOCK_TRIES_MAX:
                raise
            await asyncio.sleep(0.05)
        else:
            counts = dict(row or {})
            return ResultCounts(counts["added"], counts["changed"], counts["kept"], counts["results"])


async def roster_set_password(connection: Connection, username: str, password_hash: str) -> bool:
    """Give an account a password; False when there is no such user name."""
    return await connection.fetchval(load("roster_set_password"), username, password_hash) is not None


def _count(said: str) -> int:
    return int(said.rpartition(" ")[2])


def _merged(row: asyncpg.Record | None) -> MergeCounts:
    return MergeCounts(**dict(row or {}))
