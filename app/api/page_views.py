"""What the templates of the plain page show: rows of forms, conflicts, and what became of entries. Pure."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

from app.model.kinds import Kind
from app.model.plain_fields import (
    CATEGORIES,
    FLAGS,
    category_field,
    comment_field,
    comment_of,
    flag_field,
    mark_of,
    note_field,
    panel_field,
    score_field,
    score_of,
    time_field,
)
from app.model.plain_forms import plain_value, seal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup

    from app.api.page_words import Words
    from app.gradebook.open_form import CellNote
    from app.model.plain_fields import Fields
    from app.model.plain_forms import CellName, FormState, Party
    from app.model.typed_text import TypedTextError

Notes = dict["CellName", "CellNote"]


class Option(NamedTuple):
    """A box to tick or a mark to choose."""

    value: str
    label: Markup
    is_on: bool


class ColumnRow(NamedTuple):
    """One student in the form of a column."""

    name: str
    is_active: bool
    score_field: str
    score: str
    error: Markup | None
    flags_said: Markup | None
    is_drafted: bool
    panel_field: str
    flag_field: str
    flags: list[Option]
    comment_field: str
    comment: str
    comment_error: Markup | None


class RollRow(NamedTuple):
    """One student in the form of a day's roll."""

    name: str
    is_active: bool
    is_drafted: bool
    category_field: str
    categories: list[Option]
    said: Markup | None  # the time of arrival and the note that are there already
    time_field: str
    time: str
    time_error: Markup | None
    note_field: str
    note: str
    note_error: Markup | None


class Fault(NamedTuple):
    """A line of the error summary, linked to its input."""

    field: str
    name: str
    sentence: Markup


class ChoiceView(NamedTuple):
    """Two values for one cell, and the buttons that decide."""

    action: str
    head: Markup
    lines: list[Markup]
    state: str
    buttons: list[tuple[str, Markup]]


def title_of(words: Words, state: FormState) -> str:
    """Return what a form is about: the column's title, or the day."""
    if any(cell.kind in {Kind.ATTENDANCE, Kind.ROLL_TAKEN} for cell in state.cells):
        return words.day(dt.date.fromisoformat(state.title))
    return state.title


def address_of(state: FormState) -> str:
    """Return the page on which the form is."""
    if any(cell.kind in {Kind.ATTENDANCE, Kind.ROLL_TAKEN} for cell in state.cells):
        return f"/sections/{state.section_id}/attendance?day={state.title}"
    return f"/sections/{state.section_id}/columns/{state.item}"


def column_rows(
    words: Words, state: FormState, fields: Fields, errors: Mapping[str, TypedTextError], notes: Notes | None = None
) -> list[ColumnRow]:
    """Return the rows of a column: what was typed where something was, else what the cells hold."""
    shown = state.shown()
    rows = []
    for row in state.students:
        student = row.student
        score = score_of(shown[Kind.SCORE, student])
        comment = comment_of(shown[Kind.COMMENT, student])
        on: Sequence[str] = fields.get(flag_field(student), ()) if panel_field(student) in fields else score.status
        names = (score_field(student), comment_field(student))
        rows.append(
            ColumnRow(
                row.name,
                row.is_active,
                names[0],
                fields.get(names[0], [score.score or ""])[0],
                said(words, errors.get(names[0])),
                words.flags(score.status) if score.status else None,
                _is_drafted(notes, (Kind.SCORE, student), (Kind.COMMENT, student)),
                panel_field(student),
                flag_field(student),
                [Option(flag, words(f"flag.{flag}"), flag in on) for flag in FLAGS],
                names[1],
                fields.get(names[1], [comment])[0],
                said(words, errors.get(names[1])),
            )
        )
    return rows


def roll_rows(
    words: Words,
    state: FormState,
    fields: Fields,
    errors: Mapping[str, TypedTextError],
    notes: Notes | None = None,
    *,
    is_present_assumed: bool,
) -> list[RollRow]:
    """Return the rows of a roll. Who has no mark is set to present where that is assumed, else to no mark."""
    shown = state.shown()
    rows = []
    for row in state.students:
        student = row.student
        mark = mark_of(shown[Kind.ATTENDANCE, student])
        names = (category_field(student), time_field(student), note_field(student))
        assumed = "present" if is_present_assumed and row.is_active else ""
        chosen = fields.get(names[0], [mark.category or assumed])[0]
        options = [Option(c, words(f"category.{c}"), c == chosen) for c in CATEGORIES]
        if not mark.category and not assumed:
            options.append(Option("", words("category.none"), is_on=not chosen))
        rows.append(
            RollRow(
                row.name,
                row.is_active,
                _is_drafted(notes, (Kind.ATTENDANCE, student)),
                names[0],
                options,
                words.mark_details(mark),
                names[1],
                fields.get(names[1], [mark.arrival_time or ""])[0],
                said(words, errors.get(names[1])),
                names[2],
                fields.get(names[2], [mark.note])[0],
                said(words, errors.get(names[2])),
            )
        )
    return rows


def _is_drafted(notes: Notes | None, *names: CellName) -> bool:
    return notes is not None and any(name in notes and notes[name].state == "drafted" for name in names)


def said(words: Words, error: TypedTextError | None) -> Markup | None:
    """Return the sentence of what could not be understood."""
    return words.of_code(error.code, error.params) if error is not None else None


def faults(words: Words, state: FormState, errors: Mapping[str, TypedTextError]) -> list[Fault]:
    """Return the error summary."""
    names = {row.student: row.name for row in state.students}
    return [
        Fault(field, names[student_of(field)], words.of_code(error.code, error.params))
        for field, error in errors.items()
    ]


def student_of(field: str) -> int:
    """Return whose input it is."""
    return int(field.partition("-")[2])


def choice_view(words: Words, choice: FormState, key: bytes, now_ms: int) -> ChoiceView:
    """Return a conflict with both values, who entered them and when."""
    held, cell = choice.held[0], choice.cells[0]
    mine, theirs = words.value(held.kind, held.value), words.value(cell.kind, cell.value)
    mine_by, theirs_by = choice.parties
    name = choice.students[0].name if choice.students else words("attendance.roll")
    zone = choice.time_zone
    lines = [
        _entered(words, mine_by, mine, zone, now_ms),
        _entered(words, theirs_by, theirs, zone, now_ms, is_elsewhere=mine_by.is_user) + " " + words("choice.stands"),
    ]
    if plain_value(held.kind, held.value) == cell.value:
        lines.append(words("choice.same", value=mine))
        buttons = [("theirs", words("choice.settle", value=theirs))]
    elif mine_by.is_user:
        buttons = [("mine", words("choice.keep", value=mine)), ("theirs", words("choice.take", value=theirs))]
    else:
        buttons = [("theirs", words("choice.settle", value=theirs)), ("mine", words("choice.use", value=mine))]
    return ChoiceView(
        f"/sections/{choice.section_id}/conflicts",
        words("choice.head", name=name, title=title_of(words, choice)),
        lines,
        seal(choice, key),
        buttons,
    )


def _entered(
    words: Words, party: Party, value: Markup, time_zone: str, now_ms: int, *, is_elsewhere: bool = False
) -> Markup:
    at = words.at(party.entered_ms, time_zone, now_ms)
    if party.is_user:
        return words("choice.you_elsewhere" if is_elsewhere else "choice.you", value=value, at=at)
    return words("choice.other", name=party.name or words("choice.somebody"), value=value, at=at)
