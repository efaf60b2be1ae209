"""A section as large as a test wants it, taught by two people, with grades that a school could have."""

from __future__ import annotations

import datetime as dt
import json
import random
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from app.model.kinds import Kind
from tests.plain_school import NAMES, quiet_zone
from tests.school import add_org, add_role, add_section, add_user, enroll, stored_hash

if TYPE_CHECKING:
    import asyncpg

SCHOOL_YEAR = 2027  # what tests.school gives to every section
CATEGORIES = ("Homework", "Quizzes", "Tests")


class GradebookSchool(NamedTuple):
    """What was made. Students stand in the order of the screen, columns in theirs, with these maxima."""

    org: int
    teacher: int
    co_teacher: int
    stranger: int
    section: int
    other_section: int
    students: list[int]
    columns: list[int]
    maxima: list[int]
    suffix: str
    time_zone: str

    @property
    def teacher_name(self) -> str:
        """Who signs in as the teacher, Elena Ruiz."""
        return f"teacher{self.suffix}"

    @property
    def co_teacher_name(self) -> str:
        """Who signs in as the co-teacher, Sam Okafor."""
        return f"coteacher{self.suffix}"

    @property
    def stranger_name(self) -> str:
        """Who signs in as somebody who does not teach the section, Noor Haddad."""
        return f"stranger{self.suffix}"


async def make_gradebook_school(
    connection: asyncpg.Connection[Any],
    *,
    students: int = 12,
    columns: int = 6,
    filled: float = 0.5,
    suffix: str = "",
    seed: int = 4,
) -> GradebookSchool:
    """Make it; `filled` is how much of the cells has a score, from the left, recorded last week by the co-teacher."""
    await connection.execute("SELECT ensure_school_year($1::smallint)", SCHOOL_YEAR)
    time_zone = quiet_zone(dt.datetime.now(dt.UTC))
    org = await add_org(connection, time_zone=time_zone)
    people = []
    for username, given, family in (
        ("teacher", "Elena", "Ruiz"),
        ("coteacher", "Sam", "Okafor"),
        ("stranger", "Noor", "Haddad"),
    ):
        user = await add_user(
            connection, username + suffix, password_hash=stored_hash(), given_name=given, family_name=family
        )
        await add_role(connection, user, org, "teacher")
        people.append(user)
    teacher, co_teacher, stranger = people
    section = await add_section(connection, org, title="Algebra 1, period 3")
    other = await add_section(connection, org, title="Geometry, period 5")
    await connection.execute("UPDATE section SET periods = '3' WHERE section_id = $1", section)
    for where, who in ((section, teacher), (section, co_teacher), (other, teacher)):
        await enroll(connection, where, who)
    ids = await _add_students(connection, section, students, suffix)
    for student in ids[:1]:
        await enroll(connection, other, student, "student")
    made, maxima = await _add_columns(connection, section, columns, suffix)
    school = GradebookSchool(org, teacher, co_teacher, stranger, section, other, ids, made, maxima, suffix, time_zone)
    await _fill(connection, school, filled, random.Random(seed))
    return school


async def _add_students(connection: asyncpg.Connection[Any], section: int, count: int, suffix: str) -> list[int]:
    ids = []
    for i in range(count):
        given, family = NAMES[i % len(NAMES)][0], NAMES[(i + i // len(NAMES)) % len(NAMES)][1]
        ids.append(await add_user(connection, f"student{suffix}-{i}", given_name=given, family_name=family))
        await enroll(connection, section, ids[-1], "student")
    return [
        row["user_id"]
        for row in await connection.fetch(
            "SELECT user_id FROM user_account WHERE user_id = ANY($1::bigint[])"
            " ORDER BY family_name, given_name, user_id",
            ids,
        )
    ]


async def _add_columns(
    connection: asyncpg.Connection[Any], section: int, count: int, suffix: str
) -> tuple[list[int], list[int]]:
    categories = [
        await connection.fetchval(
            "INSERT INTO category (sourced_id, title) VALUES ($1, $2) RETURNING category_id",
            f"category{suffix}-{section}-{title}",
            title,
        )
        for title in CATEGORIES
    ]
    ids, maxima = [], []
    for i in range(count):
        which = i % len(CATEGORIES)
        title = ("Homework", "Quiz", "Test")[which] + f" {i // len(CATEGORIES) + 1}"
        maxima.append((10, 20, 100)[which])
        ids.append(
            await connection.fetchval(
                "INSERT INTO line_item (section_id, title, result_value_max, due_date, category_id, position)"
                " VALUES ($1, $2, $3, $4, $5, $6) RETURNING line_item_id",
                section,
                title,
                maxima[-1],
                dt.date(2026, 9, 1) + dt.timedelta(days=2 * i),
                categories[which],
                i + 1,
            )
        )
    return ids, maxima


async def _fill(
    connection: asyncpg.Connection[Any], school: GradebookSchool, filled: float, chance: random.Random
) -> None:
    """Record scores with their history, as if a client of the co-teacher had sent them a week ago."""
    client, at = uuid.uuid4(), dt.datetime.now(dt.UTC) - dt.timedelta(days=7)
    rows = []
    wanted = round(filled * len(school.students) * len(school.columns))
    cells = [(column, student) for column in range(len(school.columns)) for student in school.students]
    for seq, (column, student) in enumerate(cells[:wanted], 1):
        value: dict[str, Any] = {"score": str(round(school.maxima[column] * chance.triangular(0.4, 1, 0.85)))}
        if chance.random() < 0.04:
            value["status"] = [chance.choice(["late", "incomplete"])]
        elif chance.random() < 0.02:
            value = {"status": ["exempt"]}
        edit = uuid.UUID(int=chance.getrandbits(128), version=4)
        rows.append((school.section, edit, school.columns[column], student, json.dumps(value), seq))
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    await connection.execute(
        """
        WITH made AS (
          SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[], $6::int[])
            AS made (section_id, edit_id, item, student_id, value, seq)
        ), logged AS (
          INSERT INTO edit_log (school_year, section_id, edit_id, kind, item, student_id, cell_version, status, value,
                                author_id, client_id, client_seq, entered_at, received_at, recorded_at, path)
          SELECT $7::smallint, section_id, edit_id, $8::smallint, item, student_id, 1, 'A', value::jsonb,
                 $9::bigint, $10::uuid, seq, $11, $11, $11, 'j' FROM made
        )
        INSERT INTO cell (section_id, kind, item, student_id, cell_version, edit_id, value, author_id, entered_at)
        SELECT section_id, $8::smallint, item, student_id, 1, edit_id, value::jsonb, $9::bigint, $11 FROM made
        """,
        *columns,
        SCHOOL_YEAR,
        Kind.SCORE,
        school.co_teacher,
        client,
        at,
    )
