"""Tokens of login sessions: what a browser's cookie holds, and what becomes of it at each renewal.

A token is `<login_session_id>.<secret>`. The first secret is 256 random bits; each later one is derived from the token
before it with a key of the installation. So the same old token always leads to the same new one: two tabs that renew at
once, or a renewal whose answer was lost and that is sent again, end up with the same cookie. Only digests are stored.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

if TYPE_CHECKING:
    from typing import Self

SECRET_BYTES = 32
_FORM = re.compile(r"[0-9a-f]{32}\.[A-Za-z0-9_-]{43}")


class LoginToken(NamedTuple):
    """One token of a login session."""

    login_session_id: UUID
    text: str

    @classmethod
    def of(cls, login_session_id: UUID, secret: bytes) -> Self:
        """Return the token with this secret of SECRET_BYTES bytes."""
        return cls(login_session_id, f"{login_session_id.hex}.{urlsafe_b64encode(secret).rstrip(b'=').decode()}")

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the token, or None if the text was never one (cut off, or made up)."""
        return cls(UUID(text[:32]), text) if _FORM.fullmatch(text) else None

    def successor(self, key: bytes) -> LoginToken:
        """Return the token that replaces this one at its renewal."""
        return LoginToken.of(self.login_session_id, hmac.digest(key, self.text.encode(), "sha256"))

    @property
    def digest(self) -> bytes:
        """What is stored of the token."""
        return hashlib.sha256(self.text.encode()).digest()


class DeviceToken(NamedTuple):
    """Says that this device has signed this user in before; gives no access, only an allowance of its own for typos."""

    device_id: str
    text: str

    @classmethod
    def of(cls, device_id: str, user_id: int, key: bytes) -> Self:
        """Return the token for a device (22 characters of base64url, 128 random bits) and a user."""
        mac = hmac.digest(key, f"{device_id}.{user_id}".encode(), "sha256")
        return cls(device_id, f"{device_id}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}")

    @classmethod
    def parse(cls, text: str | None, user_id: int, key: bytes) -> Self | None:
        """Return the token if this installation gave it to a device of this user."""
        if text is None or not text.isascii():
            return None
        token = cls.of(text.partition(".")[0], user_id, key)
        return token if hmac.compare_digest(token.text, text) else None
