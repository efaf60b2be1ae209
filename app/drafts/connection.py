"""One pinned connection to one journal server: pipelines in, replies out, in order.

redis-py reads each reply through several coroutines, which on the save path costs more than the store; here hiredis
(its own parser) is fed straight from the transport. Everything else of redis-py (URL parsing, errors) is used as it
is.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, Any

import hiredis
from redis.asyncio.connection import parse_url

from app.errors import JournalUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

Reply = Any
ReplyError = hiredis.ReplyError
CONNECT_S_MAX = 2.0


def pack_command(command: tuple[bytes | str, ...]) -> bytes:
    """Return a command as it goes over the wire."""
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]  # its stub types a 1-tuple
    return packed


class Address:
    """Where a journal server is, and how to sign in to it; made from a redis://, rediss:// or unix:// URL."""

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        self.is_cluster = scheme.endswith("+cluster")
        self._options: dict[str, Any] = dict(parse_url(f"{scheme.removesuffix('+cluster')}://{rest}"))
        self.is_tls = scheme.startswith("rediss")

    def at(self, host: str, port: int) -> Address:
        """Return the same sign-in at another node of the cluster."""
        other = object.__new__(Address)
        other.is_cluster, other.is_tls = self.is_cluster, self.is_tls
        other._options = {**self._options, "host": host, "port": port}
        other._options.pop("path", None)
        return other

    @property
    def name(self) -> str:
        """Host and port, or the socket's path: for messages and for telling nodes apart."""
        return self._options.get("path") or f"{self.host}:{self.port}"

    @property
    def host(self) -> str:
        """Host name."""
        return str(self._options.get("host", "localhost"))

    @property
    def port(self) -> int:
        """TCP port."""
        return int(self._options.get("port", 6379))

    async def open(self, protocol: JournalProtocol) -> None:
        """Connect `protocol`, signed in and ready, or raise JournalUnavailableError."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S_MAX):
                if "path" in self._options:
                    await loop.create_unix_connection(lambda: protocol, self._options["path"])
                else:
                    context = ssl.create_default_context() if self.is_tls else None
                    await loop.create_connection(lambda: protocol, self.host, self.port, ssl=context)
                for command in self._hello():
                    reply = await protocol.call(*command)
                    if isinstance(reply, ReplyError):
                        raise JournalUnavailableError(f"journal at {self.name}: {reply}")  # noqa: TRY301 -- same outcome
        except (OSError, TimeoutError, ConnectionError) as error:
            protocol.close()
            raise JournalUnavailableError(f"journal at {self.name} cannot be reached: {error}") from None
        except BaseException:  # also where whoever waits for it has given up
            protocol.close()
            raise

    async def is_current(self, protocol: JournalProtocol) -> bool:
        """Return whether the server at the other end is still the one that this address means: any that answers."""
        return protocol.is_open

    def _hello(self) -> list[tuple[bytes | str, ...]]:
        commands: list[tuple[bytes | str, ...]] = []
        password = self._options.get("password")
        if password:
            user = self._options.get("username")
            commands.append(("AUTH", user, password) if user else ("AUTH", password))
        if self._options.get("db"):
            commands.append(("SELECT", str(self._options["db"])))
        commands.append(("PING",))
        return commands


class JournalProtocol(asyncio.Protocol):
    """The wire: pipelines are answered in the order in which they were sent; error replies are values."""

    def __init__(self, on_push: Any = None) -> None:
        self._reader = hiredis.Reader(replyError=hiredis.ReplyError)
        self._transport: asyncio.Transport | None = None
        self._waiting: list[tuple[int, list[Reply], asyncio.Future[list[Reply]]]] = []
        self._on_push = on_push
        self.peer = ""  # the server at the other end, where an address can mean one or another
        self.lost: asyncio.Event = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """True until the connection is closed by either side."""
        return self._transport is not None and not self.lost.is_set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (called by asyncio)."""
        self._transport = transport  # type: ignore[assignment]  # create_connection gives a full transport

    def data_received(self, data: bytes) -> None:
        """Hand complete replies to the pipelines that wait for them (called by asyncio)."""
        reader = self._reader
        reader.feed(data)
        while True:
            try:
                reply = reader.gets()
            except hiredis.ProtocolError:
                self.close()
                return
            if reply is False:
                return
            if not self._waiting:
                if self._on_push is not None:
                    self._on_push(reply)
                continue
            count, replies, future = self._waiting[0]
            replies.append(reply)
            if len(replies) == count:
                self._waiting.pop(0)
                if not future.done():
                    future.set_result(replies)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what was in flight: whether it took effect is unknown (called by asyncio)."""
        self.lost.set()
        waiting, self._waiting = self._waiting, []
        for _, _, future in waiting:
            if not future.done():
                future.set_exception(ConnectionResetError(f"journal connection lost: {exc or 'closed'}"))

    def send(self, packed: Sequence[bytes]) -> asyncio.Future[list[Reply]]:
        """Send packed commands as one write; the future gives one reply each, in order."""
        future: asyncio.Future[list[Reply]] = asyncio.get_running_loop().create_future()
        if self._transport is None or self.lost.is_set():
            future.set_exception(ConnectionResetError("journal connection is closed"))
            return future
        self._waiting.append((len(packed), [], future))
        self._transport.write(b"".join(packed))
        return future

    async def call(self, *command: bytes | str) -> Reply:
        """Run one command."""
        return (await self.send([pack_command(command)]))[0]

    def write_only(self, *command: bytes | str) -> None:
        """Send a command whose replies come as pushes (subscriptions)."""
        if self._transport is not None and not self.lost.is_set():
            self._transport.write(pack_command(command))

    def close(self) -> None:
        """Close now; what is in flight fails."""
        with contextlib.suppress(RuntimeError):
            if self._transport is not None:
                self._transport.abort()
        self.lost.set()
