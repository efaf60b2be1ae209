"""What a reader takes out of a partition's stream: a section's own entries, page by page, and no more than it needs."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from app.drafts import store
from app.drafts.codec import CELL, ENTRY, FORMAT
from app.drafts.keys import partition_of
from app.drafts.store import DraftStore, StreamEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MINE, OTHER = 4001, 4002
PARTITION = partition_of(MINE)


def entry(number: int, section_id: int = MINE, *, size: int = 2) -> StreamEntry:
    """Return an entry with one edit, whose id is the number."""
    header = ENTRY.pack(FORMAT, section_id, bytes(20), 0, 0, 1_700_000_000_000, 0, 1)
    edit = b"P" + bytes(4) + b"\0" + number.to_bytes(4, "big") + CELL.pack(1, 7, 101)
    edit += uuid.UUID(int=number).bytes + bytes(16) + bytes(8) + bytes(2) + size.to_bytes(4, "big")
    return StreamEntry(PARTITION, b"%d-0" % number, header + edit + b"x" * size)


class Stream(DraftStore):
    """A journal that is a list, and counts what is asked of it."""

    def __init__(self, entries: Iterable[StreamEntry]) -> None:
        self._entries = list(entries)
        self.pages = 0

    async def read_entries(
        self, partitions: Iterable[int], entries_max: int, after: Mapping[int, bytes] | None = None
    ) -> list[StreamEntry]:
        self.pages += 1
        ids = [one.stream_id for one in self._entries]
        start = ids.index(after[PARTITION]) + 1 if after else 0
        return self._entries[start : start + entries_max] if PARTITION in partitions else []


async def found(stream: Stream, wanted: set[bytes] | None = None) -> list[int]:
    return [int.from_bytes(e.edits[0].edit_id, "big") for e in await stream.read_pending([MINE], wanted)]


async def test_a_section_gets_its_own_of_all_pages() -> None:
    stream = Stream(entry(n, MINE if n % 2 else OTHER) for n in range(1, 251))
    assert await found(stream) == list(range(1, 251, 2))
    assert stream.pages == 4, "three with something, and one with nothing"


async def test_who_wants_some_edits_stops_where_they_are() -> None:
    stream = Stream(entry(n) for n in range(1, 501))
    wanted = {uuid.UUID(int=n).bytes for n in (3, 120)}
    assert await found(stream, wanted) == list(range(1, 201))
    assert stream.pages == 2


@pytest.mark.parametrize(("size", "pages"), [(2, 10), (60_000, 2)])
async def test_no_more_is_read_than_a_page_can_wait_for(size: int, pages: int) -> None:
    stream = Stream(entry(n, OTHER, size=size) for n in range(1, 2_001))
    assert await found(stream) == []
    assert stream.pages == pages <= store.PENDING_ENTRIES_MAX // store.PENDING_PAGE_ENTRIES


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", [1]),  # of a newer release, as far as anybody knows: nothing behind it may pass
        (b"\xff" * 60, [1]),
        (bytes((FORMAT,)), [1, 3]),  # damaged
        (entry(2).raw[:-1], [1, 3]),
        (entry(2, OTHER).raw[:-1], [1, 3]),
    ],
)
async def test_what_cannot_be_read_is_left_out(raw: bytes, expected: list[int]) -> None:
    entries: list[Any] = [entry(1), StreamEntry(PARTITION, b"2-0", raw), entry(3)]
    assert await found(Stream(entries)) == expected
