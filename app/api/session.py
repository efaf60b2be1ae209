"""`/api/v1/session`: sign in, renew, sign out.

A browser gets three cookies that no script can read: the token of its login session, its grant (sent with every
request, also past its term, for when PostgreSQL is away), and a mark that this device has signed this user in before.
An API client takes the grant from the answer to its sign-in instead.
"""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from litestar import Controller, Request, delete, get, post
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta, Struct

from app.api import problems
from app.api.exchange import Answer, header_of
from app.api.guards import cookie_of, require_json
from app.api.services import Services, services_of
from app.errors import RecordsUnavailableError, SignInRequiredError
from app.gradebook.sign_in import USERNAME_CHARS_MAX
from app.model.passwords import PASSWORD_CHARS_MAX

if TYPE_CHECKING:
    from litestar.types import HTTPScope

    from app.gradebook.sign_in import SignedIn
    from app.model.grants import Grant

DEVICE_DAYS = 400  # the longest that browsers keep a cookie
_encode = msgspec.json.Encoder().encode


class Credentials(Struct):
    """What somebody types to sign in."""

    username: Annotated[str, Meta(min_length=1, max_length=USERNAME_CHARS_MAX)]
    password: Annotated[str, Meta(max_length=PASSWORD_CHARS_MAX)]


class SessionView(Struct, omit_defaults=True):
    """Who is signed in, and until when; `section_ids` is null for who teaches more sections than a grant can carry.

    `login_expires_at` is absent for a grant without a login session. `grant` is given at sign-in, for clients that
    send it as a bearer token; browsers have it in a cookie.
    """

    user_id: int
    name: str
    roles: tuple[str, ...]
    org_ids: tuple[int, ...]
    section_ids: list[int] | None
    grant_expires_at: str
    login_expires_at: str | None = None
    grant: str | None = None


class SessionController(Controller):
    """One's own login session."""

    path = "/api/v1/session"
    tags = ("session",)

    @post(
        "/",
        operation_id="SignIn",
        status_code=200,
        security=[],
        request_max_body_size=16_384,
        responses=problems.documented(400, 401, 403, 413, 415, 422, 429, 503),
    )
    async def sign_in(self, request: Request[Any, Any, Any], data: JSONBody[Credentials]) -> Answer:
        """Sign in with a user name and a password; always a login session of its own, whatever cookies came along."""
        services, scope = services_of(request.scope), request.scope
        services.guard.refuse_other_sites(scope, is_strict=False)
        require_json(scope)
        user_agent = header_of(scope, b"user-agent")
        with services.standing.load.serving("sign_on"):
            signed_in = await services.sign_in.sign_in(
                data.username,
                data.password,
                device=cookie_of(scope, services.guard.cookie_name("device")),
                user_agent=user_agent.decode("latin-1") if user_agent else None,
                replaced=cookie_of(scope, services.guard.cookie_name("login")),
            )
        answer = Answer(_encode(_view(signed_in.grant, signed_in.login_expires_at, signed_in.grant_token)))
        keep(answer, services, signed_in)
        return answer

    @get(
        "/",
        operation_id="RenewSession",
        responses=problems.documented(401, 503),
    )
    async def renew(self, request: Request[Any, Any, Any]) -> Answer:
        """Say who is signed in. With a login session's cookie: a new grant, and at most once a minute a new cookie.

        While PostgreSQL is away nothing can be renewed; who still has a grant is told about that one.
        """
        services, scope = services_of(request.scope), request.scope
        token = cookie_of(scope, services.guard.cookie_name("login"))
        if token is None or header_of(scope, b"authorization") is not None:
            return Answer(_encode(_view(services.guard.user(scope))))
        try:
            signed_in = await services.sign_in.renew(token)
        except SignInRequiredError as error:
            answer = problems.of_error(error)
            forget(answer, services)
            return answer
        except RecordsUnavailableError as error:
            try:
                return Answer(_encode(_view(services.guard.teacher(scope))))
            except SignInRequiredError:
                raise error from None
        answer = Answer(_encode(_view(signed_in.grant, signed_in.login_expires_at)))
        keep(answer, services, signed_in)
        return answer

    @delete(
        "/",
        operation_id="SignOut",
        status_code=200,
        responses=problems.documented(403, 422, 503),
    )
    async def sign_out(
        self,
        request: Request[Any, Any, Any],
        everywhere: Annotated[bool, QueryParameter(description="Of this user: all login sessions and grants.")] = False,  # noqa: FBT002 -- a query parameter
    ) -> Answer:
        """End the login session of the cookie, or the grant of the bearer; also if there is none any more.

        The cookies are taken back in any case. 503 says that they were, and that PostgreSQL could not be told.
        """
        services, scope = services_of(request.scope), request.scope
        token = cookie_of(scope, services.guard.cookie_name("login"))
        answer = Answer(status=204)
        try:
            if token is not None:
                services.guard.refuse_other_sites(scope)
            await _end(services, scope, token, everywhere=everywhere)
        except RecordsUnavailableError as error:
            answer = problems.of_error(error)
        forget(answer, services)
        return answer


async def _end(services: Services, scope: HTTPScope, token: str | None, *, everywhere: bool) -> None:
    try:
        grant = services.guard.user(scope)
    except SignInRequiredError:
        grant = None
    if everywhere and grant is not None:
        await services.sign_in.end_everywhere(grant.user_id)
    elif header_of(scope, b"authorization") is None and token is not None:
        await services.sign_in.end(token)
    elif grant is not None:
        await services.sign_in.end_grant(grant)


def _view(grant: Grant, login_expires_at: dt.datetime | None = None, token: str | None = None) -> SessionView:
    return SessionView(
        user_id=grant.user_id,
        name=grant.name,
        roles=grant.roles,
        org_ids=grant.org_ids,
        section_ids=sorted(grant.section_ids) if grant.section_ids is not None else None,
        grant_expires_at=_rfc3339(dt.datetime.fromtimestamp(grant.expires_at, dt.UTC)),
        login_expires_at=_rfc3339(login_expires_at) if login_expires_at else None,
        grant=token,
    )


def _rfc3339(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def keep(answer: Answer, services: Services, signed_in: SignedIn) -> None:
    """Give the browser what it needs: the grant's cookie outlives its term by the grace for PostgreSQL's absence."""
    settings = services.settings
    grant_s = settings.grant_minutes * 60 + settings.grant_grace_hours * 3600
    _set_cookie(answer, services, "grant", signed_in.grant_token, grant_s)
    if signed_in.login_token is not None:
        login_s = int(signed_in.login_expires_at.timestamp() - time.time())
        _set_cookie(answer, services, "login", signed_in.login_token, login_s)
    if signed_in.device_token is not None:
        _set_cookie(answer, services, "device", signed_in.device_token, DEVICE_DAYS * 86_400)


def forget(answer: Answer, services: Services) -> None:
    """Take the grant and the login session back; the device stays known."""
    for name in ("grant", "login"):
        _set_cookie(answer, services, name, "", 0)


def _set_cookie(answer: Answer, services: Services, name: str, value: str, seconds: int) -> None:
    guard = services.guard
    secure = "; Secure" if guard.is_secure else ""
    cookie = f"{guard.cookie_name(name).decode()}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
    answer.add_header((b"set-cookie", cookie.encode()))
