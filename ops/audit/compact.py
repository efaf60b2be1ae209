"""Reads the compact form of a client ledger (docs/ledger.md, format 2): millions of edits, a line for each save.

Lines are decoded into types, values of the same bytes are brought into their stored form once, and who a client is
stands in memory by its number; nothing else is kept.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from msgspec import Struct

from app.model.kinds import KIND_OF_NAME, ValueRejectedError, as_sent, canonical, parse_value

if TYPE_CHECKING:
    from collections import defaultdict

VALUES_REMEMBERED_MAX = 100_000
_moment = dt.datetime.fromisoformat


class TypedEdit(Struct):
    """An edit in the bytes in which it was sent first."""

    edit_id: UUID
    seq: int
    kind: str
    item: int
    student: int
    base: UUID | None
    value: msgspec.Raw
    entered_at: str
    resolves: list[UUID] | None = None


_client = msgspec.json.Decoder(tuple[str, int, UUID, int, int]).decode
_sent = msgspec.json.Decoder(tuple[str, int, int, int, int, list[tuple[int, TypedEdit]]]).decode
_answered = msgspec.json.Decoder(
    tuple[str, int, int, int, int, list[tuple[UUID, str, str | None]], list[tuple[UUID, int, str, str | None]]]
).decode


class CompactReader:
    """Turns lines into rows of the audit's tables (make_tables.sql), which it adds to `rows`."""

    def __init__(self, rows: defaultdict[str, list[tuple[Any, ...]]]) -> None:
        self._rows = rows
        self._clients: dict[int, tuple[int, UUID, int]] = {}
        self._stored: dict[tuple[int, bytes], str] = {}

    def begin(self) -> None:
        """Begin with another file: its numbers of clients are its own."""
        self._clients.clear()

    def take(self, line: bytes) -> None:
        """Take one line; ValueError or KeyError where it is none."""
        match line[2:3]:
            case b"c":
                _, number, client_id, user_id, section_id = _client(line)
                self._clients[number] = (section_id, client_id, user_id)
            case b"s":
                self._sent(line)
            case b"a":
                self._answered(line)
            case b"f":
                pass
            case _:
                raise ValueError("no line of a compact ledger")

    def _sent(self, line: bytes) -> None:
        _, t, number, first_seq, last_seq, typed = _sent(line)
        section_id, client_id, user_id = self._clients[number]
        self._rows["audit_sent"].append((section_id, client_id, first_seq, last_seq, t))
        rows = self._rows["audit_typed"]
        for typed_at, edit in typed:
            kind = KIND_OF_NAME[edit.kind]
            about = (section_id, client_id, user_id, edit.seq, edit.edit_id, typed_at, int(kind))
            entered_ms = round(_moment(edit.entered_at).timestamp() * 1000)
            value = self._stored_value(kind, bytes(edit.value))
            rows.append((*about, edit.item, edit.student, edit.base, value, edit.resolves or None, entered_ms))

    def _answered(self, line: bytes) -> None:
        _, t, number, drafted_seq, recorded_seq, told, exceptions = _answered(line)
        section_id, client_id, _ = self._clients[number]
        self._rows["audit_answer"].append((section_id, client_id, t, drafted_seq, recorded_seq))
        if told or exceptions:
            rows = self._rows["audit_outcome"]
            rows += [(section_id, client_id, edit_id, t, outcome, code, False) for edit_id, outcome, code in told]
            rows += [
                (section_id, client_id, edit_id, t, outcome, code, True) for edit_id, _, outcome, code in exceptions
            ]

    def _stored_value(self, kind: int, raw: bytes) -> str:
        """Return what the service stores for this value: canonical, or, where it is refused, its own text."""
        found = self._stored.get((kind, raw))
        if found is None:
            try:
                found = canonical(parse_value(kind, raw)).decode()
            except ValueRejectedError:
                found = as_sent(raw).decode()
            if len(self._stored) < VALUES_REMEMBERED_MAX:
                self._stored[kind, raw] = found
        return found
