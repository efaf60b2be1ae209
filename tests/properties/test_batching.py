"""Outcomes never depend on how edits were batched: in one save, split, or repeated; in one flush or one by one."""

from __future__ import annotations

import random
import uuid
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import pytest

from tests.world import CO_TEACHER, STUDENTS, TEACHER, Tab, api_process, fetch, flush_all, make_school

if TYPE_CHECKING:
    from app.settings import Settings
    from tests.world import Process

SECTIONS = {"whole": 5101, "split": 5102, "repeated": 5103}
EDITS = 24
Plan = list[tuple[int, list[dict[str, Any]]]]  # (teacher, edits of one save), in the order of arrival


def make_plan(seed: int) -> Plan:
    """Saves of two teachers over two cells: chains, stale bases, bases never seen, refused values."""
    rng = random.Random(seed)
    names: dict[int, list[str | None]] = {cell: [None] for cell in STUDENTS[:2]}
    plan: Plan = []
    edits = 0
    while edits < EDITS:
        teacher = rng.choice((TEACHER, CO_TEACHER))
        save = []
        for _ in range(rng.randint(1, 5)):
            student = rng.choice(STUDENTS[:2])
            name = f"e{edits}"
            stale = rng.random() < 0.4
            base = rng.choice(names[student]) if stale else names[student][-1]
            score = "99" if rng.random() < 0.1 else str(rng.randint(0, 20))
            save.append({"name": name, "student": student, "base": base, "score": score})
            names[student].append(name)
            edits += 1
        plan.append((teacher, save))
    return plan


async def play(process: Process, section: int, plan: Plan, *, split: bool, repeated: bool) -> dict[str, str]:
    """Send a plan; return the outcome of each edit by name."""
    tabs = {user: Tab(process, user_id=user, section_id=section) for user in (TEACHER, CO_TEACHER)}
    said: dict[str, str] = {}
    for teacher, save in plan:
        tab = tabs[teacher]
        edits = [
            tab.edit(
                e["student"],
                e["score"],
                item=section,
                edit_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{section}{e['name']}")),
                base=e["base"] and str(uuid.uuid5(uuid.NAMESPACE_OID, f"{section}{e['base']}")),
            )
            for e in save
        ]
        for part in [[edit] for edit in edits] if split else [edits]:
            answers = [await tab.save(*part) for _ in range(2 if repeated else 1)]
            words = [[o["outcome"] for o in answer["outcomes"]] for answer in answers]
            assert words[0] == words[-1]
            for edit, word in zip(part, words[0], strict=True):
                name = next(e["name"] for e in save if _id(section, e["name"]) == edit["edit_id"])
                said[name] = word
    return said


def _id(section: int, name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{section}{name}"))


async def rows_of(settings: Settings, section: int) -> dict[str, tuple[str, int | None]]:
    """Status and version of each edit by name."""
    rows = await fetch(
        settings,
        "SELECT edit_id::text AS id, status::text AS s, cell_version AS v FROM edit_log WHERE section_id = $1",
        section,
    )
    names = {_id(section, f"e{i}"): f"e{i}" for i in range(EDITS + 5)}
    assert len(rows) == len({row["id"] for row in rows})
    return {names[row["id"]]: (row["s"], row["v"]) for row in rows}


@pytest.mark.parametrize("seed", range(6))
async def test_outcomes_do_not_depend_on_batching(settings: Settings, seed: int) -> None:
    await make_school(settings.database_url)
    connection = await asyncpg.connect(settings.database_url)
    for section in SECTIONS.values():
        await connection.execute(
            f"""
            INSERT INTO section (section_id, sourced_id, title, course_id, org_id, school_year)
              VALUES ({section}, 's{section}', 'More', 1, 1, 2026);
            INSERT INTO enrollment (section_id, sourced_id, user_id, role)
              SELECT {section}, 'm{section}-' || u, u, 'student' FROM unnest(ARRAY[101, 102]) u;
            INSERT INTO line_item (section_id, line_item_id, title, result_value_max)
              VALUES ({section}, {section}, 'Quiz', 20);
            """
        )
    await connection.close()
    plan = make_plan(seed)
    one_by_one = msgspec.structs.replace(settings, flush_batch_rows_max=1, flush_lanes=1)
    said: dict[str, dict[str, str]] = {}
    async with api_process(settings) as process:
        said["whole"] = await play(process, SECTIONS["whole"], plan, split=False, repeated=False)
        await flush_all(settings)
        said["split"] = await play(process, SECTIONS["split"], plan, split=True, repeated=False)
        said["repeated"] = await play(process, SECTIONS["repeated"], plan, split=True, repeated=True)
        await flush_all(one_by_one)
    assert said["whole"] == said["split"] == said["repeated"]
    found = {name: await rows_of(settings, section) for name, section in SECTIONS.items()}
    assert found["whole"] == found["split"] == found["repeated"]
    assert set(found["whole"]) == set(said["whole"])
    for name, word in said["whole"].items():
        status = found["whole"][name][0]
        assert {"conflict": status in "CS", "rejected": status == "R"}.get(word, status in "ACS")
