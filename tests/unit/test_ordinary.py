"""Which batches are written on the journal's word, and what is claimed of their cells."""

from __future__ import annotations

from typing import Any

import pytest

from app.drafts.codec import APPLIED, CELL, CONFLICT, MOMENT_MS_MAX, NO_ID, PROVISIONAL, UNCHECKED, Entry, JournaledEdit
from app.drafts.store import StreamEntry
from app.gradebook.recording.batches import Batch
from app.gradebook.recording.ordinary import Ordinary, ordinary, parted
from app.records.edits import Claim

SECTION, YEARS = 4001, {4001: 2026}
CLIENT = b"\x00\x00\x00\x0b" + b"c" * 16


def i(name: str) -> bytes:
    return name.encode().rjust(16, b"\0")


def edit(name: str, base: bytes = NO_ID, version: int = 1, student: int = 101, **over: Any) -> JournaledEdit:
    plain = JournaledEdit(APPLIED, version, 0, 1, CELL.pack(1, 7001, student), i(name), base, 5, b"{}", b"", b"")
    return plain._replace(**over)


def entry(*edits: JournaledEdit, **over: Any) -> Entry:
    return Entry(b"7-1", SECTION, CLIENT, 0, 0, 6, 0, list(edits))._replace(**over)


def found(*entries: Entry, **over: Any) -> Ordinary | None:
    batch = Batch([(3, e) for e in entries], over.get("unreadable", []), set(), over.get("relink_until", {3: (0, 0)}))
    return ordinary(batch, over.get("years", YEARS))


def test_the_last_edit_of_each_cell_and_what_stands_there_before_the_first() -> None:
    plain = found(entry(edit("a"), edit("x", i("old"), 5, student=102)), entry(edit("b", i("a"), 2)))
    assert plain is not None
    assert [(c.student_id, c.edit_id, c.cell_version) for c in plain.cells] == [(101, i("b"), 2), (102, i("x"), 5)]
    assert plain.claims == [Claim(NO_ID, 0), Claim(i("old"), 4)]
    assert plain.history.count(b"c" * 16) == 3


@pytest.mark.parametrize(
    "edits",
    [
        [edit("a", accepted=CONFLICT)],
        [edit("a", accepted=PROVISIONAL)],
        [edit("a", status_in=UNCHECKED)],
        [edit("a", version=0)],
        [edit("a", extra=b"\0\0\0\0" + i("conflict"))],
        [edit("a", entered_ms=MOMENT_MS_MAX + 1)],
        [edit("a", value=b'"\xff"')],
        [edit("a", base=i("old"))],  # the first of a cell stands on nothing
        [edit("a", version=2)],  # and a later one on something
        [edit("a"), edit("b", i("a"), 3)],
        [edit("a"), edit("b", i("other"), 2)],
        [edit("a"), edit("b")],
    ],
)
def test_anything_else_goes_to_the_referee(edits: list[JournaledEdit]) -> None:
    assert found(entry(*edits)) is None
    assert found(entry(edit("before", student=109)), entry(*edits)) is None


def test_what_does_not_lie_in_the_edits() -> None:
    assert found(entry(edit("a")), years={}) is None
    assert found(entry(edit("a"), acting_as=12)) is None
    assert found(entry(edit("a")), unreadable=[StreamEntry(3, b"7-2", b"?")]) is None
    assert found(entry(edit("a")), relink_until={3: (7, 1)}) is None
    assert found(entry(edit("a")), relink_until={3: (7, 0)}) is not None


def test_what_is_odd_takes_its_section_along_and_no_other() -> None:
    years = {4001: 2026, 4002: 2026, 4003: 2026}
    entries = [
        entry(edit("a")),
        entry(edit("b"), section_id=4002),
        entry(edit("c", student=102), section_id=4002),
        entry(edit("d", accepted=PROVISIONAL, student=103), section_id=4002),
        entry(edit("e", i("a"), 2)),
        entry(edit("f"), section_id=4004),
    ]
    unreadable = [StreamEntry(3, b"7-2", b"?")]
    usual, odd = parted(Batch([(3, e) for e in entries], unreadable, set(), {}), years)
    assert [e.edits[0].edit_id for _, e in usual.entries] == [i("a"), i("e")]
    assert [e.edits[0].edit_id for _, e in odd.entries] == [i("b"), i("c"), i("d"), i("f")]
    assert (usual.unreadable, odd.unreadable) == ([], unreadable)
    assert ordinary(usual, years) is not None
