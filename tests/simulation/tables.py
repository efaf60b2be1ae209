"""The tables of the edit path, transactions as PostgreSQL has them at READ COMMITTED, and binary COPY read back."""

from __future__ import annotations

import json
import struct
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TABLES = (
    *("flush_partition", "flusher", "installation", "edit_log", "chain", "cell", "client_position", "edit_exception"),
    "edit_quarantine",
)
GONE = object()
NO_ID = bytes(16)
Key = Any
_SMALLINTS = frozenset({"school_year", "kind"})
_MOMENTS = frozenset({"entered_at", "received_at"})
_UUIDS = frozenset({"edit_id", "client_id", "base_id"})
_TEXTS = frozenset({"status", "path", "code"})
_JSON = frozenset({"value", "params"})
_EPOCH_MS = 946_684_800_000


class Blocked(Exception):  # noqa: N818 -- the statement waits, and is run again
    """Another transaction has what a statement needs."""

    def __init__(self, owner: Transaction, lock: Key) -> None:
        super().__init__(lock)
        self.owner = owner
        self.lock = lock


class Tables:
    """What is committed, and who has locked what."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[Key, Any]] = {name: {} for name in TABLES}
        self.locks: dict[Key, Transaction] = {}


class Transaction:
    """Sees what is committed and what it wrote itself; locks are kept until it ends."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.written: dict[str, dict[Key, Any]] = {name: {} for name in TABLES}
        self._locks: list[Key] = []
        self.leases: list[tuple[Any, int, int]] = []  # by whose right it writes: owner, partition, epoch
        self.savepoints: list[dict[str, dict[Key, Any]]] = []

    def lock(self, *lock: Key) -> None:
        owner = self._tables.locks.setdefault(lock, self)
        if owner is not self:
            raise Blocked(owner, lock)
        self._locks.append(lock)

    def is_locked(self, *lock: Key) -> bool:
        return self._tables.locks.get(lock, self) is not self

    def get(self, table: str, key: Key) -> Any:
        row = self.written[table].get(key)
        if row is None:
            return self._tables.rows[table].get(key)
        return None if row is GONE else row

    def scan(self, table: str) -> Iterator[tuple[Key, Any]]:
        merged = {**self._tables.rows[table], **self.written[table]}
        return ((key, row) for key, row in merged.items() if row is not GONE)

    def put(self, table: str, key: Key, row: Any) -> None:
        self.lock(table, key)
        self.written[table][key] = row

    def commit(self) -> None:
        for name, rows in self.written.items():
            for key, row in rows.items():
                if row is GONE:
                    self._tables.rows[name].pop(key, None)
                else:
                    self._tables.rows[name][key] = row
        self.end()

    def end(self) -> None:
        for lock in self._locks:
            self._tables.locks.pop(lock, None)
        self._locks = []

    def copy_of_written(self) -> dict[str, dict[Key, Any]]:
        return {name: dict(rows) for name, rows in self.written.items()}

    def save(self) -> None:
        self.savepoints.append(self.copy_of_written())

    def back_to_savepoint(self) -> None:
        self.written = self.savepoints.pop()


class Row(tuple):  # noqa: SLOT001 -- its subclasses name the columns
    """A row that is asked by number or name."""

    places: dict[str, int]

    def __getitem__(self, at: Any) -> Any:
        return tuple.__getitem__(self, self.places[at] if isinstance(at, str) else at)


def shape(columns: str) -> type[Row]:
    return type("Row", (Row,), {"places": {name: i for i, name in enumerate(columns.split())}})


def numbers(given: str | Sequence[int]) -> list[int]:
    """An array argument: a literal or a sequence."""
    if isinstance(given, str):
        return [int(part) for part in given[1:-1].split(",")] if len(given) > 2 else []
    return list(given)


def ids(given: str | Sequence[Any]) -> list[bytes | None]:
    if isinstance(given, str):
        return [bytes.fromhex(part) for part in given[1:-1].split(",")] if len(given) > 2 else []
    return [None if part is None else part.bytes for part in given]


def texts(given: str) -> list[str]:
    found: list[str] = json.loads(f"[{given[1:-1]}]", strict=False)
    return found


def as_uuid(raw: bytes | None) -> uuid.UUID | None:
    return None if raw is None else uuid.UUID(bytes=raw)


def jsonb(text: str | None) -> str | None:
    """As PostgreSQL writes it back."""
    return None if text is None else json.dumps(json.loads(text), ensure_ascii=False)


def read_copy(packed: bytes, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a binary COPY."""
    assert packed.startswith(b"PGCOPY\n\xff\r\n\x00")
    rows: list[dict[str, Any]] = []
    at = 19
    while (count := int.from_bytes(packed[at : at + 2], "big")) != 0xFFFF:
        assert count == len(columns)
        at += 2
        row: dict[str, Any] = {}
        for name in columns:
            length = int.from_bytes(packed[at : at + 4], "big", signed=True)
            at += 4
            if length < 0:
                row[name] = None
                continue
            row[name] = _field(name, packed[at : at + length])
            at += length
        rows.append(row)
    assert len(packed) == at + 2
    return rows


def _field(name: str, raw: bytes) -> Any:
    if name in _UUIDS:
        return raw
    if name in _TEXTS:
        return raw.decode()
    if name in _JSON:
        return jsonb(raw[1:].decode())
    if name in _MOMENTS:
        return int.from_bytes(raw, "big", signed=True) // 1000 + _EPOCH_MS
    if name == "resolves":
        count = struct.unpack_from(">i", raw, 12)[0]
        return tuple(raw[24 + 20 * i : 40 + 20 * i] for i in range(count))
    return int.from_bytes(raw, "big", signed=True)
