"""The receipt: in words, what of a form is drafted and recorded, and what was refused and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.api.page_views import choice_view, said, student_of, title_of
from app.api.page_words import local
from app.gradebook.open_form import open_choice
from app.model import receipts
from app.model.grants import derive_secret
from app.model.kinds import Kind
from app.model.plain_fields import (
    category_field,
    comment_field,
    flag_field,
    note_field,
    panel_field,
    score_field,
    time_field,
)
from app.model.plain_forms import plain_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from markupsafe import Markup

    from app.api.page_views import ChoiceView
    from app.api.page_words import Words
    from app.gradebook.save_form import SavedEdit, SavedForm
    from app.model.plain_fields import Fields
    from app.model.plain_forms import FormState
    from app.model.typed_text import TypedTextError

# The worst first.
STATES: Final = ("not_understood", "rejected", "conflict", "quarantined", "drafted", "settled", "recorded")
_NEEDS_A_PERSON: Final = frozenset({"not_understood", "rejected", "conflict"})
_TAKEN: Final = frozenset({"drafted", "recorded", "quarantined", "settled"})


class Entry(NamedTuple):
    """One line of the receipt."""

    name: str
    value: Markup
    state: str
    label: Markup
    why: Markup | None


class Count(NamedTuple):
    """How many entries are in one state, and what that state means."""

    state: str
    number: int
    label: Markup
    means: Markup


class Correction(NamedTuple):
    """A box with what was typed, and why it was not accepted."""

    field: str
    name: str
    kind: Markup
    value: str
    sentence: Markup
    is_long: bool


class Slip(NamedTuple):
    """A receipt, whole and in the form for the telephone."""

    short: str
    whole: str


def receipt_context(
    words: Words,
    state: FormState,
    saved: SavedForm,
    fields: Fields,
    errors: Mapping[str, TypedTextError],
    names: Mapping[int, str],
    secrets: Iterable[str],
    key: bytes,
) -> dict[str, Any]:
    """Return what receipt.html shows. `names` are those of the authors of the other values of conflicts."""
    entries = [_entry(words, state, edit) for edit in saved.edits]
    corrections = _corrections(words, state, saved.edits, fields, errors)
    states = [entry.state for entry in entries] + ["not_understood"] * len(errors)
    return {
        "about": words("receipt.for", title=title_of(words, state), section=state.section_title),
        "verdict": _verdict(words, states),
        "counts": [
            Count(s, states.count(s), words(f"receipt.{s}"), words(f"receipt.{s}.means")) for s in STATES if s in states
        ],
        "entries": entries,
        "corrections": corrections,
        "correction_fields": _fields_beside(corrections, fields),
        "is_roll_waiting": bool(corrections) and "roll" in fields,
        "choices": _choices(words, state, saved, names, key),
        "receipts": [_slip(receipt, secrets) for receipt in saved.receipts],
        "is_safe": any(s in _TAKEN for s in states),
        "moment": moment(words, saved.at_ms, state.time_zone),
    }


def moment(words: Words, ms: int, time_zone: str) -> str:
    """Return a moment with its day, to the second, where the school is."""
    at = local(ms, time_zone)
    return f"{words.day(at.date(), with_year=True)}, {words.clock(at, with_seconds=True)}"


def _entry(words: Words, state: FormState, saved: SavedEdit) -> Entry:
    edit, outcome = saved
    names = {row.student: row.name for row in state.students}
    became, why = str(outcome.outcome), None
    if became == "rejected":
        became = "quarantined" if outcome.code == "quarantined" else became
        why = words.of_code(outcome.code or "rejected", outcome.params)
    if became == "conflict" and _is_settled(state, saved):
        became = "settled"
    name = names.get(edit.student) or words("attendance.roll")
    return Entry(name, words.value(edit.kind, edit.value), became, words(f"receipt.{became}"), why)


def _is_settled(state: FormState, saved: SavedEdit) -> bool:
    """Whether the person has chosen their own value of a conflict since."""
    edit, head = saved.edit, saved.outcome.head
    return (
        head is not None
        and head.author_id == state.user_id
        and plain_value(edit.kind, bytes(head.value)) == plain_value(edit.kind, edit.value)
    )


def _verdict(words: Words, states: Sequence[str]) -> Markup:
    waiting = sum(state in _NEEDS_A_PERSON for state in states)
    if waiting:
        return words("receipt.lead.attention" if waiting < len(states) else "receipt.lead.attention_all", count=waiting)
    return words(
        "receipt.lead.recorded" if set(states) <= {"recorded", "settled"} else "receipt.lead.drafted", count=len(states)
    )


def _choices(
    words: Words, state: FormState, saved: SavedForm, names: Mapping[int, str], key: bytes
) -> list[ChoiceView]:
    """Return the conflicts that are still to be decided."""
    views = []
    for one in saved.edits:
        head = one.outcome.head
        if one.outcome.outcome == "conflict" and head is not None and not _is_settled(state, one):
            choice = open_choice(state, one.edit, head, names.get(head.author_id))
            views.append(choice_view(words, choice, key, saved.at_ms))
    return views


def _corrections(
    words: Words,
    state: FormState,
    edits: Sequence[SavedEdit],
    fields: Fields,
    errors: Mapping[str, TypedTextError],
) -> list[Correction]:
    """Return the boxes to correct: what could not be understood, and what the server refused."""
    names = {row.student: row.name for row in state.students}
    wrong = {field: said(words, error) for field, error in errors.items()}
    for edit, outcome in edits:
        if outcome.outcome == "rejected" and outcome.code != "quarantined" and edit.kind in _FIELD_OF_KIND:
            field = _FIELD_OF_KIND[Kind(edit.kind)](edit.student)
            if field in fields:
                wrong[field] = words.of_code(outcome.code or "rejected", outcome.params)
    places = {row.student: place for place, row in enumerate(state.students)}
    kinds = {"s": "column.score", "c": "column.comment", "t": "attendance.time", "n": "attendance.note"}
    return [
        Correction(
            field, names[student_of(field)], words(kinds[field[0]]), fields[field][0], sentence, field[0] in "cn"
        )
        for field, sentence in sorted(wrong.items(), key=lambda item: places[student_of(item[0])])
        if sentence is not None
    ]


_FIELD_OF_KIND: Final[Mapping[int, Callable[[int], str]]] = {
    Kind.SCORE: score_field,
    Kind.COMMENT: comment_field,
    Kind.ATTENDANCE: note_field,
}


def _fields_beside(corrections: Sequence[Correction], fields: Fields) -> list[tuple[str, str]]:
    """Return the other inputs of the cells that are corrected: a cell is saved whole."""
    boxes = {correction.field for correction in corrections}
    beside: list[str] = []
    for field in boxes:
        student = student_of(field)
        if field[0] == "s":
            beside += (panel_field(student), flag_field(student))
        elif field[0] in "tn":
            beside += (category_field(student), time_field(student), note_field(student))
    beside += ["roll"] if boxes else []
    return [(name, value) for name in dict.fromkeys(beside) if name not in boxes for value in fields.get(name, ())]


def _slip(receipt: str, secrets: Iterable[str]) -> Slip:
    keys = {derive_secret(s, "receipt key id")[:4].hex(): derive_secret(s, "receipt") for s in secrets}
    return Slip(receipts.read(receipt, keys).short, receipt)
