"""What can be wrong with a roster package, and how it is said: file, line, a stable code, and the exact reason."""

from __future__ import annotations

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """One reason why a package, or one row of it, is refused. Line 0: the file as a whole."""

    file: str
    line: int
    code: str
    reason: str
    sourced_id: str | None = None

    def __str__(self) -> str:
        place = f"{self.file} line {self.line}" if self.line else self.file
        return f"{place}: {self.reason} [{self.code}]"


class PackageRefusedError(Exception):
    """The package as a whole cannot be used; nothing of the roster was changed. Every reason found is in `problems`."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems[:5]))
        self.problems = problems


class FieldError(ValueError):
    """One field of a row does not parse; the message says what it is and what it should be."""


class CsvFaultError(Exception):
    """From `line` on the file cannot be read as CSV, so nothing after it can be trusted either."""

    def __init__(self, line: int, code: str, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.code = code
        self.reason = reason


def shown(text: str, chars_max: int = 60) -> str:
    """Return a value as it can stand in a message: short, in quotation marks, without control characters."""
    cut = text if len(text) <= chars_max else text[:chars_max] + "…"
    return '"' + "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in cut) + '"'
