"""One kept-alive HTTP/1.1 connection: what a browser's fetch does for one tab, and no more. Standard library only."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

HEAD_BYTES_MAX = 65_536


class Answer(NamedTuple):
    """Status, headers (names in lower case) and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """Opened on first use, and again after it was lost; requests one after the other."""

    def __init__(self, base_url: str, token: str, *, timeout_s: float) -> None:
        parts = urlsplit(base_url if "://" in base_url else f"http://{base_url}")
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._timeout_s = timeout_s
        self._headers = (
            f"Host: {self._host}:{self._port}\r\nAuthorization: Bearer {token}\r\nAccept: application/json\r\n"
        )
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> Answer:
        """Send a GET; errors as in `post`."""
        return await self._exchange(f"GET {path} HTTP/1.1\r\n{self._headers}\r\n".encode())

    async def post(self, path: str, body: bytes) -> Answer:
        """Send a POST of JSON. OSError: no whole answer came, and whether it took effect is unknown."""
        about = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return await self._exchange(f"POST {path} HTTP/1.1\r\n{self._headers}{about}".encode() + body)

    async def _exchange(self, request: bytes) -> Answer:
        try:
            async with asyncio.timeout(self._timeout_s):
                reader, writer = await self._open()
                writer.write(request)
                await writer.drain()
                answer = await _read_answer(reader)
        except TimeoutError:
            self.close()
            raise TimeoutError(f"no answer in {self._timeout_s:.0f} s") from None
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            self.close()
            raise ConnectionError(f"{type(error).__name__} {error}") from error
        except asyncio.CancelledError:
            self.close()
            raise
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        # An idle connection that the other side has closed is replaced before a request is lost on it.
        if self._streams is not None and self._streams[0].at_eof():
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port, limit=HEAD_BYTES_MAX)
        return self._streams

    def close(self) -> None:
        """Close; the next request opens another."""
        if self._streams is not None:
            with contextlib.suppress(OSError, RuntimeError):
                self._streams[1].transport.abort()
            self._streams = None


async def _read_answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split(" ", 2)[1])
    headers = {}
    for line in head[1:-2]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return Answer(status, headers, await _read_chunks(reader))
    return Answer(status, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        body += (await reader.readexactly(size + 2))[:-2]
        if size == 0:
            return body
