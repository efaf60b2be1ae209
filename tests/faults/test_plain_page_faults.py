"""A teacher without scripts, while stores freeze and die around each of her saves: her cell ends as she typed it last.

The plain page has no outbox. It is the receipt, or the form with what was typed in it, that brings a value home; and
what a page shows is what the next entry in a cell is based on. Nobody else types here, so that every conflict would be
one with herself. `INKFAST_TEST_SEEDS=20 pytest tests/faults/test_plain_page_faults.py` goes on for longer.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import psutil
import pytest

from ops.environment import environment
from tests.api.conftest import client_of, running, services
from tests.faults.test_direct import journal_is_back, killed
from tests.old_browser import Form, OldBrowser, OldPage
from tests.plain_school import PlainSchool, make_plain_school
from tests.school import PASSWORD
from tests.world import fetch, flush_all, running_flusher

if TYPE_CHECKING:
    from app.settings import Settings
    from ops.servers import PostgresServer, ValkeyServer

SAVES = 6
IMPATIENT = {"journal_silence_ms_max": 300, "commit_wait_ms_max": 1_000}  # so that a test does not wait for long
FAULTS = ("none", "journal frozen", "PostgreSQL frozen", "both frozen", "journal killed")
SAVED_S_MAX = 60
TURNS_MAX = 300  # of the event loop: a save with nothing in its way takes a few hundred


class Saver:
    """Somebody at the plain page."""

    def __init__(self, browser: OldBrowser, school: PlainSchool) -> None:
        self._browser = browser
        self._quiz = f"/sections/{school.section}/columns/{school.quiz}"
        self._input = f"s-{school.students[0]}"

    def _form(self, page: OldPage) -> Form | None:
        return next((form for form in page.forms if form.action == self._quiz), None)

    async def open(self, score: str) -> Form:
        """Return the form once it shows this score: what only the journal has is hidden for as long as that is away."""
        form = None
        async with asyncio.timeout(SAVED_S_MAX):
            while form is None or self.shows(form) != score:
                form = self._form(await self._browser.get(self._quiz))
                await asyncio.sleep(0.05)
        return form

    def shows(self, form: Form) -> str:
        """Return what stands in the cell."""
        return form.value(self._input)

    async def save(self, form: Form, score: str, refused: asyncio.Event) -> None:
        """Save, again and again as the page asks for it, until there is a receipt."""
        form.fill(**{self._input: score})
        async with asyncio.timeout(SAVED_S_MAX):
            while not (page := await self._browser.send(form)).said.startswith("Receipt"):
                refused.set()
                kept = self._form(page)
                assert kept is not None, page.said
                assert self.shows(kept) == score
                form = kept
                await asyncio.sleep(0.05)
        assert "Two values" not in page.said


async def cause(fault: str, journal: ValkeyServer, records: PostgresServer, over: asyncio.Event) -> None:
    """Keep a fault up until it is to be over."""
    if fault == "journal killed":
        async with killed(journal):
            await over.wait()
        return
    stopped: list[int] = []

    def stop(pid: int) -> None:
        stopped.append(pid)
        os.kill(pid, signal.SIGSTOP)

    try:
        if fault in {"journal frozen", "both frozen"}:
            stop(journal.pid)
        if fault in {"PostgreSQL frozen", "both frozen"}:
            stop(records.pid)  # first: who stands still takes leave of no child that has just ended
            for backend in psutil.Process(records.pid).children(recursive=True):
                stop(backend.pid)
        await over.wait()
    finally:
        for pid in reversed(stopped):
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("with_flusher", [False, True], ids=["nobody-records", "recorded"])
@pytest.mark.parametrize("seed", range(int(environment().get("INKFAST_TEST_SEEDS", "1"))))
async def test_a_cell_ends_as_it_was_typed_last_and_never_in_a_conflict_with_oneself(
    *,
    seed: int,
    with_flusher: bool,
    settings: Settings,
    own_valkey: ValkeyServer,
    spare_postgres: PostgresServer,
    spare_database_url: str,
) -> None:
    own = msgspec.structs.replace(settings, redis_url=own_valkey.url, database_url=spare_database_url, **IMPATIENT)
    database = await asyncpg.connect(spare_database_url)
    school = await make_plain_school(database)
    await database.close()
    rng, done = random.Random(seed), []
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(running(own, looks_by_itself=True))
        browser = OldBrowser(await stack.enter_async_context(client_of(app)))
        await browser.sign_in(school.teacher_name, PASSWORD)
        if with_flusher:
            await stack.enter_async_context(running_flusher(own))
        saver = Saver(browser, school)
        for number in range(SAVES):
            form = await saver.open(str(number) if number else "")
            done.append(rng.choice(FAULTS))
            over = asyncio.Event()
            saving = asyncio.create_task(saver.save(form, str(number + 1), over))
            for _ in range(rng.randrange(TURNS_MAX)):
                await asyncio.sleep(0)
            fault = asyncio.create_task(cause(done[-1], own_valkey, spare_postgres, over))
            await asyncio.wait([saving, asyncio.create_task(over.wait())], return_when=asyncio.FIRST_COMPLETED)
            over.set()
            await asyncio.gather(saving, fault)
            await journal_is_back(services(app))
    await flush_all(own)
    rows = await fetch(own, "SELECT value->>'score' AS v, status::text AS s FROM edit_log ORDER BY cell_version")
    assert [tuple(row) for row in rows] == [(str(n + 1), "A") for n in range(SAVES)], done
