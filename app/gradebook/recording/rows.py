"""The rows of PostgreSQL that a judged batch becomes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.drafts.codec import CELL, unpack_extra
from app.gradebook.recording.batches import Refusal, note_of
from app.model.chain import APPLIED, PARKED, ChainEdit
from app.model.kinds import Kind, LineItemValue, ValueRejectedError, parse_value
from app.records.binary_copy import CellRow, HistoryRow
from app.records.edits import QuarantineRow
from app.records.parked import Unparked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.drafts.codec import Entry, JournaledEdit
    from app.drafts.store import StreamEntry
    from app.gradebook.recording.batches import Batch
    from app.model.chain import CellKey, Verdict
    from app.records.parked import ParkedEdit

_LETTER = {"A": b"A", "C": b"C", "R": b"R", "P": b"P"}
_JOURNAL, _DIRECT = b"j", b"d"


class Judged(NamedTuple):
    """A batch with PostgreSQL's verdicts, and the parked edits that it has brought the base of."""

    batch: Batch
    verdicts: list[Verdict]
    refusals: dict[bytes, Refusal]
    years: dict[int, int]
    promoted: list[tuple[ParkedEdit, Verdict]]


def judged_entries(batch: Batch, verdicts: Sequence[Verdict]) -> list[tuple[Entry, Sequence[Verdict], int]]:
    """Return each entry with its verdicts, and the place of its first edit in the batch."""
    found, at = [], 0
    for _, entry in batch.entries:
        found.append((entry, verdicts[at : at + len(entry.edits)], at))
        at += len(entry.edits)
    return found


def history_rows(judged: Judged) -> tuple[list[HistoryRow], list[CellRow], list[Unparked]]:
    """Return the rows of a judged batch.

    The history of every newly judged edit that it can hold, the last applied edit of each cell, and what became of
    edits that the history holds as parked.
    """
    history: list[HistoryRow] = []
    unparked: list[Unparked] = []
    heads: dict[CellKey, CellRow] = {}
    batch = judged.batch
    for (entry, edit), chain, verdict in zip(batch.journaled, batch.edits, judged.verdicts, strict=True):
        if verdict.is_duplicate or verdict.status == "Q":
            continue
        if verdict.status == APPLIED:
            version, author = verdict.cell_version, chain.author_id
            _move_head(heads, CellRow(*chain.cell, version, edit.edit_id, edit.value, author, edit.entered_ms))
        row = _history_row(entry, edit, verdict, judged)
        if verdict.was_parked:
            unparked.append(Unparked(*row[:3], verdict.status, row.cell_version, row.base, row.code, row.params))
        else:
            history.append(row)
    for parked, verdict in judged.promoted:
        unparked.append(_unparked(parked, verdict))
        if verdict.status == APPLIED:
            _move_head(heads, _cell_of(parked, verdict))
    return history, list(heads.values()), unparked


def _history_row(entry: Entry, edit: JournaledEdit, verdict: Verdict, judged: Judged) -> HistoryRow:
    kind, item, student = CELL.unpack(edit.cell)
    version, base, refusal = None, edit.base, None
    if verdict.status == APPLIED:
        version, base = verdict.cell_version, verdict.base
    elif verdict.status == "R":
        refusal = judged.refusals.get(edit.edit_id) or note_of(edit)
    return HistoryRow(
        judged.years[entry.section_id],
        entry.section_id,
        edit.edit_id,
        kind,
        item,
        student,
        entry.user_id,
        entry.client[4:],
        edit.seq,
        edit.entered_ms,
        entry.skew_ms,
        entry.received_ms,
        _LETTER[verdict.status],
        _DIRECT if entry.is_direct else _JOURNAL,
        version,
        base,
        edit.value,
        refusal.code if refusal else None,
        refusal.params if refusal else None,
        entry.acting_as or None,
        unpack_extra(edit.extra)[0] if edit.extra else (),
    )


def _move_head(heads: dict[CellKey, CellRow], row: CellRow) -> None:
    cell = row[:4]
    before = heads.get(cell)
    if before is None or before.cell_version < row.cell_version:
        heads[cell] = row


def _unparked(parked: ParkedEdit, verdict: Verdict) -> Unparked:
    is_applied = verdict.status == APPLIED
    version, base = (verdict.cell_version, verdict.base) if is_applied else (None, parked.base)
    return Unparked(parked.school_year, parked.section_id, parked.edit_id, verdict.status, version, base, None, None)


def _cell_of(parked: ParkedEdit, verdict: Verdict) -> CellRow:
    return CellRow(
        parked.section_id,
        parked.kind,
        parked.item,
        parked.student_id,
        verdict.cell_version,
        parked.edit_id,
        (parked.value or "null").encode(),
        parked.author_id,
        parked.entered_ms,
    )


