"""Binary layouts shared with the scripts in scripts/*.lua; big-endian throughout. docs/redis-keys.md draws them.

Packing is on the save path: each edit becomes one blob here and travels unchanged through the journal to the flusher.
Every entry, head and position begins with a format number. A release reads N and N - 1 and writes N once all run it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from app.model.edits import SEQ_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FORMAT = 1
NO_ID = bytes(16)
# Statuses as stored in edit_log; PROVISIONAL and QUARANTINE exist only in the journal.
APPLIED, CONFLICT, REJECTED, SETTLED_CONFLICT = b"A"[0], b"C"[0], b"R"[0], b"S"[0]
QUARANTINE, PROVISIONAL = b"Q"[0], b"P"[0]
NORMAL, UNCHECKED = 0, 1  # status of an edit on its way in; UNCHECKED: its roster was not known, the flusher checks it

CLIENT = struct.Struct(">I16s")
POSITION = struct.Struct(">BII")
HEAD = struct.Struct(">BBI16sIQ")
ENTRY = struct.Struct(">BI20sIiQIB")
CELL = struct.Struct(">BII")
_CONTEXT = struct.Struct(">BIII")
_COUNTS = struct.Struct(">HIHI")
_OUTCOMES = struct.Struct(">cII")
_U32 = struct.Struct(">I")
_SETTLED = struct.Struct(">16sBI16s")
_DRAIN = struct.Struct(">B16s46sIBIB")
_VERDICT = struct.Struct(">BBIBI9s16s")
_HAS_CONTEXT, _RECORDS_AWAY = 1, 2
_DIRTY, _PROVISIONAL_HEAD, _HAS_ROOT = 1, 2, 4


class UnknownFormatError(ValueError):
    """Written by a newer release: hold the partition, never quarantine."""


class Head(NamedTuple):
    """What stands in a cell: an edit, drafted (dirty) or recorded (clean)."""

    cell_version: int
    edit_id: bytes
    author_id: int
    entered_ms: int
    value: bytes
    is_drafted: bool = False
    is_provisional: bool = False
    root_version: int = 0  # of what was recorded when a chain of drafts began on it

    def pack(self) -> bytes:
        """Return the head as PostgreSQL's word: clean."""
        return HEAD.pack(FORMAT, 0, self.cell_version, self.edit_id, self.author_id, self.entered_ms) + self.value


def unpack_head(raw: bytes) -> Head:
    """Read a head of a section hash."""
    format_, flags, version, edit_id, author, entered = HEAD.unpack_from(raw)
    if format_ != FORMAT:
        raise UnknownFormatError(f"head format {format_}")
    root_version, value = (int.from_bytes(raw[50:54], "big"), raw[54:]) if flags & _HAS_ROOT else (0, raw[34:])
    is_drafted, is_provisional = bool(flags & _DIRTY), bool(flags & _PROVISIONAL_HEAD)
    return Head(version, edit_id, author, entered, value, is_drafted, is_provisional, root_version)


class Settled(NamedTuple):
    """What PostgreSQL knows of one edit."""

    status: int
    author_id: int
    base: bytes


class Context(NamedTuple):
    """What PostgreSQL knows of the cells, the client and the edits of one save."""

    recorded_seq: int
    exceptions: bytes
    columns: Sequence[bytes]
    heads: dict[bytes, Head]
    settled: dict[bytes, Settled]
    recorded_columns: Sequence[bytes] = ()  # every column of the section that holds anything
    next_exception_seq: int = 0  # of the first exception that is not among `exceptions`; 0: they are all

    def pack(self) -> bytes:
        """Append this to a save that is sent again after the script has asked for it."""
        parts = [
            _CONTEXT.pack(1, self.recorded_seq, self.next_exception_seq, len(self.exceptions)),
            self.exceptions,
            _COUNTS.pack(len(self.columns), len(self.heads), len(self.settled), len(self.recorded_columns)),
            *self.columns,
        ]
        for cell, head in self.heads.items():
            raw = head.pack()
            parts += (cell, _U32.pack(len(raw)), raw)
        parts += (_SETTLED.pack(i, s.status, s.author_id, s.base) for i, s in self.settled.items())
        parts += self.recorded_columns
        return b"".join(parts)


def pack_client(user_id: int, client_id: bytes) -> bytes:
    """Return the name of a client in the journal: user and client id."""
    return CLIENT.pack(user_id, client_id)


def pack_edit(
    status: int, seq: int, cell: bytes, edit_id: bytes, base: bytes, entered_ms: int, value: bytes, extra: bytes
) -> bytes:
    """Return one edit's blob; `extra` is what pack_extra gives."""
    head = _EDIT_HEAD.pack(status, seq, cell, edit_id, base, entered_ms, len(extra), len(value))
    return head + value + extra if extra else head + value


_EDIT_HEAD = struct.Struct(">BI9s16s16sQHI")


