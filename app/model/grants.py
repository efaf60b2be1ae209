"""Grants: short-lived signed statements of who somebody is and what they teach, checked without asking any database.

A token is `ikg1.<key id>.<payload>.<signature>`: the payload is MessagePack in base64url without padding, the signature
HMAC-SHA256 over everything before the last dot. The key's id stands in the token so that keys can rotate: new grants
are minted with one key while those of the keys before it are still read. The signature is compared as text, so that a
grant has exactly one spelling (and one place in a cache keyed by token).
"""

from __future__ import annotations

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from app.errors import SignInRequiredError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "ikg1"
TOKEN_CHARS_MAX = 3_600  # a cookie holds 4,096 bytes with its name and attributes
SECTIONS_MAX = 50  # beyond this the sections are looked up, so that the token fits into a cookie
GRANT_HOURS_MAX = 31 * 24  # no grant has a longer term, so that a revocation can be forgotten some day
ADMINISTRATOR_ROLES = frozenset({"administrator", "districtAdministrator", "systemAdministrator"})


class Grant(Struct, frozen=True):
    """What a signed token says; its truth at the moment of minting is all that it carries."""

    grant_id: str
    user_id: int
    login_session_id: str | None
    roles: tuple[str, ...]
    org_ids: tuple[int, ...]
    section_ids: frozenset[int] | None  # None: more than SECTIONS_MAX, look up
    issued_at: int  # unix seconds
    expires_at: int  # unix seconds
    name: str  # for display

    @property
    def is_administrator(self) -> bool:
        """Whether any of the roles administers the whole installation (a principal administers a school)."""
        return not ADMINISTRATOR_ROLES.isdisjoint(self.roles)


class GrantKey(Struct, frozen=True):
    """A signing key and the public name under which tokens refer to it."""

    key_id: str
    secret: bytes


def derive_secret(secret_key: str, label: str) -> bytes:
    """Return 32 bytes for one purpose, so that no two uses of the installation's secret share a key."""
    root = hmac.digest(b"inkfast", secret_key.encode(), "sha256")
    return hmac.digest(root, label.encode() + b"\x01", "sha256")


def derive_grant_key(secret_key: str) -> GrantKey:
    """Return the key that signs grants under this secret; its id tells nothing about the secret."""
    key_id = derive_secret(secret_key, "grant key id")[:4].hex()
    return GrantKey(key_id, derive_secret(secret_key, "grant"))


def mint(grant: Grant, key: GrantKey) -> str:
    """Return the token of a grant."""
    payload = urlsafe_b64encode(_encode(grant)).rstrip(b"=").decode()
    signed = f"{PREFIX}.{key.key_id}.{payload}"
    return f"{signed}.{_signature(signed, key.secret)}"


def read(token: str, keys: Mapping[str, GrantKey], now: float, grace_s: int = 0) -> Grant:
    """Return the grant that this installation signed; SignInRequiredError: forged, garbled, or past its term."""
    grant = verify(token, keys)
    check_term(grant, now, grace_s)
    return grant


def verify(token: str, keys: Mapping[str, GrantKey]) -> Grant:
    """Return the grant if the signature is ours, whatever its term; else raise SignInRequiredError."""
    if len(token) > TOKEN_CHARS_MAX or not token.isascii():
        raise SignInRequiredError("This is not a grant of this installation.")
    signed, _, signature = token.rpartition(".")
    prefix, _, rest = signed.partition(".")
    key_id, _, payload = rest.partition(".")
    key = keys.get(key_id)
    if prefix != PREFIX or key is None or not hmac.compare_digest(_signature(signed, key.secret), signature):
        raise SignInRequiredError("This is not a grant of this installation.")
    try:
        return _decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (msgspec.DecodeError, binascii.Error):
        # Signed by us, but by a release whose grants look different: the login session mints a new one.
        raise SignInRequiredError("The grant is of another release.") from None


def check_term(grant: Grant, now: float, grace_s: int = 0) -> None:
    """Raise SignInRequiredError if the grant is past its term by more than the grace."""
    if now >= grant.expires_at + grace_s:
        raise SignInRequiredError("The grant has expired.", params={"reason": "expired"})


def _signature(signed: str, secret: bytes) -> str:
    return urlsafe_b64encode(hmac.digest(secret, signed.encode(), "sha256")).rstrip(b"=").decode()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Grant).decode
