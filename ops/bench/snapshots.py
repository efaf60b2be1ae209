"""What a cell takes in the snapshot cache: sections as teachers fill them, packed as the service does, in a server."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, NamedTuple

import redis

from app.drafts.keys import snapshot_key
from app.gradebook.pack_sections import pack_section, unpack_section
from app.gradebook.recorded_section import RecordedSection
from app.records.edits import FullHeadRow
from ops.bench.stand import BenchError, students_of
from ops.servers import CacheServer

if TYPE_CHECKING:
    from pathlib import Path

DISTRICT_CELLS = 20_000_000  # of a grading period of the design load
DISTRICT_BYTES_MAX = 2 * 1024**3
BEGAN_MS = 1_793_000_000_000
DAY_MS = 86_400_000


class SnapshotMemory(NamedTuple):
    """Bytes a cell, in the value alone and in the server's memory; milliseconds a section."""

    cells: int
    sections: int
    packed: float
    used: float
    pack_ms: float
    unpack_ms: float

    @property
    def district_bytes(self) -> float:
        """What a district's grading period takes of the server's memory."""
        return self.used * DISTRICT_CELLS


def measure_snapshots(folder: Path, cells: int) -> SnapshotMemory:
    """Fill a cache of its own with sections of so many cells in all; return what they occupy in its server."""
    server = CacheServer(folder / "cache", config={"maxmemory": str(DISTRICT_BYTES_MAX)})
    server.start()
    try:
        with redis.Redis.from_url(server.url) as client:
            return _fill(client, cells)
    finally:
        server.stop()


def _fill(client: redis.Redis, cells: int) -> SnapshotMemory:
    chance = random.Random(1)  # noqa: S311 -- the same sections in every run, no secret
    empty = client.info("memory")["used_memory"]
    section = done = packed_bytes = 0
    pack_s = unpack_s = 0.0
    while done < cells:
        section += 1
        recorded = make_section(section, chance)
        began = time.perf_counter()
        packed = pack_section(recorded)
        packed_at = time.perf_counter()
        found = unpack_section(packed, section)
        unpack_s += time.perf_counter() - packed_at
        pack_s += packed_at - began
        if found is None or found.rows != recorded.rows:
            raise BenchError(f"section {section} did not come back as it was")
        client.set(snapshot_key("0" * 12, section), packed, ex=DAY_MS // 1000)
        done += len(recorded.rows)
        packed_bytes += len(packed)
    used = client.info("memory")["used_memory"] - empty
    if client.info("stats")["evicted_keys"] or client.dbsize() != section:
        raise BenchError("the cache did not hold all of it")
    return SnapshotMemory(
        done, section, packed_bytes / done, used / done, pack_s * 1000 / section, unpack_s * 1000 / section
    )


def make_section(section_id: int, chance: random.Random) -> RecordedSection:
    """Return a section as a teacher has filled it: 24 to 36 students, 8 to 32 columns, one score a cell."""
    students = [1_000_001 + (section_id * 31 + n) % 3000 for n in range(students_of(section_id))]
    columns = [section_id * 100 + n for n in range(8 + section_id * 7 % 25)]
    rows = []
    for at, column in enumerate(columns):
        moment = BEGAN_MS + at * 2 * DAY_MS + chance.randrange(DAY_MS // 3)
        for student in students:
            moment += chance.randrange(800, 6_000)
            score = f"{chance.randint(10, 40) / 2:g}"
            status = ', "status": ["late"]' if chance.random() < 0.05 else ""
            version = 1 if chance.random() < 0.9 else 2
            value = f'{{"score": "{score}"{status}}}'
            rows.append(FullHeadRow(1, column, student, version, _uuid7(moment, chance), 11, moment, value))
    return RecordedSection(
        BEGAN_MS,
        {"section_id": section_id, "title": f"Algebra 1, period {section_id % 6 + 1}", "school_year": 2027,
         "class_code": f"MATH-{section_id}", "periods": str(section_id % 6 + 1), "location": f"Room {section_id % 90}",
         "course_title": "Algebra 1", "org_id": section_id % 900, "org_name": f"School {section_id % 900}",
         "time_zone": "America/Los_Angeles", "is_hidden": False},
        [{"student_id": s, "given_name": f"Given{chance.randrange(900)}", "family_name": f"Family{s}",
          "identifier": str(s), "grades": "09", "is_active": True} for s in students],
        [{"line_item_id": c, "title": f"Homework {n}", "description": None, "category_id": 2,
          "category_title": "Homework", "academic_session_id": 4, "grading_period": "Grading period 1",
          "assign_date": f"2026-10-{n % 28 + 1:02d}", "due_date": f"2026-11-{n % 28 + 1:02d}", "result_value_min": "0",
          "result_value_max": "20", "is_extra_credit": False, "position": n, "is_hidden": False}
         for n, c in enumerate(columns)],
        [section_id * 1000 + n for n in range(20)],
        sorted(rows),
        [],
        {11: "Elena Ruiz"},
        {11: "Elena Ruiz"},
    )  # fmt: skip


def _uuid7(moment_ms: int, chance: random.Random) -> bytes:
    rest = bytearray(chance.randbytes(10))
    rest[0] = 0x70 | rest[0] & 0x0F
    rest[2] = 0x80 | rest[2] & 0x3F
    return (moment_ms - chance.randrange(50)).to_bytes(6, "big") + rest
