"""A form of the plain page, and how it becomes edits without any script.

Each form that is rendered carries its own state, signed: who it is for, which edit stood in each cell, and the value
shown. Only inputs that differ become edits. The ids of these edits follow from the form, the cell, its base and the
value, so that the same form sent twice (a reload, a double click) sends the same edits; each submission with other
values is a client of its own, so that its `seq` runs from 1 without gaps whatever was sent before. A cell whose head
was made by this very form, in an earlier submission, is based on that head: the person has typed it, so has seen it.
"""

from __future__ import annotations

import binascii
import hmac
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Struct

from app.model.kinds import AttendanceValue, CommentValue, Kind, ScoreValue, ValueRejectedError, canonical, parse_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NO_ID = bytes(16)
STATE_BYTES_MAX = 4_000_000
_MAC_BYTES = 16
_TAG_BITS, _REST_BITS = 34, 40  # of the 74 bits that a UUIDv7 leaves beside its time

CellName = tuple[int, int]  # kind, student (0: the whole section)
FormKind = Literal["column", "attendance", "choice"]
EMPTY_VALUE: dict[int, bytes] = {
    Kind.SCORE: canonical(ScoreValue()),
    Kind.COMMENT: canonical(CommentValue("")),
    Kind.ATTENDANCE: canonical(AttendanceValue(None)),
}


class FormStateError(ValueError):
    """Not a state of this installation, or one that was made with a key it does not have any more."""


class ShownCell(Struct, frozen=True, array_like=True):
    """What a cell held when the form was made. `own_conflicts`: open conflicts in it that typing on decides."""

    kind: int
    student: int
    base: bytes
    value: bytes
    own_conflicts: tuple[bytes, ...] = ()


class HeldValue(Struct, frozen=True, array_like=True):
    """A value that was typed earlier and could not be saved then; it keeps its time."""

    kind: int
    student: int
    value: bytes
    entered_ms: int


class FormStudent(Struct, frozen=True, array_like=True):
    """A row of the form."""

    student: int
    name: str
    is_active: bool = True


class Party(Struct, frozen=True, array_like=True):
    """Who entered one of two values of a conflict, and when. No name: not known. `is_user`: whose form it is."""

    name: str | None
    entered_ms: int
    is_user: bool = False


class FormState(Struct, frozen=True, array_like=True):
    """Everything that is needed to save a form and to show it again, while no database answers."""

    kind: FormKind
    form_id: bytes
    made_ms: int
    user_id: int
    user_name: str
    section_id: int
    section_title: str
    time_zone: str
    item: int
    title: str  # the column's title; of a day's roll the ISO date
    score_min: str
    score_max: str
    students: tuple[FormStudent, ...]
    cells: tuple[ShownCell, ...]
    held: tuple[HeldValue, ...] = ()
    parties: tuple[Party, ...] = ()  # of a choice: whose value is held, and whose value is shown
    is_extra_credit: bool = False  # scores above the maximum are allowed

    def shown(self) -> dict[CellName, ShownCell]:
        """Return the cells by name."""
        return {(cell.kind, cell.student): cell for cell in self.cells}


def hold(state: FormState, edits: Iterable[PlannedEdit]) -> FormState:
    """Return the state with these values and their times kept, for sending the form again."""
    held = {(h.kind, h.student): h for h in state.held}
    held |= {(e.kind, e.student): HeldValue(e.kind, e.student, e.value, e.entered_ms) for e in edits}
    return msgspec.structs.replace(state, held=tuple(held.values()))


class SeenHead(NamedTuple):
    """What stands in a cell now."""

    edit_id: bytes
    author_id: int
    value: bytes


class PlannedEdit(NamedTuple):
    """One change that the form makes."""

    kind: int
    student: int
    edit_id: UUID
    base: bytes
    value: bytes
    entered_ms: int
    resolves: tuple[bytes, ...]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(FormState).decode


def seal(state: FormState, key: bytes) -> str:
    """Return the state as a form carries it."""
    packed = zlib.compress(_encode(state), 6)
    return urlsafe_b64encode(_mac(packed, key) + packed).rstrip(b"=").decode()


def unseal(text: str, keys: Iterable[bytes]) -> FormState:
    """Return the state that one of these keys signed, or raise FormStateError."""
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (UnicodeEncodeError, binascii.Error):
        raise FormStateError("not a state") from None
    mac, packed = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not any(hmac.compare_digest(mac, _mac(packed, key)) for key in keys):
        raise FormStateError("not signed here")
    try:
        # Signed by us, so not a bomb; a state of another release may look different.
        return _decode(zlib.decompress(packed, bufsize=65_536))
    except (zlib.error, msgspec.DecodeError):
        raise FormStateError("of another release") from None


