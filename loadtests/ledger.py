"""Writes the client ledger: what clients sent, and what they were answered. docs/ledger.md is the format.

Independent of the service on purpose: the audit compares what this file says with what the service stored.
"""

from __future__ import annotations

import json
import time
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

FORMAT = 1


class Clock:
    """Microseconds since 1970 that never go back: one wall-clock reading, then the monotonic clock.

    Every process of one machine that makes its clock from the same pair tells the same time, so that moments of several
    ledgers can be compared.
    """

    def __init__(self) -> None:
        self._offset = time.time_ns() - time.monotonic_ns()

    def __call__(self) -> int:
        """Return now."""
        return (time.monotonic_ns() + self._offset) // 1_000


class Ledger:
    """Appends events to a file; each is with the operating system when its call returns."""

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self.now = clock or Clock()
        self._file: IO[str] = path.open("a", encoding="utf-8")
        self._encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def run(self, **options: Any) -> None:
        """Begin: which program writes this, and with what options."""
        self._write({"event": "run", "t": self.now(), "format": FORMAT, "options": options})

    def typed(self, client: Client, edits: Sequence[dict[str, Any]]) -> None:
        """Write edits as they were numbered for this client; to be called before they are sent for the first time."""
        now, who = self.now(), client.fields()
        self._write(*({"event": "typed", "t": now} | who | edit for edit in edits))

    def sent(self, client: Client, request: int, first_seq: int, last_seq: int) -> None:
        """Write that a save leaves now; to be called before it does."""
        self._write(
            {"event": "sent", "t": self.now(), "request": request}
            | client.fields()
            | {"first_seq": first_seq, "last_seq": last_seq}
        )

    def answered(self, client: Client, request: int, answer: dict[str, Any]) -> None:
        """Write the answer of a save or a poll (status 200)."""
        outcomes = [[o["edit_id"], o["outcome"], o.get("code"), o.get("cell_version")] for o in answer["outcomes"]]
        exceptions = [[x["edit_id"], x["seq"], x["outcome"], x.get("code")] for x in answer["exceptions"]]
        self._write(
            {"event": "answered", "t": self.now(), "request": request}
            | client.fields()
            | {"drafted_seq": answer["drafted_seq"], "recorded_seq": answer["recorded_seq"]}
            | {"outcomes": outcomes, "exceptions": exceptions}
        )

    def failed(self, client: Client, request: int, status: int, code: str) -> None:
        """Write that a save was refused as a whole, or (status 0) that no answer came: what became of it is unknown."""
        self._write(
            {"event": "failed", "t": self.now(), "request": request}
            | client.fields()
            | {"status": status, "code": code}
        )

    def read(self, client: Client, asked_at: int, cells: Sequence[Sequence[Any]]) -> None:
        """Write what a snapshot showed: kind, item, student, edit_id, cell_version and state of each cell."""
        self._write({"event": "read", "asked_at": asked_at, "t": self.now()} | client.fields() | {"cells": list(cells)})

    def end(self, **figures: Any) -> None:
        """Finish: how the run ended."""
        self._write({"event": "end", "t": self.now(), "figures": figures})

    def _write(self, *events: dict[str, Any]) -> None:
        self._file.write("".join(self._encode(event) + "\n" for event in events))
        self._file.flush()


class Client:
    """Who a line is about: one opening of an outbox in one section."""

    __slots__ = ("client_id", "section_id", "user_id")

    def __init__(self, client_id: str, user_id: int, section_id: int) -> None:
        self.client_id = client_id
        self.user_id = user_id
        self.section_id = section_id

    def fields(self) -> dict[str, Any]:
        """Return what each line carries of it."""
        return {"client_id": self.client_id, "user_id": self.user_id, "section_id": self.section_id}
