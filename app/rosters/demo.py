"""Loads the demo district straight into PostgreSQL: COPY from generators, one transaction, whole or not at all."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

import msgspec

from app.model.kinds import Kind
from app.model.passwords import hash_password
from app.records import demo as records
from app.records import rosters
from app.rosters.demo_district import DISTRICT_NAME, DemoDistrict
from app.rosters.demo_gradebook import CATEGORIES, column_count
from app.rosters.demo_ids import (
    category_id,
    course_id,
    edit_id,
    enrollment_id,
    line_item_id,
    org_id,
    person_id,
    result_id,
    section_id,
    session_id,
)
from app.rosters.demo_schools import COURSES
from app.rosters.importer import ImportBusyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from app.records.pool import Connection

PASSWORD = "inkfast-demo"  # noqa: S105 -- everybody may know it: there is nothing behind it but made-up people
SEED = 2014
# A few scores make a small demo worth looking at; for a full district they are ten million rows that nobody looks at.
RESULTS_TEACHERS_MAX = 500
CLIENT_ID = uuid5(NAMESPACE_URL, "inkfast:demo")


class DemoSummary(msgspec.Struct, frozen=True):
    """What is in the demo district. `was_there`: it had been loaded before, and nothing was done."""

    teachers: int
    students: int
    schools: int
    sections: int
    enrollments: int
    line_items: int
    results: int
    was_there: bool


async def load_demo_district(
    dsn: str,
    *,
    teachers: int,
    seed: int = SEED,
    today: dt.date | None = None,
    progress: Callable[[str], None] | None = None,
    with_results: bool | None = None,
) -> DemoSummary:
    """Load a demo district unless there is one; on failure nothing of it is left.

    `with_results` puts scores into some earlier columns; the default is yes up to RESULTS_TEACHERS_MAX teachers.
    """
    day = today or dt.datetime.now(dt.UTC).date()
    wants_results = teachers <= RESULTS_TEACHERS_MAX if with_results is None else with_results
    connection = await rosters.connect_for_import(dsn)
    try:
        if not await rosters.roster_lock_imports(connection):
            raise ImportBusyError("a roster import is running on this database")
        found = await records.demo_read_counts(connection)
        if found is not None:
            return DemoSummary(**found, was_there=True)
        district = DemoDistrict(teachers, seed, day)
        loader = _Loader(connection, district, progress or _silent)
        await rosters.roster_ensure_school_year(connection, district.calendar.school_year)
        async with connection.transaction():
            counts = await loader.load(wants_results=wants_results)
        await rosters.roster_analyze(connection)
        return DemoSummary(**counts, was_there=False)
    finally:
        await connection.close()


def _silent(_: str) -> None:
    """Show nothing."""


class _Loader:
    """One load. Ids are the district's own numbers, moved behind the ids that are taken already."""

    def __init__(self, connection: Connection, district: DemoDistrict, progress: Callable[[str], None]) -> None:
        self._connection = connection
        self._district = district
        self._progress = progress
        self._base: dict[str, int] = {}

    async def load(self, *, wants_results: bool) -> dict[str, int]:
        """COPY everything, parents before children; return the counts of DemoSummary."""
        district = self._district
        line_items = sum(
            column_count(number, district.seed) for number in range(1, district.sections_of_a_semester + 1)
        )
        for table, count in (
            ("org", 1 + len(district.schools)),
            ("academic_session", len(district.calendar.sessions)),
            ("course", len(COURSES)),
            ("user_account", district.people_count),
            ("section", district.sections_max),
            ("category", len(CATEGORIES)),
            ("line_item", line_items),
        ):
            self._base[table] = await records.demo_reserve_ids(self._connection, table, count) - 1
        await self._copy("org", "org_id sourced_id name type parent_org_id", self._orgs())
        sessions = (
            "academic_session_id sourced_id title type start_date end_date parent_academic_session_id school_year"
        )
        await self._copy("academic_session", sessions, self._sessions())
        await self._copy("course", "course_id sourced_id title course_code org_id", self._courses())
        users = "user_id sourced_id username given_name family_name identifier email grades is_enabled password_hash"
        await self._copy("user_account", users, self._users())
        await self._copy("user_role", "user_id org_id role is_primary", self._roles())
        sections = "section_id sourced_id title course_id org_id school_year class_code location periods"
        await self._copy("section", sections, self._sections())
        await self._copy("section_academic_session", "section_id academic_session_id", self._terms())
        enrollments = "section_id sourced_id user_id role is_primary begin_date"
        enrolled = await self._copy("enrollment", enrollments, self._enrollments())
        await self._copy("category", "category_id sourced_id title weight", self._categories())
        items = (
            "section_id line_item_id sourced_id title category_id academic_session_id assign_date due_date "
            "result_value_min result_value_max position"
        )
        await self._copy("line_item", items, self._line_items())
        results = await self._results() if wants_results else 0
        await rosters.roster_name_district(self._connection)
        return {
            "teachers": district.teachers,
            "students": district.students,
            "schools": len(district.schools),
            "sections": district.sections_of_a_semester,
            "enrollments": enrolled,
            "line_items": line_items,
            "results": results,
        }

    async def _copy(self, table: str, columns: str, rows: Iterator[tuple[Any, ...]]) -> int:
        self._progress(f"demo district: {table}")
        return await rosters.copy_into(self._connection, table, columns.split(), rows)

    async def _results(self) -> int:
        cell = "section_id kind item student_id cell_version edit_id value author_id entered_at"
        count = await self._copy(
            "cell", cell, ((*key, 1, edit, value, 0, at) for key, edit, value, at, _ in self._cells())
        )
        year, now = self._district.calendar.school_year, dt.datetime.now(dt.UTC)
        log = (
            "school_year section_id kind item student_id edit_id cell_version status value author_id client_id "
            "client_seq entered_at received_at path"
        )
        history = (
            (year, *key, edit, 1, b"A", value, 0, CLIENT_ID, seq, at, now, b"i")
            for key, edit, value, at, seq in self._cells()
        )
        await self._copy("edit_log", log, history)
        return count

    def _orgs(self) -> Iterator[tuple[Any, ...]]:
        base = self._base["org"]
        yield base + 1, org_id(1), DISTRICT_NAME, "district", None
        for school in self._district.schools:
            yield base + 1 + school.number, org_id(1 + school.number), school.name, "school", base + 1

    def _sessions(self) -> Iterator[tuple[Any, ...]]:
        base, year = self._base["academic_session"], self._district.calendar.school_year
        for s in self._district.calendar.sessions:
            parent = base + s.parent if s.parent else None
            yield base + s.number, session_id(s.number), s.title, s.type, s.begin, s.end, parent, year

    def _courses(self) -> Iterator[tuple[Any, ...]]:
        for course in COURSES.values():
            number = self._base["course"] + course.number
            yield number, course_id(course.number), course.title, course.code, self._base["org"] + 1

    def _users(self) -> Iterator[tuple[Any, ...]]:
        # Hashed once: argon2 takes 26 ms, and 26,000 different salts would protect a password that is printed on the
        # screen. Students get none: they have nothing to sign in for.
        password_hash = hash_password(PASSWORD)
        base = self._base["user_account"]
        for p in self._district.people():
            password = None if p.role == "student" else password_hash
            name = (p.username, p.given_name, p.family_name, p.identifier, p.email)
            yield base + p.number, person_id(p.username), *name, p.grade, True, password

    def _roles(self) -> Iterator[tuple[Any, ...]]:
        for p in self._district.people():
            yield self._base["user_account"] + p.number, self._base["org"] + p.org, p.role, True

    def _sections(self) -> Iterator[tuple[Any, ...]]:
        base, year = self._base, self._district.calendar.school_year
        for planned in self._district.sections():
            s = planned.section
            keys = (base["course"] + s.course.number, base["org"] + 1 + planned.school.number, year)
            place = (s.code, s.location, s.period or None)
            yield base["section"] + planned.number, section_id(planned.number), s.title, *keys, *place

    def _terms(self) -> Iterator[tuple[int, int]]:
        for planned in self._district.sections():
            yield self._base["section"] + planned.number, self._base["academic_session"] + planned.term.number

    def _enrollments(self) -> Iterator[tuple[Any, ...]]:
        base_section, base_user = self._base["section"], self._base["user_account"]
        begins, username = self._district.begins, self._district.username
        for planned, person, role, is_primary in self._district.enrollments():
            sourced_id = enrollment_id(planned.number, username(person))
            yield base_section + planned.number, sourced_id, base_user + person, role, is_primary, begins

    def _categories(self) -> Iterator[tuple[Any, ...]]:
        for number, (title, weight) in enumerate(CATEGORIES, 1):
            yield self._base["category"] + number, category_id(number), title, Decimal(weight)

    def _line_items(self) -> Iterator[tuple[Any, ...]]:
        base, zero = self._base, Decimal(0)
        for number, planned, c in self._district.line_items():
            period = base["academic_session"] + self._district.period_of(c.due).number
            keys = (base["section"] + planned.number, base["line_item"] + number, line_item_id(number))
            about = (c.title, base["category"] + c.category, period, c.assigned, c.due, zero, Decimal(c.maximum))
            yield *keys, *about, c.place + 1

    def _cells(self) -> Iterator[tuple[tuple[int, int, int, int], UUID, str, dt.datetime, int]]:
        """Yield key, edit, value, moment and sequence of every cell, as an import of the same district numbers them."""
        base, district = self._base, self._district
        for seq, (number, planned, column, result) in enumerate(district.results(), 2):
            at = dt.datetime.combine(column.due, dt.time(20), dt.UTC)
            student = district.student_number(result.student)
            section, item = base["section"] + planned.number, base["line_item"] + number
            user = base["user_account"] + student
            name = result_id(number, district.username(student))
            value = result.score_value
            yield (section, Kind.SCORE, item, user), edit_id(name, Kind.SCORE, value), value, at, seq
            if result.comment_value:
                value = result.comment_value
                yield (section, Kind.COMMENT, item, user), edit_id(name, Kind.COMMENT, value), value, at, seq
