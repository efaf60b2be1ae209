from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from app.records import accounts
from tests.school import add_org, add_role, add_section, add_teacher, add_user, day, enroll, stored_hash

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOW = dt.datetime.now(dt.UTC)


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def test_an_account_is_found_in_whatever_case_its_name_was_typed(connection: asyncpg.Connection[Any]) -> None:
    user_id = await add_user(connection, "Ann.Lee", password_hash=stored_hash())
    assert await accounts.read_account(connection, "aNN.lee") == accounts.Account(
        user_id, stored_hash(), is_enabled=True
    )
    assert await accounts.read_account(connection, "ann.le_") is None
    assert await accounts.read_account(connection, "ann%") is None


async def test_who_has_left_the_roster_or_is_disabled_has_no_scope(connection: asyncpg.Connection[Any]) -> None:
    disabled = await add_user(connection, "disabled", is_enabled=False)
    hidden, _ = await add_teacher(connection, "hidden")
    await connection.execute("UPDATE user_account SET hidden_at = now() WHERE user_id = $1", hidden)
    account = await accounts.read_account(connection, "hidden")
    assert account is not None
    assert not account.is_enabled
    for user_id in (disabled, hidden, 999_999):
        assert await accounts.read_grant_scope(connection, user_id, 50) is None


async def test_a_scope_holds_the_roles_and_sections_of_today(connection: asyncpg.Connection[Any]) -> None:
    user_id, (section_id,) = await add_teacher(connection, "teacher")
    org_id = await add_org(connection)
    await add_role(connection, user_id, org_id, "administrator", end_date=day(-1))
    await add_role(connection, user_id, org_id, "proctor", begin_date=day(2))
    await add_role(connection, user_id, org_id, "aide", hidden_at=NOW)
    await add_role(connection, user_id, org_id, "principal", begin_date=day(-1), end_date=day(1))
    for dates in ({"end_date": day(-1)}, {"begin_date": day(2)}, {"hidden_at": NOW}):
        await enroll(connection, await add_section(connection, org_id), user_id, **dates)
    await enroll(connection, await add_section(connection, org_id), user_id, "aide")
    await enroll(connection, section_id, user_id)  # twice in one section is one section
    scope = await accounts.read_grant_scope(connection, user_id, 50)
    assert scope is not None
    assert scope.roles == ("principal", "teacher")
    assert scope.section_ids == frozenset({section_id})
    assert len(scope.org_ids) == 2
    assert scope.name == "Ann Lee"
    assert await accounts.list_active_section_ids(connection, user_id) == [section_id]


async def test_the_preferred_name_is_shown(connection: asyncpg.Connection[Any]) -> None:
    user_id, _ = await add_teacher(connection, "teacher")
    await connection.execute("UPDATE user_account SET preferred_given_name = 'Zoë' WHERE user_id = $1", user_id)
    scope = await accounts.read_grant_scope(connection, user_id, 50)
    assert scope is not None
    assert scope.name == "Zoë Lee"


async def test_more_sections_than_a_grant_carries_are_looked_up(connection: asyncpg.Connection[Any]) -> None:
    user_id, section_ids = await add_teacher(connection, "teacher", 4)
    scope = await accounts.read_grant_scope(connection, user_id, 4)
    assert scope is not None
    assert scope.section_ids == frozenset(section_ids)
    scope = await accounts.read_grant_scope(connection, user_id, 3)
    assert scope is not None
    assert scope.section_ids is None
    assert await accounts.list_active_section_ids(connection, user_id) == section_ids


