"""Who opens a section is shown what will stand: not what was refused, nor what will be a conflict with it.

Each test is a state in which the journal, its stream and PostgreSQL say different things of one cell, and the next
entry on what was shown has to apply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import redis

from app.drafts.keys import STREAM, partition_of
from app.drafts.topology import Topology
from app.errors import JournalUnavailableError, RecordsUnavailableError
from app.gradebook.read_section import ReadSection
from app.model.kinds import Kind
from tests.faults.test_crash_points import Dying
from tests.faults.test_direct import history, journal_is_back, killed
from tests.faults.test_parked_reading import park_one, reader, shown
from tests.world import CO_TEACHER, SECTION, TEACHER, Tab, api_process, flush_all, grant, outcomes

if TYPE_CHECKING:
    from app.settings import Settings
    from ops.servers import ValkeyServer


def made(title: str, top: str) -> dict[str, Any]:
    return {"title": title, "result_value_max": top}


async def now_shown(read: ReadSection, user: int = TEACHER) -> tuple[str, str, str] | None:
    return shown(await read.read_section(grant(user), SECTION))


async def away(*_: object) -> NoReturn:
    raise RecordsUnavailableError("PostgreSQL is silent for saves")


async def test_a_parked_definition_is_no_rule_where_a_later_one_is_recorded(
    own_school: Settings, own_valkey: ValkeyServer
) -> None:
    async with api_process(own_school) as process:
        read = ReadSection(own_school, process.pool, process.store, rules=process.rules)
        item = (await read.read_section(grant(), SECTION)).reserved_line_item_ids[0]
        t0, a, b, other, s = Tab(process), Tab(process), Tab(process), Tab(process, CO_TEACHER), Tab(process)
        d0 = t0.edit(0, "", item, kind="line_item", value=made("zero", "10"))
        await t0.save(d0)
        await flush_all(own_school)
        x = a.edit(0, "", item, kind="line_item", value=made("x", "20"), base=d0["edit_id"])
        await a.save(x)
        async with killed(own_valkey):
            await b.save(b.edit(0, "", item, kind="line_item", value=made("parked", "60"), base=x["edit_id"]))
            later = other.edit(0, "", item, kind="line_item", value=made("recorded", "40"), base=d0["edit_id"])
            assert outcomes(await other.save(later)) == ["recorded"]
            whole = await read.read_section(grant(), SECTION)
            part = await read.read_section(grant(), SECTION, columns=[(int(Kind.SCORE), item)])
            titles = [[c["title"] for c in r.line_items if c["line_item_id"] == item] for r in (whole, part)]
            answer = await s.save(s.edit(101, "55", item))  # of 40
            assert (titles, outcomes(answer)) == ([["recorded"], ["recorded"]], ["rejected"])


async def test_a_parked_edit_that_came_again_while_postgresql_was_silent_stays_shown(
    own_school: Settings, own_valkey: ValkeyServer
) -> None:
    async with api_process(own_school) as process:
        read, records = reader(own_school, process), process.edit_cells._records
        a, b, c, ask = Tab(process), Tab(process), Tab(process), process.edit_cells._records.ask
        records.ask = away
        x = a.edit(101, "1")
        await a.save(x)
        records.ask = ask
        async with killed(own_valkey):
            parked = b.edit(101, "2", base=x["edit_id"])
            assert outcomes(await b.save(parked)) == ["drafted"]
        await journal_is_back(process)
        assert (await now_shown(read))[0] == "2"
        records.ask = away
        assert outcomes(await b.save(parked)) == ["drafted"]  # its outbox sends it again
        records.ask = ask
        seen = await now_shown(read)
        typed = c.edit(101, "3", base=seen and seen[2])
        await c.save(typed)
        await flush_all(own_school)
        found = await history(own_school, typed["edit_id"])
        assert (seen and seen[0], found[typed["edit_id"]][0]) == ("2", "A")


async def test_what_was_refused_is_not_shown_until_it_is_drained(
    own_school: Settings, own_valkey: ValkeyServer
) -> None:
    async with api_process(own_school) as process, api_process(own_school) as second:
        read = reader(own_school, process)
        c = Tab(second)
        _, parked = await park_one(process, own_valkey)
        second.edit_cells._records.ask = away  # its rules are not known: unchecked
        refused = c.edit(101, "999", base=parked["edit_id"])
        await c.save(refused)
        topology = Topology(own_school.redis_url)
        await topology.learn()
        await Dying(own_school, topology, "between COMMIT and drain").die()
        topology.close()
        assert (await history(own_school, refused["edit_id"]))[refused["edit_id"]][0] == "R"
        assert (await now_shown(read))[0] == "2"


async def test_what_is_parked_is_shown_though_somebody_typed_on_its_base_in_the_journal(
    own_school: Settings, own_valkey: ValkeyServer
) -> None:
    async with api_process(own_school) as process:
        read = reader(own_school, process)
        c, d = Tab(process, CO_TEACHER), Tab(process)
        x, _ = await park_one(process, own_valkey)
        await c.save(c.edit(101, "7", base=x["edit_id"]))  # a page that was open: PostgreSQL will refuse it
        seen = await now_shown(read)
        typed = d.edit(101, "8", base=seen[2])
        await d.save(typed)
        await flush_all(own_school)
        found = await history(own_school, typed["edit_id"])
        assert (seen[0], found[typed["edit_id"]][0]) == ("2", "A")


async def test_a_record_is_not_hidden_by_a_longer_chain_that_it_has_overtaken(
    own_school: Settings, own_valkey: ValkeyServer
) -> None:
    async with api_process(own_school) as process:
        read = reader(own_school, process)
        z, a, o, c, e = Tab(process), Tab(process), *(Tab(process, CO_TEACHER) for _ in range(3))
        zero = z.edit(101, "0")
        await z.save(zero)
        await flush_all(own_school)
        await a.save(a.edit(101, "1", base=zero["edit_id"]), a.edit(101, "2"))
        async with killed(own_valkey):
            seven = o.edit(101, "7", base=zero["edit_id"])
            assert outcomes(await o.save(seven)) == ["recorded"]
        await journal_is_back(process)
        first = await now_shown(read, CO_TEACHER)
        await c.save(c.edit(101, "8", base=seven["edit_id"]))
        second = await now_shown(read, CO_TEACHER)
        typed = e.edit(101, "9", base=second[2])
        await e.save(typed)
        await flush_all(own_school)
        found = await history(own_school, typed["edit_id"])
        assert (first[0], second[0], found[typed["edit_id"]][0]) == ("7", "8", "A")


async def test_what_was_read_of_the_journal_is_shown_though_its_stream_cannot_be_read(
    own_school: Settings, own_valkey: ValkeyServer
) -> None:
    async with api_process(own_school) as process:
        read = reader(own_school, process)
        a, c = Tab(process), Tab(process)
        await a.save(a.edit(102, "6"))
        _, parked = await park_one(process, own_valkey)
        await c.save(c.edit(101, "3", base=parked["edit_id"]))

        async def gone(*_: object) -> NoReturn:
            raise JournalUnavailableError("between HGETALL and XRANGE")

        process.store.read_pending = gone
        assert shown(await read.read_section(grant(), SECTION), 102)[0] == "6"


async def test_a_value_that_is_no_text_does_not_keep_the_section_from_being_read(
    own_school: Settings, own_valkey: ValkeyServer
) -> None:
    async with api_process(own_school) as process:
        read = reader(own_school, process)
        c = Tab(process)
        _, parked = await park_one(process, own_valkey)
        await c.save(c.edit(101, "3", base=parked["edit_id"]))
        stream = STREAM[partition_of(SECTION)]
        with redis.Redis.from_url(own_school.redis_url) as r:
            (*_, (last, fields)) = r.xrange(stream)
            r.xdel(stream, last)
            r.xadd(stream, {"d": fields[b"d"][:-3] + b"\xff" + fields[b"d"][-2:]})
        assert (await now_shown(read))[0] == "2"
