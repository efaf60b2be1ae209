"""The demo district as streams of records, numbered from 1, for the database and for CSV files alike.

Nothing is kept but the list of schools (1,000 at most): a district of 700,000 students is made again for each stream.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 -- msgspec reads the annotations
from typing import TYPE_CHECKING

import msgspec

from app.rosters.demo_gradebook import AcademicSession, Calendar, Column, DemoResult, calendar_around, columns, results
from app.rosters.demo_people import chance, person_name
from app.rosters.demo_schools import GRADE_NAMES, School, Section, schools, sections

if TYPE_CHECKING:
    from collections.abc import Iterator

DISTRICT_NAME = "Demo Unified School District"
TEACHERS_MAX = 26_000
_PERSON = 7  # topic of chance


class Person(msgspec.Struct, frozen=True):
    """Anybody with an account. Orgs are numbered too: 1 is the district, 1 + n the n-th school."""

    number: int
    username: str
    given_name: str
    family_name: str
    identifier: str
    grade: str | None
    org: int
    role: str

    @property
    def email(self) -> str:
        """Return an address that can never be delivered to."""
        return f"{self.username}@demo.invalid"


class PlannedSection(msgspec.Struct, frozen=True):
    """A section of one school in one part of the year."""

    number: int
    school: School
    section: Section
    term: AcademicSession


class DemoDistrict:
    """A district of `teachers` teachers: the same for the same seed and day, wherever and in whatever order it is read.

    With two semesters the secondary schools have their sections twice (for imports of five million enrollments).
    """

    def __init__(self, teachers: int, seed: int, today: dt.date, *, semesters: int = 1) -> None:
        if not 1 <= teachers <= TEACHERS_MAX:
            raise ValueError(f"a demo district has 1 to {TEACHERS_MAX:,} teachers, not {teachers:,}")
        self.teachers = teachers
        self.seed = seed
        self.calendar: Calendar = calendar_around(today)
        self.schools = list(schools(teachers))
        self.students = sum(school.students for school in self.schools)
        self.sections_of_a_semester = sum(school.sections for school in self.schools)
        self._semesters = semesters

    @property
    def sections_max(self) -> int:
        """Return the highest number that a section can have."""
        return self.sections_of_a_semester * self._semesters

    @property
    def people_count(self) -> int:
        """Return how many accounts there are."""
        return 1 + len(self.schools) + self.teachers + self.students

    @property
    def begins(self) -> dt.date:
        """Return the first day of enrollments: never in the future, so that the teachers have their sections today."""
        return min(self.calendar.year.begin, self.calendar.today)

    def teacher_number(self, teacher: int) -> int:
        """Return the person's number of the n-th teacher."""
        return 1 + len(self.schools) + teacher

    def student_number(self, student: int) -> int:
        """Return the person's number of the n-th student."""
        return 1 + len(self.schools) + self.teachers + student

    def username(self, number: int) -> str:
        """Return a person's user name by number (office1, …, teacher1, …, student1, …)."""
        offices = 1 + len(self.schools)
        if number <= offices:
            return f"office{number}"
        if number <= offices + self.teachers:
            return f"teacher{number - offices}"
        return f"student{number - offices - self.teachers}"

    def people(self) -> Iterator[Person]:
        """Yield everybody: the district's office, the schools' offices, teachers, students."""
        yield self._person(1, 1, "administrator", None)
        for school in self.schools:
            yield self._person(1 + school.number, 1 + school.number, "siteAdministrator", None)
        for school in self.schools:
            for teacher in range(school.first_teacher, school.first_teacher + school.teachers):
                yield self._person(self.teacher_number(teacher), 1 + school.number, "teacher", None)
        for school in self.schools:
            for place in range(school.students):
                number = self.student_number(school.first_student + place)
                yield self._person(number, 1 + school.number, "student", GRADE_NAMES[school.grade_of(place)])

    def sections(self) -> Iterator[PlannedSection]:
        """Yield all sections, school by school."""
        calendar = self.calendar
        halves = [calendar.semester] if self._semesters == 1 else [s for s in calendar.sessions if s.type == "semester"]
        for school in self.schools:
            for section in sections(school, self.seed):
                terms = halves if school.is_secondary else [calendar.year]
                for half, term in enumerate(terms):
                    yield PlannedSection(section.number + half * self.sections_of_a_semester, school, section, term)

    def enrollments(self) -> Iterator[tuple[PlannedSection, int, str, bool]]:
        """Yield (section, person's number, role, is primary)."""
        for planned in self.sections():
            for place, teacher in enumerate(planned.section.teachers):
                yield planned, self.teacher_number(teacher), "teacher", place == 0
            for student in planned.section.students:
                yield planned, self.student_number(student), "student", False

    def line_items(self) -> Iterator[tuple[int, PlannedSection, Column]]:
        """Yield (number, section, column)."""
        number = 0
        for planned in self.sections():
            for column in columns(planned.section, self.calendar, self.seed):
                number += 1
                yield number, planned, column

    def results(self) -> Iterator[tuple[int, PlannedSection, Column, DemoResult]]:
        """Yield what stands in the scored columns: (line item's number, section, column, result)."""
        for number, planned, column in self.line_items():
            if column.is_scored:
                for result in results(planned.section, column, self.seed):
                    yield number, planned, column, result

    def period_of(self, due: dt.date) -> AcademicSession:
        """Return the grading period that a day falls into, or today's."""
        periods = (s for s in self.calendar.sessions if s.type == "gradingPeriod" and s.begin <= due <= s.end)
        return next(periods, self.calendar.period)

    def _person(self, number: int, org: int, role: str, grade: str | None) -> Person:
        given, family = person_name(chance(self.seed, _PERSON, number))
        return Person(number, self.username(number), given, family, f"{100_000 + number}", grade, org, role)
