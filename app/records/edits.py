"""The edit path in PostgreSQL: heads, history, current values, positions. One typed coroutine per statement."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

from asyncpg.pgproto import pgproto

from app.records.binary_copy import (
    CELL_COLUMNS,
    HISTORY_COLUMNS,
    NO_ID,
    CellRow,
    HistoryRow,
    pack_cells,
    pack_history,
)
from app.records.statements import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    import asyncpg

    from app.records.pool import Connection

CellKey = tuple[int, int, int, int]  # section, kind, item, student
LINKS_MAX = 52  # the chain follows 50 (app/model/chain.py)


def pg_uuid(raw: bytes) -> UUID:
    """Return 16 bytes as the driver's own UUID, the cheapest that it encodes."""
    return pgproto.UUID(raw)


def int_array(values: Iterable[int]) -> str:
    """Return numbers as an array literal, to be cast by the statement.

    asyncpg asks of every element of an array argument whether it is an array itself, which took 27 % of the flusher's
    time; PostgreSQL reads the literal for a tenth of that.
    """
    return "{" + ",".join(map(str, values)) + "}"


def uuid_array(ids: Iterable[bytes]) -> str:
    """Return 16-byte ids as an array literal."""
    return "{" + ",".join([raw.hex() for raw in ids]) + "}"


