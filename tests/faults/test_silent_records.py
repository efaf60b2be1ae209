"""PostgreSQL takes connections and never answers, or answers slowly: a save waits for it once, and never long."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import msgspec
import pytest

from app.errors import RecordsUnavailableError
from app.records.pool import create_pool
from ops.drill.chaos_proxy import NO_FAULT, Fault, Kind, ProxyThread
from tests.awake import Awake
from tests.world import CO_TEACHER, STUDENTS, Process, Tab, api_process, outcomes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from app.settings import Settings

ANNA, BEN = STUDENTS[:2]
HANG, SLOW = Fault(Kind.HANG), Fault(Kind.DELAY, delay_s=0.05)
# The limit of the drills is 4 s, with a client's own delays in it.
SAVE_S_MAX = 3.0
AT_ONCE_S_MAX = 1.0

Wired = tuple[Process, "Callable[[Fault], None]"]


@pytest.fixture
async def wired(school: Settings, tmp_path: Path) -> AsyncIterator[Wired]:
    """The save path of a process that reaches PostgreSQL through a bad network, and how to set that."""
    with ProxyThread() as thread:
        address, _, sockets = school.database_url.partition("host=")
        proxy = thread.start(Path(unquote(sockets)) / ".s.PGSQL.5432", tmp_path / ".s.PGSQL.5432")
        settings = msgspec.structs.replace(school, database_url=f"{address}host={quote(str(tmp_path))}")
        async with api_process(settings) as process:
            yield process, lambda fault: thread.set(proxy, fault)
            thread.set(proxy, NO_FAULT)


async def timed(tab: Tab, student: int, score: str = "11") -> tuple[list[str], float]:
    """Type and save one edit: what was answered, and after how long."""
    with Awake() as took:
        answer = await tab.save(tab.edit(student, score))
    return outcomes(answer), took.seconds


async def until_answered(process: Process) -> None:
    """Wait until the process takes PostgreSQL for answering again."""
    async with asyncio.timeout(30):
        while process.edit_cells._records.are_silent:
            await asyncio.sleep(0.01)


async def test_only_the_first_save_waits_for_a_silent_postgresql(wired: Wired) -> None:
    process, set_fault = wired
    assert outcomes(await Tab(process).save()) == []  # a connection is open
    set_fault(HANG)
    said, took_s = await timed(Tab(process), ANNA)
    assert (said, took_s < SAVE_S_MAX) == (["drafted"], True), took_s
    for student in (ANNA, BEN):
        said, took_s = await timed(Tab(process), student)
        assert (said, took_s < AT_ONCE_S_MAX) == (["drafted"], True), took_s


async def test_a_probe_ends_the_silence_and_saves_ask_again(wired: Wired) -> None:
    process, set_fault = wired
    tab = Tab(process)
    assert (await timed(tab, ANNA))[0] == ["drafted"]
    set_fault(HANG)
    await timed(Tab(process), BEN)
    assert process.edit_cells._records.are_silent
    set_fault(NO_FAULT)
    await until_answered(process)
    stranger = Tab(process, CO_TEACHER)  # has not seen what stands there: told at once, so PostgreSQL was asked
    assert (await timed(stranger, ANNA, "3"))[0] == ["conflict"]


async def test_a_slow_postgresql_holds_no_save_up_for_long(wired: Wired) -> None:
    process, set_fault = wired
    set_fault(SLOW)
    tabs = [Tab(process) for _ in range(24)]  # more than there are connections, and none of them is open
    all_took = await asyncio.gather(*(timed(tab, ANNA, "99") for tab in tabs))  # out of range: the rules are read anew
    assert max(took_s for _, took_s in all_took) < SAVE_S_MAX, sorted(took_s for _, took_s in all_took)[-3:]


async def test_a_connection_is_not_held_for_ever(school: Settings, tmp_path: Path) -> None:
    with ProxyThread() as thread:
        address, _, sockets = school.database_url.partition("host=")
        proxy = thread.start(Path(unquote(sockets)) / ".s.PGSQL.5432", tmp_path / ".s.PGSQL.5432")
        settings = msgspec.structs.replace(school, database_url=f"{address}host={quote(str(tmp_path))}")
        pool = await create_pool(settings, connections_max=1, hold_ms_max=300)
        async with pool.acquire() as connection:
            assert await connection.fetchval("SELECT 1") == 1
        thread.set(proxy, HANG)
        with pytest.raises(RecordsUnavailableError), Awake() as took:
            async with pool.acquire() as connection:
                await connection.fetchval("SELECT 1")
        assert took.seconds < AT_ONCE_S_MAX
        thread.set(proxy, NO_FAULT)
        async with pool.acquire() as connection:
            assert await connection.fetchval("SELECT 1") == 1
        await pool.close()
