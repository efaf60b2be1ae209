"""How the supervisor hears that a process works: beats from our own, answers to a question from the servers.

Nothing here waits: every descriptor is non-blocking, and the supervisor's one thread looks when there is something.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from typing import TYPE_CHECKING, Protocol

from app.heartbeat import READY

if TYPE_CHECKING:
    from pathlib import Path

BEATS_SILENT_S_MAX = 1.5  # three beats
# A server may be busy for a moment (a fork of a large process, a slow script). An fsync that takes longer than this is
# told from silence by the process's state: whoever waits for a disk is not killed.
SERVER_SILENT_S_MAX = 3.0
ASK_EVERY_S = 0.5
VALKEY_QUESTION = b"PING\r\n"
# "Would you speak TLS?" (length, code): the postmaster has to take the connection and fork for its answer of one byte,
# also while it recovers and when all connections are taken, and nothing is logged.
POSTGRES_QUESTION = struct.pack(">II", 8, 80877103)


class Pulse(Protocol):
    """What is heard of one run of one process. Times are of the monotonic clock, in seconds."""

    silent_s_max: float
    heard_at: float | None  # None: nothing yet, it is starting
    is_ready: bool

    def descriptors(self) -> list[int]:
        """Return what becomes readable when there is something to hear."""

    def look(self, now: float) -> None:
        """Take in what has come, and ask again when it is time."""

    def look_at(self) -> float | None:
        """Return when to look although nothing has become readable; None: there is no need."""

    def close(self) -> None:
        """Let go of every descriptor."""


class BeatPulse:
    """The reading end of the pipe that app/heartbeat.py writes into."""

    silent_s_max = BEATS_SILENT_S_MAX

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor: int | None = descriptor
        self.heard_at: float | None = None
        self.is_ready = False

    def descriptors(self) -> list[int]:
        """Return the pipe, until the other side has closed it."""
        return [] if self._descriptor is None else [self._descriptor]

    def look(self, now: float) -> None:
        """Read the beats that have come; the newest says whether the process is ready."""
        if self._descriptor is None:
            return
        with contextlib.suppress(BlockingIOError):
            beats = os.read(self._descriptor, 65_536)
            if not beats:
                self.close()
                return
            self.heard_at, self.is_ready = now, beats.endswith(READY)

    def look_at(self) -> float | None:
        """Beats come by themselves."""
        return None

    def close(self) -> None:
        """Close the pipe."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class AnswerPulse:
    """A question asked of a server every 0.5 s, over a connection of its own; any answer is a sign of life."""

    silent_s_max = SERVER_SILENT_S_MAX

    def __init__(self, path: Path, question: bytes, *, every_s: float = ASK_EVERY_S) -> None:
        self._path = str(path)
        self._question = question
        self._every_s = every_s
        self._asking: socket.socket | None = None
        self._ask_at = 0.0
        self.heard_at: float | None = None
        self.is_ready = False

    def descriptors(self) -> list[int]:
        """Return the connection over which an answer is awaited."""
        return [] if self._asking is None else [self._asking.fileno()]

    def look(self, now: float) -> None:
        """Take the answer; ask when it is time and no answer is awaited."""
        if self._asking is not None:
            with contextlib.suppress(BlockingIOError):
                if self._answer():
                    self.heard_at, self.is_ready = now, True
                self.close()
        if self._asking is None and now >= self._ask_at:
            self._ask_at = now + self._every_s
            self._asking = self._ask()

    def _answer(self) -> bytes:
        with contextlib.suppress(ConnectionError):
            return self._asking.recv(64) if self._asking is not None else b""
        return b""

    def _ask(self) -> socket.socket | None:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(0)
        try:
            connection.connect(self._path)
            connection.send(self._question)
        except OSError:  # not there yet, or its queue of connections is full: it is asked again in a moment
            connection.close()
            return None
        return connection

    def look_at(self) -> float | None:
        """Return when the next question is due; an awaited answer comes by itself."""
        return self._ask_at if self._asking is None else None

    def close(self) -> None:
        """Close the connection."""
        if self._asking is not None:
            self._asking.close()
            self._asking = None
