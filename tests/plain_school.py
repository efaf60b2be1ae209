"""A school for tests of the plain page: people with accounts, a section of two teachers, columns, names that bite."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from tests.school import add_org, add_role, add_section, add_user, enroll, stored_hash

if TYPE_CHECKING:
    import asyncpg

TIME_ZONE = "America/Los_Angeles"
LAST_HOUR = 23
EARLIER_ZONE = "America/New_York"  # where it is tomorrow, since three hours
XSS = "<script>alert(1)</script>"
NAMES = (
    ("Mateo", "Alvarez"),
    ("Tanisha", "Baker"),
    ("Ana", "Castillo"),
    ("Wei", "Chen"),
    ("Daniela", "Cruz"),
    ("Jordan", "Davis"),
    ("Luis", "Flores"),
    ("Ana", "García"),
    ("Diego", "Gonzalez"),
    ("Sofia", "Hernandez"),
    ("Malik", "Johnson"),
    ("Min-jun", "Kim"),
    ("Camila", "Lopez"),
    ("José", "Martínez"),
    ("Linh", "Nguyễn"),
    ("Isabella", "Ortiz"),
    ("Grace", "Park"),
    ("Carlos", "Ramirez"),
    ("Valeria Guadalupe", "Reyes-Villanueva"),
    ("Santiago", "Rivera"),
)


def quiet_zone(now: dt.datetime) -> str:
    """Return a time zone in which today is not over within the hour: no test of a school there is of two days."""
    is_late = now.astimezone(ZoneInfo(TIME_ZONE)).hour == LAST_HOUR
    return EARLIER_ZONE if is_late else TIME_ZONE


class PlainSchool(NamedTuple):
    """What was made. `other_section` is a colleague's, `empty_section` has neither students nor columns."""

    teacher: int
    co_teacher: int
    section: int
    other_section: int
    empty_section: int
    quiz: int
    essay: int
    students: list[int]
    suffix: str = ""
    time_zone: str = TIME_ZONE

    @property
    def teacher_name(self) -> str:
        """Who signs in as the teacher."""
        return f"teacher{self.suffix}"

    @property
    def colleague_name(self) -> str:
        """Who signs in as the colleague."""
        return f"colleague{self.suffix}"


async def make_plain_school(
    connection: asyncpg.Connection[Any], *, students: int = 5, suffix: str = "", tricky: bool = False
) -> PlainSchool:
    """Make it. The teachers are `teacher`, `colleague` and `stranger`, with the suffix."""
    await connection.execute("SELECT ensure_school_year(2027::smallint)")
    time_zone = quiet_zone(dt.datetime.now(dt.UTC))
    org = await add_org(connection, time_zone=time_zone)
    people = {}
    for username, given, family in (
        ("teacher", "Elena", "Ruiz"),
        ("colleague", "Sam", "Okafor"),
        ("stranger", "A", "B"),
    ):
        people[username] = await add_user(
            connection,
            username + suffix,
            password_hash=stored_hash(),
            given_name=given,
            family_name=XSS if tricky and username == "colleague" else family,
        )
        await add_role(connection, people[username], org, "teacher")
    section = await add_section(connection, org, title=XSS if tricky else "Algebra 1")
    await connection.execute("UPDATE section SET periods = '3' WHERE section_id = $1", section)
    other, empty = (
        await add_section(connection, org, title="Geometry"),
        await add_section(connection, org, title="Study hall"),
    )
    await enroll(connection, section, people["teacher"])
    await enroll(connection, section, people["colleague"])
    await enroll(connection, other, people["stranger"])
    await enroll(connection, empty, people["teacher"])
    ids = []
    for i in range(students):
        given, family = NAMES[i % len(NAMES)]
        name = XSS if tricky and i == 0 else family + ("" if i < len(NAMES) else f" {i}")
        ids.append(await add_user(connection, f"student{suffix}-{i}", given_name=given, family_name=name))
        await enroll(connection, section, ids[-1], "student")
    columns = [
        await connection.fetchval(
            "INSERT INTO line_item (section_id, title, result_value_max, due_date, position)"
            " VALUES ($1, $2, $3, $4::text::date, $5) RETURNING line_item_id",
            section, title, maximum, due, position,
        )
        for position, (title, maximum, due) in enumerate(
            ((XSS if tricky else "Quiz 3", 20, "2026-11-06"), ("Essay: a place I know", 100, None))
        )
    ]  # fmt: skip
    return PlainSchool(people["teacher"], people["colleague"], section, other, empty, *columns, ids, suffix, time_zone)
