"""Limits that do not run while this thread waited for a core: on a loop whose clock and core the test moves itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from app.patience import TICK_S, Patience
from tests.starved import Busy, JumpingClock, Starved, Uncounted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ENOUGH_S = 30.0
STILL_S = 10.0


@pytest.fixture
async def crowded(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> AsyncIterator[Patience]:
    """Patience of a thread that waits for a core for this share of its time."""
    monkeypatch.setattr("app.patience.CoreTime", lambda: Starved(request.param))
    patience = Patience()
    yield patience
    patience.close()


async def _never(patience: Patience, seconds: float) -> None:
    async with asyncio.timeout(ENOUGH_S), patience.timeout_at(patience.time() + seconds):
        await asyncio.Event().wait()


async def waited_s(patience: Patience, seconds: float) -> float:
    """Return how long silence was borne, in seconds of the loop."""
    began = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        await _never(patience, seconds)
    return asyncio.get_running_loop().time() - began


# A pause of the machine may come on top of what is borne; less than it would be wrong whatever the machine does.
@pytest.mark.parametrize(("crowded", "at_least_s"), [(0.0, 0.4), (0.25, 0.5), (0.5, 0.75)], indirect=["crowded"])
async def test_silence_is_borne_for_longer_by_what_no_core_was_free(crowded: Patience, at_least_s: float) -> None:
    assert await waited_s(crowded, 0.4) >= at_least_s


@pytest.mark.parametrize("crowded", [1.0, 1_000.0], indirect=True)
async def test_its_clock_runs_at_half_speed_at_least(crowded: Patience) -> None:
    loop = asyncio.get_running_loop()
    began, real_s = crowded.time(), loop.time()
    await waited_s(crowded, 0.4)
    assert crowded.time() - began >= (loop.time() - real_s) / 2 - TICK_S


@pytest.mark.parametrize("crowded", [0.0], indirect=True)
async def test_what_is_answered_in_time_is_answered_and_its_errors_are_its_own(crowded: Patience) -> None:
    async with crowded.timeout_at(crowded.time() + ENOUGH_S):
        await asyncio.sleep(0)
    with pytest.raises(ZeroDivisionError):
        async with crowded.timeout_at(crowded.time() + ENOUGH_S):
            raise ZeroDivisionError
    with pytest.raises(TimeoutError):
        async with crowded.timeout_at(crowded.time()):
            await asyncio.Event().wait()


@pytest.mark.parametrize("crowded", [0.0], indirect=True)
async def test_each_limit_ends_by_itself_and_none_is_kept(crowded: Patience) -> None:
    async with asyncio.timeout(ENOUGH_S):
        long = asyncio.create_task(waited_s(crowded, 0.6))
        assert await waited_s(crowded, 0.2) >= 0.2
        assert not long.done()
        assert await long >= 0.6
    assert not crowded._limits


@pytest.mark.parametrize("crowded", [0.0], indirect=True)
async def test_nobody_was_silent_while_the_machine_stood_still(
    crowded: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = JumpingClock(monkeypatch)
    async with asyncio.timeout(ENOUGH_S), crowded.timeout_at(crowded.time() + 1.0):
        await clock.jump(STILL_S)
    assert await waited_s(crowded, 0.2) >= 0.2


@pytest.mark.parametrize("core", [Busy, Uncounted])
async def test_what_is_late_for_another_reason_is_no_standing_still(
    core: type[Starved], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = JumpingClock(monkeypatch)
    monkeypatch.setattr("app.patience.CoreTime", core)
    patience = Patience()
    waiting = asyncio.create_task(_never(patience, 1.0))
    await asyncio.sleep(0)
    await clock.jump(STILL_S)
    assert waiting.done()
    assert isinstance(waiting.exception(), TimeoutError)
    patience.close()
