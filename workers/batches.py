"""Pure: journal entries in, rows and verdicts out. Nothing here talks to a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from app.drafts.codec import CELL, UNCHECKED, Entry, JournaledEdit, UnknownFormatError, unpack_entry, unpack_extra
from app.model.chain import APPLIED, NO_ID, CellKey, ChainEdit, Verdict, move_position
from app.model.kinds import Kind, LineItemValue, ValueRejectedError, parse_value
from app.records.edits import HistoryRow, PositionRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.drafts.store import Incarnation, StreamEntry


class JournaledEntry(NamedTuple):
    """A readable entry of a partition's stream."""

    partition: int
    entry: Entry


class Batch(NamedTuple):
    """What one flush transaction takes: whole entries, in stream order within each partition."""

    entries: list[JournaledEntry]
    edits: list[ChainEdit]
    unreadable: list[StreamEntry]
    held: set[int]  # partitions with an entry of an unknown format: nothing behind it may pass

    @property
    def rows_by_partition(self) -> dict[int, int]:
        """How many edits each partition contributes."""
        rows: dict[int, int] = {}
        for partition, entry in self.entries:
            rows[partition] = rows.get(partition, 0) + len(entry.edits)
        return rows


class Refusal(NamedTuple):
    """Why an edit is not applied, where that is not the chain's doing."""

    code: str
    params: str | None = None
    sqlstate: str | None = None
    message: str | None = None


def build_batch(found: Iterable[StreamEntry], rows_max: int, incarnations: Mapping[int, Incarnation]) -> Batch:
    """Take entries until `rows_max` edits are reached; unknown formats hold their partition, damaged ones are set aside."""
    entries: list[JournaledEntry] = []
    edits: list[ChainEdit] = []
    unreadable: list[StreamEntry] = []
    held: set[int] = set()
    for raw in found:
        if raw.partition in held or len(edits) >= rows_max:
            continue
        try:
            entry = unpack_entry(raw.stream_id, raw.raw)
        except UnknownFormatError:
            held.add(raw.partition)
            continue
        except ValueError:
            unreadable.append(raw)
            continue
        entries.append(JournaledEntry(raw.partition, entry))
        may_relink = _stream_position(raw.stream_id) <= incarnations[raw.partition].relink_until
        edits += [chain_edit(entry, edit, may_relink=may_relink) for edit in entry.edits]
    return Batch(entries, edits, unreadable, held)


def _stream_position(stream_id: bytes) -> tuple[int, int]:
    ms, _, sequence = stream_id.partition(b"-")
    return int(ms), int(sequence)


def chain_edit(entry: Entry, edit: JournaledEdit, *, may_relink: bool) -> ChainEdit:
    """Return what the chain needs of a journaled edit."""
    kind, item, student = CELL.unpack(edit.cell)
    return ChainEdit(
        entry.section_id,
        (entry.section_id, kind, item, student),
        edit.edit_id,
        entry.user_id,
        edit.base,
        chr(edit.accepted),
        may_relink,
    )


def unchecked(batch: Batch) -> list[tuple[int, int, JournaledEdit]]:
    """Return (index, section, edit) of edits that were accepted while the section's roster was not known."""
    found, index = [], 0
    for _, entry in batch.entries:
        for edit in entry.edits:
            if edit.status_in == UNCHECKED:
                found.append((index, entry.section_id, edit))
            index += 1
    return found


def note_of(edit: JournaledEdit) -> Refusal:
    """Return the reason with which the API rejected an edit."""
    _, note = unpack_extra(edit.extra)
    if not note:
        return Refusal("rejected")
    reason = msgspec.json.decode(note)
    return Refusal(reason["code"], msgspec.json.encode(reason.get("params") or {}).decode())


