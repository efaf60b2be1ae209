"""Events from the journal reach listeners of their section, and nobody else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

from app.drafts.codec import CELL
from app.drafts.connection import Address
from app.drafts.events import Drafted, EventHub, Missed, Recorded
from tests.world import (
    CO_TEACHER,
    OTHER_SECTION,
    QUIZ,
    SECTION,
    STUDENTS,
    TEACHER,
    Tab,
    api_process,
    flush_all,
    make_school,
    outcomes,
)

if TYPE_CHECKING:
    import pytest

    from app.drafts.connection import JournalProtocol
    from app.settings import Settings
    from tests.world import Process


async def subscribed(process: Process, channels: int) -> None:
    """Wait until the journal's server knows of the subscriptions."""
    async with asyncio.timeout(60):
        while len(await process.topology.call(0, b"PUBSUB", b"SHARDCHANNELS")) < channels:
            await asyncio.sleep(0.01)


async def test_a_listener_hears_of_drafts_and_of_records_of_its_section(settings: Settings) -> None:
    await make_school(settings.database_url)
    async with api_process(settings) as process:
        hub = EventHub(process.topology)
        here, elsewhere = hub.listen([SECTION]), hub.listen([OTHER_SECTION])
        try:
            await subscribed(process, 2)
            tab = Tab(process)
            edit = tab.edit(STUDENTS[0], "17.5")
            await tab.save(edit)
            event = await here.get(5)
            assert isinstance(event, Drafted)
            assert (event.section_id, event.author_id, str(event.client_id)) == (SECTION, TEACHER, tab.client_id)
            assert [CELL.unpack(cell) for cell, _ in event.heads] == [(1, QUIZ, STUDENTS[0])]
            assert event.heads[0][1].value == b'{"score": "17.5"}'
            await flush_all(settings)
            event = await here.get(5)
            assert isinstance(event, Recorded)
            assert (event.section_id, str(event.client_id), event.recorded_seq) == (SECTION, tab.client_id, 1)
            assert await elsewhere.get(0.05) is None
        finally:
            await hub.close()


async def test_who_is_told_that_the_stream_is_open_misses_nothing_of_what_happens_then(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_school(settings.database_url)
    async with api_process(settings) as process:
        tab = Tab(process)
        await tab.save(tab.edit(STUDENTS[0], "17.5"))  # whoever saves is connected
        is_free, connect = asyncio.Event(), Address.open

        async def connect_when_free(address: Address, protocol: JournalProtocol) -> None:
            await is_free.wait()
            await connect(address, protocol)

        monkeypatch.setattr(Address, "open", connect_when_free)
        hub = EventHub(process.topology)
        listener, late = hub.listen([SECTION]), hub.listen([SECTION])
        try:
            await late.subscribed(0)
            opening = asyncio.create_task(listener.subscribed(60))
            await tab.save(tab.edit(STUDENTS[1], "4"))  # nobody hears of it
            assert not opening.done()
            is_free.set()
            await opening
            await tab.save(tab.edit(STUDENTS[2], "18"))
            assert isinstance(await late.get(60), Missed)
            for one in (listener, late):
                event = await one.get(60)
                assert isinstance(event, Drafted)
                assert [CELL.unpack(cell) for cell, _ in event.heads] == [(1, QUIZ, STUDENTS[2])]
        finally:
            is_free.set()
            await hub.close()


async def test_edits_that_go_past_the_journal_are_told_too(settings: Settings) -> None:
    """Its memory is full: it takes no edit, and still carries messages."""
    await make_school(settings.database_url)
    async with api_process(settings) as process:
        hub = EventHub(process.topology)
        tab, other = Tab(process), Tab(process, CO_TEACHER)
        first = tab.edit(STUDENTS[0], "17")
        await tab.save(first)
        await flush_all(settings)
        listener = hub.listen([SECTION])
        memory = await process.topology.call(0, b"CONFIG", b"GET", b"maxmemory")
        try:
            await subscribed(process, 1)
            await process.topology.call(0, b"CONFIG", b"SET", b"maxmemory", b"1")
            second, stale = tab.edit(STUDENTS[0], "18"), other.edit(STUDENTS[0], "3")
            assert outcomes(await tab.save(second, tab.edit(STUDENTS[1], "4"))) == ["recorded", "recorded"]
            event = await listener.get(5)
            assert isinstance(event, Drafted)
            assert (event.section_id, event.author_id, str(event.client_id)) == (SECTION, TEACHER, tab.client_id)
            told = [(CELL.unpack(cell), head.value, head.cell_version) for cell, head in event.heads]
            assert told == [
                ((1, QUIZ, STUDENTS[0]), b'{"score": "18"}', 2),
                ((1, QUIZ, STUDENTS[1]), b'{"score": "4"}', 1),
            ]
            event = await listener.get(5)
            assert isinstance(event, Recorded)
            assert (event.user_id, str(event.client_id), event.recorded_seq) == (TEACHER, tab.client_id, 3)
            assert outcomes(await other.save(stale)) == ["conflict"]  # nothing new stands there
            event = await listener.get(5)
            assert isinstance(event, Recorded)
            assert (event.user_id, event.recorded_seq) == (CO_TEACHER, 1)
            assert outcomes(await tab.save(first, second)) == ["recorded", "recorded"]  # again: the second stands there
            event = await listener.get(5)
            assert isinstance(event, Drafted)
            assert [head.value for _, head in event.heads] == [b'{"score": "18"}']
        finally:
            await process.topology.call(0, b"CONFIG", b"SET", b"maxmemory", memory[1])
            await hub.close()


async def test_a_listener_that_falls_behind_is_told_once(settings: Settings) -> None:
    await make_school(settings.database_url)
    async with api_process(settings) as process:
        hub = EventHub(process.topology)
        listener = hub.listen([SECTION])
        try:
            for _ in range(300):
                listener.put(Recorded(SECTION, TEACHER, uuid4(), 1))
            assert isinstance(await listener.get(1), Missed)
        finally:
            await hub.close()
