"""What a cell can hold: for each kind its value schema, the meaning of `item`, and its size limit.

One mechanism serves everything that a teacher can type. A value that does not fit its schema is *rejected* (kept in the
history with its reason), never an HTTP error. Scores are decimal strings; NUL characters are refused because PostgreSQL
cannot store them.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import IntEnum
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

ID_MAX = 2**32 - 1  # items and students travel as 32-bit numbers in the journal


class Kind(IntEnum):
    """Codes stored in PostgreSQL and in the journal; never reuse a number."""

    SCORE = 1  # item = line item
    COMMENT = 2  # item = line item (0: the student in this section)
    ATTENDANCE = 3  # item = yyyymmdd × 100 + meeting
    LINE_ITEM = 4  # item = line item, student = 0: the column's own definition
    ROLL_TAKEN = 5  # item as in attendance, student = 0


KindName = Literal["score", "comment", "attendance", "line_item", "roll_taken"]
# Plain numbers: enum members cost several look-ups each time they are named, and these are on the save path.
KIND_OF_NAME: dict[str, int] = {kind.name.lower(): int(kind) for kind in Kind}
NAME_OF_KIND: dict[int, str] = {int(kind): kind.name.lower() for kind in Kind}

Text = Annotated[str, Meta(pattern="^[^\\x00]*$")]
# `$` alone would let a line end through.
ScoreText = Annotated[str, Meta(pattern=r"^-?[0-9]{1,6}(\.[0-9]{1,4})?$(?!\n)")]
ScoreStatus = Literal[
    "exempt", "missing", "late", "incomplete", "in_progress", "not_submitted", "submitted", "partially_graded"
]
AttendanceCategory = Literal["present", "tardy", "excused_absence", "unexcused_absence", "early_departure", "partial"]


class ScoreValue(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A score, flags beside it, or both; neither is an emptied cell."""

    score: ScoreText | None = None
    status: Annotated[tuple[ScoreStatus, ...], Meta(max_length=8)] = ()


class CommentValue(Struct, frozen=True, forbid_unknown_fields=True):
    """Words about one result."""

    text: Annotated[Text, Meta(max_length=2_000)]


