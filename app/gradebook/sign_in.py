"""Signing in, renewing and signing out: login sessions of our own, and the grants that they mint.

A login session is a row in PostgreSQL; its token changes at each renewal, and only digests are stored. A token that
was exchanged is honoured for GRACE_S more (two tabs, a lost answer) and leads to the same next token; used after that
it has been copied, and the login session ends. A password is compared in a process of its own, as slowly for a user who
does not exist; each try is taken off an allowance per user, kept in PostgreSQL so that it is exact over all processes.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import secrets
import time
import uuid
from typing import TYPE_CHECKING, Final, NamedTuple

from app import telemetry
from app.errors import OverloadedError, SignInRequiredError, TooManyRequestsError, WrongPasswordError
from app.gradebook.revocations import USER_FORGET_S
from app.model.grants import SECTIONS_MAX, Grant, GrantKey, derive_grant_key, derive_secret, mint
from app.model.login_tokens import SECRET_BYTES, DeviceToken, LoginToken
from app.model.passwords import PASSWORD_CHARS_MAX, Verdict
from app.records import accounts

if TYPE_CHECKING:
    import datetime as dt

    from app.gradebook.password_processes import PasswordProcesses
    from app.gradebook.revocations import Revocations
    from app.records.accounts import Account, GrantScope
    from app.records.pool import Connection, Pool
    from app.settings import Settings

GRACE_S: Final = 60
USERNAME_CHARS_MAX: Final = 320
# Ten wrong passwords in a row, then one more every 30 seconds: 2,880 guesses a day, and no lock outlasts the guessing.
TRY_COSTS_S: Final = 30
DEBT_S_MAX: Final = 9 * TRY_COSTS_S


class SignedIn(NamedTuple):
    """What somebody has who is signed in."""

    grant: Grant
    grant_token: str
    login_token: str | None  # None: the one that was presented stays
    login_expires_at: dt.datetime
    device_token: str | None = None


class SignIn:
    """Everything about who may have a grant."""

    def __init__(self, settings: Settings, pool: Pool, revocations: Revocations, passwords: PasswordProcesses) -> None:
        self._settings = settings
        self._pool = pool.share("sign_on", max(1, settings.database_connections_max // 4), settings.sign_on_wait_ms_max)
        self._revocations = revocations
        self._passwords = passwords
        self._grant_key = derive_grant_key(settings.secret_key)
        self._login_key = derive_secret(settings.secret_key, "login token")
        self._device_key = derive_secret(settings.secret_key, "device token")

    async def sign_in(
        self,
        username: str,
        password: str,
        *,
        device: str | None = None,
        user_agent: str | None = None,
        replaced: str | None = None,
    ) -> SignedIn:
        """Start a login session with tokens that nobody but the caller has; the `replaced` one (its token) ends.

        WrongPasswordError for a wrong user name or password (which is not said, nor to be seen in the time it takes),
        TooManyRequestsError when this user's allowance is used up, OverloadedError when too many sign in at once.
        """
        try:
            self._passwords.require_room()
            account, known_device = await self._charge(username, device)
            await self._check_password(account, password)
        except (WrongPasswordError, TooManyRequestsError, OverloadedError) as error:
            telemetry.SIGN_INS.labels(error.code).inc()
            raise
        assert account is not None  # noqa: S101 -- without one the password was wrong
        signed_in = await self._start_login_session(account, known_device, user_agent)
        if replaced is not None:
            await self.end(replaced)
        telemetry.SIGN_INS.labels("ok").inc()
        return signed_in

    async def _charge(self, username: str, device: str | None) -> tuple[Account | None, DeviceToken | None]:
        if len(username) > USERNAME_CHARS_MAX or not _can_be_stored(username):
            raise WrongPasswordError("The user name or the password is wrong.")
        async with self._pool.acquire() as connection:
            account = await accounts.read_account(connection, username)
            known = DeviceToken.parse(device, account.user_id, self._device_key) if account else None
            subject = _subject(username, account, known)
            if await accounts.charge_sign_in(connection, subject, TRY_COSTS_S, DEBT_S_MAX):
                return account, known
            wait_s = await accounts.read_sign_in_wait(connection, subject, DEBT_S_MAX)
        telemetry.log(telemetry.Event.SIGN_IN_REFUSED, reason="allowance", user_id=account.user_id if account else None)
        raise TooManyRequestsError("Too many wrong passwords for this user.", retry_after_s=math.ceil(wait_s) or 1)

    async def _check_password(self, account: Account | None, password: str) -> None:
        """Return if it is right, with the hash brought up to date and the debt of earlier tries paid."""
        stored = account.password_hash if account else None
        if len(password) > PASSWORD_CHARS_MAX:
            stored, password = None, ""
        verdict = await self._passwords.verify(stored, password)
        if account is None or stored is None or verdict is Verdict.WRONG or not account.is_enabled:
            user_id = account.user_id if account else None
            telemetry.log(telemetry.Event.SIGN_IN_REFUSED, reason="password", user_id=user_id)
            raise WrongPasswordError("The user name or the password is wrong.")
        if verdict is Verdict.RIGHT_BUT_OLD:
            renewed = await self._passwords.make_hash(password)
            async with self._pool.acquire() as connection:
                await accounts.update_password_hash(connection, account.user_id, stored, renewed)

    async def _start_login_session(
        self, account: Account, known_device: DeviceToken | None, user_agent: str | None
    ) -> SignedIn:
        token = LoginToken.of(uuid.uuid4(), secrets.token_bytes(SECRET_BYTES))
        device = known_device or DeviceToken.of(secrets.token_urlsafe(16), account.user_id, self._device_key)
        async with self._pool.acquire() as connection:
            await accounts.delete_sign_in_debt(connection, _subject("", account, known_device))
            scope = await accounts.read_grant_scope(connection, account.user_id, SECTIONS_MAX)
            if scope is None:
                raise WrongPasswordError("The user name or the password is wrong.")  # disabled a moment ago
            expires_at = await accounts.insert_login_session(
                connection,
                token.login_session_id,
                account.user_id,
                token.digest,
                self._settings.login_session_days,
                user_agent.replace("\x00", "") if user_agent else None,
            )
        telemetry.log(
            telemetry.Event.LOGIN_SESSION_STARTED, user_id=account.user_id, login_session=token.login_session_id.hex[:8]
        )
        grant = self._grant(account.user_id, scope, token)
        return SignedIn(grant, mint(grant, self._grant_key), token.text, expires_at, device.text)

    def _grant(self, user_id: int, scope: GrantScope, token: LoginToken) -> Grant:
        issued_at = max(int(time.time()), self._revocations.earliest_issue(user_id))
        return make_grant(
            user_id, scope, issued_at, self._settings.grant_minutes * 60, login_session_id=token.login_session_id.hex
        )

    async def renew(self, login_token: str) -> SignedIn:
        """Return a new grant and the next token of the login session, or raise SignInRequiredError.

        A token that was exchanged longer than GRACE_S ago ends the login session: somebody has a copy.
        """
        token = LoginToken.parse(login_token)
        if token is None:
            raise SignInRequiredError("This is not a token of a login session.")
        following = token.successor(self._login_key)
        async with self._pool.acquire() as connection:
            rotated = await accounts.rotate_login_session(
                connection,
                token.login_session_id,
                token.digest,
                following.digest,
                self._settings.login_session_idle_hours,
                GRACE_S,
            )
            if rotated is None:
                following, (user_id, expires_at) = await self._honour_or_end(connection, token, following)
            else:
                user_id, expires_at = rotated
            scope = await accounts.read_grant_scope(connection, user_id, SECTIONS_MAX)
            if scope is None:
                await self._end(connection, token, "disabled")
                raise SignInRequiredError("This account has been disabled.")
        telemetry.LOGIN_RENEWALS.labels("ok").inc()
        grant = self._grant(user_id, scope, token)
        changed = following.text if following != token else None
        return SignedIn(grant, mint(grant, self._grant_key), changed, expires_at)

    async def _honour_or_end(
        self, connection: Connection, token: LoginToken, following: LoginToken
    ) -> tuple[LoginToken, tuple[int, dt.datetime]]:
        """Return the token to go on with, and (user, end); else end what must end, and raise SignInRequiredError."""
        found = await accounts.read_login_session(
            connection, token.login_session_id, self._settings.login_session_idle_hours
        )
        if found is None or not found.is_live:
            telemetry.LOGIN_RENEWALS.labels("over").inc()
            raise SignInRequiredError("The login session is over.", params={"reason": "over"})
        if hmac.compare_digest(token.digest, found.token_digest):
            return token, (found.user_id, found.expires_at)  # exchanged within the grace: not again yet
        if (
            found.previous_token_digest is not None
            and hmac.compare_digest(token.digest, found.previous_token_digest)
            and found.rotated_ago_s <= GRACE_S
        ):
            # The next token is the stored one, unless the installation's secret has changed in this minute.
            is_next = hmac.compare_digest(following.digest, found.token_digest)
            return following if is_next else token, (found.user_id, found.expires_at)
        telemetry.LOGIN_RENEWALS.labels("reused").inc()
        telemetry.log(
            telemetry.Event.LOGIN_SESSION_REUSED,
            level=logging.WARNING,
            user_id=found.user_id,
            login_session=token.login_session_id.hex[:8],
        )
        await self._end(connection, token, "reused")
        raise SignInRequiredError("The login session was ended: an old token was used.", params={"reason": "reused"})

    async def end(self, login_token: str) -> None:
        """End the login session of this token, and what was granted in it; a token that is not its own ends nothing."""
        token = LoginToken.parse(login_token)
        if token is None:
            return
        async with self._pool.acquire() as connection:
            found = await accounts.read_login_session(
                connection, token.login_session_id, self._settings.login_session_idle_hours
            )
            if found is not None and token.digest in {found.token_digest, found.previous_token_digest}:
                await self._end(connection, token, "signed_out")

    async def end_grant(self, grant: Grant) -> None:
        """Refuse this grant from now on: for who has nothing but a grant."""
        async with self._pool.acquire() as connection:
            await self._revocations.revoke_grant(connection, grant)

    async def end_everywhere(self, user_id: int) -> None:
        """End all login sessions of a user, and everything that was granted to them up to now."""
        async with self._pool.acquire() as connection:
            await accounts.end_login_sessions_of_user(connection, user_id)
            await self._revocations.revoke_user(connection, user_id)
        telemetry.log(telemetry.Event.LOGIN_SESSION_ENDED, user_id=user_id, reason="everywhere")

    async def _end(self, connection: Connection, token: LoginToken, reason: str) -> None:
        await accounts.end_login_session(connection, token.login_session_id)
        await self._revocations.revoke_login_session(connection, token.login_session_id)
        telemetry.log(telemetry.Event.LOGIN_SESSION_ENDED, login_session=token.login_session_id.hex[:8], reason=reason)


def make_grant(
    user_id: int, scope: GrantScope, issued_at: int, term_s: int, *, login_session_id: str | None = None
) -> Grant:
    """Return a grant with an id of its own."""
    return Grant(
        grant_id=secrets.token_urlsafe(16),
        user_id=user_id,
        login_session_id=login_session_id,
        roles=scope.roles,
        org_ids=scope.org_ids,
        section_ids=scope.section_ids,
        issued_at=issued_at,
        expires_at=issued_at + term_s,
        name=scope.name,
    )


async def end_all_of_user(connection: Connection, user_id: int) -> None:
    """End all login sessions and grants of a user, as an operator may; API processes know within seconds."""
    await accounts.end_login_sessions_of_user(connection, user_id)
    await accounts.insert_grant_revocation(connection, f"user:{user_id}", USER_FORGET_S)


async def grant_for(connection: Connection, username: str, key: GrantKey, now: float, hours: float) -> str | None:
    """Return the token of a grant for a user, without a login session, as an operator may; None: no such user."""
    account = await accounts.read_account(connection, username) if _can_be_stored(username) else None
    scope = await accounts.read_grant_scope(connection, account.user_id, SECTIONS_MAX) if account else None
    if account is None or scope is None:
        return None
    return mint(make_grant(account.user_id, scope, int(now), int(hours * 3600)), key)


def _can_be_stored(text: str) -> bool:
    """Whether PostgreSQL can hold the text at all: no NUL, and no half of a surrogate pair."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _subject(username: str, account: Account | None, device: DeviceToken | None) -> bytes:
    """Return whose allowance pays for a try: a device that has signed this user in, else the user, else the name."""
    if device is not None:
        return hashlib.sha256(f"device {device.device_id}".encode()).digest()
    name = f"user {account.user_id}" if account else f"name {username.lower()}"
    return hashlib.sha256(name.encode()).digest()
