"""A pool of kept-alive HTTP/1.1 sockets that all teachers of a process share, on one epoll.

A browser has connections of its own; a service sees requests. So teachers share: 256 sockets at first, and more while
every one of them waits for an answer, up to a bound. What waits for a socket beyond that is measured. In a browser a
save does not wait behind a page that does not come: saves go first, and the rest may hold half of the sockets. Plain
sockets and epoll, as they were before Locust patched them: the pool is driven by one greenlet (engine.py), and never
blocks.
"""

from __future__ import annotations

import errno
import socket as patched_socket
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from gevent import monkey

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN_SOCKET: Any = monkey.get_original("socket", "socket")
EPOLL: Any = monkey.get_original("select", "epoll")
READ, WRITE = 1, 4  # EPOLLIN, EPOLLOUT
RECEIVE_BYTES = 262_144
IN_PROGRESS = {0, errno.EINPROGRESS, errno.EAGAIN}
_LENGTH = b"content-length:"


class Address(NamedTuple):
    """Where the service is."""

    host: str
    port: int
    numeric: str

    @property
    def header(self) -> bytes:
        """What the Host header says."""
        return f"{self.host}:{self.port}".encode()


def address_of(url: str) -> Address:
    """Return the address of an http URL; ValueError where it is something else, OSError where it has none."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"{url}: an http:// address is needed (rehearse behind the proxy that ends TLS)")
    port = parts.port or 80
    found = patched_socket.getaddrinfo(parts.hostname, port, patched_socket.AF_INET, patched_socket.SOCK_STREAM)
    return Address(parts.hostname, port, str(found[0][4][0]))


class Ready(Protocol):
    """Something with a file descriptor on the epoll."""

    def on_ready(self, events: int, now: float) -> None:
        """Take what has happened on it."""


class Reply(NamedTuple):
    """Status (0: no answer, `body` says why), head in lower case, body, and how long it took since it was sent."""

    status: int
    head: bytes
    body: bytes
    seconds: float

    def header(self, name: bytes) -> bytes:
        """Return a header (its name in lower case); empty where it is missing."""
        at = self.head.find(b"\r\n" + name + b":")
        if at < 0:
            return b""
        at += len(name) + 3
        return self.head[at : self.head.find(b"\r", at)].strip()


class Exchange:
    """One request on its way."""

    __slots__ = ("asked_at", "call", "is_save", "request", "sent_at")

    def __init__(
        self, request: bytes, call: Callable[[Reply, float], None], asked_at: float, *, is_save: bool = False
    ) -> None:
        self.request = request
        self.call = call
        self.asked_at = asked_at
        self.is_save = is_save
        self.sent_at = 0.0


class Poller:
    """The epoll and who is on it."""

    def __init__(self) -> None:
        self._epoll = EPOLL()
        self._ready: dict[int, Ready] = {}

    def fileno(self) -> int:
        """Return a descriptor that is readable when something is ready."""
        return int(self._epoll.fileno())

    def watch(self, fd: int, events: int, who: Ready) -> None:
        """Call `who.on_ready` when something happens there."""
        if fd in self._ready:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
        self._ready[fd] = who

    def forget(self, fd: int) -> None:
        """Stop watching; to be called before the descriptor is closed."""
        if self._ready.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def turn(self, now: float) -> int:
        """Let everybody take what is there; return for how many there was something."""
        found = self._epoll.poll(0, 4096)
        for fd, events in found:
            who = self._ready.get(fd)
            if who is not None:
                who.on_ready(events, now)
        return len(found)

    def close(self) -> None:
        """Close the epoll; descriptors are their owners'."""
        self._epoll.close()


