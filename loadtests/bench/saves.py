"""Saves as they go over the wire: three edits of docs/protocol.md's shape, every edit a cell that was empty."""

from __future__ import annotations

import datetime as dt
import random
import time
from typing import TYPE_CHECKING

from loadtests.bench.plan import EDITS_PER_SAVE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadtests.bench.plan import Plan, Section, Teacher

_PACIFIC = dt.timezone(dt.timedelta(hours=-8))
_EDIT = (
    '{"edit_id":"%s","seq":%d,"kind":"score","item":%d,"student":%d,"base":null,"value":%s,"entered_at":"%s%03d-08:00"}'
)
_BODY = '{"client_id":"%s","sent_at":"%s%03d-08:00","exceptions_seen_seq":0,"edits":[%s]}'
_HEAD = (
    "POST /api/v1/sections/%d/edits HTTP/1.1\r\nHost: %s:%d\r\nAuthorization: Bearer %s\r\n"
    "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
)


def requests_of(plan: Plan, teacher: Teacher, number: int) -> list[Iterator[bytes]]:
    """Return, for each of a teacher's sections, its saves in order, until every cell of it has been typed once.

    The same seed and number give the same cells and values; ids are new, for they carry the time.
    """
    rng = random.Random(f"{plan.seed}/{number}/{time.time_ns()}")
    return [_saves(plan, teacher, section, rng) for section in teacher.sections]


def cells_of(section: Section) -> Iterator[tuple[int, int]]:
    """Yield (item, student) of every cell, column by column as teachers do."""
    return ((item, student) for item in section.items for student in section.students)


def _saves(plan: Plan, teacher: Teacher, section: Section, rng: random.Random) -> Iterator[bytes]:
    # The clock stands still while a section's saves are made; what matters is that no two stamps have to be alike.
    second = dt.datetime.now(_PACIFIC).strftime("%Y-%m-%dT%H:%M:%S.")
    cells = cells_of(section)
    client_id, seq = uuid7(rng), 0
    for number, group in enumerate(zip(*[cells] * EDITS_PER_SAVE, strict=False)):
        if plan.saves_per_client and number and number % plan.saves_per_client == 0:
            client_id, seq = uuid7(rng), 0
        edits = []
        for item, student in group:
            seq += 1
            value = _value(rng)
            edits.append(_EDIT % (uuid7(rng), seq, item, student, value, second, rng.randrange(1000)))
        body = _BODY % (client_id, second, rng.randrange(1000), ",".join(edits))
        head = _HEAD % (section.section_id, plan.host, plan.port, teacher.token, len(body))
        yield (head + body).encode()


def _value(rng: random.Random) -> str:
    score = rng.randrange(200)
    if score % 10 == 0:
        return f'{{"score":"{score / 2:g}","status":["late"]}}'
    return f'{{"score":"{score / 2:g}"}}'


def uuid7(rng: random.Random) -> str:
    """Return a UUIDv7: milliseconds, then chance."""
    bits = (time.time_ns() // 1_000_000) << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62)
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
