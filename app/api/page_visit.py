"""One request for a page: who asks, in which language, and what every page needs around its content.

Cookies of a login session that was renewed on the way are set on whatever the answer becomes, an error page too: a
token that was exchanged and not handed over would end the login session.
"""

from __future__ import annotations

import hmac
import secrets
import time
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qsl, quote

from app.api import problems
from app.api.exchange import header_of, read_body
from app.api.guards import cookie_of
from app.api.page_html import page, see_other
from app.api.page_words import LANGUAGES, WORDS, choose_language, local
from app.api.services import services_of
from app.api.session import forget, keep
from app.errors import InkfastError, NotPermittedError, SignInRequiredError, UnreadableRequestError
from app.model.grants import derive_secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from litestar import Request
    from litestar.types import HTTPScope
    from markupsafe import Markup

    from app.api.exchange import Answer
    from app.gradebook.sign_in import SignedIn
    from app.model.grants import Grant
    from app.model.plain_fields import Fields

FORM_BYTES_MAX: Final = 2_000_000  # 200 students with long comments, percent-encoded
FIELDS_MAX: Final = 5_000
_YEAR_S: Final = 31_536_000


class Visit:
    """A request on its way to a page."""

    def __init__(self, request: Request[Any, Any, Any]) -> None:
        self.request = request
        self.scope: HTTPScope = request.scope
        self.services = services_of(self.scope)
        self._query = dict(parse_qsl(self.scope["query_string"].decode("latin-1")))
        kept = cookie_of(self.scope, self._language_cookie)
        accepted = (header_of(self.scope, b"accept-language") or b"").decode("latin-1")
        self.words = WORDS[choose_language(self._query.get("lang"), kept, accepted)]
        self.grant: Grant | None = None
        self._signed_in: SignedIn | None = None
        self._is_over = False
        self._as_of: Markup | None = None

    @property
    def _language_cookie(self) -> bytes:
        return self.services.guard.cookie_name("language")

    def asked(self, name: str) -> str | None:
        """Return a parameter of the address."""
        return self._query.get(name)

    def note_as_of(self, as_of_ms: int, time_zone: str | None) -> None:
        """Have the page say that the records are away, and from when is what it shows; without a zone in UTC."""
        at = self.words.at(as_of_ms, time_zone or "UTC", _now_ms())
        self._as_of = self.words("records.as_of", at=at if time_zone else at + " UTC")

    @property
    def _notices(self) -> list[list[Markup]]:
        """What every page says before anything else: maintenance, and from when its records are."""
        notices = []
        announced = self.services.maintenance.current
        if announced is not None:
            at = self.words.at(announced.until_ms, announced.time_zone, _now_ms())
            zone = local(announced.until_ms, announced.time_zone).tzname()
            said = [self.words("maintenance.until", at=at, zone=zone)]
            said += [self.words("maintenance.reason", reason=announced.reason)] if announced.reason else []
            notices.append(said)
        if self._as_of is not None:
            notices.append([self._as_of])
        return notices

    async def require_grant(self) -> Grant:
        """Return the grant of who asks, renewed if its term is over; SignInRequiredError if the login session is too.

        Whether the request comes from our own pages is for `is_from_own_page` to say.
        """
        guard = self.services.guard
        try:
            # A form has its own proof of where it came from, which does for browsers that send no such header.
            reading = cast("HTTPScope", {**self.scope, "method": "GET"})
            self.grant = guard.teacher(reading)
        except SignInRequiredError:
            token = cookie_of(self.scope, guard.cookie_name("login"))
            if token is None:
                raise
            try:
                self.enter(await self.services.sign_in.renew(token))
            except SignInRequiredError:
                self._is_over = True
                raise
        assert self.grant is not None  # noqa: S101 -- from the cookie, or renewed
        return self.grant

    def enter(self, signed_in: SignedIn) -> None:
        """Go on as somebody who has just signed in, or whose login session was renewed."""
        self._signed_in, self.grant, self._is_over = signed_in, signed_in.grant, False

    def leave(self) -> None:
        """Take the cookies of the login session back."""
        self._signed_in, self.grant, self._is_over = None, None, True

    async def read_form(self) -> Fields:
        """Return the inputs of a form, in their order; RequestTooLargeError, UnreadableRequestError."""
        body = await read_body(self.request.receive, FORM_BYTES_MAX)
        try:
            pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True, max_num_fields=FIELDS_MAX)
        except ValueError:
            raise UnreadableRequestError("The form has too many fields.") from None
        fields: Fields = {}
        for name, value in pairs:
            fields.setdefault(name, []).append(value)
        return fields

    def is_from_own_page(self) -> bool:
        """Return whether the browser says that the request comes from our own pages; old ones say nothing: False.

        NotPermittedError when it says that it comes from another site.
        """
        self.services.guard.refuse_other_sites(self.scope, is_strict=False)
        return header_of(self.scope, b"sec-fetch-site") is not None or header_of(self.scope, b"origin") is not None

    def has_token(self, fields: Fields) -> bool:
        """Return whether the form was made for this login session, which another site cannot do."""
        return hmac.compare_digest(fields.get("token", [""])[0].encode(), self.token.encode())

    @property
    def token(self) -> str:
        """What proves that a form was made for this login session; without one, a text that proves nothing."""
        if self.grant is None:
            return secrets.token_hex(16)
        key = derive_secret(self.services.settings.secret_key, "form token")
        subject = self.grant.login_session_id or f"user {self.grant.user_id}"
        return hmac.digest(key, subject.encode(), "sha256").hex()[:32]

    @property
    def form_keys(self) -> list[bytes]:
        """The keys that sign the state of forms: the one to sign with, and the one before it."""
        settings = self.services.settings
        return [derive_secret(s, "plain form") for s in (settings.secret_key, settings.secret_key_previous) if s]

    def page(self, template: str, title: str, *, here: str | None = None, **context: Any) -> Answer:
        """Return a page. `here` is its address where it can be asked for again, in another language too."""
        defaults = {"crumbs": (), "problem": ()}
        return page(
            template,
            self.words,
            **defaults
            | {
                "title": title,
                "here": here,
                "languages": [WORDS[language] for language in LANGUAGES],
                "user": self.grant.name if self.grant is not None else None,
                "token": self.token,
                "notices": self._notices,
            }
            | context,
        )

    def gradebook(self, path: str = "") -> str | None:
        """Return the address of the gradebook in the browser, where it is built."""
        return f"/app/{path}" if self.services.web.is_built else None

    def finish(self, answer: Answer) -> Answer:
        """Set the cookies that have changed."""
        if self._signed_in is not None:
            keep(answer, self.services, self._signed_in)
        elif self._is_over:
            forget(answer, self.services)
        if self._query.get("lang") in LANGUAGES:
            secure = "; Secure" if self.services.guard.is_secure else ""
            cookie = f"{self._language_cookie.decode()}={self.words.language}; Path=/; Max-Age={_YEAR_S}; SameSite=Lax"
            answer.add_header((b"set-cookie", f"{cookie}; HttpOnly{secure}".encode()))
        return answer

    def problem(self, error: InkfastError, *more: str) -> Answer:
        """Return the page that says what went wrong."""
        kind = "unavailable" if error.retryable else error.code
        key = f"problem.{kind}.title"
        return self.page(
            "problem.html",
            self.words(key if key in self.words.entries else "problem.title"),
            sentences=(self.words.of_code(error.code, error.params), *more),
            status=error.status,
            retry_after_s=error.retry_after_s,
        )


async def respond(request: Request[Any, Any, Any], make: Callable[[Visit], Awaitable[Answer]]) -> Answer:
    """Return the page that `make` makes, or the page for what went wrong; whoever has to sign in is asked to."""
    visit = Visit(request)
    try:
        answer = await make(visit)
    except SignInRequiredError:
        path, query = visit.scope["path"], visit.scope["query_string"].decode("latin-1")
        following = quote(f"{path}?{query}" if query else path, safe="/")
        answer = see_other("/" if path == "/sections" else f"/?next={following}")
    except InkfastError as error:
        answer = visit.problem(error)
    except Exception as error:  # noqa: BLE001 -- it is reported, and a person gets a page
        request_id = problems.report(request.scope, error)
        unexpected = InkfastError("unexpected")
        answer = visit.problem(unexpected, visit.words("code.internal_error.id", request_id=request_id))
    return visit.finish(answer)


def refuse_foreign_form() -> NotPermittedError:
    """Return the error for a form that may have been made by another site."""
    return NotPermittedError("This form is not from our own pages.", params={"reason": "other_site"})


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