def pack_extra(resolves: Sequence[bytes], note: bytes) -> bytes:
    """Return the rarely used rest of an edit: conflicts that it resolves, and the reason of a rejection (JSON)."""
    if not resolves and not note:
        return b""
    # The script keeps the whole of it as the note of a rejected edit, so the note comes first.
    return _U32.pack(len(note)) + note + b"".join(resolves)


def _is_extra(extra: bytes) -> bool:
    ids: int = len(extra) - 4 - _U32.unpack_from(extra)[0]
    return ids >= 0 and ids % 16 == 0


def unpack_extra(extra: bytes) -> tuple[tuple[bytes, ...], bytes]:
    """Return (resolves, note)."""
    if not extra:
        return (), b""
    length = _U32.unpack_from(extra)[0]
    ids = extra[4 + length :]
    return tuple(ids[i : i + 16] for i in range(0, len(ids), 16)), extra[4 : 4 + length]


_SAVE_HEAD = struct.Struct(">BBBII20sIiQI")


def pack_save(
    client: bytes,
    section_id: int,
    first_seq: int,
    exceptions_seen_seq: int,
    skew_ms: int,
    received_ms: int,
    acting_as: int,
    edits: Sequence[bytes],
) -> bytes:
    """Return one save for accept.lua, without context."""
    head = _SAVE_HEAD.pack(
        FORMAT, 0, len(edits), first_seq, exceptions_seen_seq, client, section_id, skew_ms, received_ms, acting_as
    )
    return head + b"".join(edits)


def with_context(save: bytes, context: Context) -> bytes:
    """Return the same save with what PostgreSQL knows."""
    return save[:1] + bytes((_HAS_CONTEXT,)) + save[2:] + context.pack()


def with_records_away(save: bytes) -> bytes:
    """Return the same save, to be accepted provisionally: PostgreSQL cannot be asked."""
    return save[:1] + bytes((_RECORDS_AWAY,)) + save[2:]


def unpack_wanted(reply: bytes) -> list[bytes]:
    """Return the edit ids that an 'N' reply asks for, besides those of the save itself."""
    return [reply[at : at + 16] for at in range(1, len(reply), 16)]


class SaveReply(NamedTuple):
    """Answer of accept.lua to one save; each result is (letter, cell_version, bytes)."""

    drafted_seq: int
    recorded_seq: int
    results: list[tuple[int, int, bytes]]
    exceptions: bytes


def unpack_reply(reply: bytes, count: int) -> SaveReply:
    """Read an 'O' reply for a save of `count` edits."""
    _, drafted, recorded = _OUTCOMES.unpack_from(reply)
    results: list[tuple[int, int, bytes]] = []
    at = 9
    for _ in range(count):
        letter = reply[at]
        if letter == 0x64:  # d
            results.append((letter, _U32.unpack_from(reply, at + 1)[0], b""))
            at += 5
        elif letter == 0x73:  # s
            results.append((letter, 0, b""))
            at += 1
        else:  # c, r: bytes follow
            length = _U32.unpack_from(reply, at + 1)[0]
            results.append((letter, 0, reply[at + 5 : at + 5 + length]))
            at += 5 + length
    return SaveReply(drafted, recorded, results, reply[at:])


def pack_settled_reply(drafted_seq: int, recorded_seq: int, count: int, exceptions: bytes) -> bytes:
    """Return the 'O' reply to a save of `count` edits of which PostgreSQL has each."""
    return _OUTCOMES.pack(b"O", drafted_seq, recorded_seq) + b"s" * count + exceptions


def pack_exception(seq: int, body: bytes) -> bytes:
    """Return one exception as the section hash keeps it."""
    return _U32.pack(seq) + _U32.pack(len(body)) + body


def unpack_exceptions(raw: bytes) -> list[bytes]:
    """Return the JSON bodies of packed exceptions."""
    bodies, at = [], 0
    while at < len(raw):
        length = _U32.unpack_from(raw, at + 4)[0]
        bodies.append(raw[at + 8 : at + 8 + length])
        at += 8 + length
    return bodies


class JournaledEdit(NamedTuple):
    """One edit of a stream entry."""

    accepted: int
    cell_version: int
    status_in: int
    seq: int
    cell: bytes
    edit_id: bytes
    base: bytes
    entered_ms: int
    value: bytes
    extra: bytes
    raw: bytes


class Entry(NamedTuple):
    """One save in the stream: its edits that were new."""

    stream_id: bytes
    section_id: int
    client: bytes
    recorded_seq: int
    skew_ms: int
    received_ms: int
    acting_as: int
    edits: list[JournaledEdit]
    header: bytes = b""  # as it stands in the stream; the drain compares it

    @property
    def is_direct(self) -> bool:
        """Whether it never was in a stream: it goes past the journal."""
        return not self.stream_id

    @property
    def user_id(self) -> int:
        """Author of every edit of the entry."""
        return int.from_bytes(self.client[:4], "big")

    @property
    def client_id(self) -> UUID:
        """The client that sent it."""
        return UUID(bytes=self.client[4:])


