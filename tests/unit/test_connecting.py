"""How long somebody who connects to PostgreSQL waits for it, on a loop whose clock and core the test moves itself."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest

from app.records.pool import CONNECT_S_MAX, Hosts
from tests.starved import Busy, JumpingClock, Starved

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "postgresql://one/x"


@pytest.mark.parametrize(("core", "is_given_up"), [(partial(Starved, 0.0), False), (Busy, True)])
async def test_nobody_is_away_because_the_machine_stood_still(
    core: Callable[[], Starved], monkeypatch: pytest.MonkeyPatch, *, is_given_up: bool
) -> None:
    clock, answers = JumpingClock(monkeypatch), asyncio.Event()

    async def connect(url: str, **_: object) -> str:
        await answers.wait()
        return url

    monkeypatch.setattr("app.patience.CoreTime", core)
    monkeypatch.setattr("asyncpg.connect", connect)
    connecting = asyncio.create_task(Hosts(URL).connect())
    await asyncio.sleep(0)
    await clock.jump(2 * CONNECT_S_MAX)
    assert connecting.done() == is_given_up
    answers.set()
    if is_given_up:
        with pytest.raises(TimeoutError):
            await connecting
    else:
        assert await connecting == URL
