"""A receipt that a teacher has kept: ours or not, and what became of what it stands for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from ops.receipt import ReceiptRefusedError, receipt
from tests.conftest import SECRET_KEY
from tests.faults.desk import Desk
from tests.world import CO_TEACHER, STUDENTS, api_process, flush_all

if TYPE_CHECKING:
    from app.settings import Settings
    from loadtests.ledger import Ledger


@pytest.fixture
def at_these_servers(school: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("DATABASE_URL", school.database_url)
    monkeypatch.setenv("REDIS_URL", school.redis_url)
    monkeypatch.setenv("INKFAST_SECRET_KEY", SECRET_KEY)
    return school


def _verify(text: str) -> Result:
    return CliRunner().invoke(receipt, ["verify", text])


async def _verified(text: str) -> Result:
    # The command has an event loop of its own, which wants a thread of its own.
    return await asyncio.to_thread(_verify, text)


async def test_a_receipt_is_followed_from_the_journal_to_the_records(
    at_these_servers: Settings, ledger: Ledger
) -> None:
    async with api_process(at_these_servers) as process:
        mine, theirs = Desk(process, ledger), Desk(process, ledger, CO_TEACHER)
        mine.type(17)
        await mine.save()
        theirs.type(12)
        theirs.type(13, STUDENTS[1])
        theirs.type(20.5, STUDENTS[2])
        answer = await theirs.save()
        assert answer is not None
        result = await _verified(answer["receipt"])
        assert result.exit_code == 0, result.output
        assert "to Given12 Family12 (user 12), for section 4001 (Algebra 1A)" in result.output
        assert result.output.count("drafted: in the journal, not yet in PostgreSQL") == 3
        assert "made from exactly these edits" in result.output
        await flush_all(at_these_servers)
        result = await _verified(answer["receipt"])
        assert result.exit_code == 0, result.output
        for words in ("1  conflict on", "2  recorded on", "3  rejected (score_out_of_range) on"):
            assert words in result.output
        assert "made from exactly these edits" in result.output


async def test_altered_cut_and_foreign_receipts_are_refused(at_these_servers: Settings, ledger: Ledger) -> None:
    async with api_process(at_these_servers) as process:
        desk = Desk(process, ledger)
        desk.type(17)
        answer = await desk.save()
    assert answer is not None
    genuine = answer["receipt"]
    other = "B" if genuine[20] == "A" else "A"
    for text, words in (
        (genuine[:20] + other + genuine[21:], "altered"),
        (genuine[:-4], "not a whole one"),
        ("r1." + "A" * (len(genuine) - 3), "a key that this installation does not have"),
        ("thank you", "not a receipt"),
    ):
        result = await _verified(text)
        assert isinstance(result.exception, ReceiptRefusedError)
        assert words in str(result.exception)


async def test_a_receipt_whose_edits_are_gone_is_no_comfort(
    at_these_servers: Settings, ledger: Ledger, redis_url: str
) -> None:
    async with api_process(at_these_servers) as process:
        desk = Desk(process, ledger)
        desk.type(17)
        answer = await desk.save()
        assert answer is not None
        await process.topology.call(0, b"FLUSHALL")
    result = await _verified(answer["receipt"])
    assert result.exit_code == 1
    assert "NOT FOUND under these numbers: 1" in result.output