def connect(address: Address, source: str | None) -> Any:
    """Return a socket that is connecting; OSError where that cannot even begin."""
    made = PLAIN_SOCKET(patched_socket.AF_INET, patched_socket.SOCK_STREAM)
    made.settimeout(0)
    made.setsockopt(patched_socket.IPPROTO_TCP, patched_socket.TCP_NODELAY, 1)
    if source is not None:
        made.setsockopt(patched_socket.IPPROTO_IP, getattr(patched_socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
        made.bind((source, 0))
    number = made.connect_ex((address.numeric, address.port))
    if number not in IN_PROGRESS:
        made.close()
        raise OSError(number, "cannot connect")
    return made


class Channel:
    """One socket of the pool; one exchange at a time."""

    __slots__ = ("_answer", "_fd", "_needed", "_out", "_pool", "_socket", "exchange", "is_connected")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._socket = connect(pool.address, pool.next_source())
        self._fd = self._socket.fileno()
        self._answer = b""
        self._needed = 0
        self._out = b""
        self.is_connected = False
        self.exchange: Exchange | None = None
        pool.poller.watch(self._fd, WRITE, self)

    def send(self, exchange: Exchange, now: float) -> None:
        """Send a request, or as much as fits; the rest follows."""
        exchange.sent_at = now
        self.exchange = exchange
        self._out = exchange.request
        if self.is_connected:
            self._write()

    def _write(self) -> None:
        try:
            sent = self._socket.send(self._out)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.fail(type(error).__name__, time.monotonic())
            return
        self._out = self._out[sent:]
        if self._out:
            self._pool.poller.watch(self._fd, READ | WRITE, self)

    def on_ready(self, events: int, now: float) -> None:
        """Take what has arrived, or go on sending."""
        if not self.is_connected:
            number = self._socket.getsockopt(patched_socket.SOL_SOCKET, patched_socket.SO_ERROR)
            if number:
                self.fail(errno.errorcode.get(number, str(number)), now)
                return
            self.is_connected = True
            self._pool.poller.watch(self._fd, READ, self)
            if self._out:
                self._write()
            return
        if events & WRITE and self._out:
            self._pool.poller.watch(self._fd, READ, self)
            self._write()
        if events & ~WRITE:
            self._read(now)

    def _read(self, now: float) -> None:
        try:
            part = self._socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(type(error).__name__, now)
            return
        if not part:
            self.fail("the connection was closed", now)
            return
        answer = self._answer + part if self._answer else part
        if not self._needed:
            end = answer.find(b"\r\n\r\n")
            if end < 0:
                self._answer = answer
                return
            head = answer[: end + 2].lower()
            at = head.find(_LENGTH)
            length = int(head[at + len(_LENGTH) : head.find(b"\r", at)]) if at >= 0 else 0
            self._needed = end + 4 + length
        if len(answer) < self._needed:
            self._answer = answer
            return
        self._finish(answer, now)

    def _finish(self, answer: bytes, now: float) -> None:
        exchange, self.exchange = self.exchange, None
        end = answer.find(b"\r\n\r\n")
        head = answer[: end + 2].lower()
        body = answer[end + 4 : self._needed]
        self._answer, self._needed = b"", 0
        if b"\r\nconnection: close" in head:
            self.close()
        else:
            self._pool.idle(self)
        if exchange is not None:
            self._pool.answered(exchange)
            exchange.call(Reply(int(head[9:12]), head, body, now - exchange.sent_at), now)

    def fail(self, why: str, now: float) -> None:
        """Give the socket up; who waits for an answer is told that none came."""
        exchange, self.exchange = self.exchange, None
        self.close()
        if exchange is not None:
            self._pool.answered(exchange)
            exchange.call(Reply(0, b"", why.encode(), now - exchange.sent_at), now)

    def close(self) -> None:
        """Close it for good."""
        if self._fd >= 0:
            self._pool.poller.forget(self._fd)
            self._socket.close()
            self._fd = -1
            self._pool.closed(self)


class Pool:
    """The sockets, and the requests that wait for one."""

    def __init__(
        self, address: Address, poller: Poller, *, size: int, size_max: int, timeout_s: float, sources: tuple[str, ...]
    ) -> None:
        self.address = address
        self.poller = poller
        self._size = size
        self._size_max = size_max
        self._timeout_s = timeout_s
        self._sources = sources
        self._channels: dict[Channel, None] = {}
        self._idle: deque[Channel] = deque()
        self._waiting: deque[Exchange] = deque()
        self._saves: deque[Exchange] = deque()
        self._others_sent = 0  # and not answered yet
        self._opened = 0
        self.most = 0
        self.waited_s_max = 0.0

    @property
    def in_flight(self) -> int:
        """Requests that are on their way, or wait for a socket."""
        return len(self._channels) - len(self._idle) + self.waiting

    @property
    def waiting(self) -> int:
        """Requests that wait for a socket."""
        return len(self._waiting) + len(self._saves)

    @property
    def count(self) -> int:
        """Sockets that are open now."""
        return len(self._channels)

    def next_source(self) -> str | None:
        """Return the address that the next socket comes from."""
        self._opened += 1
        return self._sources[self._opened % len(self._sources)] if self._sources else None

    def ask(self, request: bytes, call: Callable[[Reply, float], None], now: float, *, is_save: bool = False) -> None:
        """Send a request with the next `flush`; `call` gets the reply, status 0 where none came."""
        (self._saves if is_save else self._waiting).append(Exchange(request, call, now, is_save=is_save))

    def flush(self, now: float) -> None:
        """Send what was asked for, as far as there are sockets."""
        while waiting := self._next():
            try:
                channel = self._channel()
            except OSError as error:
                exchange = waiting.popleft()
                exchange.call(Reply(0, b"", (error.strerror or type(error).__name__).encode(), 0.0), now)
                continue
            if channel is None:
                return
            exchange = waiting.popleft()
            self._others_sent += not exchange.is_save
            self.waited_s_max = max(self.waited_s_max, now - exchange.asked_at)
            channel.send(exchange, now)

    def _next(self) -> deque[Exchange] | None:
        """Return the queue whose first request goes next; None if nothing may."""
        if self._saves:
            return self._saves
        return self._waiting if self._waiting and self._others_sent < max(1, self._size_max // 2) else None

    def answered(self, exchange: Exchange) -> None:
        """Note that an exchange has ended, whichever way."""
        self._others_sent -= not exchange.is_save

    def _channel(self) -> Channel | None:
        """Return a free socket: new ones first, until the pool has its size; beyond that only where none is idle."""
        if len(self._channels) < self._size or (not self._idle and len(self._channels) < self._size_max):
            made = Channel(self)
            self._channels[made] = None
            self.most = max(self.most, len(self._channels))
            return made
        return self._idle.popleft() if self._idle else None

    def idle(self, channel: Channel) -> None:
        """Take a socket back."""
        self._idle.append(channel)

    def closed(self, channel: Channel) -> None:
        """Forget a socket."""
        self._channels.pop(channel, None)
        if channel in self._idle:
            self._idle.remove(channel)

    def sweep(self, now: float) -> None:
        """Give up what has waited for its answer for too long."""
        late = [c for c in self._channels if c.exchange is not None and now - c.exchange.sent_at > self._timeout_s]
        for channel in late:
            channel.fail(f"no answer in {self._timeout_s:.0f} s", now)

    def close(self) -> None:
        """Close every socket; nobody is told."""
        for channel in list(self._channels):
            channel.exchange = None
            channel.close()


__all__ = ["READ", "WRITE", "Address", "Poller", "Pool", "Reply", "address_of", "connect"]
