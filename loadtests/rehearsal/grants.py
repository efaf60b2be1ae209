"""The file of grants: who the teachers are, a line each. `inkfast rehearse prepare` writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from pathlib import Path


class Grant(Struct, frozen=True):
    """One teacher: the bearer token, the sections to type into, and a password for signing on."""

    user: int
    token: str
    sections: tuple[int, ...]
    username: str = ""
    password: str = ""


class GrantsError(Exception):
    """The file cannot be used; the message says why."""


class Grants:
    """Lines are kept as they are and read when a teacher comes: tokens of a district take a few megabytes."""

    def __init__(self, path: Path) -> None:
        try:
            self._lines = [line for line in path.read_bytes().splitlines() if line.strip()]
        except OSError as error:
            raise GrantsError(f"{path}: {error.strerror}") from error
        if not self._lines:
            raise GrantsError(f"{path} is empty: `inkfast rehearse prepare` writes it")
        self._path = path
        self._decode = msgspec.json.Decoder(Grant).decode
        for number in range(len(self._lines)):
            self.of(number)  # a teacher who cannot be read would only be missed in the middle of the run

    def __len__(self) -> int:
        return len(self._lines)

    def of(self, number: int) -> Grant:
        """Return the grant of a teacher, numbered from 0; beyond the end they come again, as a second browser."""
        at = number % len(self._lines)
        try:
            grant = self._decode(self._lines[at])
        except msgspec.MsgspecError as error:
            raise GrantsError(f"{self._path}, line {at + 1}: {error}") from error
        if not grant.sections:
            raise GrantsError(f"{self._path}, line {at + 1}: no sections")
        return grant