def history_rows(
    batch: Batch, verdicts: Sequence[Verdict], refusals: Mapping[bytes, Refusal], years: Mapping[int, int]
) -> list[HistoryRow]:
    """Return the rows of apply_edits.sql: every newly judged edit that the history can hold."""
    rows: list[HistoryRow] = []
    last_applied: dict[CellKey, int] = {}
    index = 0
    for _, entry in batch.entries:
        for edit in entry.edits:
            verdict, cell = verdicts[index], batch.edits[index].cell
            index += 1
            if verdict.is_duplicate or verdict.status == "Q":
                continue
            refusal = (refusals.get(edit.edit_id) or note_of(edit)) if verdict.status == "R" else None
            is_applied = verdict.status == APPLIED
            if is_applied:
                last_applied[cell] = len(rows)
            resolves, _ = unpack_extra(edit.extra)
            rows.append(
                HistoryRow(
                    years[entry.section_id],
                    entry.section_id,
                    edit.edit_id,
                    cell[1],
                    cell[2],
                    cell[3],
                    verdict.cell_version if is_applied else None,
                    verdict.base if is_applied else edit.base,
                    verdict.status,
                    refusal.code if refusal else None,
                    refusal.params if refusal else None,
                    edit.value.decode(),
                    entry.user_id,
                    entry.acting_as or None,
                    entry.client[4:],
                    edit.seq,
                    edit.entered_ms,
                    entry.skew_ms,
                    entry.received_ms,
                    "j",
                    "{" + ",".join(r.hex() for r in resolves) + "}" if resolves else None,
                    False,  # noqa: FBT003 -- a column, set below
                )
            )
    for at in last_applied.values():
        rows[at] = rows[at]._replace(is_head=True)
    return rows


def settled_conflicts(
    batch: Batch, verdicts: Sequence[Verdict], years: Mapping[int, int]
) -> list[tuple[int, int, bytes]]:
    """Return (school year, section, edit id) of conflicts that this batch decides or replaces."""
    settled: list[tuple[int, int, bytes]] = []
    index = 0
    for _, entry in batch.entries:
        for edit in entry.edits:
            verdict = verdicts[index]
            index += 1
            if verdict.is_duplicate:
                continue
            ids = list(unpack_extra(edit.extra)[0]) if verdict.status == APPLIED else []
            if verdict.replaces is not None:
                ids.append(verdict.replaces)
            settled += [(years[entry.section_id], entry.section_id, i) for i in ids]
    return settled


def moved_positions(
    batch: Batch, now: Mapping[tuple[int, int, bytes], PositionRow]
) -> dict[tuple[int, int, bytes], PositionRow]:
    """Return where each client stands once this batch is committed."""
    floors: dict[tuple[int, int, bytes], int] = {}
    seqs: dict[tuple[int, int, bytes], list[int]] = {}
    for _, entry in batch.entries:
        key = (entry.section_id, entry.user_id, entry.client[4:])
        floors[key] = max(floors.get(key, 0), entry.recorded_seq)
        seqs.setdefault(key, []).extend(edit.seq for edit in entry.edits)
    moved = {}
    for key, settled in seqs.items():
        row = now.get(key)
        recorded, ahead = (row.recorded_seq, row.ahead) if row else (0, ())
        position, above = move_position(recorded, ahead, floors[key], settled)
        moved[key] = PositionRow(*key, position, tuple(above))
    return moved


def line_item_rows(rows: Sequence[HistoryRow]) -> list[tuple[object, ...]]:
    """Return the rows of write_line_items.sql for columns whose definition changed."""
    found: list[tuple[object, ...]] = []
    for row in rows:
        if not row.is_head or row.kind != Kind.LINE_ITEM or row.value is None:
            continue
        try:
            value = parse_value(row.kind, row.value.encode())
        except ValueRejectedError:
            continue
        assert isinstance(value, LineItemValue)  # noqa: S101 -- parse_value gave it for this kind
        found.append(
            (
                row.section_id,
                row.item,
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


def is_refused(accepted: int, verdict: Verdict) -> bool:
    """Tell whether the client was told "drafted" and the edit ended otherwise."""
    return chr(accepted) in "APQ" and verdict.status != APPLIED


__all__ = ["NO_ID", "Batch", "JournaledEntry", "Refusal", "build_batch", "history_rows", "is_refused"]
