"""Head and body of an answer leave in one write, and a head never waits for a body that does not come."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from app.api.exchange import Answer
from app.api.whole_answers import HoldingTransport, WholeAnswers

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Wire:
    """What the kernel is given."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.is_closed = False
        self.get_extra_info = self.is_closing = self.pause_reading = self.resume_reading = lambda *_: None

    def write(self, data: bytes) -> None:
        assert not self.is_closed
        self.writes.append(data)

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def transport(wire: Wire) -> Any:
    return HoldingTransport(wire, asyncio.get_running_loop())  # type: ignore[arg-type]  # it has what is used


async def test_head_and_body_are_one_write(wire: Wire, transport: HoldingTransport) -> None:
    transport.write(HEAD)
    assert wire.writes == []
    transport.write(b"{}")
    assert wire.writes == [HEAD + b"{}"]
    await asyncio.sleep(0)
    assert wire.writes == [HEAD + b"{}"]


async def test_an_answer_of_uvicorns_is_one_write(wire: Wire) -> None:
    """As this release of it writes: heads are known by how they begin."""
    config = Config(Answer(b"{}"), lifespan="off", log_config=None)
    config.load()
    protocol = WholeAnswers(config, ServerState(), {})
    protocol.connection_made(wire)  # type: ignore[arg-type]  # it has what is used
    protocol.data_received(b"GET / HTTP/1.1\r\nhost: inkfast\r\n\r\n")
    async with asyncio.timeout(20):
        while not wire.writes:
            await asyncio.sleep(0)
    (answer,) = wire.writes
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n{}")
    protocol.timeout_keep_alive_handler()


async def test_a_second_answer_is_held_anew(wire: Wire, transport: HoldingTransport) -> None:
    for _ in range(2):
        transport.write(HEAD)
        transport.write(b"{}")
    assert wire.writes == [HEAD + b"{}"] * 2


async def test_a_stream_that_says_nothing_yet_has_begun(wire: Wire, transport: HoldingTransport) -> None:
    transport.write(HEAD)
    await asyncio.sleep(0)
    assert wire.writes == [HEAD]
    transport.write(b"data: 1\n\n")
    transport.write(b"data: 2\n\n")
    assert wire.writes == [HEAD, b"data: 1\n\n", b"data: 2\n\n"]


async def test_nothing_held_is_lost_when_the_connection_is_closed(wire: Wire, transport: HoldingTransport) -> None:
    transport.write(HEAD)
    transport.close()
    assert wire.writes == [HEAD]
    assert wire.is_closed
    await asyncio.sleep(0)
    assert wire.writes == [HEAD]