def _mac(packed: bytes, key: bytes) -> bytes:
    return hmac.digest(key, packed, "sha256")[:_MAC_BYTES]


def plain_value(kind: int, raw: bytes) -> bytes:
    """Return a stored value in the form in which values are compared: canonical, and nothing for an empty one."""
    if raw in {b"", b"null"}:
        return b""
    try:
        value = canonical(parse_value(kind, raw))
    except ValueRejectedError:
        return raw  # by a newer release or an import; it can be shown and replaced
    return b"" if value == EMPTY_VALUE.get(kind) else value


def plan(
    state: FormState, typed: Mapping[CellName, bytes], heads: Mapping[CellName, SeenHead], now_ms: int
) -> list[PlannedEdit]:
    """Return the edits of one submission, in the order of the form. `typed` holds canonical values of its inputs.

    A cell is left out if it shows what was shown and this form has not changed it before.
    """
    edits = []
    for cell in state.cells:
        name = (cell.kind, cell.student)
        if name in typed:
            head = _own_head(state, name, heads)
            if head is not None or plain_value(cell.kind, typed[name]) != cell.value:
                edits.append(_edit(state, cell, typed[name], head, now_ms))
    return edits


def plan_choice(
    state: FormState, choice: Literal["mine", "theirs"], heads: Mapping[CellName, SeenHead], now_ms: int
) -> list[PlannedEdit]:
    """Return the edit that decides a conflict: either value, based on the head that was shown."""
    cell = state.cells[0]
    value = state.held[0].value if choice == "mine" else cell.value or EMPTY_VALUE.get(cell.kind, b"null")
    return [_edit(state, cell, value, _own_head(state, (cell.kind, cell.student), heads), now_ms)]


def _own_head(state: FormState, name: CellName, heads: Mapping[CellName, SeenHead]) -> SeenHead | None:
    """Return what stands in a cell if an earlier submission of this form put it there."""
    head = heads.get(name)
    is_own = head is not None and head.author_id == state.user_id and is_of_form(state, name, head.edit_id)
    return head if is_own else None


def _edit(state: FormState, cell: ShownCell, value: bytes, own_head: SeenHead | None, now_ms: int) -> PlannedEdit:
    base, edit_id = cell.base, None
    if own_head is not None and plain_value(cell.kind, own_head.value) == plain_value(cell.kind, value):
        edit_id = UUID(bytes=own_head.edit_id)  # sent before: ask again what became of it
    elif own_head is not None:
        base = own_head.edit_id
    name = (cell.kind, cell.student)
    earlier = next((h for h in state.held if (h.kind, h.student) == name and h.value == value), None)
    return PlannedEdit(
        cell.kind,
        cell.student,
        edit_id or derive_edit_id(state, name, base, value),
        base,
        value,
        earlier.entered_ms if earlier is not None and state.kind != "choice" else now_ms,
        cell.own_conflicts,
    )


def derive_edit_id(state: FormState, name: CellName, base: bytes, value: bytes) -> UUID:
    """Return the id of the edit that puts this value on this base: a UUIDv7, its time that of the form."""
    rest = _bits(_REST_BITS, state, b"edit", name, base, value)
    return _uuid7(state.made_ms, _tag(state, name) << _REST_BITS | rest)


def is_of_form(state: FormState, name: CellName, edit_id: bytes) -> bool:
    """Tell whether an edit of this cell was made by this form, in whichever submission."""
    number = int.from_bytes(edit_id, "big")
    bits = (number >> 64 & 0xFFF) << 62 | number & (1 << 62) - 1
    return number >> 80 == state.made_ms and bits >> _REST_BITS == _tag(state, name)


def derive_client_id(state: FormState, edits: Sequence[PlannedEdit]) -> UUID:
    """Return the client that sends exactly these edits: the same again for the same submission."""
    digest = blake2b(state.form_id, digest_size=16, person=b"plain client")
    for edit in edits:
        digest.update(edit.edit_id.bytes)
    return UUID(bytes=digest.digest(), version=4)


def _tag(state: FormState, name: CellName) -> int:
    return _bits(_TAG_BITS, state, b"cell", name)


def _bits(count: int, state: FormState, purpose: bytes, name: CellName, *more: bytes) -> int:
    digest = blake2b(_encode((state.section_id, state.item, *name, *more)), key=state.form_id, person=purpose)
    return int.from_bytes(digest.digest(), "big") >> 512 - count


def _uuid7(ms: int, bits: int) -> UUID:
    number = ms << 80 | 7 << 76 | (bits >> 62) << 64 | 2 << 62 | bits & (1 << 62) - 1
    return UUID(int=number)
