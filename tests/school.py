"""Builders with boring defaults: a school's rows, as the roster import would leave them."""

from __future__ import annotations

import datetime as dt
import itertools
from functools import cache
from typing import TYPE_CHECKING, Any

from app.model.passwords import hash_password

if TYPE_CHECKING:
    import asyncpg

PASSWORD = "open sesame"
_numbers = itertools.count(1)


@cache
def stored_hash(password: str = PASSWORD) -> str:
    return hash_password(password)


def day(offset: int) -> dt.date:
    """A calendar day in UTC; give schools of time zone UTC when it matters."""
    return dt.datetime.now(dt.UTC).date() + dt.timedelta(days=offset)


async def add_org(connection: asyncpg.Connection[Any], *, time_zone: str = "UTC") -> int:
    org_id: int = await connection.fetchval(
        "INSERT INTO org (sourced_id, name, type, time_zone) VALUES ($1, 'School', 'school', $2) RETURNING org_id",
        f"org-{next(_numbers)}",
        time_zone,
    )
    return org_id


async def add_user(
    connection: asyncpg.Connection[Any],
    username: str,
    *,
    password_hash: str | None = None,
    given_name: str = "Ann",
    family_name: str = "Lee",
    is_enabled: bool = True,
) -> int:
    user_id: int = await connection.fetchval(
        "INSERT INTO user_account (sourced_id, username, given_name, family_name, password_hash, is_enabled)"
        " VALUES ($1, $2, $3, $4, $5, $6) RETURNING user_id",
        f"user-{next(_numbers)}",
        username,
        given_name,
        family_name,
        password_hash,
        is_enabled,
    )
    return user_id


async def add_role(connection: asyncpg.Connection[Any], user_id: int, org_id: int, role: str, **dates: Any) -> None:
    await connection.execute(
        "INSERT INTO user_role (user_id, org_id, role, begin_date, end_date, hidden_at)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        user_id,
        org_id,
        role,
        dates.get("begin_date"),
        dates.get("end_date"),
        dates.get("hidden_at"),
    )


async def add_section(connection: asyncpg.Connection[Any], org_id: int, *, title: str = "Algebra 1") -> int:
    number = next(_numbers)
    course_id = await connection.fetchval(
        "INSERT INTO course (sourced_id, title, org_id) VALUES ($1, 'Algebra', $2) RETURNING course_id",
        f"course-{number}",
        org_id,
    )
    section_id: int = await connection.fetchval(
        "INSERT INTO section (sourced_id, title, course_id, org_id, school_year) VALUES ($1, $2, $3, $4, 2027)"
        " RETURNING section_id",
        f"section-{number}",
        title,
        course_id,
        org_id,
    )
    return section_id


async def enroll(
    connection: asyncpg.Connection[Any], section_id: int, user_id: int, role: str = "teacher", **dates: Any
) -> int:
    enrollment_id: int = await connection.fetchval(
        "INSERT INTO enrollment (section_id, sourced_id, user_id, role, begin_date, end_date, hidden_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING enrollment_id",
        section_id,
        f"enrollment-{next(_numbers)}",
        user_id,
        role,
        dates.get("begin_date"),
        dates.get("end_date"),
        dates.get("hidden_at"),
    )
    return enrollment_id


async def add_teacher(connection: asyncpg.Connection[Any], username: str, sections: int = 1) -> tuple[int, list[int]]:
    """A teacher who can sign in with PASSWORD, with a role and sections of their own."""
    org_id = await add_org(connection)
    user_id = await add_user(connection, username, password_hash=stored_hash())
    await add_role(connection, user_id, org_id, "teacher")
    section_ids = [await add_section(connection, org_id) for _ in range(sections)]
    for section_id in section_ids:
        await enroll(connection, section_id, user_id)
    return user_id, section_ids