class AttendanceValue(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One student's mark on one day, in Ed-Fi's categories."""

    category: AttendanceCategory | None
    arrival_time: Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$(?!\n)")] | None = None
    note: Annotated[Text, Meta(max_length=500)] = ""


class LineItemValue(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A column's definition. The id comes from the block reserved in the section's snapshot."""

    title: Annotated[Text, Meta(min_length=1, max_length=200)]
    result_value_max: ScoreText
    result_value_min: ScoreText = "0"
    description: Annotated[Text, Meta(max_length=2_000)] = ""
    category_id: Annotated[int, Meta(ge=1, le=2**53)] | None = None
    assign_date: dt.date | None = None
    due_date: dt.date | None = None
    is_extra_credit: bool = False
    is_hidden: bool = False
    position: Annotated[int, Meta(ge=0, le=10_000)] = 0


class RollTakenValue(Struct, frozen=True, forbid_unknown_fields=True):
    """The teacher says that the roll of this meeting is complete."""

    taken: bool


Value = ScoreValue | CommentValue | AttendanceValue | LineItemValue | RollTakenValue

_SCHEMA: dict[int, type[Any]] = {
    Kind.SCORE: ScoreValue,
    Kind.COMMENT: CommentValue,
    Kind.ATTENDANCE: AttendanceValue,
    Kind.LINE_ITEM: LineItemValue,
    Kind.ROLL_TAKEN: RollTakenValue,
}
VALUE_BYTES_MAX: dict[int, int] = {
    Kind.SCORE: 256,
    Kind.COMMENT: 8_192,
    Kind.ATTENDANCE: 2_200,
    Kind.LINE_ITEM: 12_288,
    Kind.ROLL_TAKEN: 64,
}
SCORE, COMMENT, LINE_ITEM = int(Kind.SCORE), int(Kind.COMMENT), int(Kind.LINE_ITEM)
WHOLE_SECTION_KINDS = frozenset({LINE_ITEM, int(Kind.ROLL_TAKEN)})
DAY_KINDS = frozenset({int(Kind.ATTENDANCE), int(Kind.ROLL_TAKEN)})

# Teachers type the same few hundred scores all day long; each is decoded once. Longer ones are rare, or no scores.
_SCORES_KEPT_MAX, _SCORE_KEPT_BYTES_MAX = 8_192, 64
_decode = {int(kind): msgspec.json.Decoder(schema).decode for kind, schema in _SCHEMA.items()}
_encode = msgspec.json.Encoder().encode


class ValueRejectedError(ValueError):
    """The value does not fit its kind; `code` and `params` go into the outcome."""

    def __init__(self, code: str, params: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.params = params or {}


def parse_value(kind: int, raw: bytes) -> Value:
    """Decode a value of this kind, or raise ValueRejectedError with the reason."""
    if kind == SCORE and len(raw) <= _SCORE_KEPT_BYTES_MAX:
        return _parse_score(raw)
    if len(raw) > VALUE_BYTES_MAX[kind]:
        raise ValueRejectedError("value_too_large", {"max_bytes": str(VALUE_BYTES_MAX[kind])})
    return _parse(kind, raw)


@lru_cache(_SCORES_KEPT_MAX)
def _parse_score(raw: bytes) -> Value:
    return _parse(SCORE, raw)


def _parse(kind: int, raw: bytes) -> Value:
    try:
        value: Value = _decode[kind](raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # The reason repeats what was typed, and is stored beside it: it has to be storable itself.
        raise ValueRejectedError("value_malformed", {"reason": str(error)[:200].replace("\x00", "\ufffd")}) from None
    return value


def canonical(value: Value) -> bytes:
    """Return the one JSON form in which a value is stored: no white space, defaults left out."""
    return _encode(value)


def as_sent(raw: bytes) -> bytes:
    """Return a refused value in a form that PostgreSQL's jsonb can always hold: its own text as a string."""
    return _encode({"as_sent": raw.decode("utf-8", "replace").replace("\x00", "\ufffd")})


def check_item(kind: int, item: int, student: int) -> None:
    """Check what the kind says about `item` and `student`, or raise ValueRejectedError.

    Attendance items are `yyyymmdd × 100 + meeting`; whole-section kinds take student 0 and the others a student.
    """
    if (student == 0) != (kind in WHOLE_SECTION_KINDS):
        raise ValueRejectedError("unknown_student")
    if kind in DAY_KINDS and meeting_of(item) is None:
        raise ValueRejectedError("unknown_day", {"item": str(item)})


def meeting_of(item: int) -> tuple[dt.date, int] | None:
    """Return (day, meeting) of an attendance item, or None if it names no day of the calendar."""
    day, meeting = divmod(item, 100)
    try:
        return dt.date(day // 10_000, day // 100 % 100, day % 100), meeting
    except ValueError:
        return None


def attendance_item(day: dt.date, meeting: int = 0) -> int:
    """Return the item of a day's roll (`meeting` is 0 unless a section meets more than once a day)."""
    return (day.year * 10_000 + day.month * 100 + day.day) * 100 + meeting


def check_score_range(score: str, low: Decimal, high: Decimal, *, is_extra_credit: bool) -> None:
    """Refuse a score outside the line item's range; above the maximum only where extra credit is allowed."""
    number = _number_of(score)
    if number < low or (number > high and not is_extra_credit):
        raise ValueRejectedError("score_out_of_range", {"min": f"{low:f}", "max": f"{high:f}"})


@lru_cache(_SCORES_KEPT_MAX)
def _number_of(score: str) -> Decimal:
    return Decimal(score)
