"""Fifty rounds of killing the browser while somebody types: nothing that was on this computer is lost (rounds.py)."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from ops.drill.chaos_proxy import NO_FAULT, ChaosProxy, Fault, Kind
from ops.environment import environment
from tests.web.outbox_page import Desk, open_page, settled, token_of
from tests.web.rounds import compare, play

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool


BLOCK_BYTES, HEADER_BYTES = 32_768, 7  # of LevelDB's log (its doc/log_format.md)
TORN_BYTES_MAX = 600
NAME = "inkfast"


@pytest.mark.parametrize("school", [{"filled": 0}], indirect=True)
async def test_nothing_is_lost_over_kills_of_the_browser(
    service: Service, school: GradebookSchool, tmp_path: Path
) -> None:
    rounds = int(environment().get("INKFAST_ROUNDS", "50"))
    seed = int(environment().get("INKFAST_ROUNDS_SEED", "1"))
    began = time.monotonic()
    proxy = ChaosProxy(("127.0.0.1", service.port), seed=seed)
    await proxy.start()
    try:
        async with Desk(tmp_path) as desk:
            token = await token_of(service, school.teacher_name)
            report = await play(desk.laptop(), proxy, school, token, service.settings, rounds=rounds, seed=seed)
    finally:
        await proxy.close()
    sys.stdout.write(f"seed {seed}, {(time.monotonic() - began) / rounds:.2f} s a round: {report}\n")
    assert report.is_whole, f"seed {seed}: {report}"
    assert report.recorded > rounds / 4, "too little was typed to say anything"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with Desk(tmp_path) as desk:
        yield desk


def _tear(disk: Path) -> None:
    """Leave the log as a kill between the two writes of a record does: a header, and nothing of what it announces."""
    [log] = (disk / "Default" / "IndexedDB").glob("*.leveldb/*.log")
    left = BLOCK_BYTES - log.stat().st_size % BLOCK_BYTES
    filler = bytes(left) if left <= HEADER_BYTES else b""
    length = min(TORN_BYTES_MAX, (BLOCK_BYTES if filler else left) - HEADER_BYTES)
    with log.open("ab") as end:
        end.write(filler + bytes(4) + length.to_bytes(2, "little") + b"\1")


@pytest.mark.parametrize("school", [{"filled": 0}], indirect=True)
async def test_nothing_is_lost_after_a_kill_that_tore_the_browser_s_log(
    service: Service, school: GradebookSchool, desk: Desk
) -> None:
    """Chromium appends to it, and deletes its databases at the next start (github.com/google/leveldb/issues/1287)."""
    proxy = ChaosProxy(("127.0.0.1", service.port))
    await proxy.start()
    try:
        token = await token_of(service, school.teacher_name)
        laptop = desk.laptop()
        typed = []
        await proxy.set(Fault(Kind.HANG))  # all of it is on this computer only
        for text in ("r0.1", "r1.1"):
            page = await open_page(await laptop.start(), _url(proxy), school.teacher, token, school.section, name=NAME)
            put = "([item, student, text]) => window.put(item, student, text)"
            typed.append(await page.evaluate(put, [school.columns[0], school.students[0], text]))
            laptop.kill()
            if text == "r0.1":
                _tear(laptop.disk)
        assert [edit["storage"] == "memory" for edit in typed] == [False, False]
        page = await open_page(await laptop.start(), _url(proxy), school.teacher, token, school.section, name=NAME)
        kept = await page.evaluate("window.outbox.kept().map(({ edit_id }) => edit_id)")
        assert kept == [edit["edit_id"] for edit in typed]
        await proxy.set(NO_FAULT)
        await settled(page)
        laptop.kill()
        report = await compare(typed, school, service.settings, rounds=2)
        assert report.is_whole, report
        assert report.recorded == len(typed)
    finally:
        await proxy.close()


def _url(proxy: ChaosProxy) -> str:
    return f"http://127.0.0.1:{proxy.port}"
