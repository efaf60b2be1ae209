"""Moments between two steps in which another process is quicker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import app.gradebook.ask_records
import app.gradebook.edit_cells
from app.drafts.store import DraftStore
from tests.faults.desk import Desk, assert_all_is_well
from tests.world import QUIZ, SECTION, STUDENTS, api_process, fetch, flush_all, running_flusher

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from app.settings import Settings
    from loadtests.ledger import Ledger


IMPORTED = f"""
  WITH history AS (
    INSERT INTO edit_log (school_year, section_id, edit_id, kind, item, student_id, cell_version, status, value,
      author_id, client_id, client_seq, entered_at, received_at, path)
    VALUES (2026, {SECTION}, gen_random_uuid(), 1, {QUIZ}, {STUDENTS[0]}, 1, 'A', '{{}}',
      0, gen_random_uuid(), 1, now(), now(), 'i')
    RETURNING *
  )
  INSERT INTO cell SELECT section_id, kind, item, student_id, cell_version, edit_id, value, author_id, entered_at
  FROM history"""


async def test_an_edit_recorded_while_it_is_looked_up_is_no_conflict_with_itself(
    school: Settings, ledger: Ledger, ledger_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outbox is opened anew; what it sends again is recorded, and leaves the journal, while PostgreSQL is asked."""
    load_context = app.gradebook.edit_cells.load_context

    async def load_and_flush(*arguments: Any) -> Any:
        context = await load_context(*arguments)
        await flush_all(school)
        return context

    async with api_process(school) as process:
        desk = Desk(process, ledger)
        desk.type(1)
        desk.type(2)
        desk.type(3, STUDENTS[1])
        await desk.save()
        desk.outbox.renumber()
        with monkeypatch.context() as patch:
            patch.setattr(app.gradebook.edit_cells, "load_context", load_and_flush)
            patch.setattr(app.gradebook.ask_records, "SAVE_S_MAX", 60.0)  # the flush may take long
            answer = await desk.save()
        assert answer is not None
        # Its cell was recorded once more since PostgreSQL was asked: it is journaled again, and found to be applied.
        assert [o["outcome"] for o in answer["outcomes"]] == ["drafted", "drafted", "drafted"]
        desk.type(4)
        async with running_flusher(school):
            await desk.until_recorded()
    report = await assert_all_is_well(school, ledger_path)
    assert report.counts["applied"] == 4


async def test_recorded_is_not_said_before_the_exceptions_up_to_it(
    school: Settings, ledger: Ledger, ledger_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client asks between any two entries that are drained, and goes home as soon as it keeps nothing any more."""
    drain = DraftStore.drain
    async with api_process(school) as process:
        desk = Desk(process, ledger)
        for score in range(4):  # four entries
            desk.type(score)
            await desk.save()
        await fetch(school, IMPORTED)  # PostgreSQL has another value there: none of the four is going to be applied

        async def drain_one_by_one(store: DraftStore, settled: Any) -> None:
            for partition, entries in settled.items():
                for entry in entries:
                    await drain(store, {partition: [entry]})
                    if desk.outbox.unrecorded:
                        await desk.save()

        monkeypatch.setattr(DraftStore, "drain", drain_one_by_one)
        await flush_all(school)
        assert desk.outbox.unrecorded == 0
        assert len(desk.outbox.conflicts) == 4
    await assert_all_is_well(school, ledger_path)
