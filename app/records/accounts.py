"""People, what they teach, their login sessions, and what was revoked. Moments are PostgreSQL's own, of one clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.records import statements

if TYPE_CHECKING:
    import datetime as dt
    from uuid import UUID

    from app.records.pool import Connection


class Account(NamedTuple):
    """What comparing a password needs."""

    user_id: int
    password_hash: str | None
    is_enabled: bool


class GrantScope(NamedTuple):
    """What a grant minted now may say about a user."""

    name: str
    roles: tuple[str, ...]
    org_ids: tuple[int, ...]
    section_ids: frozenset[int] | None  # None: more than a grant can carry


class SectionAccess(NamedTuple):
    """A user's standing in a section: teaches it now, did until `ended_at`, or (neither) never has."""

    is_active: bool
    ended_at: dt.datetime | None


class LoginSession(NamedTuple):
    """A login session as stored; the tokens only as digests."""

    user_id: int
    token_digest: bytes
    previous_token_digest: bytes | None
    expires_at: dt.datetime
    is_live: bool
    rotated_ago_s: float


class Revocation(NamedTuple):
    """No grant of `subject` issued up to `revoked_at` is honoured; after `forget_at` none could be anyway."""

    subject: str
    revoked_at: dt.datetime
    forget_at: dt.datetime


async def read_account(connection: Connection, username: str) -> Account | None:
    """Return the account of a user name, in whatever case it was typed."""
    row = await connection.fetchrow(statements.load("read_account"), username)
    return Account(*row.values()) if row else None


async def update_password_hash(connection: Connection, user_id: int, old_hash: str, new_hash: str) -> None:
    """Replace a hash; nothing changes if it is no longer the old one."""
    await connection.execute(statements.load("update_password_hash"), user_id, old_hash, new_hash)


async def read_grant_scope(connection: Connection, user_id: int, sections_max: int) -> GrantScope | None:
    """Return what a grant may say; None for a user who is disabled, has left the roster, or never was."""
    row = await connection.fetchrow(statements.load("read_grant_scope"), user_id, sections_max)
    if row is None:
        return None
    sections = frozenset(row["section_ids"])
    return GrantScope(
        name=row["name"],
        roles=tuple(row["roles"]),
        org_ids=tuple(row["org_ids"]),
        section_ids=sections if len(sections) <= sections_max else None,
    )


async def list_active_section_ids(connection: Connection, user_id: int) -> list[int]:
    """Return every section that the user teaches today, in order."""
    return [row[0] for row in await connection.fetch(statements.load("list_active_section_ids"), user_id)]


async def read_section_access(connection: Connection, user_id: int, section_id: int) -> SectionAccess:
    """Return the user's standing in the section now; a section that does not exist is one they never taught."""
    row = await connection.fetchrow(statements.load("read_section_access"), user_id, section_id)
    return SectionAccess(row["is_active"], row["ended_at"]) if row else SectionAccess(is_active=False, ended_at=None)


async def insert_login_session(
    connection: Connection, login_session_id: UUID, user_id: int, token_digest: bytes, days: int, user_agent: str | None
) -> dt.datetime:
    """Start a login session and return its absolute end."""
    expires_at: dt.datetime = await connection.fetchval(
        statements.load("insert_login_session"), login_session_id, user_id, token_digest, days, user_agent
    )
    return expires_at


async def rotate_login_session(
    connection: Connection,
    login_session_id: UUID,
    token_digest: bytes,
    next_digest: bytes,
    idle_hours: int,
    grace_s: float,
) -> tuple[int, dt.datetime] | None:
    """Exchange the current token for the next, and return (user, absolute end).

    None, and no change: it is not the current one, or was exchanged within `grace_s`, or the login session is over.
    """
    row = await connection.fetchrow(
        statements.load("rotate_login_session"), login_session_id, token_digest, next_digest, idle_hours, grace_s
    )
    return (row["user_id"], row["expires_at"]) if row else None


async def read_login_session(connection: Connection, login_session_id: UUID, idle_hours: int) -> LoginSession | None:
    """Return how a login session stands."""
    row = await connection.fetchrow(statements.load("read_login_session"), login_session_id, idle_hours)
    return LoginSession(*row.values()) if row else None


async def end_login_session(connection: Connection, login_session_id: UUID) -> None:
    """From here on no token of the login session is accepted; one that had ended keeps its moment."""
    await connection.execute(statements.load("end_login_session"), login_session_id)


async def end_login_sessions_of_user(connection: Connection, user_id: int) -> None:
    """End all of a user's login sessions."""
    await connection.execute(statements.load("end_login_sessions_of_user"), user_id)


async def insert_grant_revocation(connection: Connection, subject: str, forget_after_s: float) -> Revocation:
    """Revoke what was granted to the subject so far; a second time moves the moment on."""
    row = await connection.fetchrow(statements.load("insert_grant_revocation"), subject, forget_after_s)
    assert row is not None  # noqa: S101 -- an INSERT … ON CONFLICT DO UPDATE returns its row
    return Revocation(subject, row["revoked_at"], row["forget_at"])


async def list_grant_revocations(connection: Connection, since: dt.datetime) -> list[Revocation]:
    """Return what was revoked since a moment and still matters."""
    return [
        Revocation(*row.values()) for row in await connection.fetch(statements.load("list_grant_revocations"), since)
    ]


async def delete_forgotten_grant_revocations(connection: Connection) -> None:
    """Delete what no grant can be affected by any more."""
    await connection.execute(statements.load("delete_forgotten_grant_revocations"))


async def charge_sign_in(connection: Connection, subject_digest: bytes, cost_s: float, debt_s_max: float) -> bool:
    """Take one try off the subject's allowance; False, and nothing taken, if there is none left."""
    free_at = await connection.fetchval(statements.load("charge_sign_in"), subject_digest, cost_s, debt_s_max)
    return free_at is not None


async def read_sign_in_wait(connection: Connection, subject_digest: bytes, debt_s_max: float) -> float:
    """Return the seconds until the subject's next try, at least 0."""
    wait_s = await connection.fetchval(statements.load("read_sign_in_wait"), subject_digest, debt_s_max)
    return max(0.0, wait_s or 0.0)


async def delete_sign_in_debt(connection: Connection, subject_digest: bytes) -> None:
    """Give the subject its whole allowance back."""
    await connection.execute(statements.load("delete_sign_in_debt"), subject_digest)


async def delete_settled_sign_in_allowances(connection: Connection) -> None:
    """Delete rows whose debt has been paid by time."""
    await connection.execute(statements.load("delete_settled_sign_in_allowances"))
