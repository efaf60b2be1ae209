"""The proxy that stands in for a bad network does what each fault says, and can be changed while it is in use."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from ops.drill.chaos_proxy import NO_FAULT, ChaosProxy, Fault, Kind, ProxyThread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ops.drill.chaos_proxy import Address

WAIT_S = 30


class Echo:
    """A server that repeats what it hears, and remembers it."""

    def __init__(self) -> None:
        self.heard = b""
        self.was_told = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65_536):
                self.heard += piece
                self.was_told.set()
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.transport.abort()


@asynccontextmanager
async def proxied(tmp_path: Path, how: str = "tcp") -> AsyncIterator[tuple[ChaosProxy, Echo]]:
    echo = Echo()
    upstream: Address
    if how == "unix":
        upstream = tmp_path / "up.sock"
        server = await asyncio.start_unix_server(echo.serve, upstream)
    else:
        server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
        upstream = server.sockets[0].getsockname()[:2]
    proxy = ChaosProxy(upstream, tmp_path / "proxy.sock" if how == "unix" else ("127.0.0.1", 0))
    await proxy.start()
    try:
        yield proxy, echo
    finally:
        await proxy.close()
        server.close()


_open: list[asyncio.StreamWriter] = []


@pytest.fixture(autouse=True)
async def _hang_up() -> AsyncIterator[None]:
    yield
    for writer in _open:
        writer.transport.abort()
    _open.clear()


async def dial(proxy: ChaosProxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(proxy.listen, tuple):
        streams = await asyncio.open_connection(*proxy.listen)
    else:
        streams = await asyncio.open_unix_connection(str(proxy.listen))
    _open.append(streams[1])
    return streams


async def asked(streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], text: bytes) -> bytes:
    reader, writer = streams
    async with asyncio.timeout(WAIT_S):
        writer.write(text)
        await writer.drain()
        return await reader.readexactly(len(text))


@pytest.mark.parametrize("how", ["tcp", "unix"])
async def test_bytes_pass_both_ways(tmp_path: Path, how: str) -> None:
    async with proxied(tmp_path, how) as (proxy, _):
        streams = await dial(proxy)
        big = bytes(range(256)) * 4_000
        assert await asked(streams, big) == big
        streams[1].write_eof()
        async with asyncio.timeout(WAIT_S):
            assert await streams[0].read() == b""


@pytest.mark.parametrize("how", ["tcp", "unix"])
async def test_refusing_ends_what_is_open_and_takes_nobody(tmp_path: Path, how: str) -> None:
    async with proxied(tmp_path, how) as (proxy, echo):
        streams = await dial(proxy)
        await asked(streams, b"hello")
        at = proxy.listen
        await proxy.set(Fault(Kind.REFUSE))
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await asked(streams, b"are you there")
        with pytest.raises(OSError):  # noqa: PT011 -- refused, or no such file
            await dial(proxy)
        await proxy.set(NO_FAULT)
        assert proxy.listen == at, "the same address as before"
        assert await asked(await dial(proxy), b"again") == b"again"
        assert echo.heard == b"helloagain"


async def test_a_reset_is_one(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (proxy, echo):
        streams = await dial(proxy)
        await asked(streams, b"hello")
        await proxy.set(Fault(Kind.RESET))
        for open_or_new in (streams, await dial(proxy)):
            with pytest.raises((ConnectionResetError, BrokenPipeError, asyncio.IncompleteReadError)) as caught:
                await asked(open_or_new, b"x")
            assert not isinstance(caught.value, asyncio.IncompleteReadError), "an orderly end is no reset"
        assert echo.heard == b"hello"


async def test_cutting_passes_the_request_and_drops_the_answer(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (proxy, echo):
        streams = await dial(proxy)
        await proxy.set(Fault(Kind.CUT))
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await asked(streams, b"save this")
        assert echo.heard == b"save this"
        assert proxy.cuts == 1


async def test_a_share_of_the_answers_is_cut(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (proxy, _):
        await proxy.set(Fault(Kind.CUT, share=0.5))
        answered = 0
        for _ in range(40):
            try:
                answered += await asked(await dial(proxy), b"x") == b"x"
            except (OSError, asyncio.IncompleteReadError):
                continue
        assert answered + proxy.cuts == 40
        assert 5 < answered < 35


async def test_a_piece_waits(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (proxy, _):
        streams = await dial(proxy)
        await proxy.set(Fault(Kind.DELAY, delay_s=0.2))
        began = time.monotonic()
        await asked(streams, b"there and back")
        assert time.monotonic() - began >= 0.4


async def test_bytes_drip_and_the_rest_comes_at_once_when_healed(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (proxy, echo):
        streams = await dial(proxy)
        await proxy.set(Fault(Kind.DRIP, delay_s=0.05, piece_bytes=2))
        began = time.monotonic()
        assert await asked(streams, b"12345678") == b"12345678"
        assert time.monotonic() - began >= 0.15
        echo.was_told.clear()
        waiting = asyncio.create_task(asked(streams, b"x" * 10_000))  # would drip for minutes
        async with asyncio.timeout(WAIT_S):
            await echo.was_told.wait()
        await proxy.set(NO_FAULT)
        assert await waiting == b"x" * 10_000


@pytest.mark.parametrize("how", ["tcp", "unix"])
async def test_nothing_passes_until_it_is_healed(tmp_path: Path, how: str) -> None:
    async with proxied(tmp_path, how) as (proxy, echo):
        streams = await dial(proxy)
        await asked(streams, b"hello")
        await proxy.set(Fault(Kind.HANG))
        new = await dial(proxy)
        waiting = [asyncio.create_task(asked(s, b"later")) for s in (streams, new)]
        done, _ = await asyncio.wait(waiting, timeout=0.3)
        assert not done
        assert echo.heard == b"hello"
        await proxy.set(NO_FAULT)
        assert await asyncio.gather(*waiting) == [b"later", b"later"]


def test_a_caller_without_a_loop_has_one(tmp_path: Path) -> None:
    with ProxyThread() as thread:
        proxy = thread.start(tmp_path / "nobody.sock")
        assert isinstance(proxy.listen, tuple)
        assert proxy.listen[1] > 0
        thread.set(proxy, Fault(Kind.HANG))
        assert proxy.fault.kind is Kind.HANG
