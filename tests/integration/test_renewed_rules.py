"""Copies of sections' rules are read anew in the background: many in one question, with what is only drafted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from app.gradebook import rules as rules_of_sections
from tests.world import OTHER_SECTION, QUIZ, SECTION, STUDENTS, Process, Tab, api_process, fetch, make_school, outcomes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.gradebook.rules import RulesCache
    from app.settings import Settings

NEW = 9001
COLUMN = {"title": "Lab", "result_value_max": "30"}


@pytest.fixture
async def process(settings: Settings) -> AsyncIterator[Process]:
    await make_school(settings.database_url)
    await fetch(settings, "INSERT INTO line_item_reservation (section_id, line_item_id) VALUES ($1, $2)", SECTION, NEW)
    always = msgspec.structs.replace(settings, roster_cache_s=0)
    async with api_process(always) as opened:
        yield opened


async def until_renewed(cache: RulesCache, sections: dict[int, Any]) -> None:
    async with asyncio.timeout(60):
        while any(cache._rules[section_id] is old for section_id, old in sections.items()):
            await asyncio.sleep(0.01)


async def test_old_copies_are_read_anew_in_one_question(
    process: Process, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {section_id: await process.rules.fresh(section_id) for section_id in (SECTION, OTHER_SECTION)}
    await fetch(settings, "UPDATE line_item SET result_value_max = 50 WHERE line_item_id = $1", QUIZ)
    asked: list[list[int]] = []
    load = rules_of_sections.load_rules

    async def load_and_note(connection: Any, sections: Any, now: float) -> Any:
        asked.append(list(sections))
        return await load(connection, sections, now)

    monkeypatch.setattr(rules_of_sections, "load_rules", load_and_note)
    for _ in range(3):
        for section_id, copy in old.items():
            assert process.rules.known(section_id) is copy, "nobody waits for it"
    await until_renewed(process.rules, old)
    assert asked == [[SECTION, OTHER_SECTION]]
    assert process.rules._rules[SECTION].line_items[QUIZ].high == 50


async def test_a_column_that_is_only_drafted_is_kept(process: Process) -> None:
    tab = Tab(process)
    made = await tab.save(tab.edit(0, "", item=NEW, kind="line_item", value=COLUMN))
    assert outcomes(made) == ["drafted"]
    old = {SECTION: await process.rules.fresh(SECTION)}
    process.rules.known(SECTION)
    await until_renewed(process.rules, old)
    assert process.rules._rules[SECTION].made[NEW].high == 30
    assert STUDENTS[0] in process.rules._rules[SECTION].students


async def test_what_cannot_be_asked_now_is_asked_when_it_is_used_again(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {SECTION: await process.rules.fresh(SECTION)}
    load = rules_of_sections.load_rules

    async def fail(*_: Any) -> Any:
        raise rules_of_sections.NotFoundError("away")

    monkeypatch.setattr(rules_of_sections, "load_rules", fail)
    assert process.rules.known(SECTION) is old[SECTION]
    async with asyncio.timeout(60):
        while process.rules._renewing is not None:
            await asyncio.sleep(0.01)
    assert process.rules._rules == old
    monkeypatch.setattr(rules_of_sections, "load_rules", load)
    process.rules.known(SECTION)
    await until_renewed(process.rules, old)
