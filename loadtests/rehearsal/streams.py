"""An open browser of which nothing comes: one stream of server-sent events, on a socket of its own."""

from __future__ import annotations

import errno
import socket as patched_socket
from typing import TYPE_CHECKING, Any

from loadtests.rehearsal.sockets import READ, WRITE, Reply, connect

if TYPE_CHECKING:
    from loadtests.rehearsal.engine import Engine
    from loadtests.rehearsal.grants import Grant

RECEIVE_BYTES = 16_384
SILENCE_S_MAX = 40.0  # a comment comes every 15 s


class Stream:
    """Opened when its teacher arrives, and opened again when it ends."""

    __slots__ = (
        "_engine",
        "_fd",
        "_grant",
        "_head",
        "_heard_at",
        "_is_leaving",
        "_opened_at",
        "_out",
        "_retries",
        "_socket",
    )

    def __init__(self, engine: Engine, grant: Grant) -> None:
        self._engine = engine
        self._grant = grant
        self._socket: Any = None
        self._fd = -1
        self._out = b""
        self._head: bytes | None = b""  # None: the head has been read, and events come
        self._heard_at = self._opened_at = 0.0
        self._retries = 0
        self._is_leaving = False

    def arrive(self, _due: float) -> None:
        """Open the stream."""
        if self._is_leaving or self._fd >= 0:
            return
        engine = self._engine
        sections = b",".join([b"%d" % section for section in self._grant.sections])
        self._out = engine.get(b"/api/v1/events?sections=" + sections, self._grant)
        self._head = b""
        self._opened_at = self._heard_at = engine.now
        try:
            self._socket = connect(engine.address, engine.pool.next_source())
        except OSError as error:
            self._lost(errno.errorcode.get(error.errno or 0, "cannot connect"), engine.now)
            return
        self._fd = self._socket.fileno()
        engine.poller.watch(self._fd, READ | WRITE, self)

    def on_ready(self, events: int, now: float) -> None:
        """Send the request, or take what the service says."""
        if events & WRITE and self._out:
            number = self._socket.getsockopt(patched_socket.SOL_SOCKET, patched_socket.SO_ERROR)
            if number:
                self._lost(errno.errorcode.get(number, str(number)), now)
                return
            self._socket.send(self._out)  # less than a kilobyte, into an empty buffer
            self._out = b""
            self._engine.poller.watch(self._fd, READ, self)
            return
        try:
            part = self._socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(type(error).__name__, now)
            return
        if not part:
            self._lost("the stream ended", now)
            return
        self._take(part, now)

    def _take(self, part: bytes, now: float) -> None:
        self._heard_at = now
        if self._head is None:
            self._engine.count("stream_events", part.count(b"event: "))
            return
        self._head += part
        if b"\r\n\r\n" not in self._head:
            return
        status = int(self._head[9:12])
        self._engine.requested("open stream", Reply(status, b"", b"", now - self._opened_at))
        if status != 200:
            self._lost(None, now)
            return
        self._head = None
        self._retries = 0
        self._engine.arrived(self._grant.user)
        self._engine.streams_open += 1

    def sweep(self, now: float) -> None:
        """Give up a stream from which nothing has come for too long."""
        if self._fd >= 0 and now - self._heard_at > SILENCE_S_MAX:
            self._lost("silent for too long", now)

    def _lost(self, why: str | None, now: float) -> None:
        was_open = self._head is None
        self._close()
        if why is not None:
            self._engine.requested("stream" if was_open else "open stream", Reply(0, b"", why.encode(), 0.0))
        self._retries += 1
        self._engine.wheel.add(now + self._engine.backoff_s(None, self._retries), self.arrive)

    def _close(self) -> None:
        if self._fd < 0:
            return
        if self._head is None:
            self._engine.streams_open -= 1
        self._engine.poller.forget(self._fd)
        self._socket.close()
        self._fd = -1

    def leave(self) -> None:
        """Close the browser."""
        self._is_leaving = True
        self._close()
