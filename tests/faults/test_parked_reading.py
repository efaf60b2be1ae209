"""The journal was away, and what was typed on top of an edit that only it has waits in PostgreSQL: who reads sees it.

The plain page sends a form once. What its reader is shown is what her next form is based on, so that what waits has to
be shown to her, or her next entry in its cell is a conflict with her own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import msgspec

from app.gradebook.read_section import ReadSection, SectionSnapshot
from app.model.kinds import Kind
from tests.api.conftest import client_of, running, services
from tests.faults.test_direct import history, journal_is_back, killed, parked_count
from tests.old_browser import Form, OldBrowser
from tests.plain_school import make_plain_school
from tests.school import PASSWORD
from tests.world import CO_TEACHER, QUIZ, SECTION, Tab, api_process, fetch, flush_all, grant, outcomes

if TYPE_CHECKING:
    from app.settings import Settings
    from ops.servers import ValkeyServer
    from tests.world import Process


def reader(own_school: Settings, process: Process) -> ReadSection:
    return ReadSection(own_school, process.pool, process.store)


def shown(snapshot: SectionSnapshot, student: int = 101) -> tuple[str, str, str] | None:
    """Return the score, the state and the id of what stands in a student's quiz."""
    cells = snapshot.cells
    for i, place in enumerate(zip(cells.kind, cells.item, cells.student, strict=True)):
        if place == ("score", QUIZ, student):
            return msgspec.json.decode(cells.value[i])["score"], cells.state[i], cells.edit_id[i]
    return None


async def park_one(process: Process, journal: ValkeyServer) -> tuple[dict[str, Any], dict[str, Any]]:
    """Journal an edit that nobody records, and park one on it while the journal is away; return both."""
    first, second = Tab(process), Tab(process)
    base = first.edit(101, "1")
    await first.save(base)
    async with killed(journal):
        waiting = second.edit(101, "2", base=base["edit_id"])
        assert outcomes(await second.save(waiting)) == ["drafted"]
    await journal_is_back(process)
    return base, waiting


async def test_an_edit_on_what_waits_is_shown_and_typed_over_though_nobody_records(
    own_school: Settings, own_valkey: ValkeyServer
) -> None:
    """The journal is back, and what is typed on top of a parked edit goes there: PostgreSQL judges that too."""
    async with api_process(own_school) as process:
        read = reader(own_school, process)
        edits = list(await park_one(process, own_valkey))
        for score, form in ((score, Tab(process)) for score in "345"):
            edits.append(form.edit(101, score, base=edits[-1]["edit_id"]))
            assert outcomes(await form.save(edits[-1])) == ["drafted"]
            assert shown(await read.read_section(grant(), SECTION)) == (score, "drafted", edits[-1]["edit_id"])
        heads = await read.read_columns(SECTION, [(int(Kind.SCORE), QUIZ)])
        assert [str(UUID(bytes=head.edit_id)) for head in heads.values()] == [edits[-1]["edit_id"]]
        await flush_all(own_school)
        found = await history(own_school, *(edit["edit_id"] for edit in edits))
        assert [found[edit["edit_id"]][::2] for edit in edits] == [("A", n) for n in range(1, 6)]


async def test_a_colleague_who_types_over_the_record_is_shown_though_something_waits(
    own_school: Settings, own_valkey: ValkeyServer
) -> None:
    async with api_process(own_school) as process:
        read = reader(own_school, process)
        mine, theirs, other = Tab(process), Tab(process), Tab(process, CO_TEACHER)
        base = mine.edit(101, "1")
        await mine.save(base)
        async with killed(own_valkey):
            await theirs.save(theirs.edit(101, "2", base=base["edit_id"]))
            later = other.edit(101, "5")  # in an empty cell, as PostgreSQL sees it
            assert outcomes(await other.save(later)) == ["recorded"]
            assert shown(await read.read_section(grant(), SECTION)) == ("5", "recorded", later["edit_id"])


async def test_a_form_of_the_plain_page_shows_what_it_saved_and_its_next_entry_is_no_conflict(
    settings: Settings, own_valkey: ValkeyServer
) -> None:
    database = await asyncpg.connect(settings.database_url)
    school = await make_plain_school(database)
    await database.close()
    quiz, student = f"/sections/{school.section}/columns/{school.quiz}", f"s-{school.students[0]}"
    own = msgspec.structs.replace(settings, redis_url=own_valkey.url)
    async with running(own) as app, client_of(app) as client:
        browser = OldBrowser(client)
        await browser.sign_in(school.teacher_name, PASSWORD)

        async def open_form() -> Form:
            return (await browser.get(quiz)).form(quiz)

        async def save(score: str, form: Form) -> None:
            receipt = await browser.send(form.fill(**{student: score}))
            assert "drafted" in receipt.said
            assert (await open_form()).value(student) == score

        await save("1", await open_form())  # nobody records it
        form = await open_form()
        async with killed(own_valkey):
            await save("2", form)
            await save("3", await open_form())
        await journal_is_back(services(app))
        await save("4", await open_form())
        await save("5", await open_form())
    await flush_all(own)
    rows = await fetch(own, "SELECT value->>'score' AS v, status::text AS s FROM edit_log ORDER BY cell_version")
    assert [tuple(row) for row in rows] == [(str(n), "A") for n in range(1, 6)]


async def test_what_waits_is_shown_while_the_journal_is_away_and_can_be_typed_over(
    own_school: Settings, own_valkey: ValkeyServer
) -> None:
    async with api_process(own_school) as process:
        read = reader(own_school, process)
        first_form, second_form, third_form = Tab(process), Tab(process), Tab(process)
        base = first_form.edit(101, "1")
        await first_form.save(base)  # and not flushed
        async with killed(own_valkey):
            waiting = second_form.edit(101, "2", base=base["edit_id"])
            assert outcomes(await second_form.save(waiting)) == ["drafted"]
            assert shown(await read.read_section(grant(), SECTION)) == ("2", "drafted", waiting["edit_id"])
            heads = await read.read_columns(SECTION, [(int(Kind.SCORE), QUIZ)])
            assert [head.edit_id.hex() for head in heads.values()] == [waiting["edit_id"].replace("-", "")]
            typed_over = third_form.edit(101, "3", base=waiting["edit_id"])
            assert outcomes(await third_form.save(typed_over)) == ["drafted"]
            assert shown(await read.read_section(grant(), SECTION)) == ("3", "drafted", typed_over["edit_id"])
        await journal_is_back(process)
        # Its base is there to be read: it stands on that, and not beside it.
        assert shown(await read.read_section(grant(), SECTION)) == ("3", "drafted", typed_over["edit_id"])
        await flush_all(own_school)
        assert await parked_count(own_school) == 0
        found = await history(own_school, *(e["edit_id"] for e in (base, waiting, typed_over)))
        assert [found[e["edit_id"]][::2] for e in (base, waiting, typed_over)] == [("A", 1), ("A", 2), ("A", 3)]
        snapshot = await read.read_section(grant(), SECTION)
        assert (shown(snapshot), snapshot.conflicts) == (("3", "recorded", typed_over["edit_id"]), [])
