"""A proxy of ours that stands in for a bad network: between client and API, or between the service and a store.

It carries bytes over TCP or unix sockets, on either side, and does with them what `Fault` says; the fault can be
changed at any moment. It is in this folder, and not with the tests that also use it (tests/faults), because the drills
are part of the product and import no tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import random
import socket
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

CHUNK_BYTES = 65_536
CONNECT_S_MAX = 5.0
CALL_S_MAX = 10.0
BACKLOG = 1024

Address = Path | tuple[str, int]  # a unix socket, or host and port
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Kind(enum.Enum):
    """What becomes of connections."""

    NONE = "carried as they are"
    REFUSE = "nobody listens, and what was open is reset"
    RESET = "every connection is taken and reset at once, also what was open"
    CUT = "requests are passed on; at the first byte of an answer the connection is reset"
    HANG = "connections are taken, and no byte passes"
    DELAY = "every piece waits before it is passed on"
    DRIP = "bytes pass a few at a time"


class Fault(NamedTuple):
    """What the proxy does now. `share`: of the answers, or pieces, that it concerns."""

    kind: Kind
    delay_s: float = 0.0  # DELAY: of each piece; DRIP: between two
    piece_bytes: int = 0  # DRIP
    share: float = 1.0


NO_FAULT = Fault(Kind.NONE)


class ChaosProxy:
    """Listens at `listen`, and carries each connection to `upstream`. Use `start` and `close` in one event loop."""

    def __init__(self, upstream: Address, listen: Address = ("127.0.0.1", 0), *, seed: int = 1) -> None:
        self.upstream = upstream
        self.listen = listen
        self._fault = NO_FAULT
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._rng = random.Random(seed)  # noqa: S311 -- seeded chaos, no secrets
        self.connections = 0
        self.cuts = 0

    @property
    def fault(self) -> Fault:
        """What it does now."""
        return self._fault

    @property
    def port(self) -> int:
        """Its TCP port; 0 on a unix socket."""
        return 0 if isinstance(self.listen, Path) else self.listen[1]

    async def start(self) -> None:
        """Return when it listens; a port of 0 is replaced by the one that was given. OSError: it does not."""
        if isinstance(self.listen, Path):
            self.listen.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._serve, self.listen, backlog=BACKLOG)
            return
        host, port = self.listen
        self._server = await asyncio.start_server(self._serve, host, port, backlog=BACKLOG)
        self.listen = (host, self._server.sockets[0].getsockname()[1])

    async def set(self, fault: Fault) -> None:
        """Do this from now on, also with connections that are open."""
        self._fault = fault
        self._changed.set()
        self._changed = asyncio.Event()
        if fault.kind is Kind.REFUSE:
            self._stop_listening()
        elif self._server is None:
            await self.start()
        if fault.kind in {Kind.REFUSE, Kind.RESET}:
            self._reset_all()

    async def close(self) -> None:
        """Stop listening, reset what is open, and return when nothing of it runs."""
        self._stop_listening()
        self._reset_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _stop_listening(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        if isinstance(self.listen, Path):
            self.listen.unlink(missing_ok=True)

    def _reset_all(self) -> None:
        for writer in tuple(self._writers):
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        try:
            if self._fault.kind not in {Kind.RESET, Kind.REFUSE}:
                await self._carry((reader, writer))
        except OSError:
            pass  # one side is gone: the other is told by the reset below
        except asyncio.CancelledError:
            pass  # closing: asyncio would print a cancelled handler
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            _reset(writer)

    async def _carry(self, client: Streams) -> None:
        while self._fault.kind is Kind.HANG:
            await self._changed.wait()
        async with asyncio.timeout(CONNECT_S_MAX):
            server = await _connect(self.upstream)
        self._writers.add(server[1])
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(client[0], server[1], is_answer=False))
                group.create_task(self._pump(server[0], client[1], is_answer=True))
        except* OSError:
            pass  # a reset of either side ends both
        finally:
            self._writers.discard(server[1])
            _reset(server[1])

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool) -> None:
        while piece := await reader.read(CHUNK_BYTES):
            while self._fault.kind is Kind.HANG:
                await self._changed.wait()
            fault = self._fault
            is_meant = fault.kind is not Kind.NONE and self._rng.random() < fault.share
            if is_meant and fault.kind is Kind.CUT and is_answer:
                self.cuts += 1
                raise ConnectionResetError
            if is_meant and fault.kind is Kind.DRIP:
                await self._drip(writer, piece)
                continue
            if is_meant and fault.kind is Kind.DELAY:
                await asyncio.sleep(fault.delay_s)
            writer.write(piece)
            await writer.drain()
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()

    async def _drip(self, writer: asyncio.StreamWriter, piece: bytes) -> None:
        at = 0
        while at < len(piece):
            fault = self._fault
            size = fault.piece_bytes if fault.kind is Kind.DRIP else len(piece)  # healed: the rest at once
            writer.write(piece[at : at + size])
            await writer.drain()
            at += size
            if at < len(piece):
                await asyncio.sleep(fault.delay_s)


async def _connect(address: Address) -> Streams:
    if isinstance(address, Path):
        return await asyncio.open_unix_connection(str(address))
    return await asyncio.open_connection(*address)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close at once; over TCP the other side gets a reset, not an orderly end."""
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError, RuntimeError):
        writer.transport.abort()


class ProxyThread:
    """Use as a context: runs proxies in an event loop of its own, for callers that have none."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="chaos-proxy", daemon=True)
        self._proxies: list[ChaosProxy] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for proxy in self._proxies:
            self._call(proxy.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_S_MAX)
        self._loop.close()

    def start(self, upstream: Address, listen: Address = ("127.0.0.1", 0), *, seed: int = 1) -> ChaosProxy:
        """Return a proxy that listens."""
        proxy = ChaosProxy(upstream, listen, seed=seed)
        self._call(proxy.start())
        self._proxies.append(proxy)
        return proxy

    def set(self, proxy: ChaosProxy, fault: Fault) -> None:
        """Return when the proxy does this."""
        self._call(proxy.set(fault))

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_S_MAX)
