"""What a save may ask PostgreSQL: one bound for all its questions, and silence is remembered until a probe ends it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from app.errors import OverloadedError, RecordsUnavailableError
from app.gradebook.ask_records import AskRecords
from tests.starved import JumpingClock, Starved

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

ENOUGH_S = 5.0


class Connection:
    """Answers a probe as soon as it is let."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()
        self.probes = 0

    async def fetch(self, *_: Any) -> list[Any]:
        self.probes += 1
        await self.answers.wait()
        return []


class Pool:
    def __init__(self) -> None:
        self.connection = Connection()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        yield self.connection


@pytest.fixture
async def pool() -> Pool:
    return Pool()


@pytest.fixture
async def records(pool: Pool) -> AsyncIterator[AskRecords]:
    asking = AskRecords(pool)  # type: ignore[arg-type]  # as much of a pool as it uses
    yield asking
    await asking.close()


async def never() -> str:
    await asyncio.Event().wait()
    return "never"


async def at_once() -> str:
    return "answer"


async def is_silent_after(records: AskRecords, question: Callable[[], Awaitable[str]]) -> bool:
    with pytest.raises(RecordsUnavailableError):
        await records.ask(question, soon())
    return records.are_silent


def soon(seconds: float = 0.05) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_an_answer_is_an_answer_and_an_error_of_the_question_is_its_own(records: AskRecords) -> None:
    assert await records.ask(at_once, soon()) == "answer"

    async def refused() -> str:
        raise RecordsUnavailableError("refused", retry_after_s=5)

    assert not await is_silent_after(records, refused), "a server that refuses holds nobody up"


async def test_who_waited_in_vain_spares_the_others_until_a_probe_is_answered(records: AskRecords, pool: Pool) -> None:
    assert await is_silent_after(records, never)

    async def unasked() -> str:
        raise AssertionError("it was asked")

    with pytest.raises(RecordsUnavailableError):
        await records.ask(unasked, soon())
    pool.connection.answers.set()
    async with asyncio.timeout(ENOUGH_S):
        while records.are_silent:
            await asyncio.sleep(0)
    assert pool.connection.probes == 1
    assert await records.ask(at_once, soon()) == "answer"


async def test_a_bound_that_has_passed_leaves_no_time(records: AskRecords) -> None:
    async def in_two_steps() -> str:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return "answer"

    assert await records.ask(in_two_steps, soon(ENOUGH_S)) == "answer"
    with pytest.raises(RecordsUnavailableError):
        await records.ask(in_two_steps, soon(-1.0))


async def test_no_place_for_a_question_is_silence_too(records: AskRecords) -> None:
    async def crowded() -> str:
        raise OverloadedError("no connection", retry_after_s=2)

    assert await is_silent_after(records, crowded)


async def test_for_how_long_no_core_was_free_nobody_was_silent(
    records: AskRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is there half a minute later than it should be; the limit is twice as long without a core."""
    clock = JumpingClock(monkeypatch)
    monkeypatch.setattr("app.patience.CoreTime", Starved)
    monkeypatch.setattr("app.gradebook.ask_records.SAVE_S_MAX", 60.0)
    starved = AskRecords(records._pool)
    answer = asyncio.get_running_loop().create_future()

    async def late() -> str:
        return str(await answer)

    asking = asyncio.create_task(starved.ask(late, starved.until_s()))
    await asyncio.sleep(0)
    await clock.jump(90.0)
    answer.set_result("answer")
    assert await asking == "answer"
    assert not starved.are_silent
    asking = asyncio.create_task(starved.ask(never, starved.until_s()))
    await asyncio.sleep(0)
    await clock.jump(121.0)
    with pytest.raises(RecordsUnavailableError):
        await asking
    assert starved.are_silent, "twice as long is borne, and no longer"
    await starved.close()
