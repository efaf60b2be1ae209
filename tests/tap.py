"""Between a client and the journal: a socket that can hold bytes back, lose answers, and cut connections."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Tap:
    """Passes everything on, until told otherwise. `written`: how often the client's side has sent something."""

    def __init__(self, server_url: str, path: Path) -> None:
        self.url = f"unix://{quote(str(path))}"
        self._server = unquote(server_url.removeprefix("unix://").partition("?")[0])
        self._path = path
        self._pairs: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._forsaken: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._lose_answers = 0
        self._passes = asyncio.Event()
        self._passes.set()
        self.connections = 0
        self.written = 0

    def hold(self) -> None:
        """From now on pass nothing on, in either direction, and cut nothing: a frozen server, a pulled cable."""
        self._passes.clear()

    def release(self) -> None:
        """Pass on again, what was held back first."""
        self._passes.set()

    def forsake(self) -> None:
        """Leave the connections that are open now silent for ever; new ones pass."""
        self._forsaken += self._pairs
        self._pairs.clear()
        self._passes.clear()
        self._passes = asyncio.Event()
        self._passes.set()

    def lose_next_answer(self) -> None:
        """Let the next request through, and cut the connection when its answer comes."""
        self._lose_answers += 1

    def cut(self) -> None:
        """Close every connection."""
        for pair in self._pairs:
            for writer in pair:
                writer.transport.abort()
        self._pairs.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(self._server)
        except OSError:
            writer.transport.abort()
            return
        self._pairs.append((writer, server_writer))
        passes = self._passes
        for source, target, is_request in ((reader, server_writer, True), (server_reader, writer, False)):
            task = asyncio.create_task(self._pass_on(source, target, passes, is_request=is_request))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        passes: asyncio.Event,
        *,
        is_request: bool,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(1 << 16):
                self.written += is_request
                await passes.wait()
                if not is_request and self._lose_answers:
                    self._lose_answers -= 1
                    self.cut()
                    return
                target.write(data)
                await target.drain()
        target.close()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Tap]:
        """Listen while the block runs."""
        server = await asyncio.start_unix_server(self._serve, self._path)
        try:
            yield self
        finally:
            server.close()
            self.release()
            self._pairs += self._forsaken
            self.cut()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