_EDIT_AT = struct.Struct(">BIBI9s16s16sQHI")
_ACCEPTED = frozenset((APPLIED, CONFLICT, REJECTED, QUARANTINE, PROVISIONAL))
MOMENT_MS_MAX = 253_402_300_799_999  # the last of the year 9999, PostgreSQL's and Python's common limit


def unpack_entry(stream_id: bytes, raw: bytes) -> Entry:
    """Read a stream entry, or raise UnknownFormatError (newer release) or ValueError (damaged).

    What PostgreSQL could not hold of an entry is damage too: the API lets none of it through.
    """
    if not raw or raw[0] != FORMAT:
        raise UnknownFormatError(f"entry format {raw[0] if raw else None}")
    try:
        _, section, client, recorded, skew, received, acting, count = ENTRY.unpack_from(raw)
        if recorded > SEQ_MAX or received > MOMENT_MS_MAX:
            raise ValueError("damaged entry: position or time")
        at, edits = ENTRY.size, []
        for _ in range(count):
            accepted, version, status, seq, cell, edit_id, base, entered, extra_len, value_len = _EDIT_AT.unpack_from(
                raw, at
            )
            if not 0 < seq <= SEQ_MAX or accepted not in _ACCEPTED:
                raise ValueError("damaged entry: number or status")
            start = at + _EDIT_AT.size
            end = start + value_len + extra_len
            value = raw[start : start + value_len]
            if extra_len and not _is_extra(raw[start + value_len : end]):
                raise ValueError("damaged entry: resolved conflicts")
            edits.append(
                JournaledEdit(
                    accepted,
                    version,
                    status,
                    seq,
                    cell,
                    edit_id,
                    base,
                    entered,
                    value,
                    raw[start + value_len : end],
                    raw[at:end],
                )
            )
            at = end
    except struct.error as error:
        raise ValueError(f"damaged entry: {error}") from None
    if at != len(raw):
        raise ValueError("damaged entry: length")
    return Entry(stream_id, section, client, recorded, skew, received, acting, edits, raw[: ENTRY.size])


def section_of_entry(raw: bytes) -> int:
    """Return whose entry it is, without reading the rest of it; errors as of `unpack_entry`."""
    if raw[:1] != bytes((FORMAT,)):
        raise UnknownFormatError(f"entry format {raw[0] if raw else None}")
    if len(raw) < ENTRY.size:
        raise ValueError("damaged entry: length")
    return int.from_bytes(raw[1:5], "big")


def entry_of_save(section_id: int, client: bytes, skew_ms: int, received_ms: int, edits: Sequence[bytes]) -> Entry:
    """Return packed edits as if they came out of a stream, for PostgreSQL to judge: they go past the journal."""
    head = ENTRY.pack(FORMAT, section_id, client, 0, skew_ms, received_ms, 0, len(edits))
    letters = {REJECTED: REJECTED, QUARANTINE: QUARANTINE}
    taken = [bytes((letters.get(edit[0], PROVISIONAL), 0, 0, 0, 0)) + edit for edit in edits]
    return unpack_entry(b"", head + b"".join(taken))


class EditVerdict(NamedTuple):
    """What PostgreSQL made of one edit.

    `head` is its head of the cell (empty: none), given with an edit that it refused, and with the last edit of a cell
    about which the journal was wrong (`is_last`), when all that the batch recorded in the cell is known to the journal.
    """

    accepted: int
    verdict: int
    cell_version: int
    cell: bytes
    edit_id: bytes
    head: bytes | None
    is_last: bool = False


_HAS_HOLE, _AS_JOURNALED = 1, 2


def pack_drain(
    stream_id: bytes,
    first: bytes,
    header: bytes,
    recorded_seq: int,
    exceptions: bytes = b"",
    verdicts: Iterable[EditVerdict] = (),
    *,
    has_hole: bool = False,
    as_journaled: bool = False,
) -> bytes:
    """Return one settled entry for drain.lua; `first` is its first edit, `header` as the stream has it.

    `has_hole`: something below what is settled of this client never came. `as_journaled`: every edit was recorded as
    the journal applied it, with the same version; then no verdicts are given.
    """
    parts = [
        _VERDICT.pack(
            v.accepted,
            v.verdict,
            v.cell_version,
            (v.head is not None) + v.is_last,
            len(v.head or b""),
            v.cell,
            v.edit_id,
        )
        + (v.head or b"")
        for v in verdicts
    ]
    flags = _HAS_HOLE * has_hole + _AS_JOURNALED * as_journaled
    return (
        _DRAIN.pack(len(stream_id), first, header, recorded_seq, flags, len(exceptions), len(parts))
        + stream_id
        + exceptions
        + b"".join(parts)
    )
