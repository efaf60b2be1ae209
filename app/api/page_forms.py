"""The two forms of the plain page, a column and a day's roll: opened from a section, or shown again as typed."""

from __future__ import annotations

import datetime as dt
import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from app.api.page_views import address_of, choice_view, column_rows, faults, roll_rows, title_of
from app.api.page_words import local
from app.errors import NotFoundError
from app.gradebook.open_form import milliseconds, open_column, open_roll
from app.model.kinds import ID_MAX, AttendanceValue, Kind, RollTakenValue, attendance_item, parse_value
from app.model.plain_fields import mark_of, score_of
from app.model.plain_forms import seal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup

    from app.api.exchange import Answer
    from app.api.page_views import Notes
    from app.api.page_visit import Visit
    from app.api.page_words import Words
    from app.gradebook.open_form import OpenedForm
    from app.gradebook.read_section import SectionSnapshot
    from app.model.plain_fields import Fields
    from app.model.plain_forms import FormState
    from app.model.typed_text import TypedTextError

SATURDAY: Final = 5
FIRST_YEAR, LAST_YEAR = 2000, 2199


def now_ms() -> int:
    """Return the time of this server."""
    return time.time_ns() // 1_000_000


async def open_form(visit: Visit, section_id: int, line_item_id: int | None, day: str | None = None) -> OpenedForm:
    """Return a fresh form: of a column, else of a day's roll (no day: today, where the school is).

    Raises what reading the section raises, and NotFoundError for a column or a day that there is not.
    """
    grant = await visit.require_grant()
    read_section = visit.services.read_section.read_section
    form_id = secrets.token_bytes(16)
    if line_item_id is not None:
        if line_item_id > ID_MAX:
            raise NotFoundError("no such column")
        columns = [(int(kind), line_item_id) for kind in (Kind.SCORE, Kind.COMMENT)]
        snapshot = await read_section(grant, section_id, columns=columns)
        note_snapshot(visit, snapshot)
        return open_column(snapshot, grant, line_item_id, form_id=form_id, now_ms=now_ms())
    asked = _day(day) if day else None
    # Which day it is where the school is, is known when the section has been read: it is one of these.
    around = dt.datetime.now(dt.UTC).date()
    days = [asked] if asked is not None else [around + dt.timedelta(days=n) for n in (-1, 0, 1)]
    columns = [(int(kind), attendance_item(date)) for kind in (Kind.ATTENDANCE, Kind.ROLL_TAKEN) for date in days]
    snapshot = await read_section(grant, section_id, columns=columns)
    note_snapshot(visit, snapshot)
    date = asked or dt.date.fromisoformat(snapshot.section["today"])
    return open_roll(snapshot, grant, date, form_id=form_id, now_ms=now_ms())


def note_snapshot(visit: Visit, snapshot: SectionSnapshot) -> None:
    """Have the page say from when its records are, where PostgreSQL could not be asked for them."""
    if snapshot.records_are_away:
        visit.note_as_of(milliseconds(snapshot.as_of), snapshot.section["time_zone"])


def _day(text: str) -> dt.date:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise NotFoundError("no such day") from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise NotFoundError("no such day")
    return day


def form_page(
    visit: Visit,
    state: FormState,
    *,
    fields: Fields | None = None,
    errors: Mapping[str, TypedTextError] | None = None,
    problem: Sequence[Markup] = (),
    opened: OpenedForm | None = None,
    status: int = 200,
    retry_after_s: int | None = None,
) -> Answer:
    """Return the page of a form. `fields`: what was typed into it; `opened`: how its cells stand, if known."""
    key = visit.form_keys[0]
    words, fields, errors = visit.words, fields or {}, errors or {}
    address = address_of(state)
    title = title_of(words, state)
    context: dict[str, Any] = {
        "action": address,
        "state": seal(state, key),
        "problem": problem,
        "errors": faults(words, state, errors),
        "crumbs": crumbs(words, (f"/sections/{state.section_id}", state.section_title)),
        "choices": [choice_view(words, choice, key, now_ms()) for choice in (opened.choices if opened else ())],
        "is_open": any(field[0] in "ctn" for field in errors) or any(field[0] in "fctn" for field in fields),
        "status": status,
        "retry_after_s": retry_after_s,
    }
    notes = opened.notes if opened else None
    about = _column if state.kind == "column" else _roll
    return visit.page(
        f"{state.kind}.html",
        f"{title} · {state.section_title}",
        here=address if opened is not None and not fields else None,
        **context,
        **about(words, state, fields, errors, notes),
    )