def text_array(values: Iterable[str]) -> str:
    """Return texts as an array literal."""
    quoted = [value.replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return '{"' + '","'.join(quoted) + '"}' if quoted else "{}"


class HeadRow(NamedTuple):
    """The head of a cell."""

    cell_version: int
    edit_id: bytes


class FullHeadRow(NamedTuple):
    """The head of a cell with its value (JSON text)."""

    kind: int
    item: int
    student_id: int
    cell_version: int
    edit_id: bytes
    author_id: int
    entered_ms: int
    value: str | None


class FoundEdit(NamedTuple):
    """What became of an edit: A, C, R, S, or Q for quarantined."""

    status: str
    author_id: int
    base: bytes
    cell_version: int
    code: str | None
    params: str | None


class Claim(NamedTuple):
    """What the journal says stands in a cell before a batch: NO_ID and 0 for an empty one."""

    edit_id: bytes
    cell_version: int


class ClaimRefutedError(Exception):
    """PostgreSQL's head of a cell is another than the journal claims."""


class PositionRow(NamedTuple):
    """Where a client stands in a section."""

    section_id: int
    user_id: int
    client_id: bytes
    recorded_seq: int
    ahead: tuple[int, ...]


class ExceptionRow(NamedTuple):
    """An edit that was answered "drafted" and ended otherwise; params and head are JSON text."""

    section_id: int
    user_id: int
    client_id: bytes
    client_seq: int
    edit_id: bytes
    outcome: str
    code: str | None
    params: str | None
    head: str | None


class QuarantineRow(NamedTuple):
    """An edit set aside, with its bytes as they came."""

    section_id: int
    edit_id: bytes | None
    user_id: int | None
    client_id: bytes | None
    client_seq: int | None
    code: str
    sqlstate: str | None
    message: str | None
    raw: bytes
    partition_id: int
    stream_id: str | None  # None: it came directly


def _full(row: asyncpg.Record) -> FullHeadRow:
    return FullHeadRow(
        row["kind"],
        row["item"],
        row["student_id"],
        row["cell_version"],
        row["edit_id"].bytes,
        row["author_id"],
        row["entered_ms"],
        row["value"],
    )


async def read_heads(connection: Connection, cells: Sequence[CellKey]) -> dict[CellKey, HeadRow]:
    """Return the heads of these cells; an empty cell is absent."""
    if not cells:
        return {}
    rows = await connection.fetch(load("read_heads"), *map(int_array, zip(*cells, strict=True)))
    return {(r[0], r[1], r[2], r[3]): HeadRow(r[4], r[5].bytes) for r in rows}


async def read_full_heads(connection: Connection, cells: Sequence[CellKey]) -> dict[CellKey, FullHeadRow]:
    """Return the heads of these cells with their values."""
    if not cells:
        return {}
    rows = await connection.fetch(load("read_full_heads"), *zip(*cells, strict=True))
    return {(r["section_id"], r["kind"], r["item"], r["student_id"]): _full(r) for r in rows}


async def read_columns(
    connection: Connection, section_id: int, columns: Sequence[tuple[int, int]]
) -> list[FullHeadRow]:
    """Return every recorded cell of some columns (kind, item) of a section."""
    if not columns:
        return []
    kinds, items = zip(*columns, strict=True)
    return [_full(row) for row in await connection.fetch(load("read_columns"), section_id, kinds, items)]


async def find_edits(
    connection: Connection, wanted: Sequence[tuple[int, int, bytes]]
) -> dict[tuple[int, bytes], FoundEdit]:
    """Return what became of edits, each given as (school_year, section_id, edit_id); unknown ones are absent."""
    if not wanted:
        return {}
    years, sections, ids = zip(*wanted, strict=True)
    return _found(await connection.fetch(load("find_edits"), years, sections, [pg_uuid(i) for i in ids]))


async def find_edits_with_bases(
    connection: Connection, wanted: Sequence[tuple[int, int, bytes]]
) -> dict[tuple[int, bytes], FoundEdit]:
    """Return the same, and what became of the edits that they were typed on, as far as those never applied.

    One question, however long the chain: LINKS_MAX links of each are looked at, more than anybody follows.
    """
    if not wanted:
        return {}
    years, sections, ids = zip(*wanted, strict=True)
    limit = LINKS_MAX * len(wanted)
    rows = await connection.fetch(load("find_edits_with_bases"), years, sections, [pg_uuid(i) for i in ids], limit)
    return _found(rows)


def _found(rows: Iterable[asyncpg.Record]) -> dict[tuple[int, bytes], FoundEdit]:
    return {
        (r["section_id"], r["edit_id"].bytes): FoundEdit(
            r["status"],
            r["author_id"] or 0,
            r["base_id"].bytes if r["base_id"] else NO_ID,
            r["cell_version"] or 0,
            r["code"],
            r["params"],
        )
        for r in rows
    }


async def apply_edits(connection: Connection, history: Sequence[HistoryRow], cells: Sequence[CellRow]) -> None:
    """Write the history of a batch (by COPY) and its current values, all or nothing, within a transaction.

    `cells` holds each cell at most once: the last applied edit of the batch. Raises asyncpg's UniqueViolationError if
    an edit or a version is recorded already, and a data error if a value cannot be stored. After any of them the
    transaction is to be rolled back, and nothing of it is left behind.
    """
    if history:
        await _copy(connection, "edit_log", HISTORY_COLUMNS, pack_history(history))
    if cells:
        await connection.execute(load("apply_edits"), *_cell_arrays(cells))


async def apply_claimed_edits(
    connection: Connection, history: bytes, cells: Sequence[CellRow], claims: Sequence[Claim]
) -> None:
    """Write the packed history of a batch and its current values where its claims hold, within a transaction.

    `cells` as in `apply_edits`, with one of `claims` for each: what the journal says that stands there, which was not
    read. Raises ClaimRefutedError if something else stands in a cell, and UniqueViolationError if something stands in
    one that is claimed to be empty; otherwise as `apply_edits`.
    """
    await _copy(connection, "edit_log", HISTORY_COLUMNS, history)
    made, moved, moved_from = _by_claim(cells, claims)
    if made:
        await _copy(connection, "cell", CELL_COLUMNS, pack_cells(made))
    if moved:
        claimed = uuid_array([c.edit_id for c in moved_from]), int_array([c.cell_version for c in moved_from])
        if await connection.fetchval(load("move_claimed_cells"), *_cell_arrays(moved), *claimed) != len(moved):
            raise ClaimRefutedError


async def _copy(connection: Connection, table: str, columns: Sequence[str], packed: bytes) -> None:
    await connection.copy_to_table(table, source=io.BytesIO(packed), columns=columns, format="binary")


def _by_claim(cells: Sequence[CellRow], claims: Sequence[Claim]) -> tuple[list[CellRow], list[CellRow], list[Claim]]:
    """Return the cells that are claimed to be empty, in the order of their key, and the others with their claims."""
    made: list[CellRow] = []
    moved: list[CellRow] = []
    moved_from: list[Claim] = []
    for cell, claim in zip(cells, claims, strict=True):
        if claim.cell_version == 0:
            made.append(cell)
        else:
            moved.append(cell)
            moved_from.append(claim)
    made.sort()  # the index is filled page by page
    return made, moved, moved_from


def _cell_arrays(cells: Sequence[CellRow]) -> list[str]:
    sections, kinds, items, students, versions, ids, values, authors, entered = zip(*cells, strict=True)
    return [
        int_array(sections),
        int_array(kinds),
        int_array(items),
        int_array(students),
        int_array(versions),
        uuid_array(ids),
        text_array([value.decode() for value in values]),
        int_array(authors),
        int_array(entered),
    ]


async def settle_conflicts(connection: Connection, settled: Sequence[tuple[int, CellKey, bytes]]) -> None:
    """Close open conflicts, each given as (school_year, cell, edit_id); one of another cell stays open."""
    if settled:
        years, cells, ids = zip(*settled, strict=True)
        uuids = [pg_uuid(i) for i in ids]
        await connection.execute(load("settle_conflicts"), years, uuids, *zip(*cells, strict=True))


async def read_client_positions(
    connection: Connection, clients: Sequence[tuple[int, int, bytes]]
) -> dict[tuple[int, int, bytes], PositionRow]:
    """Return the positions of clients, each given as (section_id, user_id, client_id)."""
    if not clients:
        return {}
    sections, users, ids = zip(*clients, strict=True)
    rows = await connection.fetch(load("read_client_positions"), int_array(sections), int_array(users), uuid_array(ids))
    return {(r[0], r[1], r[2].bytes): PositionRow(r[0], r[1], r[2].bytes, r[3], tuple(r[4])) for r in rows}


async def write_client_positions(connection: Connection, positions: Sequence[PositionRow]) -> None:
    """Store positions; each client at most once in a call."""
    if positions:
        sections, users, ids, seqs, ahead = zip(*positions, strict=True)
        await connection.execute(
            load("write_client_positions"),
            int_array(sections),
            int_array(users),
            uuid_array(ids),
            int_array(seqs),
            text_array([int_array(a) for a in ahead]),
        )


async def write_edit_exceptions(connection: Connection, rows: Sequence[ExceptionRow]) -> None:
    """Store exceptions until their client has seen them."""
    if rows:
        columns = list(zip(*rows, strict=True))
        columns[2] = [pg_uuid(raw) for raw in columns[2]]  # type: ignore[call-overload]
        columns[4] = [pg_uuid(raw) for raw in columns[4]]  # type: ignore[call-overload]
        await connection.execute(load("write_edit_exceptions"), *columns)


async def read_edit_exceptions(
    connection: Connection, clients: Mapping[tuple[int, int, bytes], int], limit: int
) -> list[ExceptionRow]:
    """Return the exceptions of clients above the `seq` that each has seen, the first ones of each, by `seq`.

    A client is (section_id, user_id, client_id); of each at most `limit` are returned.
    """
    if not clients:
        return []
    sections, users, ids = zip(*clients, strict=True)
    rows = await connection.fetch(
        load("read_edit_exceptions"),
        int_array(sections),
        int_array(users),
        uuid_array(ids),
        int_array(list(clients.values())),
        limit,
    )
    return [ExceptionRow(r[0], r[1], r[2].bytes, r[3], r[4].bytes, *r[5:]) for r in rows]


async def quarantine_edits(connection: Connection, rows: Sequence[QuarantineRow]) -> None:
    """Set edits aside."""
    if rows:
        columns = list(zip(*rows, strict=True))
        for at in (1, 3):
            columns[at] = [pg_uuid(raw) if raw else None for raw in columns[at]]  # type: ignore[call-overload]
        await connection.execute(load("quarantine_edits"), *columns)


async def write_line_items(connection: Connection, rows: Sequence[tuple[object, ...]]) -> None:
    """Store columns that were made or changed by edits; each line item at most once in a call."""
    if rows:
        await connection.execute(load("write_line_items"), *zip(*rows, strict=True))


async def read_school_years(connection: Connection, sections: Sequence[int]) -> dict[int, int]:
    """Return the school year of each section; unknown sections are absent."""
    rows = await connection.fetch(load("read_school_years"), sections)
    return {r[0]: r[1] for r in rows}
