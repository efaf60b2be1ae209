"""Columns are edits too: made offline, changed, and typed into before PostgreSQL has heard of them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from app.drafts.keys import partition_of
from app.gradebook.read_section import ReadSection
from tests.world import (
    CO_TEACHER,
    QUIZ,
    SECTION,
    STUDENTS,
    Process,
    Tab,
    api_process,
    fetch,
    flush_all,
    grant,
    make_school,
    outcomes,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.settings import Settings

ANNA, BEN, CARLA = STUDENTS[:3]
NEW = 9001


@pytest.fixture
async def process(settings: Settings) -> AsyncIterator[Process]:
    await make_school(settings.database_url)
    await fetch(settings, "INSERT INTO line_item_reservation (section_id, line_item_id) VALUES ($1, $2)", SECTION, NEW)
    async with api_process(settings) as opened:
        yield opened


@asynccontextmanager
async def cut_off(settings: Settings) -> AsyncIterator[Process]:
    nowhere = msgspec.structs.replace(settings, database_url="postgresql://inkfast@/none?host=/nonexistent")
    async with api_process(nowhere) as opened:
        yield opened


def column(tab: Tab, item: int = NEW, **over: Any) -> dict[str, Any]:
    """An edit that defines a column."""
    value = {"title": "New", "result_value_max": "5"} | over
    return tab.edit(0, "", item=item, kind="line_item", value=value)


async def columns(settings: Settings, item: int = NEW) -> list[tuple[str, str]]:
    rows = await fetch(
        settings, "SELECT title, result_value_max::text FROM line_item WHERE line_item_id = $1 ORDER BY 1", item
    )
    return [tuple(row) for row in rows]


async def statuses(settings: Settings) -> dict[str, str]:
    return {row[0]: row[1] for row in await fetch(settings, "SELECT edit_id::text, status::text FROM edit_log")}


async def test_a_columns_new_maximum_counts_for_the_next_edit_of_the_same_save(
    settings: Settings, process: Process
) -> None:
    tab = Tab(process)
    wider = column(tab, QUIZ, title="Quiz", result_value_max="50")
    answer = await tab.save(wider, tab.edit(ANNA, "45"), tab.edit(BEN, "51"))
    assert outcomes(answer) == ["drafted", "drafted", "rejected"]
    assert answer["outcomes"][2]["params"]["max"] == "50"
    await flush_all(settings)
    assert await columns(settings, QUIZ) == [("Quiz", "50")]


async def test_a_columns_new_maximum_counts_in_another_process_before_it_is_recorded(
    settings: Settings, process: Process
) -> None:
    tab, elsewhere = Tab(process), Tab(process, CO_TEACHER)
    async with api_process(settings) as other:
        await elsewhere.save(elsewhere.edit(BEN, "1"), process=other)  # it has read the roster
        await tab.save(column(tab, QUIZ, title="Quiz", result_value_max="50"))
        assert outcomes(await elsewhere.save(elsewhere.edit(ANNA, "45"), process=other)) == ["drafted"]


async def test_a_column_that_the_roster_changed_is_not_judged_by_an_old_draft(
    settings: Settings, process: Process
) -> None:
    """The journal keeps a copy of the recorded definition; the import writes the column itself."""
    tab = Tab(process)
    await tab.save(column(tab, QUIZ, title="Quiz", result_value_max="30"))
    await flush_all(settings)
    await fetch(settings, "UPDATE line_item SET result_value_max = 60 WHERE line_item_id = $1", QUIZ)
    async with api_process(settings) as other:
        assert outcomes(await tab.save(tab.edit(ANNA, "55"), process=other)) == ["drafted"]


async def test_a_column_and_its_scores_made_while_postgresql_was_away_come_in_one_batch(
    settings: Settings, process: Process
) -> None:
    async with cut_off(settings) as alone, cut_off(settings) as other:
        tab, elsewhere = Tab(alone), Tab(other, CO_TEACHER)
        assert outcomes(await tab.save(column(tab), tab.edit(ANNA, "5", item=NEW))) == ["drafted"] * 2
        answer = await elsewhere.save(elsewhere.edit(BEN, "4", item=NEW), elsewhere.edit(CARLA, "6", item=NEW))
        assert outcomes(answer) == ["drafted"] * 2
    await flush_all(settings)
    assert await columns(settings) == [("New", "5")]
    rows = await fetch(settings, "SELECT value->>'score', status::text, code FROM edit_log WHERE kind = 1 ORDER BY 1")
    assert [tuple(row) for row in rows] == [("4", "A", None), ("5", "A", None), ("6", "R", "score_out_of_range")]
    told = (await elsewhere.save(process=process))["exceptions"]
    assert [(e["seq"], e["code"], e["params"]["max"]) for e in told] == [(2, "score_out_of_range", "5")]


async def test_a_column_known_here_and_typed_into_there_come_in_one_batch(settings: Settings, process: Process) -> None:
    """The column by a process that knew its reserved ids, the score by one that could ask nobody."""
    tab = Tab(process)
    await tab.save(column(tab))
    async with cut_off(settings) as alone:
        elsewhere = Tab(alone, CO_TEACHER)
        assert outcomes(await elsewhere.save(elsewhere.edit(BEN, "4", item=NEW))) == ["drafted"]
    await flush_all(settings)
    assert set((await statuses(settings)).values()) == {"A"}


async def test_a_refused_column_takes_its_scores_along(settings: Settings, process: Process) -> None:
    async with cut_off(settings) as alone:
        tab = Tab(alone)
        unknown = 123_456  # reserved for nobody
        assert outcomes(await tab.save(column(tab, unknown), tab.edit(ANNA, "5", item=unknown))) == ["drafted"] * 2
    await flush_all(settings)
    told = (await tab.save(process=process))["exceptions"]
    assert [(e["outcome"], e["code"]) for e in told] == [("rejected", "unknown_line_item")] * 2
    assert await columns(settings, unknown) == []


async def test_two_teachers_changing_one_column_are_a_conflict_like_any_other(
    settings: Settings, process: Process
) -> None:
    mine, theirs = Tab(process), Tab(process, CO_TEACHER)
    await mine.save(column(mine, title="Mine"))
    answer = await theirs.save(column(theirs, title="Theirs"))
    assert outcomes(answer) == ["conflict"]
    assert answer["outcomes"][0]["head"]["value"]["title"] == "Mine"
    await flush_all(settings)
    assert await columns(settings) == [("Mine", "5")]


@pytest.mark.parametrize(
    ("item", "value", "code"),
    [
        (NEW, {"title": "", "result_value_max": "5"}, "value_malformed"),
        (NEW, {"title": "x", "result_value_max": "0"}, "line_item_range_empty"),
        (NEW, {"title": "x", "result_value_max": "5", "result_value_min": "5"}, "line_item_range_empty"),
        (NEW, {"title": "x" * 201, "result_value_max": "5"}, "value_malformed"),
        (NEW, {"title": "x", "result_value_max": "5", "due_date": "2026-02-30"}, "value_malformed"),
        (NEW, {"title": "x", "result_value_max": "5", "category_id": 0}, "value_malformed"),
        (7777, {"title": "x", "result_value_max": "5"}, "unknown_line_item"),
    ],
)
async def test_a_column_that_cannot_be_is_rejected_and_kept(
    settings: Settings, process: Process, item: int, value: dict[str, Any], code: str
) -> None:
    tab = Tab(process)
    edit = tab.edit(0, "", item=item, kind="line_item", value=value)
    answer = await tab.save(edit)
    assert [(o["outcome"], o["code"]) for o in answer["outcomes"]] == [("rejected", code)]
    await flush_all(settings)
    assert await statuses(settings) == {edit["edit_id"]: "R"}
    assert await columns(settings, item) == []


async def test_a_category_that_does_not_exist_does_not_stop_the_column(settings: Settings, process: Process) -> None:
    tab = Tab(process)
    assert outcomes(await tab.save(column(tab, category_id=424_242))) == ["drafted"]
    await flush_all(settings)
    assert await columns(settings) == [("New", "5")]


async def test_the_flushers_dates_flags_and_place_are_those_that_were_typed(
    settings: Settings, process: Process
) -> None:
    tab = Tab(process)
    typed = {
        "description": "In pencil, please",
        "assign_date": "2026-11-01",
        "due_date": "2026-11-08",
        "is_extra_credit": True,
        "is_hidden": True,
        "position": 3,
        "result_value_min": "-1.5",
    }
    await tab.save(column(tab, **typed))
    await flush_all(settings)
    row = (await fetch(settings, "SELECT * FROM line_item WHERE line_item_id = $1", NEW))[0]
    assert (row["description"], str(row["assign_date"]), str(row["due_date"])) == tuple(list(typed.values())[:3])
    assert (row["is_extra_credit"], row["hidden_at"] is not None, row["position"]) == (True, True, 3)
    assert str(row["result_value_min"]) == "-1.5"


async def test_a_section_reserves_ids_that_no_other_section_has(settings: Settings, process: Process) -> None:
    reading = ReadSection(settings, process.pool, process.store)
    first = await reading.read_section(grant(), SECTION)
    again = await reading.read_section(grant(), SECTION)
    other = await reading.read_section(grant(11, 4002), 4002)
    assert len(first.reserved_line_item_ids) >= 10
    assert first.reserved_line_item_ids == again.reserved_line_item_ids  # reading twice reserves nothing more
    assert set(first.reserved_line_item_ids).isdisjoint(other.reserved_line_item_ids)
    tab = Tab(process)
    used = first.reserved_line_item_ids[0]
    await tab.save(column(tab, used))
    drafted = await reading.read_section(grant(), SECTION)
    assert used not in drafted.reserved_line_item_ids
    assert [c["title"] for c in drafted.line_items if c["line_item_id"] == used] == ["New"]
    await flush_all(settings)
    await process.store.evict(partition_of(SECTION), [SECTION])
    recorded = await reading.read_section(grant(), SECTION)
    assert used not in recorded.reserved_line_item_ids
    assert [c["title"] for c in recorded.line_items if c["line_item_id"] == used] == ["New"]
