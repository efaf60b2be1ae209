"""Ordinary batches: everything in them is as the journal judged it, and is written on its word.

The writing itself checks what the journal claims to stand in each cell (docs/adr/0013-batches-on-the-journals-word.md).
Nearly every edit goes this way, so each is looked at once, and its row of the history made on the spot. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.drafts.codec import APPLIED, CELL, MOMENT_MS_MAX, NORMAL, pack_drain
from app.gradebook.context import is_text
from app.gradebook.recording.positions import client_key, told_positions
from app.model.chain import NO_ID
from app.records.binary_copy import CellRow, copy_of, pack_applied
from app.records.edits import Claim

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.drafts.codec import Entry
    from app.gradebook.recording.batches import Batch
    from app.gradebook.recording.positions import ClientKey
    from app.records.edits import PositionRow

_Cell = tuple[int, bytes]  # section, and the rest as in the journal


class Ordinary(NamedTuple):
    """An ordinary batch, ready to be written."""

    history: bytes  # a whole COPY
    cells: list[CellRow]  # each cell once: the last edit in it
    claims: list[Claim]  # what stands in each of `cells` before


def ordinary(batch: Batch, years: Mapping[int, int]) -> Ordinary | None:
    """Return what to write; None where anything is out of the ordinary, and the referee has to look.

    Ordinary is an edit that the journal applied with a known version, that was checked against its section's rules,
    closes no conflict, cannot hang on what a restored database has lost, and stands on the edit before it.
    """
    if batch.unreadable:
        return None
    history: list[bytes] = []
    claims: dict[_Cell, Claim] = {}
    heads: dict[_Cell, CellRow] = {}
    for partition, entry in batch.entries:
        year = years.get(entry.section_id)
        if year is None or entry.acting_as or batch.may_relink(partition, entry):
            return None
        if not _add(entry, year, history, claims, heads):
            return None
    return Ordinary(copy_of(history), list(heads.values()), list(claims.values()))


def parted(batch: Batch, years: Mapping[int, int]) -> tuple[Batch, Batch]:
    """Return the sections of which everything is ordinary, and the others.

    A district's batch holds a thousand sections: one edit that the referee has to look at must not cost all of them.
    What has an order among entries, a client's numbers and the chains of cells, has it within a section.
    """
    by_section: dict[int, list[tuple[int, Entry]]] = {}
    for partition, entry in batch.entries:
        by_section.setdefault(entry.section_id, []).append((partition, entry))
    usual = {section for section, entries in by_section.items() if ordinary(batch.of(entries), years) is not None}
    return (
        batch.of([found for found in batch.entries if found[1].section_id in usual]),
        batch.of([found for found in batch.entries if found[1].section_id not in usual], batch.unreadable),
    )


def _add(
    entry: Entry, year: int, history: list[bytes], claims: dict[_Cell, Claim], heads: dict[_Cell, CellRow]
) -> bool:
    section_id, author_id = entry.section_id, entry.user_id
    always = year, section_id, author_id, entry.client[4:], entry.skew_ms, entry.received_ms
    for edit in entry.edits:
        accepted, version, status_in, seq, cell, edit_id, base, entered_ms, value, extra, _ = edit
        if accepted != APPLIED or status_in != NORMAL or version == 0 or extra or entered_ms > MOMENT_MS_MAX:
            return False
        if not value.isascii() and not is_text(value):
            return False
        key = section_id, cell
        before = heads.get(key)
        if before is not None:
            if before.edit_id != base or before.cell_version != version - 1:
                return False
        elif (version == 1) == (base == NO_ID):
            claims[key] = Claim(base, version - 1)
        else:
            return False
        kind, item, student = CELL.unpack(cell)
        heads[key] = CellRow(section_id, kind, item, student, version, edit_id, value, author_id, entered_ms)
        history.append(pack_applied(*always, edit_id, kind, item, student, seq, entered_ms, version, base, value))
    return True


def ordinary_drains(batch: Batch, positions: Mapping[ClientKey, PositionRow]) -> dict[int, list[tuple[int, bytes]]]:
    """Return what drain.lua is to be told of each entry, by partition: that all of it became what the journal said."""
    drains: dict[int, list[tuple[int, bytes]]] = {}
    for (partition, entry), told_seq in zip(batch.entries, told_positions(batch, positions), strict=True):
        packed = pack_drain(
            entry.stream_id,
            entry.edits[0].edit_id,
            entry.header,
            told_seq,
            has_hole=bool(positions[client_key(entry)].ahead),
            as_journaled=True,
        )
        drains.setdefault(partition, []).append((entry.section_id, packed))
    return drains
