"""A client is never told "recorded" of an edit whose refusal it has not been told in the same breath."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.drafts.codec import CLIENT, NO_ID, NORMAL, Entry, JournaledEdit
from app.gradebook.recording.batches import Batch
from app.gradebook.recording.positions import by_client, told_positions
from app.records.edits import PositionRow

if TYPE_CHECKING:
    from collections.abc import Sequence

ONE, OTHER = b"\x00\x00\x00\x0b" + b"1" * 16, b"\x00\x00\x00\x0c" + b"2" * 16


def _entry(client: bytes, *seqs: int) -> tuple[int, Entry]:
    edits = [JournaledEdit(65, 1, NORMAL, seq, bytes(9), NO_ID, NO_ID, 0, b"{}", b"", b"") for seq in seqs]
    return 0, Entry(b"1-1", 4001, client, 0, 0, 0, 0, edits)


def _told(entries: Sequence[tuple[int, Entry]], **recorded: int) -> list[int]:
    batch = Batch(list(entries), [], set(), {})
    clients = {"one": ONE, "other": OTHER}
    positions = by_client(PositionRow(4001, *CLIENT.unpack(clients[name]), seq, ()) for name, seq in recorded.items())
    return told_positions(batch, positions)


def test_each_entry_tells_as_far_as_it_goes_and_the_last_one_all() -> None:
    entries = [_entry(ONE, 1, 2), _entry(OTHER, 7), _entry(ONE, 3), _entry(ONE, 4, 5, 6)]
    assert _told(entries, one=6, other=9) == [2, 9, 3, 6]


def test_what_was_recorded_otherwise_counts_too() -> None:
    assert _told([_entry(ONE, 1), _entry(ONE, 5)], one=5) == [4, 5]


def test_nothing_is_told_above_a_hole() -> None:
    assert _told([_entry(ONE, 1), _entry(ONE, 4)], one=1) == [1, 1]


def test_a_hole_that_is_filled_later_holds_what_came_before() -> None:
    assert _told([_entry(ONE, 4, 5), _entry(ONE, 2, 3), _entry(ONE, 6)], one=6) == [1, 5, 6]
