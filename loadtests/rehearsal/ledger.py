"""Writes the compact client ledger (docs/ledger.md, format 2): a line for each save, and one for each answer.

What an edit says is written with its first sending, in the very bytes that are sent. Lines are collected and handed to
the operating system before the requests that they announce: `write` is called before the sockets are.
"""

from __future__ import annotations

import time
from typing import IO, TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FORMAT = 2
US_PER_S = 1_000_000
_encode = msgspec.json.Encoder().encode


class CompactLedger:
    """One file of one process. `offset_s` turns its monotonic clock into seconds since 1970, once and for all."""

    def __init__(self, path: Path | None) -> None:
        self.offset_s = time.time() - time.monotonic()
        self._file: IO[bytes] | None = path.open("ab", buffering=0) if path is not None else None
        self._lines: list[bytes] = []
        self._clients = 0
        self.bytes_written = 0

    def at(self, moment: float) -> int:
        """Return a moment of the monotonic clock in microseconds since 1970."""
        return int((moment + self.offset_s) * US_PER_S)

    def run(self, **options: Any) -> None:
        """Begin: which program writes this, and with what options."""
        head = {"event": "run", "t": self.at(time.monotonic()), "format": FORMAT, "options": options}
        self._lines.append(_encode(head) + b"\n")

    def client(self, client_id: str, user_id: int, section_id: int) -> int:
        """Write who a number stands for from now on, and return that number."""
        self._clients += 1
        self._lines.append(b'["c",%d,"%b",%d,%d]\n' % (self._clients, client_id.encode(), user_id, section_id))
        return self._clients

    def sent(self, now: float, client: int, first_seq: int, last_seq: int, new: Sequence[tuple[float, bytes]]) -> None:
        """Write that a save leaves; `new`: those of its edits that were never sent before, and when each was typed."""
        typed = b",".join([b"[%d,%b]" % (self.at(at), wire) for at, wire in new])
        self._lines.append(b'["s",%d,%d,%d,%d,[%b]]\n' % (self.at(now), client, first_seq, last_seq, typed))

    def answered(
        self, now: float, client: int, drafted_seq: int, recorded_seq: int, told: bytes, exceptions: bytes
    ) -> None:
        """Write an answer; `told`: outcomes that its two positions do not say already, as JSON."""
        fields = (self.at(now), client, drafted_seq, recorded_seq, told, exceptions)
        self._lines.append(b'["a",%d,%d,%d,%d,%b,%b]\n' % fields)

    def failed(self, now: float, client: int, status: int, code: str) -> None:
        """Write that a save was refused as a whole, or (status 0) not answered."""
        self._lines.append(b'["f",%d,%d,%d,%b]\n' % (self.at(now), client, status, _encode(code)))

    def end(self, **figures: Any) -> None:
        """Finish."""
        self._lines.append(_encode({"event": "end", "t": self.at(time.monotonic()), "figures": figures}) + b"\n")

    def write(self) -> None:
        """Hand everything that was collected to the operating system; OSError where it does not take it."""
        if not self._lines:
            return
        text = memoryview(b"".join(self._lines))
        self._lines.clear()
        if self._file is None:
            return
        self.bytes_written += len(text)
        while text:
            text = text[self._file.write(text) :]

    def close(self) -> None:
        """Write the rest, and close the file."""
        self.write()
        if self._file is not None:
            self._file.close()
