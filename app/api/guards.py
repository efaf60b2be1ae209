"""Who is asking: a grant from `Authorization: Bearer` or from a cookie, checked without asking any database.

A signature is verified once per token and process; after that a request costs a look into a dictionary, and its term
and the revocation set are looked at each time. A cookie is sent by the browser whoever wrote the page, so that a
request with one that changes something must come from our own pages (Fetch Metadata, else Origin) and be JSON. A
page that was opened for one person may be left standing while another signs in beside it: what it sends says for whom
it is meant, and is refused under anybody else's grant.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from app import telemetry
from app.api.exchange import header_of
from app.errors import NotPermittedError, SignInRequiredError, UnsupportedMediaTypeError
from app.model.grants import check_term, derive_grant_key, verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from litestar.types import HTTPScope

    from app.gradebook.revocations import Revocations
    from app.model.grants import Grant
    from app.settings import Settings

# Every teacher of the design load, and the grants that they have just replaced; about 1.2 kB each.
GRANTS_KEPT_MAX: Final = 40_000
MEANT_USER: Final = b"inkfast-user"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """Reads grants for one API process."""

    def __init__(self, settings: Settings, revocations: Revocations, *, now: Callable[[], float] = time.time) -> None:
        keys = (derive_grant_key(secret) for secret in (settings.secret_key, settings.secret_key_previous) if secret)
        self._keys = {key.key_id: key for key in keys}
        self._revocations = revocations
        self._grace_s = settings.grant_grace_hours * 3600
        self._now = now
        self._verified: dict[bytes, Grant] = {}
        self._origin = origin_of(settings.public_url)
        self.is_secure = settings.public_url.startswith("https://")
        self.grant_cookie = self.cookie_name("grant")

    def cookie_name(self, name: str) -> bytes:
        """Return a cookie's name: `__Host-` where TLS allows it, which no other host or path can then overwrite."""
        return f"{'__Host-' if self.is_secure else ''}inkfast_{name}".encode()

    def teacher(self, scope: HTTPScope) -> Grant:
        """Return the grant for reading or saving a section: honoured past its term while PostgreSQL is away.

        SignInRequiredError without a grant, NotPermittedError for a request that another site may have made.
        """
        return self._read(scope, self._grace_s)

    def user(self, scope: HTTPScope) -> Grant:
        """Return the grant for everything else: within its term only; errors as in `teacher`."""
        return self._read(scope, 0)

    def _read(self, scope: HTTPScope, grace_s: int) -> Grant:
        bearer = cookie = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                if value[:7].lower() == b"bearer ":
                    bearer = value[7:]
            elif name == b"cookie":
                cookie = cookie_in(value, self.grant_cookie) or cookie
        if bearer is not None:
            token = bearer
        elif cookie is not None:
            token = cookie
            if scope["method"] not in SAFE_METHODS:
                self.refuse_other_sites(scope)
        else:
            raise SignInRequiredError("Sign in first.")
        grant = self._verified.get(token) or self._verify(token)
        now = self._now()
        if now >= grant.expires_at:
            check_term(grant, now, grace_s if self._revocations.records_are_away else 0)
            telemetry.GRANTS_IN_GRACE.inc()
        if self._revocations.refuses(grant):
            raise SignInRequiredError("This grant was revoked.", params={"reason": "revoked"})
        _refuse_other_person(scope, grant)
        return grant

    def _verify(self, token: bytes) -> Grant:
        grant = verify(token.decode("latin-1"), self._keys)
        if len(self._verified) >= GRANTS_KEPT_MAX:
            for oldest in list(self._verified)[: GRANTS_KEPT_MAX // 10]:
                del self._verified[oldest]
        self._verified[token] = grant
        return grant

    def refuse_other_sites(self, scope: HTTPScope, *, is_strict: bool = True) -> None:
        """Raise unless the request comes from our own pages, and is JSON where the path is the API's.

        Not strict: a client that sends neither Sec-Fetch-Site nor Origin is no browser, and may pass; with a cookie it
        must show one of them.
        """
        site = header_of(scope, b"sec-fetch-site")
        origin = header_of(scope, b"origin")
        if site is not None:
            is_ours = site in {b"same-origin", b"none"}
        elif origin is not None:
            is_ours = self._is_own_origin(origin, header_of(scope, b"host"))
        else:
            is_ours = not is_strict
        if not is_ours:
            raise NotPermittedError("This request came from another site.", params={"reason": "other_site"})
        if scope["method"] == "POST" and scope["path"].startswith("/api/"):
            require_json(scope)

    def _is_own_origin(self, origin: bytes, host: bytes | None) -> bool:
        # Browsers send Sec-Fetch-Site only over TLS and to this machine itself; elsewhere the page's origin must be the
        # configured address, or, in a school's own network without TLS, the very host that was asked.
        text = origin.decode("latin-1").lower()
        if text == self._origin:
            return True
        return not self.is_secure and host is not None and text == f"http://{host.decode('latin-1').lower()}"


def _refuse_other_person(scope: HTTPScope, grant: Grant) -> None:
    meant = header_of(scope, MEANT_USER)
    if meant is not None and meant != b"%d" % grant.user_id:
        raise SignInRequiredError("This request is meant for another person.", params={"reason": "other_person"})


def require_json(scope: HTTPScope) -> None:
    """Raise UnsupportedMediaTypeError for a body that a form on any page could have sent."""
    kind = header_of(scope, b"content-type")
    if kind is None or kind.split(b";", 1)[0].strip().lower() != b"application/json":
        raise UnsupportedMediaTypeError("The body has to be application/json.")


def origin_of(url: str) -> str:
    """Return scheme, host and port of an address as browsers write an Origin."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def cookie_in(header: bytes, name: bytes) -> bytes | None:
    """Return the first cookie of this name in a Cookie header."""
    for part in header.split(b";"):
        key, _, value = part.strip().partition(b"=")
        if key == name:
            return value
    return None


def cookie_of(scope: HTTPScope, name: bytes) -> str | None:
    """Return a request's cookie as text."""
    for key, header in scope["headers"]:
        if key == b"cookie" and (value := cookie_in(header, name)) is not None:
            return value.decode("latin-1")
    return None
