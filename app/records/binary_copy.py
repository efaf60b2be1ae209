"""Rows of the history and of new cells as PostgreSQL's binary COPY takes them.

Written by hand because it is the flusher's largest single cost: asyncpg's own encoder wants an object for each id and
each moment, and asks every value for its codec. The layout is PostgreSQL's, "Binary Format" in its documentation of
COPY; a test reads every column back.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NO_ID = bytes(16)
HISTORY_COLUMNS = (
    *("school_year", "section_id", "edit_id", "kind", "item", "student_id", "author_id", "client_id", "client_seq"),
    *("entered_at", "clock_skew_ms", "received_at", "status", "path"),
    *("cell_version", "base_id", "value", "code", "params", "acting_as", "resolves"),
)
CELL_COLUMNS = (
    *("section_id", "kind", "item", "student_id"),
    *("cell_version", "edit_id", "author_id", "entered_at", "value"),
)
_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = struct.pack(">h", -1)
_NULL = struct.pack(">i", -1)
_EPOCH_MS = 946_684_800_000  # PostgreSQL counts from the year 2000
_UUID_OID = 2950
# The columns that are never null: each is preceded by its length.
_ALWAYS_FORMAT = ">h ih iq i16s ih iq iq iq i16s ii iq ii iq i1s i1s".replace(" ", "")
_ALWAYS = struct.Struct(_ALWAYS_FORMAT)
_APPLIED = struct.Struct(_ALWAYS_FORMAT + "iii16siB")  # version, base, value
_APPLIED_FIRST = struct.Struct(_ALWAYS_FORMAT + "iiiiB")  # its base is null
_CELL = struct.Struct(">h iq ih iq iq ii i16s iq iq iB".replace(" ", ""))
_JSONB_VERSION = 1  # precedes the text of each value
_INT = struct.Struct(">ii")
_BIGINT = struct.Struct(">iq")
_UUID = struct.Struct(">i16s")
_LENGTH = struct.Struct(">i")
_JSONB = struct.Struct(">iB")
_ARRAY = struct.Struct(">iiiIii")
_NOTHING = (None, None, None, ())  # code, params, acting_as, resolves
_RARE = _NULL * 4


class HistoryRow(NamedTuple):
    """One row of edit_log; ids as 16 bytes (NO_ID: none), moments in milliseconds since 1970."""

    school_year: int
    section_id: int
    edit_id: bytes
    kind: int
    item: int
    student_id: int
    author_id: int
    client_id: bytes
    client_seq: int
    entered_ms: int
    clock_skew_ms: int
    received_ms: int
    status: bytes
    path: bytes
    cell_version: int | None
    base: bytes
    value: bytes
    code: str | None = None
    params: str | None = None
    acting_as: int | None = None
    resolves: Sequence[bytes] = ()


class CellRow(NamedTuple):
    """The current value (JSON) of a cell."""

    section_id: int
    kind: int
    item: int
    student_id: int
    cell_version: int
    edit_id: bytes
    value: bytes
    author_id: int
    entered_ms: int


def copy_of(rows: Iterable[bytes]) -> bytes:
    """Return a whole binary COPY of packed rows."""
    return b"".join((_HEADER, *rows, _TRAILER))


def pack_cells(rows: Iterable[CellRow]) -> bytes:
    """Return a whole binary COPY of these rows, columns in the order of CELL_COLUMNS."""
    parts: list[bytes] = []
    columns = len(CELL_COLUMNS)
    for section, kind, item, student, version, edit_id, value, author, entered in rows:
        parts += (
            _CELL.pack(
                *(columns, 8, section, 2, kind, 8, item, 8, student, 4, version, 16, edit_id, 8, author),
                *(8, (entered - _EPOCH_MS) * 1000, len(value) + 1, _JSONB_VERSION),
            ),
            value,
        )
    return copy_of(parts)


def pack_applied(
    year: int,
    section: int,
    author: int,
    client: bytes,
    skew: int,
    received: int,
    edit_id: bytes,
    kind: int,
    item: int,
    student: int,
    seq: int,
    entered: int,
    version: int,
    base: bytes,
    value: bytes,
) -> bytes:
    """Return the packed row of an edit that came through the journal, was applied, and has nothing else to say."""
    always = _always(
        *(year, section, edit_id, kind, item, student, author, client, seq, entered, skew, received, b"A", b"j")
    )
    if base == NO_ID:
        return _APPLIED_FIRST.pack(*always, 4, version, -1, len(value) + 1, _JSONB_VERSION) + value + _RARE
    return _APPLIED.pack(*always, 4, version, 16, base, len(value) + 1, _JSONB_VERSION) + value + _RARE


def _always(
    year: int,
    section: int,
    edit_id: bytes,
    kind: int,
    item: int,
    student: int,
    author: int,
    client: bytes,
    seq: int,
    entered: int,
    skew: int,
    received: int,
    status: bytes,
    path: bytes,
) -> tuple[int | bytes, ...]:
    """Return the columns that are never null, each with its length before it."""
    return (
        *(len(HISTORY_COLUMNS), 2, year, 8, section, 16, edit_id, 2, kind, 8, item, 8, student, 8, author, 16, client),
        *(4, seq, 8, (entered - _EPOCH_MS) * 1000, 4, skew, 8, (received - _EPOCH_MS) * 1000, 1, status, 1, path),
    )


def pack_history(rows: Iterable[HistoryRow]) -> bytes:
    """Return a whole binary COPY of these rows, columns in the order of HISTORY_COLUMNS."""
    parts: list[bytes] = []
    for row in rows:
        version, base, value = row[14:17]
        parts += (
            _ALWAYS.pack(*_always(*row[:14])),
            _NULL if version is None else _INT.pack(4, version),
            _NULL if base == NO_ID else _UUID.pack(16, base),
            _JSONB.pack(len(value) + 1, _JSONB_VERSION) + value,
            _RARE if row[17:] == _NOTHING else _rare(row),
        )
    return copy_of(parts)


def _rare(row: HistoryRow) -> bytes:
    code = row.code.encode() if row.code is not None else None
    params = b"\x01" + row.params.encode() if row.params is not None else None
    resolves = b"".join(_UUID.pack(16, raw) for raw in row.resolves)
    array = _ARRAY.pack(20 + len(resolves), 1, 0, _UUID_OID, len(row.resolves), 1) + resolves
    return b"".join(
        (
            _NULL if code is None else _LENGTH.pack(len(code)) + code,
            _NULL if params is None else _LENGTH.pack(len(params)) + params,
            _NULL if row.acting_as is None else _BIGINT.pack(8, row.acting_as),
            array if row.resolves else _NULL,
        )
    )
