"""Beats: from the loop, saying whether the process is ready, and never in its way."""

from __future__ import annotations

import asyncio
import contextlib
import os

import pytest

from app import heartbeat
from app.heartbeat import ALIVE, READY, beat
from ops.pulse import BeatPulse


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.001)


async def test_without_a_supervisor_there_is_nothing_to_do() -> None:
    async with asyncio.timeout(5):
        await beat(None)


async def test_it_ends_when_nobody_reads() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    async with asyncio.timeout(5):
        await beat(writing)
    os.close(writing)


async def test_it_says_whether_the_process_is_ready() -> None:
    reading, writing = os.pipe()
    ready = asyncio.Event()
    beating = asyncio.create_task(beat(writing, ready.is_set))
    pulse = BeatPulse(reading)
    try:
        async with asyncio.timeout(5):
            while pulse.heard_at is None:
                await asyncio.sleep(0.001)
                pulse.look(1.0)
            assert not pulse.is_ready
            ready.set()
            while not pulse.is_ready:
                await asyncio.sleep(0.001)
                pulse.look(2.0)
            assert pulse.heard_at == 2.0
    finally:
        beating.cancel()
        os.close(writing)
    pulse.look(3.0)
    pulse.look(4.0)
    assert pulse.descriptors() == [], "a pipe that was closed is not waited for, or the supervisor would never sleep"


async def test_a_supervisor_that_does_not_read_stops_nobody() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, ALIVE * 4096)
    beating = asyncio.create_task(beat(writing))
    try:
        async with asyncio.timeout(5):
            while READY not in os.read(reading, 1_000_000):
                await asyncio.sleep(0.001)
    finally:
        beating.cancel()
        os.close(reading)
        os.close(writing)
