"""An edit from the save to its row, over real stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.world import (
    CO_TEACHER,
    STUDENTS,
    Tab,
    api_process,
    fetch,
    flush_all,
    make_school,
    outcomes,
)

if TYPE_CHECKING:
    from app.settings import Settings


async def test_an_edit_is_drafted_then_recorded(settings: Settings) -> None:
    await make_school(settings.database_url)
    async with api_process(settings) as process:
        tab = Tab(process)
        answer = await tab.save(tab.edit(STUDENTS[0], "17.5"), tab.edit(STUDENTS[1], "12"))
        assert outcomes(answer) == ["drafted", "drafted"]
        assert [o["cell_version"] for o in answer["outcomes"]] == [1, 1]
        assert (answer["drafted_seq"], answer["recorded_seq"]) == (2, 0)
        assert answer["receipt"].startswith("r1.")
        await flush_all(settings)
        answer = await tab.save()
        assert (answer["drafted_seq"], answer["recorded_seq"], answer["exceptions"]) == (2, 2, [])
        rows = await fetch(settings, "SELECT student_id, value::text, cell_version FROM cell ORDER BY 1")
        assert [tuple(r) for r in rows] == [(101, '{"score": "17.5"}', 1), (102, '{"score": "12"}', 1)]


async def test_a_co_teachers_edit_is_a_conflict_and_both_are_kept(settings: Settings) -> None:
    await make_school(settings.database_url)
    async with api_process(settings) as process:
        mine, theirs = Tab(process), Tab(process, CO_TEACHER)
        first = mine.edit(STUDENTS[0], "10")
        await mine.save(first)
        answer = await theirs.save(theirs.edit(STUDENTS[0], "11"))
        assert outcomes(answer) == ["conflict"]
        assert answer["outcomes"][0]["head"]["edit_id"] == first["edit_id"]
        assert answer["outcomes"][0]["head"]["value"] == {"score": "10"}
        await flush_all(settings)
        rows = await fetch(settings, "SELECT status::text, value->>'score' FROM edit_log ORDER BY recorded_at, 2")
        assert sorted(tuple(r) for r in rows) == [("A", "10"), ("C", "11")]
