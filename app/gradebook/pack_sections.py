"""The form in which sections and lists of sections lie in the snapshot cache: small, fast, read whole or not at all.

One byte of format, then zlib at level 3 (its checksum finds what was damaged): the length of a JSON document and the
number of cells, the document with everything but cells, and the cells column by column. Each column is written byte
plane by byte plane, the highest bytes of all cells first: neighbours are alike there, and next to nothing is left of
them. What remains of a cell is the random half of its edit's id. Figures: docs/adr/0014-snapshot-cache.md.
"""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Raw, Struct

from app.gradebook.recorded_section import RecordedSection
from app.records.edits import FullHeadRow

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT: Final = 1
LEVEL: Final = 3
BYTES_MAX: Final = 32_000_000  # unpacked: far above any section; a damaged length must not take the memory
_LENGTHS = struct.Struct(">II")
# Format and width of each column: kind, item, student, version, author, entered_at as a difference, edit id.
_INTEGERS: Final = (("B", 1), ("I", 4), ("I", 4), ("I", 4), ("I", 4), ("q", 8))
_ID_BYTES: Final = 16


class _About(Struct):
    """Everything of a section but its cells."""

    as_of_ms: int
    facts: dict[str, Any]
    students: list[dict[str, Any]]
    line_items: list[dict[str, Any]]
    reserved: list[int]
    conflicts: list[dict[str, Any]]
    names: dict[int, str]
    teachers: dict[int, str]
    incarnation: str = ""


class SectionList(Struct):
    """The sections that a user teaches, as PostgreSQL said at `as_of_ms`."""

    user_id: int
    as_of_ms: int
    sections: list[dict[str, Any]]


_encode = msgspec.json.Encoder().encode
_decode_about = msgspec.json.Decoder(_About).decode
_decode_list = msgspec.json.Decoder(SectionList).decode


def pack_section(recorded: RecordedSection) -> bytes:
    """Return a section as it is kept."""
    about = _encode(
        _About(
            recorded.as_of_ms,
            recorded.facts,
            recorded.students,
            recorded.line_items,
            recorded.reserved,
            recorded.conflicts,
            recorded.names,
            recorded.teachers,
            recorded.incarnation,
        )
    )
    rows = recorded.rows
    count = len(rows)
    parts = [_LENGTHS.pack(len(about), count), about]
    if rows:
        kinds, items, students, versions, ids, authors, moments, values = zip(*rows, strict=True)
        deltas = (moments[0], *(later - earlier for earlier, later in pairwise(moments)))
        columns = (kinds, items, students, versions, authors, deltas)
        for (code, width), column in zip(_INTEGERS, columns, strict=True):
            parts.append(_planes(struct.pack(f">{count}{code}", *column), width))
        parts.append(_planes(b"".join(ids), _ID_BYTES))
        # A value is JSON as PostgreSQL writes it: no line break stands in it. An empty line is no value.
        parts.append("\n".join([value or "" for value in values]).encode())
    return bytes((FORMAT,)) + zlib.compress(b"".join(parts), LEVEL)


def unpack_section(packed: bytes, section_id: int) -> RecordedSection | None:
    """Return what was packed; None for another section, for another release's form, and for what is damaged."""
    raw = _inflate(packed)
    if raw is None:
        return None
    try:
        about_length, count = _LENGTHS.unpack_from(raw)
        at = _LENGTHS.size + about_length
        about = _decode_about(raw[_LENGTHS.size : at])
        rows = _rows(raw, at, count) if count else []
    except (ValueError, struct.error, msgspec.MsgspecError):
        return None
    if about.facts.get("section_id") != section_id:
        return None
    for conflict in about.conflicts:
        conflict["value"] = Raw(_encode(conflict["value"]))
    return RecordedSection(
        about.as_of_ms,
        about.facts,
        about.students,
        about.line_items,
        about.reserved,
        rows,
        about.conflicts,
        about.names,
        about.teachers,
        about.incarnation,
    )


def _rows(raw: bytes, at: int, count: int) -> list[FullHeadRow]:
    columns: list[Sequence[int]] = []
    for code, width in _INTEGERS:
        columns.append(struct.unpack(f">{count}{code}", _whole(raw[at : at + count * width], width)))
        at += count * width
    kinds, items, students, versions, authors, deltas = columns
    id_bytes = _whole(raw[at : at + count * _ID_BYTES], _ID_BYTES)
    ids = [id_bytes[i : i + _ID_BYTES] for i in range(0, count * _ID_BYTES, _ID_BYTES)]
    values = raw[at + count * _ID_BYTES :].decode().split("\n")
    moments, moment = [], 0
    for delta in deltas:
        moment += delta
        moments.append(moment)
    texts = [value or None for value in values]
    return [
        FullHeadRow(*row) for row in zip(kinds, items, students, versions, ids, authors, moments, texts, strict=True)
    ]


def pack_list(listed: SectionList) -> bytes:
    """Return a list of sections as it is kept."""
    return bytes((FORMAT,)) + zlib.compress(_encode(listed), LEVEL)


def unpack_list(packed: bytes, user_id: int) -> SectionList | None:
    """Return what was packed; None for another user's, for another release's form, and for what is damaged."""
    raw = _inflate(packed)
    if raw is None:
        return None
    try:
        listed = _decode_list(raw)
        is_whole = listed.user_id == user_id and all(isinstance(s["section_id"], int) for s in listed.sections)
    except (KeyError, ValueError, msgspec.MsgspecError):
        return None
    return listed if is_whole else None


def _inflate(packed: bytes) -> bytes | None:
    if packed[:1] != bytes((FORMAT,)):
        return None
    inflating = zlib.decompressobj()
    try:
        raw = inflating.decompress(packed[1:], BYTES_MAX)
    except zlib.error:
        return None
    return raw if inflating.eof else None


def _planes(raw: bytes, width: int) -> bytes:
    """Return the first bytes of all numbers, then their second bytes, and so on."""
    return b"".join([raw[i::width] for i in range(width)])


def _whole(planes: bytes, width: int) -> bytes:
    """Undo `_planes`."""
    count = len(planes) // width
    raw = bytearray(len(planes))
    for i in range(width):
        raw[i::width] = planes[i * count : (i + 1) * count]
    return bytes(raw)
