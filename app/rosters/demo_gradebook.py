"""Calendar, columns and earlier scores of the demo district, around the day that is called today."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec

from app.model.kinds import CommentValue, ScoreValue, canonical
from app.rosters.demo_people import chance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.rosters.demo_schools import Section

_COLUMNS, _ABILITY, _CELL = 4, 5, 6  # topics of chance

FIRST_SECTION_COLUMNS = 8
COLUMNS = (8, 30)
SCORED_COLUMNS = 4  # in each section the earliest that are due
_FIRST_SECTION_DAYS = (-37, -30, -23, -16, -9, -2, 7, 14)  # due, from today

CATEGORIES = (("Classwork", 20), ("Homework", 20), ("Quizzes", 20), ("Tests and projects", 40))

# (title, category, maximum) in the order in which a term brings them; {n} counts within a section.
_PLAN = (
    ("Homework {n}", 2, 10),
    ("Classwork {n}", 1, 10),
    ("Quiz {n}", 3, 20),
    ("Homework {n}", 2, 10),
    ("Unit {n} test", 4, 100),
)
_PLANS = {
    "SCI": (*_PLAN[:2], ("Lab report {n}", 4, 50), *_PLAN[2:]),
    "ENG": (("Reading journal {n}", 2, 10), ("Vocabulary quiz {n}", 3, 20), ("Essay {n}", 4, 100), _PLAN[1]),
    "HIST": (*_PLAN[:3], ("Document analysis {n}", 4, 50), _PLAN[4]),
    "ART": (("Sketchbook {n}", 1, 10), ("Studio work {n}", 1, 20), ("Project {n}", 4, 100)),
    "PE": (("Participation, week {n}", 1, 10), ("Skills check {n}", 3, 20), ("Fitness log {n}", 2, 10)),
    "ELEM": (
        ("Reading log {n}", 2, 5),
        ("Spelling test {n}", 3, 20),
        ("Math practice {n}", 1, 10),
        ("Writing {n}", 4, 4),
    ),
}
_COMMENTS = (
    "Great improvement.",
    "Please see me before class.",
    "Well argued.",
    "Show your work.",
    "Retake on Friday.",
)


class AcademicSession(msgspec.Struct, frozen=True):
    """A part of the school year, numbered from 1; `parent` is another one's number, or 0."""

    number: int
    title: str
    type: str
    begin: dt.date
    end: dt.date
    parent: int


class Calendar(msgspec.Struct, frozen=True):
    """The school year around a day, and which of its parts that day falls into."""

    today: dt.date
    school_year: int
    sessions: tuple[AcademicSession, ...]
    semester: AcademicSession
    period: AcademicSession

    @property
    def year(self) -> AcademicSession:
        """Return the whole school year."""
        return self.sessions[0]


def calendar_around(today: dt.date) -> Calendar:
    """Return the school year that `today` is in, from mid August to mid June; a summer day counts to the next one."""
    begins = today.year if (today.month, today.day) > (6, 12) else today.year - 1
    ends = begins + 1
    spans = [
        (f"{begins}-{ends}", "schoolYear", dt.date(begins, 8, 12), dt.date(ends, 6, 12), 0),
        ("Fall semester", "semester", dt.date(begins, 8, 12), dt.date(begins, 12, 18), 1),
        ("Spring semester", "semester", dt.date(ends, 1, 11), dt.date(ends, 6, 12), 1),
        ("Grading period 1", "gradingPeriod", dt.date(begins, 8, 12), dt.date(begins, 10, 16), 2),
        ("Grading period 2", "gradingPeriod", dt.date(begins, 10, 19), dt.date(begins, 12, 18), 2),
        ("Grading period 3", "gradingPeriod", dt.date(ends, 1, 11), dt.date(ends, 3, 26), 3),
        ("Grading period 4", "gradingPeriod", dt.date(ends, 3, 29), dt.date(ends, 6, 12), 3),
    ]
    sessions = tuple(AcademicSession(number, *span) for number, span in enumerate(spans, 1))

    def current(kind: str) -> AcademicSession:
        return next((s for s in sessions if s.type == kind and today <= s.end), sessions[-1])

    return Calendar(today, ends, sessions, current("semester"), current("gradingPeriod"))


class Column(msgspec.Struct, frozen=True):
    """A line item of a section, the n-th (from 0)."""

    place: int
    title: str
    category: int
    maximum: int
    assigned: dt.date
    due: dt.date
    is_scored: bool


def column_count(section_number: int, seed: int) -> int:
    """Return how many line items a section has, without making the section."""
    low, high = COLUMNS
    if section_number == 1:
        return FIRST_SECTION_COLUMNS
    return low + chance(seed, _COLUMNS, section_number) % (high - low + 1)


def columns(section: Section, calendar: Calendar, seed: int) -> list[Column]:
    """Return the line items of a section in the order of their due dates."""
    is_first = section.number == 1
    count = column_count(section.number, seed)
    plan = _PLANS.get(section.subject, _PLAN)
    semester, counted, found = calendar.semester, dict[str, int](), list[Column]()
    days = (semester.end - semester.begin).days
    for place in range(count):
        title, category, maximum = plan[place % len(plan)]
        counted[title] = counted.get(title, 0) + 1
        due = semester.begin + dt.timedelta(days=days * (place + 1) // (count + 1))
        if is_first:
            due = calendar.today + dt.timedelta(days=_FIRST_SECTION_DAYS[place])
        is_scored = due < calendar.today and (is_first or place < SCORED_COLUMNS)
        assigned = due - dt.timedelta(days=2 + place % 4)
        found.append(Column(place, title.format(n=counted[title]), category, maximum, assigned, due, is_scored))
    return found


class DemoResult(msgspec.Struct, frozen=True):
    """What stands in a student's cell: a score, flags, or both, and perhaps a comment."""

    student: int
    score: str | None
    status: tuple[str, ...]
    comment: str | None

    @property
    def score_value(self) -> str:
        """Return the cell's value as JSON."""
        return canonical(ScoreValue(score=self.score, status=self.status)).decode()  # type: ignore[arg-type]

    @property
    def comment_value(self) -> str | None:
        """Return the comment's cell as JSON."""
        return canonical(CommentValue(text=self.comment)).decode() if self.comment else None


def results(section: Section, column: Column, seed: int) -> Iterator[DemoResult]:
    """Yield the results of a scored column; a few students have none yet."""
    for student in section.students:
        bits = chance(seed, _CELL, section.number * 64 + column.place, student)
        ability = 58 + chance(seed, _ABILITY, student, section.number) % 41
        lot = bits % 200
        if lot < 3:
            continue  # not entered yet
        if lot < 8:
            yield DemoResult(student, None, ("missing",), None)
            continue
        if lot == 8:
            yield DemoResult(student, None, ("exempt",), None)
            continue
        percent = max(0, min(100, ability + (bits >> 16) % 25 - 12))
        halves = column.maximum * percent * 2 // 100
        score = f"{halves // 2}.5" if halves % 2 and column.maximum <= 20 else str(halves // 2)
        comment = _COMMENTS[(bits >> 32) % len(_COMMENTS)] if (bits >> 24) % 40 == 0 else None
        yield DemoResult(student, score, ("late",) if lot < 14 else (), comment)