def crumbs(words: Words, *more: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the way back."""
    return [("/sections", words("nav.sections")), *more]


def _column(
    words: Words, state: FormState, fields: Fields, errors: Mapping[str, TypedTextError], notes: Notes | None
) -> dict[str, Any]:
    extra = [words("column.extra_credit")] if state.is_extra_credit else []
    return {
        "heading": state.title,
        "facts": [state.section_title, words("column.out_of", max=state.score_max), *extra],
        "score_min": state.score_min,
        "score_max": state.score_max,
        "rows": column_rows(words, state, fields, errors, notes),
        "standing": _column_standing(words, state, notes) if notes is not None else [],
    }


def _column_standing(words: Words, state: FormState, notes: Notes) -> list[Markup]:
    if not state.students:
        return []
    if not any(note.value for note in notes.values()):
        return [words("column.standing.none")]
    scores = [score_of(cell) for cell in state.cells if cell.kind == Kind.SCORE]
    entered = sum(score.score is not None or bool(score.status) for score in scores)
    return [
        words("column.standing", entered=entered, students=len(state.students))
        + " "
        + _drafted_or_recorded(words, notes)
        + " "
        + words("column.as_of", at=words.at(state.made_ms, state.time_zone))
    ]


def _drafted_or_recorded(words: Words, notes: Notes) -> Markup:
    drafted = sum(note.state == "drafted" for note in notes.values())
    return words("column.standing.drafted", count=drafted) if drafted else words("column.standing.recorded")


def _roll(
    words: Words, state: FormState, fields: Fields, errors: Mapping[str, TypedTextError], notes: Notes | None
) -> dict[str, Any]:
    day = dt.date.fromisoformat(state.title)
    today = local(now_ms(), state.time_zone).date()
    can_take = day <= today and not _is_taken(state)
    said = words.day(day)
    return {
        "facts": [state.section_title, words("attendance.day.today", day=said) if day == today else said],
        "can_take": can_take,
        "rows": roll_rows(words, state, fields, errors, notes, is_present_assumed=can_take),
        "days": _days(words, state.section_id, day, today) if notes is not None else (),
        "standing": _roll_standing(words, state, notes, is_future=day > today) if notes is not None else (),
    }


def _is_taken(state: FormState) -> bool:
    """Whether the roll of this day was taken."""
    cell = state.shown().get((Kind.ROLL_TAKEN, 0))
    value = parse_value(Kind.ROLL_TAKEN, cell.value) if cell is not None and cell.value else None
    return isinstance(value, RollTakenValue) and value.taken


def _roll_standing(words: Words, state: FormState, notes: Notes, *, is_future: bool) -> list[Markup]:
    if not state.students:
        return []
    marks = [mark_of(cell) for cell in state.cells if cell.kind == Kind.ATTENDANCE]
    marked = sum(isinstance(mark, AttendanceValue) and mark.category is not None for mark in marks)
    if is_future:
        return [words("attendance.future")]
    if not _is_taken(state):
        lines = [words("attendance.not_taken") + " " + words("attendance.not_taken.how")]
        return [*lines, words("attendance.not_taken.some", count=marked)] if marked else lines
    note = notes[Kind.ROLL_TAKEN, 0]
    key = "attendance.taken.drafted" if note.state == "drafted" else "attendance.taken"
    name = note.author or words("choice.somebody")
    lines = [words(key, name=name, at=words.at(note.entered_ms, state.time_zone, now_ms()))]
    if marked < len(marks):
        lines.append(words("attendance.unmarked", count=len(marks) - marked))
    return [*lines, _drafted_or_recorded(words, notes)]


def _days(words: Words, section_id: int, day: dt.date, today: dt.date) -> list[tuple[str, Markup]]:
    """Return links to the school days around this one."""
    earlier, later = _school_day(day, -1), _school_day(day, 1)
    links = [(earlier, words("attendance.earlier", day=words.day(earlier)))]
    if today not in {day, earlier, later}:
        links.append((today, words("attendance.day.today", day=words.day(today))))
    links.append((later, words("attendance.later", day=words.day(later))))
    return [(f"/sections/{section_id}/attendance?day={date.isoformat()}", label) for date, label in links]


def _school_day(day: dt.date, step: int) -> dt.date:
    """Return the next day, or the one before, that is not of a weekend."""
    while True:
        day += dt.timedelta(days=step)
        if day.weekday() < SATURDAY:
            return day