def as_chain_edit(parked: ParkedEdit) -> ChainEdit:
    """Return what the chain needs of a parked edit; it goes on waiting where its base does."""
    cell = parked.section_id, parked.kind, parked.item, parked.student_id
    return ChainEdit(parked.section_id, cell, parked.edit_id, parked.author_id, parked.base, PARKED, is_direct=True)


def parked_rows(history: Iterable[HistoryRow]) -> list[tuple[int, int, bytes]]:
    """Return (school year, section, edit id) of the rows that are parked."""
    return [row[:3] for row in history if row.status == _LETTER[PARKED]]


def parked_counts(batch: Batch, history: Sequence[HistoryRow], unparked: Sequence[Unparked]) -> dict[int, int]:
    """Return by how much the number of parked edits of each partition changes."""
    partitions = {entry.section_id: partition for partition, entry in batch.entries}
    counts: dict[int, int] = {}
    for row in history:
        if row.status == _LETTER[PARKED]:
            counts[partitions[row.section_id]] = counts.get(partitions[row.section_id], 0) + 1
    for settled in unparked:
        counts[partitions[settled.section_id]] = counts.get(partitions[settled.section_id], 0) - 1
    return counts


def settled_conflicts(judged: Judged) -> list[tuple[int, CellKey, bytes]]:
    """Return (school year, cell, edit id) of conflicts that this batch decides or replaces, each in its own cell."""
    batch, years = judged.batch, judged.years
    settled: list[tuple[int, CellKey, bytes]] = []
    for (_, edit), chain, verdict in zip(batch.journaled, batch.edits, judged.verdicts, strict=True):
        if not verdict.is_duplicate and (edit.extra or verdict.replaces):
            resolves = unpack_extra(edit.extra)[0]
            settled += [(years[chain.section_id], chain.cell, i) for i in _closed(verdict, resolves)]
    for parked, verdict in judged.promoted:
        settled += [(parked.school_year, as_chain_edit(parked).cell, i) for i in _closed(verdict, parked.resolves)]
    return settled


def _closed(verdict: Verdict, resolves: Sequence[bytes]) -> list[bytes]:
    closed = list(resolves) if verdict.status == APPLIED else []
    if verdict.replaces is not None:
        closed.append(verdict.replaces)
    return closed


def line_item_rows(cells: Sequence[CellRow]) -> list[tuple[object, ...]]:
    """Return the rows of write_line_items.sql for columns whose definition changed."""
    found: list[tuple[object, ...]] = []
    for cell in cells:
        if cell.kind != Kind.LINE_ITEM:
            continue
        try:
            value = parse_value(cell.kind, cell.value)
        except ValueRejectedError:
            continue
        assert isinstance(value, LineItemValue)  # noqa: S101 -- parse_value gave it for this kind
        found.append(
            (
                cell.section_id,
                cell.item,
                value.title,
                value.description,
                value.category_id,
                value.assign_date.isoformat() if value.assign_date else None,
                value.due_date.isoformat() if value.due_date else None,
                value.result_value_min,
                value.result_value_max,
                value.is_extra_credit,
                value.position,
                value.is_hidden,
            )
        )
    return found


def quarantine_rows(judged: Judged) -> list[QuarantineRow]:
    """Return what of the batch is set aside: unreadable entries, and edits that only the office may decide."""
    batch = judged.batch
    rows = [_unreadable_row(raw) for raw in batch.unreadable]
    if not any(verdict.status == "Q" for verdict in judged.verdicts):
        return rows
    entries = judged_entries(batch, judged.verdicts)
    for (partition, _), (entry, verdicts, _) in zip(batch.entries, entries, strict=True):
        for edit, verdict in zip(entry.edits, verdicts, strict=True):
            if verdict.status == "Q" and not verdict.is_duplicate:
                refusal = judged.refusals.get(edit.edit_id) or Refusal("enrollment_ended")
                rows.append(_quarantine_row(partition, entry, edit, refusal))
    return rows


def _quarantine_row(partition: int, entry: Entry, edit: JournaledEdit, refusal: Refusal) -> QuarantineRow:
    return QuarantineRow(
        entry.section_id,
        edit.edit_id,
        entry.user_id,
        entry.client[4:],
        edit.seq,
        refusal.code,
        refusal.sqlstate,
        refusal.message,
        edit.raw,
        partition,
        entry.stream_id.decode() or None,
    )


def _unreadable_row(raw: StreamEntry) -> QuarantineRow:
    return QuarantineRow(
        0, None, None, None, None, "unreadable", None, "damaged entry", raw.raw, raw.partition, raw.stream_id.decode()
    )
