"""Password hashes: Argon2id with the parameters of this release, and how a hash of another release is told apart.

Hashing is slow by design: call it in a process of its own (app/gradebook/sign_in.py), never where edits are saved.
"""

from __future__ import annotations

import unicodedata
from enum import Enum

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

PASSWORD_CHARS_MAX = 1_024

# OWASP's recommended minimum for Argon2id (19 MiB, 2 passes, 1 lane): 26 ms on one core of a 2-core test machine. The
# library's default (64 MiB, 3 passes, 4 lanes) took 130 ms on both: at 43 sign-ins a second (26,000 teachers within ten
# minutes) passwords alone would need eleven cores, and its lanes would crowd out the process that saves.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


class Verdict(Enum):
    """What comparing a password with a hash showed."""

    WRONG = "wrong"
    RIGHT = "right"
    RIGHT_BUT_OLD = "right_but_old"  # made with other parameters: hash again while the password is at hand


def hash_password(password: str) -> str:
    """Return the hash to store: Argon2id in PHC form, with a salt of its own."""
    return _hasher.hash(_normal(password))


def verify_password(password_hash: str, password: str) -> Verdict:
    """Compare a password with a stored hash; a hash that cannot be read fits no password."""
    try:
        _hasher.verify(password_hash, _normal(password))
    except (VerificationError, InvalidHashError):
        return Verdict.WRONG
    return Verdict.RIGHT_BUT_OLD if _hasher.check_needs_rehash(password_hash) else Verdict.RIGHT


def _normal(password: str) -> bytes:
    # Keyboards differ in whether é is one character or two; the hash must not. Half a surrogate pair is no error here.
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
