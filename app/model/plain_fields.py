"""The inputs of a plain form: their names, and reading them into values. A box that was not sent changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.model.kinds import (
    AttendanceValue,
    CommentValue,
    Kind,
    RollTakenValue,
    ScoreValue,
    ValueRejectedError,
    canonical,
    parse_value,
)
from app.model.plain_forms import plain_value
from app.model.typed_text import TypedTextError, read_score, read_time, read_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.model.kinds import AttendanceCategory, ScoreStatus, Value
    from app.model.plain_forms import CellName, FormState, ShownCell

COMMENT_CHARS_MAX, NOTE_CHARS_MAX = 2_000, 500
FLAGS: tuple[ScoreStatus, ...] = ("exempt", "missing", "late")
CATEGORIES: tuple[AttendanceCategory, ...] = (
    "present",
    "tardy",
    "unexcused_absence",
    "excused_absence",
    "early_departure",
    "partial",
)
# A time of arrival belongs to these; it goes when the mark changes to another.
_CATEGORIES_WITH_TIME = frozenset({"tardy", "partial"})

Fields = dict[str, list[str]]


class Typed(NamedTuple):
    """What the inputs say: values by cell, and what could not be understood by name of the input."""

    values: dict[CellName, bytes]
    errors: dict[str, TypedTextError]


def score_field(student: int) -> str:
    """Name of the score's box."""
    return f"s-{student}"


def flag_field(student: int) -> str:
    """Name of the flags' boxes."""
    return f"f-{student}"


def panel_field(student: int) -> str:
    """Name of the mark that a student's flags were part of the form: boxes that are not ticked are not sent."""
    return f"p-{student}"


def comment_field(student: int) -> str:
    """Name of the comment's box."""
    return f"c-{student}"


def category_field(student: int) -> str:
    """Name of the attendance marks."""
    return f"a-{student}"


def time_field(student: int) -> str:
    """Name of the time of arrival."""
    return f"t-{student}"


def note_field(student: int) -> str:
    """Name of the note beside an attendance mark."""
    return f"n-{student}"


def read_fields(state: FormState, fields: Mapping[str, Sequence[str]]) -> Typed:
    """Return what the form says, for a column or for a day's roll."""
    typed = Typed({}, {})
    shown = state.shown()
    for student in (row.student for row in state.students):
        if state.kind == "column":
            _read_score(state, shown[Kind.SCORE, student], fields, typed)
            _read_comment(shown[Kind.COMMENT, student], fields, typed)
        else:
            _read_mark(shown[Kind.ATTENDANCE, student], fields, typed)
    if "roll" in fields and not typed.errors and (Kind.ROLL_TAKEN, 0) in shown:
        typed.values[Kind.ROLL_TAKEN, 0] = canonical(RollTakenValue(taken=True))
    return typed


def score_of(cell: ShownCell) -> ScoreValue:
    """Return the score that a cell showed."""
    value = _parsed(cell)
    return value if isinstance(value, ScoreValue) else ScoreValue()


def comment_of(cell: ShownCell) -> str:
    """Return the comment that a cell showed."""
    value = _parsed(cell)
    return value.text if isinstance(value, CommentValue) else ""


def mark_of(cell: ShownCell) -> AttendanceValue:
    """Return the attendance mark that a cell showed."""
    value = _parsed(cell)
    return value if isinstance(value, AttendanceValue) else AttendanceValue(None)


def _parsed(cell: ShownCell) -> Value | None:
    """Return the value of a cell; None for an empty one, and for one that this release cannot read."""
    try:
        return parse_value(cell.kind, cell.value) if cell.value else None
    except ValueRejectedError:
        return None


def _put(typed: Typed, cell: ShownCell, value: bytes) -> None:
    """Note a value; emptiness over a value that this release cannot read was never typed."""
    if plain_value(cell.kind, value) or _parsed(cell) is not None or not cell.value:
        typed.values[cell.kind, cell.student] = value


def _read_score(state: FormState, cell: ShownCell, fields: Mapping[str, Sequence[str]], typed: Typed) -> None:
    before = score_of(cell)
    text = fields.get(score_field(cell.student))
    has_flags = panel_field(cell.student) in fields
    if text is None and not has_flags:
        return
    score, statuses = before.score, list(before.status)
    if has_flags:
        ticked = fields.get(flag_field(cell.student), ())
        statuses = [s for s in statuses if s not in FLAGS or s in ticked]
        statuses += [flag for flag in FLAGS if flag in ticked and flag not in statuses]
    if text is not None and text[0].strip() != (score or ""):
        try:
            read = read_score(text[0], state.score_max)
        except TypedTextError as error:
            typed.errors[score_field(cell.student)] = error
            return
        score = read.score
        statuses += [flag for flag in FLAGS if flag in read.statuses and flag not in statuses]
    _put(typed, cell, canonical(ScoreValue(score, tuple(statuses))))


def _read_comment(cell: ShownCell, fields: Mapping[str, Sequence[str]], typed: Typed) -> None:
    name = comment_field(cell.student)
    if name not in fields:
        return
    before = comment_of(cell)
    try:
        text = read_words(fields[name][0], COMMENT_CHARS_MAX)
    except TypedTextError as error:
        typed.errors[name] = error
        return
    # A comment from elsewhere may have spaces at its ends; a box that was not touched is no change.
    text = before if text == read_words(before, COMMENT_CHARS_MAX) else text
    _put(typed, cell, canonical(CommentValue(text)))


def _read_mark(cell: ShownCell, fields: Mapping[str, Sequence[str]], typed: Typed) -> None:
    before = mark_of(cell)
    student = cell.student
    names = (category_field(student), time_field(student), note_field(student))
    if not any(name in fields for name in names):
        return
    chosen = fields.get(names[0], [before.category or ""])[0]
    category = next((c for c in CATEGORIES if c == chosen), before.category if chosen else None)
    name = names[1]
    try:
        arrival = read_time(fields[name][0]) if name in fields else before.arrival_time
        name = names[2]
        note = read_words(fields[name][0], NOTE_CHARS_MAX) if name in fields else before.note
    except TypedTextError as error:
        typed.errors[name] = error
        return
    is_new_mark = category != before.category and arrival == before.arrival_time
    if is_new_mark and category not in _CATEGORIES_WITH_TIME:
        arrival = None
    if note == before.note.strip():
        note = before.note
    _put(typed, cell, canonical(AttendanceValue(category, arrival, note)))
