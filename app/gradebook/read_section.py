"""What a teacher sees: recorded cells with the drafts laid over them, so that reads see one's own writes.

Order matters: the journal is read first, then PostgreSQL. The other way round, an edit that is recorded and drained
between the two reads would be in neither. At equal versions PostgreSQL wins.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw, Struct

from app.drafts.codec import CELL
from app.errors import (
    JournalUnavailableError,
    NotFoundError,
    NotPermittedError,
    OverloadedError,
    RecordsUnavailableError,
)
from app.gradebook.context import head_of_row, rfc3339
from app.gradebook.rules import drafted_line_items, today_in
from app.model.kinds import KIND_OF_NAME, NAME_OF_KIND
from app.records import edits as records
from app.records import sections
from app.records.accounts import list_active_section_ids, read_section_access

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.drafts.codec import Head
    from app.drafts.store import DraftStore
    from app.model.grants import Grant
    from app.records.pool import Connection, Pool, Row
    from app.settings import Settings

RESERVED_MIN, RESERVED_BLOCK = 10, 20  # ids of columns that a teacher can make without asking again


class Cells(Struct):
    """Cells as columns of equal length: small, fast to parse, and they compress well."""

    kind: list[str]
    item: list[int]
    student: list[int]
    edit_id: list[str]
    cell_version: list[int | None]
    state: list[str]
    value: list[Raw]
    author_id: list[int]
    entered_at: list[str]


class SectionSnapshot(Struct):
    """A section as it stands at `as_of`, drafts included."""

    section: dict[str, Any]
    students: list[dict[str, Any]]
    line_items: list[dict[str, Any]]
    reserved_line_item_ids: list[int]
    cells: Cells
    conflicts: list[dict[str, Any]]
    authors: dict[str, str]
    as_of: str
    next_save_ms: int


class ReadSection:
    """Reading, for one API process."""

    def __init__(self, settings: Settings, pool: Pool, store: DraftStore) -> None:
        self._pool = pool
        self._store = store
        self._window_ms = settings.save_window_ms

    async def list_sections(self, grant: Grant) -> list[dict[str, Any]]:
        """Return summaries of the sections that the user teaches today."""
        async with self._pool.acquire() as connection:
            ids = await list_active_section_ids(connection, grant.user_id)
            return [dict(row) for row in await sections.list_sections_of_teacher(connection, ids)]

    async def read_section(
        self, grant: Grant, section_id: int, *, columns: Sequence[tuple[int, int]] | None = None
    ) -> tuple[SectionSnapshot, str]:
        """Return the section's snapshot and its ETag, which changes with every head and every record.

        With `columns` (kind, item) only their cells are in it. Raises NotPermittedError for a section that the user
        does not teach, RecordsUnavailableError while PostgreSQL is away. While the journal is away, what is recorded is
        shown alone.
        """
        try:
            heads = (await self._store.read_section(section_id)).heads
        except JournalUnavailableError:
            heads = {}
        async with self._pool.acquire() as connection:
            await _require_teacher(connection, grant, section_id)
            facts = await _facts(connection, section_id)
            if columns is None:
                rows = await records.read_section_cells(connection, section_id)
            else:
                rows = await records.read_columns(connection, section_id, columns)
            conflicts = await records.read_open_conflicts(connection, facts["school_year"], section_id)
            students = await sections.read_section_students(connection, section_id, today_in(facts["time_zone"]))
            line_items = await sections.read_line_items(connection, section_id)
            reserved = await _reserved(connection, section_id)
            merged = merge(_of_columns(heads, columns), rows)
            authors = {head.author_id for head, _ in merged.values()} | {c["author_id"] for c in conflicts}
            names = await sections.read_user_names(connection, sorted(authors))
        made_columns = _line_items(line_items, heads)
        made = {column["line_item_id"] for column in made_columns}
        snapshot = SectionSnapshot(
            section=_section(facts),
            students=[dict(row) for row in students],
            line_items=made_columns,
            reserved_line_item_ids=[i for i in reserved if i not in made],
            cells=columns_of(merged),
            conflicts=[_conflict(row) for row in conflicts],
            authors={str(user): name for user, name in names.items()},
            as_of=rfc3339(time.time_ns() // 1_000_000),
            next_save_ms=self._window_ms,
        )
        return snapshot, etag(snapshot)

    async def read_columns(self, section_id: int, columns: Sequence[tuple[int, int]]) -> dict[bytes, Head]:
        """Return the heads of some columns (kind, item), drafts over records: for who may see them already.

        While a store is away, what the other one has is returned, and nothing while both are.
        """
        try:
            heads = (await self._store.read_section(section_id)).heads
        except JournalUnavailableError:
            heads = {}
        heads = _of_columns(heads, columns)
        try:
            async with self._pool.acquire() as connection:
                rows = await records.read_columns(connection, section_id, columns)
        except (RecordsUnavailableError, OverloadedError):
            return heads
        return {cell: head for cell, (head, _) in merge(heads, rows).items()}

    async def read_teachers(self, section_id: int) -> dict[int, str]:
        """Return the names of those who teach the section today, the one in charge first."""
        async with self._pool.acquire() as connection:
            return await sections.read_section_teachers(connection, section_id)

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
        """Return every edit of a cell, newest first: the drafted head, then what is recorded."""
        cell = (int(KIND_OF_NAME[kind]), item, student)
        try:
            drafted = (await self._store.read_heads(section_id, [CELL.pack(*cell)])).get(CELL.pack(*cell))
        except JournalUnavailableError:
            drafted = None
        async with self._pool.acquire() as connection:
            await _require_teacher(connection, grant, section_id)
            facts = await _facts(connection, section_id)
            rows = await sections.read_cell_history(connection, facts["school_year"], section_id, cell)
            history = [_history_row(row) for row in rows]
            if (
                drafted is not None
                and drafted.is_drafted
                and _id(drafted.edit_id) not in {h["edit_id"] for h in history}
            ):
                names = await sections.read_user_names(connection, [drafted.author_id])
                history.insert(0, _drafted_row(drafted, names.get(drafted.author_id)))
        return history


def _of_columns(heads: dict[bytes, Head], columns: Sequence[tuple[int, int]] | None) -> dict[bytes, Head]:
    if columns is None:
        return heads
    return {cell: head for cell, head in heads.items() if CELL.unpack(cell)[:2] in columns}


async def _require_teacher(connection: Connection, grant: Grant, section_id: int) -> None:
    if grant.section_ids is not None and section_id in grant.section_ids:
        return
    if not 0 < section_id < 2**32:
        raise NotFoundError("no such section")
    if not (await read_section_access(connection, grant.user_id, section_id)).is_active:
        raise NotPermittedError("this is not one of your sections")


async def _facts(connection: Connection, section_id: int) -> Row:
    facts = await sections.read_section_facts(connection, section_id)
    if facts is None:
        raise NotFoundError("no such section")
    return facts


async def _reserved(connection: Connection, section_id: int) -> list[int]:
    reserved = await sections.read_line_item_reservations(connection, section_id)
    if len(reserved) < RESERVED_MIN:
        reserved += await sections.reserve_line_items(connection, section_id, RESERVED_BLOCK - len(reserved))
    return reserved


def merge(heads: dict[bytes, Head], rows: list[records.FullHeadRow]) -> dict[bytes, tuple[Head, str]]:
    """Lay the journal's heads over the recorded cells; return (head, state) by cell.

    A drafted head wins over an older record. A clean head never does: it is a copy of a record, and PostgreSQL is here.
    """
    merged = {CELL.pack(r.kind, r.item, r.student_id): (head_of_row(r), "recorded") for r in rows}
    for cell, head in heads.items():
        if not head.is_drafted:
            continue
        recorded = merged.get(cell)
        if recorded is None or head.is_provisional or head.cell_version > recorded[0].cell_version:
            merged[cell] = (head, "drafted")
    return merged


def columns_of(merged: dict[bytes, tuple[Head, str]]) -> Cells:
    """Return (head, state) by cell as columns, in the order of the cells."""
    cells = Cells([], [], [], [], [], [], [], [], [])
    for key in sorted(merged):
        head, state = merged[key]
        kind, item, student = CELL.unpack(key)
        cells.kind.append(NAME_OF_KIND[kind])
        cells.item.append(item)
        cells.student.append(student)
        cells.edit_id.append(_id(head.edit_id))
        cells.cell_version.append(head.cell_version or None)
        cells.state.append(state)
        cells.value.append(Raw(head.value))
        cells.author_id.append(head.author_id)
        cells.entered_at.append(rfc3339(head.entered_ms))
    return cells


def _id(raw: bytes) -> str:
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _section(facts: Row) -> dict[str, Any]:
    return dict(facts) | {"today": today_in(facts["time_zone"]).isoformat()}


def _line_items(rows: list[Row], heads: dict[bytes, Head]) -> list[dict[str, Any]]:
    columns = {}
    for row in rows:
        column = dict(row)
        for bound in ("result_value_min", "result_value_max"):
            column[bound] = f"{row[bound]:f}"
        columns[row["line_item_id"]] = column
    drafted = {cell: head for cell, head in heads.items() if head.is_drafted}
    for item, value in drafted_line_items(drafted).items():
        # Every field: the stored form leaves defaults out, and a column that is shown again has `is_hidden` left out.
        made = msgspec.structs.asdict(value)
        columns[item] = columns.get(item, {"line_item_id": item}) | made
    return sorted(
        columns.values(), key=lambda c: (c.get("position") or 0, str(c.get("due_date") or "9999"), c["line_item_id"])
    )


def _conflict(row: Row) -> dict[str, Any]:
    return {
        "edit_id": str(row["edit_id"]),
        "kind": NAME_OF_KIND[row["kind"]],
        "item": row["item"],
        "student": row["student_id"],
        "value": Raw((row["value"] or "null").encode()),
        "author_id": row["author_id"],
        "entered_at": rfc3339(row["entered_ms"]),
    }


_STATE = {"A": "recorded", "C": "conflict", "S": "conflict", "R": "rejected"}


def _history_row(row: Row) -> dict[str, Any]:
    return {
        "edit_id": str(row["edit_id"]),
        "base": str(row["base_id"]) if row["base_id"] else None,
        "state": _STATE[row["status"]],
        "is_open": row["status"] == "C",
        "cell_version": row["cell_version"],
        "code": row["code"],
        "value": Raw((row["value"] or "null").encode()),
        "author_id": row["author_id"],
        "author_name": row["author_name"],
        "entered_at": row["entered_at"],
        "received_at": row["received_at"],
        "recorded_at": row["recorded_at"],
        "path": {"j": "journal", "d": "direct", "i": "import"}[row["path"]],
        "resolves": [str(i) for i in row["resolves"] or ()],
    }


def _drafted_row(head: Head, name: str | None) -> dict[str, Any]:
    return {
        "edit_id": _id(head.edit_id),
        "state": "drafted",
        "cell_version": head.cell_version or None,
        "value": Raw(head.value),
        "author_id": head.author_id,
        "author_name": name,
        "entered_at": rfc3339(head.entered_ms),
    }


def etag(snapshot: SectionSnapshot) -> str:
    """Return the ETag of a snapshot: over everything but the moment it was taken."""
    raw = msgspec.json.encode(snapshot)
    marker = raw.rindex(b'"as_of":')
    return '"' + hashlib.blake2b(raw[:marker], digest_size=16).hexdigest() + '"'