async def test_a_day_begins_and_ends_by_the_clock_of_the_school(connection: asyncpg.Connection[Any]) -> None:
    user_id = await add_user(connection, "teacher")
    # Kiritimati (+14) and Niue (-11) never have the same date.
    for time_zone in ("Pacific/Kiritimati", "Pacific/Niue"):
        org_id = await add_org(connection, time_zone=time_zone)
        today = await connection.fetchval("SELECT (now() AT TIME ZONE $1)::date", time_zone)
        current = await add_section(connection, org_id)
        await enroll(connection, current, user_id, begin_date=today, end_date=today)
        over = await add_section(connection, org_id)
        await enroll(connection, over, user_id, end_date=today - dt.timedelta(days=1))
        assert (await accounts.read_section_access(connection, user_id, current)).is_active
        access = await accounts.read_section_access(connection, user_id, over)
        midnight = await connection.fetchval("SELECT $1::date::timestamp AT TIME ZONE $2", today, time_zone)
        assert access == accounts.SectionAccess(is_active=False, ended_at=midnight)


async def test_access_to_a_section_is_active_ended_or_none(connection: asyncpg.Connection[Any]) -> None:
    user_id, (active,) = await add_teacher(connection, "teacher")
    org_id = await add_org(connection)
    never = accounts.SectionAccess(is_active=False, ended_at=None)

    async def access(*parts: dict[str, Any]) -> accounts.SectionAccess:
        section_id = await add_section(connection, org_id)
        for part in parts:
            await enroll(connection, section_id, user_id, **part)
        return await accounts.read_section_access(connection, user_id, section_id)

    assert await accounts.read_section_access(connection, user_id, active) == accounts.SectionAccess(True, None)  # noqa: FBT003
    assert await accounts.read_section_access(connection, user_id, 999_999) == never
    assert await access() == never
    assert await access({"role": "student"}) == never
    assert await access({"begin_date": day(2)}) == never
    assert await access({"begin_date": day(2), "hidden_at": NOW}) == never
    removed = NOW - dt.timedelta(hours=3)
    assert (await access({"hidden_at": removed})).ended_at == removed
    last = day(-2)
    ended = await access({"begin_date": day(-9), "end_date": last}, {"end_date": day(-5)})
    assert ended.ended_at == dt.datetime.combine(last + dt.timedelta(days=1), dt.time(), dt.UTC)
    assert (await access({"end_date": day(-5)}, {"begin_date": day(-1)})).is_active


async def test_hiding_a_section_ends_everybodys_access(connection: asyncpg.Connection[Any]) -> None:
    user_id, (section_id,) = await add_teacher(connection, "teacher")
    await connection.execute("UPDATE section SET hidden_at = $2 WHERE section_id = $1", section_id, NOW)
    assert await accounts.read_section_access(connection, user_id, section_id) == accounts.SectionAccess(
        is_active=False, ended_at=NOW
    )


async def test_a_hash_is_replaced_only_while_it_is_the_one_that_was_read(connection: asyncpg.Connection[Any]) -> None:
    user_id = await add_user(connection, "teacher", password_hash="old")
    await accounts.update_password_hash(connection, user_id, "changed meanwhile", "new")
    account = await accounts.read_account(connection, "teacher")
    assert account is not None
    assert account.password_hash == "old"
    await accounts.update_password_hash(connection, user_id, "old", "new")
    account = await accounts.read_account(connection, "teacher")
    assert account is not None
    assert account.password_hash == "new"


async def test_an_allowance_is_spent_counted_and_paid_back(connection: asyncpg.Connection[Any]) -> None:
    tries = [await accounts.charge_sign_in(connection, b"user", 30, 60) for _ in range(5)]
    assert tries == [True, True, True, False, False]
    assert 25 < await accounts.read_sign_in_wait(connection, b"user", 60) <= 30
    assert await accounts.charge_sign_in(connection, b"other", 30, 60)
    assert await accounts.read_sign_in_wait(connection, b"other", 60) == 0
    assert await accounts.read_sign_in_wait(connection, b"unknown", 60) == 0
    await connection.execute("UPDATE sign_in_allowance SET free_at = free_at - interval '31 s'")
    tries = [await accounts.charge_sign_in(connection, b"user", 30, 60) for _ in range(2)]
    assert tries == [True, False]
    await accounts.delete_sign_in_debt(connection, b"user")
    assert await accounts.charge_sign_in(connection, b"user", 30, 60)


