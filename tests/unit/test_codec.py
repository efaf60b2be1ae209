"""The binary layouts: what is packed can be read back, and damage is told from a newer release."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.drafts import codec
from app.drafts.codec import CELL, NO_ID, Context, Entry, Head, Settled, UnknownFormatError

if TYPE_CHECKING:
    from collections.abc import Sequence

IDS = st.binary(min_size=16, max_size=16)
U32 = st.integers(0, 2**32 - 1)
CELLS = st.builds(CELL.pack, st.integers(1, 5), U32, U32)
EXTRAS = st.builds(codec.pack_extra, st.lists(IDS, max_size=20), st.binary(max_size=300))
# As the script journals an edit: accepted, version, then the blob of pack_edit.
BLOBS = st.builds(
    codec.pack_edit,
    st.sampled_from((0, 1, codec.REJECTED, codec.QUARANTINE)),
    st.integers(1, 2**31 - 1),
    CELLS,
    IDS,
    IDS,
    st.integers(0, 2**48),
    st.binary(max_size=200),
    EXTRAS,
)
JOURNALED = st.lists(st.tuples(st.sampled_from(b"ACRQP"), st.integers(0, 2**32 - 1), BLOBS), min_size=1, max_size=4)


def entry_of(edits: Sequence[tuple[int, int, bytes]], section: int = 4001, recorded: int = 0) -> bytes:
    client = codec.pack_client(11, b"c" * 16)
    head = codec.ENTRY.pack(codec.FORMAT, section, client, recorded, -5, 1_000, 0, len(edits))
    return head + b"".join(bytes((a,)) + v.to_bytes(4, "big") + blob for a, v, blob in edits)


@given(edits=JOURNALED, section=st.integers(1, 2**32 - 1), recorded=st.integers(0, 2**31 - 1))
def test_an_entry_is_read_as_it_was_written(edits: list[tuple[int, int, bytes]], section: int, recorded: int) -> None:
    entry = codec.unpack_entry(b"1-0", entry_of(edits, section, recorded))
    assert (entry.section_id, entry.recorded_seq, entry.skew_ms, entry.received_ms) == (section, recorded, -5, 1_000)
    assert (entry.user_id, entry.client_id) == (11, UUID(bytes=b"c" * 16))
    for (accepted, version, blob), edit in zip(edits, entry.edits, strict=True):
        assert (edit.accepted, edit.cell_version) == (accepted, version)
        again = codec.pack_edit(
            edit.status_in, edit.seq, edit.cell, edit.edit_id, edit.base, edit.entered_ms, edit.value, edit.extra
        )
        assert again == blob
        assert edit.raw == bytes((accepted,)) + version.to_bytes(4, "big") + blob


@given(edits=JOURNALED, data=st.data())
def test_a_cut_or_lengthened_entry_is_damage_and_never_something_else(
    edits: list[tuple[int, int, bytes]], data: st.DataObject
) -> None:
    raw = entry_of(edits)
    cut = data.draw(st.integers(1, len(raw) - 1))
    with pytest.raises(ValueError, match="damaged"):
        codec.unpack_entry(b"1-0", raw[:cut])
    with pytest.raises(ValueError, match="damaged"):
        codec.unpack_entry(b"1-0", raw + b"\0")


@given(edits=JOURNALED, data=st.data())
def test_a_changed_byte_is_read_or_refused_and_nothing_else(
    edits: list[tuple[int, int, bytes]], data: st.DataObject
) -> None:
    raw = bytearray(entry_of(edits))
    raw[data.draw(st.integers(1, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = codec.unpack_entry(b"1-0", bytes(raw))
    except UnknownFormatError:
        raise AssertionError("the format number was not touched") from None
    except ValueError:
        return
    assert isinstance(found, Entry)


@pytest.mark.parametrize("raw", [b"", b"\x00", b"\x02" + bytes(60), b"\x63whatever a newer release writes"])
def test_another_format_number_is_no_damage(raw: bytes) -> None:
    with pytest.raises(UnknownFormatError):
        codec.unpack_entry(b"1-0", raw)
    with pytest.raises(UnknownFormatError):
        codec.unpack_head(raw.ljust(34, b"\0") if raw else bytes(34))


@given(resolves=st.lists(IDS, max_size=20), note=st.binary(max_size=300))
def test_the_rest_of_an_edit(resolves: list[bytes], note: bytes) -> None:
    extra = codec.pack_extra(resolves, note)
    assert codec.unpack_extra(extra) == (tuple(resolves), note)
    assert (extra == b"") == (not resolves and not note)


@given(
    parts=st.tuples(U32, IDS, U32, st.integers(0, 2**48), st.binary(max_size=100)),
)
def test_a_recorded_head(parts: tuple[int, bytes, int, int, bytes]) -> None:
    assert codec.unpack_head(Head(*parts).pack()) == Head(*parts)


def test_a_drafted_head_says_how_old_its_root_is() -> None:
    raw = codec.HEAD.pack(1, 1 | 2 | 4, 0, b"e" * 16, 11, 5) + b"r" * 16 + (7).to_bytes(4, "big") + b'{"score":"1"}'
    assert codec.unpack_head(raw) == Head(
        0, b"e" * 16, 11, 5, b'{"score":"1"}', is_drafted=True, is_provisional=True, root_version=7
    )


@given(bodies=st.lists(st.tuples(st.integers(1, 2**31 - 1), st.binary(max_size=50)), max_size=5))
def test_exceptions_in_a_row(bodies: list[tuple[int, bytes]]) -> None:
    raw = b"".join(codec.pack_exception(seq, body) for seq, body in bodies)
    assert codec.unpack_exceptions(raw) == [body for _, body in bodies]


@given(ids=st.lists(IDS, max_size=5))
def test_what_an_n_asks_for(ids: list[bytes]) -> None:
    assert codec.unpack_wanted(b"N" + b"".join(ids)) == ids


def test_a_context_keeps_its_parts_apart_however_many_there_are() -> None:
    """Counts and lengths are what the script steers by; a whole column of a large section must fit."""
    cells = [CELL.pack(1, 7, student) for student in range(1_500)]
    heads = {cell: Head(1, NO_ID, 1, 1, b"x" * 40) for cell in cells}
    settled = {i.to_bytes(16, "big"): Settled(ord("A"), 11, NO_ID) for i in range(400)}
    packed = Context(5, b"", [cells[0][:5]], heads, settled, [cells[0][:5]] * 300).pack()
    assert len(packed) == 13 + 12 + 5 + 1_500 * (13 + 74) + 400 * 37 + 300 * 5


@pytest.mark.parametrize("flag", ["context", "away"])
def test_a_save_that_is_sent_again_differs_in_its_flags_alone(flag: str) -> None:
    save = codec.pack_save(codec.pack_client(1, b"c" * 16), 7, 1, 0, 0, 0, 0, [b"edit"])
    empty = Context(0, b"", [], {}, {})
    again = codec.with_context(save, empty) if flag == "context" else codec.with_records_away(save)
    assert (again[0], again[1], again[2 : len(save)]) == (save[0], 1 if flag == "context" else 2, save[2:])
