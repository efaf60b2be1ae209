"""The form of the snapshot cache's values: what goes in comes out, what is damaged or strange comes out as nothing."""

from __future__ import annotations

import datetime as dt
import random
import zlib
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.gradebook.pack_sections import (
    FORMAT,
    SectionList,
    pack_list,
    pack_section,
    unpack_list,
    unpack_section,
)
from app.gradebook.recorded_section import RecordedSection
from app.records.edits import FullHeadRow

SECTION = 4001


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


U32 = st.integers(0, 2**32 - 1)
VALUES = st.one_of(st.none(), st.dictionaries(st.text(max_size=5), st.text(max_size=40), max_size=3).map(_text))
ROWS = st.lists(
    st.builds(
        FullHeadRow,
        kind=st.integers(0, 255),
        item=U32,
        student_id=U32,
        cell_version=U32,
        edit_id=st.binary(min_size=16, max_size=16),
        author_id=U32,
        entered_ms=st.integers(-(2**50), 2**50),
        value=VALUES,
    ),
    max_size=40,
)


def section(rows: list[FullHeadRow], section_id: int = SECTION) -> RecordedSection:
    return RecordedSection(
        as_of_ms=1_793_000_000_000,
        facts={"section_id": section_id, "title": "Álgebra", "time_zone": "America/Los_Angeles", "location": None},
        students=[{"student_id": 101, "family_name": "Nguyễn", "is_active": True}],
        line_items=[{"line_item_id": 7001, "result_value_max": "20", "due_date": dt.date(2026, 11, 6)}],
        reserved=[10_001, 10_002],
        rows=rows,
        conflicts=[{"edit_id": "e", "kind": "score", "value": msgspec.Raw(b'{"score":"3"}')}],
        names={11: "Elena Ruiz"},
        teachers={11: "Elena Ruiz", 12: "Sam Okafor"},
    )


def cells(count: int) -> list[FullHeadRow]:
    chance = random.Random(3)
    return [
        FullHeadRow(1, 7000 + i // 30, 31_000 + i % 30, 1, chance.randbytes(16), 12, 1_793_000_000_000 + i * 4_000,
                    f'{{"score": "{chance.randint(0, 20)}"}}')
        for i in range(count)
    ]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(ROWS)
def test_every_cell_comes_back_as_it_was(rows: list[FullHeadRow]) -> None:
    found = unpack_section(pack_section(section(rows)), SECTION)
    assert found is not None
    assert found.rows == rows


def test_everything_else_comes_back_as_an_answer_shows_it() -> None:
    kept = section(cells(3))
    found = unpack_section(pack_section(kept), SECTION)
    assert found is not None
    assert found.line_items == [{"line_item_id": 7001, "result_value_max": "20", "due_date": "2026-11-06"}]
    assert bytes(found.conflicts[0]["value"]) == b'{"score":"3"}'
    same = ("as_of_ms", "facts", "students", "reserved", "names", "teachers")
    assert [getattr(found, name) for name in same] == [getattr(kept, name) for name in same]


def test_a_cell_takes_few_bytes() -> None:
    without, whole = (len(pack_section(section(cells(count)))) for count in (0, 600))
    assert (whole - without) / 600 < 24, "16 of them are a random edit id"


def test_another_section_is_not_this_one() -> None:
    assert unpack_section(pack_section(section([], 4002)), SECTION) is None
    assert unpack_list(pack_list(SectionList(12, 0, [{"section_id": 1}])), 11) is None


@pytest.mark.parametrize("format_", [0, FORMAT + 1, 255])
def test_another_release_is_not_read(format_: int) -> None:
    packed = pack_section(section(cells(5)))
    assert unpack_section(bytes((format_,)) + packed[1:], SECTION) is None
    assert unpack_list(bytes((format_,)) + pack_list(SectionList(11, 0, []))[1:], 11) is None


def test_no_damaged_byte_is_believed() -> None:
    packed = pack_section(section(cells(60)))
    chance = random.Random(7)
    for at in {1, 2, 3, len(packed) - 1, *(chance.randrange(1, len(packed)) for _ in range(300))}:
        damaged = bytearray(packed)
        damaged[at] ^= 1 << chance.randrange(8)
        found = unpack_section(bytes(damaged), SECTION)
        assert found is None or found == unpack_section(packed, SECTION)


def test_no_part_is_taken_for_the_whole() -> None:
    packed = pack_section(section(cells(60)))
    assert all(unpack_section(packed[:end], SECTION) is None for end in range(len(packed)))
    listed = pack_list(SectionList(11, 5, [{"section_id": SECTION}]))
    assert all(unpack_list(listed[:end], 11) is None for end in range(len(listed)))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff" * 8,
        b"\x00\x00\x00\x02\x00\x00\x00\x09{}",
        b"\x00\x00\x00\x02\x00\x00\x00\x00[]",
        b"\x7f\xff\xff\xff\x7f\xff\xff\xff",
        b"[1]",
        b'{"user_id":11,"as_of_ms":1,"sections":[{}]}',
        b'{"user_id":11,"as_of_ms":1,"sections":[7]}',
        b'{"user_id":"x"}',
    ],
)
def test_what_is_whole_and_no_value_of_ours_is_nothing(raw: bytes) -> None:
    packed = bytes((FORMAT,)) + zlib.compress(raw)
    assert unpack_section(packed, SECTION) is None
    assert unpack_list(packed, 11) is None


def test_a_value_that_would_fill_the_memory_is_not_unpacked() -> None:
    bomb = bytes((FORMAT,)) + zlib.compress(bytes(64_000_000), 9)
    assert len(bomb) < 100_000
    assert unpack_section(bomb, SECTION) is None


def test_a_list_comes_back() -> None:
    listed = SectionList(11, 1_793_000_000_000, [{"section_id": SECTION, "title": "Álgebra", "periods": None}])
    assert unpack_list(pack_list(listed), 11) == listed
