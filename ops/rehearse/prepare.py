"""`inkfast rehearse prepare`: a school for rehearsals in the target's database, and a file of grants for its teachers.

Everything it makes is called "Rehearsal …" and has a `sourced_id` that begins with `rehearsal`. Grants carry those
sections and no others, so that the service itself refuses a generator that would type elsewhere.
"""

from __future__ import annotations

import datetime as dt
import os
import secrets
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import msgspec

from app.model.grants import GRANT_HOURS_MAX, Grant, derive_grant_key, mint
from app.model.passwords import hash_password
from app.records import rosters
from app.records.pool import connect
from loadtests.rehearsal.grants import Grant as Teacher
from ops.processes import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.records.pool import Connection
    from app.settings import Settings

_SQL = Path(__file__).parent / "sql"
TEACHERS_AT_ONCE = 1_000
STUDENTS = 3_000
COLUMNS = 8
SECTIONS_EACH = 2
SCHOOL_YEAR_BEGINS = 7  # July


class School(NamedTuple):
    """How large the school is: teachers, sections of each, columns of each section."""

    teachers: int
    sections_each: int = SECTIONS_EACH
    columns: int = COLUMNS


def statement(name: str) -> str:
    """Return a statement of ops/rehearse/sql."""
    return (_SQL / f"{name}.sql").read_text()


def check_can_be_written(grants: Path) -> None:
    """Return where the file of grants can be written; ServerError or OSError otherwise. Leaves nothing behind."""
    if grants.exists() and not grants.is_file():
        raise ServerError(f"{grants} is no file, and would be replaced by one")
    unfinished = _unfinished(grants)
    try:
        with _new_file(unfinished):
            pass
    except OSError as error:
        raise ServerError(f"no grants can be written to {grants}: {error.strerror}") from error
    unfinished.unlink()


def _unfinished(grants: Path) -> Path:
    return grants.with_suffix(".unfinished")


def _new_file(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


async def prepare_school(
    settings: Settings, school: School, grants: Path, hours: float, say: Callable[[str], None]
) -> int:
    """Make what is not there yet and write a grant a line; return how many. The file is readable for its owner only.

    Each thousand of teachers is a transaction: after a failure another call goes on.
    """
    connection = await connect(settings.database_url, application_name="inkfast-rehearse")
    try:
        year = _school_year(dt.datetime.now(dt.UTC).date())
        await rosters.roster_ensure_school_year(connection, year)
        course_id, org_id = await connection.fetchrow(statement("prepare_school"))  # type: ignore[misc]  # one row
        await connection.execute(statement("prepare_students"), STUDENTS)
        students = [row[0] for row in await connection.fetch(statement("read_students"))]
        password = secrets.token_urlsafe(18)
        maker = _Maker(connection, school, (course_id, org_id, year), students, hash_password(password))
        for first in range(1, school.teachers + 1, TEACHERS_AT_ONCE):
            last = min(school.teachers, first + TEACHERS_AT_ONCE - 1)
            if await maker.make(first, last):
                say(f"rehearsal school: {last:,} of {school.teachers:,} teachers")
        await connection.execute(statement("analyze"))
        return await _write_grants(connection, settings, school, grants, hours, password)
    finally:
        await connection.close()


def _school_year(today: dt.date) -> int:
    """Return the year in which today's school year ends."""
    return today.year + (today.month >= SCHOOL_YEAR_BEGINS)


class _Maker:
    def __init__(
        self,
        connection: Connection,
        school: School,
        place: tuple[int, int, int],
        students: Sequence[int],
        password_hash: str,
    ) -> None:
        self._connection = connection
        self._school = school
        self._place = place
        self._students = students
        self._password_hash = password_hash

    async def make(self, first: int, last: int) -> int:
        """Make the teachers of these numbers and their sections; return how many sections are new."""
        connection = self._connection
        async with connection.transaction():
            org_id = self._place[1]
            teachers = await connection.fetch(statement("prepare_teachers"), first, last, self._password_hash, org_id)
            user_of = {row["number"]: row["user_id"] for row in teachers}
            made = await connection.fetch(
                statement("prepare_sections"), first, last, self._school.sections_each, *self._place
            )
            sections = [row["section_id"] for row in made]
            if sections:
                users = [user_of[row["teacher"]] for row in made]
                await connection.execute(statement("prepare_enrollments"), sections, users, self._students)
                await connection.execute(statement("prepare_columns"), sections, self._school.columns)
        return len(sections)


async def _write_grants(
    connection: Connection, settings: Settings, school: School, path: Path, hours: float, password: str
) -> int:
    key, now = derive_grant_key(settings.secret_key), int(time.time())
    until = now + int(min(hours, GRANT_HOURS_MAX) * 3600)
    encode = msgspec.json.Encoder().encode
    written = 0
    unfinished = _unfinished(path)
    with _new_file(unfinished) as file:
        for first in range(1, school.teachers + 1, TEACHERS_AT_ONCE):
            last = min(school.teachers, first + TEACHERS_AT_ONCE - 1)
            for row in await connection.fetch(statement("read_teachers"), first, last, school.sections_each):
                sections = tuple(row["section_ids"])
                grant_id, name = secrets.token_urlsafe(16), f"Teacher Rehearsal {row['number']}"
                org_ids = (row["org_id"],)
                grant = Grant(
                    grant_id, row["user_id"], None, ("teacher",), org_ids, frozenset(sections), now, until, name
                )
                teacher = Teacher(row["user_id"], mint(grant, key), sections, row["username"], password)
                file.write(encode(teacher) + b"\n")
                written += 1
    unfinished.replace(path)
    return written


async def forget_school(settings: Settings) -> tuple[int, int]:
    """Disable the rehearsal's accounts and hide its sections; return how many of each."""
    connection = await connect(settings.database_url, application_name="inkfast-rehearse")
    try:
        row = await connection.fetchrow(statement("forget"))
        return (row["sections"], row["accounts"]) if row is not None else (0, 0)
    finally:
        await connection.close()
