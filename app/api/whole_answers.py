"""Answers leave in one piece: uvicorn's HTTP protocol over a transport that holds a head until its body follows.

uvicorn writes the head and the body of an answer one after the other, and the event loop gives each to the kernel at
once: two system calls, two packets, and a client that is woken twice. That was a tenth of what a save takes a process
(docs/benchmarks.md), and more of what it takes the client. A head whose body does not follow at once (a stream of
events that has nothing to say yet) leaves as soon as the loop gets on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio


class WholeAnswers(HttpToolsProtocol):
    """One HTTP connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin (called by asyncio)."""
        super().connection_made(HoldingTransport(transport, self.loop))  # type: ignore[arg-type]  # it has what is used


class HoldingTransport:
    """A transport whose first write of an answer waits for the second, for no longer than a turn of the loop."""

    __slots__ = ("_held", "_loop", "_transport", "get_extra_info", "is_closing", "pause_reading", "resume_reading")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""
        self.get_extra_info: Any = transport.get_extra_info
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def write(self, data: bytes) -> None:
        """Send it with what is held; or hold it, if it is a head."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held + data)
        elif data.startswith(b"HTTP/1.1 "):
            self._held = data
            self._loop.call_soon(self._release)
        else:
            self._transport.write(data)

    def _release(self) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def close(self) -> None:
        """Send what is held, and close when all is sent."""
        self._release()
        self._transport.close()