async def test_paid_debts_are_swept_and_others_stay(connection: asyncpg.Connection[Any]) -> None:
    await accounts.charge_sign_in(connection, b"paid", 30, 60)
    await connection.execute("UPDATE sign_in_allowance SET free_at = now() - interval '1 s'")
    await accounts.charge_sign_in(connection, b"owing", 30, 60)
    await accounts.delete_settled_sign_in_allowances(connection)
    assert [row[0] for row in await connection.fetch("SELECT subject_digest FROM sign_in_allowance")] == [b"owing"]


async def test_revocations_are_listed_since_a_moment_until_they_are_forgotten(
    connection: asyncpg.Connection[Any],
) -> None:
    first = await accounts.insert_grant_revocation(connection, "grant:a", 3600)
    second = await accounts.insert_grant_revocation(connection, "login:b", 3600)
    listed = await accounts.list_grant_revocations(connection, second.revoked_at)
    assert [r.subject for r in listed] == ["login:b"]
    assert len(await accounts.list_grant_revocations(connection, first.revoked_at)) == 2
    again = await accounts.insert_grant_revocation(connection, "grant:a", 60)
    assert again.revoked_at > second.revoked_at
    assert again.forget_at == first.forget_at  # a shorter memory never shortens a longer one
    await connection.execute("UPDATE grant_revocation SET forget_at = now() WHERE subject = 'login:b'")
    await accounts.delete_forgotten_grant_revocations(connection)
    assert [row[0] for row in await connection.fetch("SELECT subject FROM grant_revocation")] == ["grant:a"]


async def test_a_login_session_is_rotated_only_by_its_token_and_not_twice_in_the_grace(
    connection: asyncpg.Connection[Any],
) -> None:
    user_id, _ = await add_teacher(connection, "teacher")
    session_id = uuid.uuid4()
    end = await accounts.insert_login_session(connection, session_id, user_id, b"t0", 14, "x" * 1000)
    assert dt.timedelta(days=13) < end - NOW < dt.timedelta(days=15)
    assert await accounts.rotate_login_session(connection, session_id, b"wrong", b"t1", 72, 0) is None
    assert await accounts.rotate_login_session(connection, session_id, b"t0", b"t1", 72, 60) is None
    assert await accounts.rotate_login_session(connection, session_id, b"t0", b"t1", 72, 0) == (user_id, end)
    found = await accounts.read_login_session(connection, session_id, 72)
    assert found is not None
    assert (found.token_digest, found.previous_token_digest, found.is_live) == (b"t1", b"t0", True)
    assert found.rotated_ago_s < 60


@pytest.mark.parametrize(
    "change",
    ["ended_at = now()", "expires_at = now()", "used_at = now() - interval '73 hours'"],
)
async def test_a_login_session_that_is_over_is_not_rotated(connection: asyncpg.Connection[Any], change: str) -> None:
    user_id, _ = await add_teacher(connection, "teacher")
    session_id = uuid.uuid4()
    await accounts.insert_login_session(connection, session_id, user_id, b"t0", 14, None)
    await connection.execute(f"UPDATE login_session SET {change}")
    assert await accounts.rotate_login_session(connection, session_id, b"t0", b"t1", 72, 0) is None
    found = await accounts.read_login_session(connection, session_id, 72)
    assert found is not None
    assert not found.is_live


async def test_ending_one_login_session_leaves_the_others(connection: asyncpg.Connection[Any]) -> None:
    user_id, _ = await add_teacher(connection, "teacher")
    one, two = uuid.uuid4(), uuid.uuid4()
    await accounts.insert_login_session(connection, one, user_id, b"1", 14, None)
    await accounts.insert_login_session(connection, two, user_id, b"2", 14, None)
    await accounts.end_login_session(connection, one)
    live = [await accounts.read_login_session(connection, session, 72) for session in (one, two)]
    assert [session is not None and session.is_live for session in live] == [False, True]
    await accounts.end_login_sessions_of_user(connection, user_id)
    found = await accounts.read_login_session(connection, two, 72)
    assert found is not None
    assert not found.is_live
