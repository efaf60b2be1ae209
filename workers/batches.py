"""Pure: journal entries in, rows and verdicts out. Nothing here talks to a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from app.drafts.codec import (
    CELL,
    MOMENT_MS_MAX,
    NORMAL,
    UNCHECKED,
    Entry,
    JournaledEdit,
    UnknownFormatError,
    unpack_entry,
    unpack_extra,
)
from app.model.chain import APPLIED, NO_ID, CellKey, ChainEdit, Verdict, move_position
from app.model.kinds import Kind, LineItemValue, ValueRejectedError, parse_value
from app.records.binary_copy import CellRow, HistoryRow
from app.records.edits import Claim, PositionRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.drafts.store import Incarnation, StreamEntry

ClientKey = tuple[int, int, bytes]  # section, user, client
_LETTER = {"A": b"A", "C": b"C", "R": b"R"}
_PATH = b"j"


class Batch(NamedTuple):
    """What one flush transaction takes: whole entries, in stream order within each partition.

    `edits` and `journaled` are parallel, one item for each edit of `entries` in order.
    """

    entries: list[tuple[int, Entry]]  # with their partition
    edits: list[ChainEdit]
    journaled: list[tuple[Entry, JournaledEdit]]
    unreadable: list[StreamEntry]
    held: set[int]  # partitions with an entry of an unknown format: nothing behind it may pass

    @property
    def rows_by_partition(self) -> dict[int, int]:
        """How many edits each partition contributes."""
        rows: dict[int, int] = {}
        for partition, entry in self.entries:
            rows[partition] = rows.get(partition, 0) + len(entry.edits)
        return rows

    @property
    def partitions(self) -> set[int]:
        """Every partition that the batch takes something from."""
        return {partition for partition, _ in self.entries} | {raw.partition for raw in self.unreadable}


class Refusal(NamedTuple):
    """Why an edit is not applied, where that is not the chain's doing; with `sqlstate` it goes into quarantine."""

    code: str
    params: str | None = None
    sqlstate: str | None = None
    message: str | None = None


def build_batch(found: Iterable[StreamEntry], rows_max: int, incarnations: Mapping[int, Incarnation]) -> Batch:
    """Take entries until `rows_max` edits are reached; an unknown format holds its partition, damage is set aside."""
    batch = Batch([], [], [], [], set())
    for raw in found:
        if raw.partition in batch.held or len(batch.edits) >= rows_max:
            continue
        try:
            entry = unpack_entry(raw.stream_id, raw.raw)
        except UnknownFormatError:
            batch.held.add(raw.partition)
            continue
        except ValueError:
            batch.unreadable.append(raw)
            continue
        may_relink = stream_position(raw.stream_id) <= incarnations[raw.partition].relink_until
        section_id, author = entry.section_id, entry.user_id
        batch.entries.append((raw.partition, entry))
        for edit in entry.edits:
            kind, item, student = CELL.unpack(edit.cell)
            cell = (section_id, kind, item, student)
            batch.edits.append(
                ChainEdit(section_id, cell, edit.edit_id, author, edit.base, chr(edit.accepted), may_relink)
            )
            batch.journaled.append((entry, edit))
    return batch


def stream_position(stream_id: bytes) -> tuple[int, int]:
    """Return a stream id as numbers, for comparing."""
    ms, _, sequence = stream_id.partition(b"-")
    return int(ms), int(sequence)


def unchecked(batch: Batch) -> list[tuple[Entry, JournaledEdit]]:
    """Return the edits that were accepted while their section's roster was not known.

    Between them the columns that their sections made meanwhile, through a process that knew the roster: scores in a new
    column may come with it, in one batch.
    """
    sections = {entry.section_id for entry, edit in batch.journaled if edit.status_in == UNCHECKED}
    if not sections:
        return []
    return [
        (entry, edit)
        for entry, edit in batch.journaled
        if edit.status_in == UNCHECKED
        or (entry.section_id in sections and edit.status_in == NORMAL and edit.cell[0] == Kind.LINE_ITEM)
    ]


def unstorable(batch: Batch) -> dict[bytes, Refusal]:
    """Return the edits that cannot even be sent to PostgreSQL; the API lets none of them through."""
    found: dict[bytes, Refusal] = {}
    for _, edit in batch.journaled:
        if edit.entered_ms > MOMENT_MS_MAX:
            found[edit.edit_id] = Refusal("refused_by_database", None, "22008", "entered_at is out of range")
        elif not edit.value.isascii():
            try:
                edit.value.decode()
            except UnicodeDecodeError as error:
                found[edit.edit_id] = Refusal("refused_by_database", None, "22021", str(error)[:500])
    return found


class _Note(msgspec.Struct):
    code: str = "rejected"
    params: dict[str, Any] = {}


def note_of(edit: JournaledEdit) -> Refusal:
    """Return the reason with which the API rejected an edit; one that is damaged must not stop the edit."""
    _, note = unpack_extra(edit.extra)
    try:
        reason = msgspec.json.decode(note or b"{}", type=_Note)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Refusal("rejected")
    return Refusal(reason.code, msgspec.json.encode(reason.params).decode())


def history_rows(
    batch: Batch, verdicts: Sequence[Verdict], refusals: Mapping[bytes, Refusal], years: Mapping[int, int]
) -> tuple[list[HistoryRow], list[CellRow]]:
    """Return the history of every newly judged edit that it can hold, and the last applied edit of each cell."""
    history: list[HistoryRow] = []
    heads: dict[CellKey, CellRow] = {}
    for (entry, edit), chain, verdict in zip(batch.journaled, batch.edits, verdicts, strict=True):
        if verdict.is_duplicate or verdict.status == "Q":
            continue
        section_id, kind, item, student = chain.cell
        version, base, refusal = None, edit.base, None
        if verdict.status == APPLIED:
            version, base = verdict.cell_version, verdict.base
            heads[chain.cell] = CellRow(
                section_id, kind, item, student, version, edit.edit_id, edit.value, chain.author_id, edit.entered_ms
            )
        elif verdict.status == "R":
            refusal = refusals.get(edit.edit_id) or note_of(edit)
        history.append(
            HistoryRow(
                years[section_id],
                section_id,
                edit.edit_id,
                kind,
                item,
                student,
                chain.author_id,
                entry.client[4:],
                edit.seq,
                edit.entered_ms,
                entry.skew_ms,
                entry.received_ms,
                _LETTER[verdict.status],
                _PATH,
                version,
                base,
                edit.value,
                refusal.code if refusal else None,
                refusal.params if refusal else None,
                entry.acting_as or None,
                unpack_extra(edit.extra)[0] if edit.extra else (),
            )
        )
    return history, list(heads.values())


def claimed(batch: Batch) -> tuple[list[Verdict], list[Claim]] | None:
    """Return the journal's own verdicts, and what it claims stood in each cell before, in the order of first edits.

    None where anything in the batch is out of the ordinary: then PostgreSQL's heads are read and the chain is walked.
    """
    verdicts: list[Verdict] = []
    stands: dict[CellKey, tuple[bytes, int]] = {}
    claims: dict[CellKey, Claim] = {}
    for (_, edit), chain in zip(batch.journaled, batch.edits, strict=True):
        version = edit.cell_version
        if chain.accepted != APPLIED or edit.status_in or version == 0 or chain.may_relink:
            return None
        before = stands.get(chain.cell)
        if before is None:
            if (version == 1) != (edit.base == NO_ID):
                return None
            claims[chain.cell] = Claim(edit.base, version - 1)
        elif before != (edit.base, version - 1):
            return None
        stands[chain.cell] = (edit.edit_id, version)
        verdicts.append(Verdict(APPLIED, version, edit.base))
    return verdicts, list(claims.values())


def settled_conflicts(
    batch: Batch, verdicts: Sequence[Verdict], years: Mapping[int, int]
) -> list[tuple[int, CellKey, bytes]]:
    """Return (school year, cell, edit id) of conflicts that this batch decides or replaces, each in its own cell."""
    settled: list[tuple[int, CellKey, bytes]] = []
    for (_, edit), chain, verdict in zip(batch.journaled, batch.edits, verdicts, strict=True):
        if verdict.is_duplicate or not (edit.extra or verdict.replaces):
            continue
        ids = list(unpack_extra(edit.extra)[0]) if verdict.status == APPLIED else []
        if verdict.replaces is not None:
            ids.append(verdict.replaces)
        settled += [(years[chain.section_id], chain.cell, i) for i in ids]
    return settled


def client_key(entry: Entry) -> ClientKey:
    """Return whose position an entry moves."""
    return entry.section_id, entry.user_id, entry.client[4:]


def moved_positions(batch: Batch, now: Mapping[ClientKey, PositionRow]) -> dict[ClientKey, PositionRow]:
    """Return where each client stands once this batch is committed."""
    floors: dict[ClientKey, int] = {}
    seqs: dict[ClientKey, list[int]] = {}
    for _, entry in batch.entries:
        key = client_key(entry)
        floors[key] = max(floors.get(key, 0), entry.recorded_seq)
        seqs.setdefault(key, []).extend(edit.seq for edit in entry.edits)
    moved = {}
    for key, settled in seqs.items():
        row = now.get(key)
        recorded, ahead = (row.recorded_seq, row.ahead) if row else (0, ())
        position, above = move_position(recorded, ahead, floors[key], settled)
        moved[key] = PositionRow(*key, position, tuple(above))
    return moved


def told_positions(batch: Batch, positions: Mapping[ClientKey, PositionRow]) -> list[int]:
    """Return, for each entry, how far its client may be told that everything is settled when that entry is drained.

    The journal is drained entry by entry, and an exception comes with its entry: `recorded_seq` must not pass an edit
    of which the client has yet to hear, or it lets go of it, and never asks again.
    """
    told = [0] * len(batch.entries)
    untold: dict[ClientKey, int] = {}
    for i in range(len(batch.entries) - 1, -1, -1):
        entry = batch.entries[i][1]
        key, first = client_key(entry), min(edit.seq for edit in entry.edits)
        later = untold.get(key)
        settled = positions[key].recorded_seq
        told[i] = settled if later is None else min(settled, later - 1)
        untold[key] = first if later is None else min(first, later)
    return told


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


def is_refused(accepted: int, verdict: Verdict) -> bool:
    """Tell whether the client was told "drafted" and the edit ended otherwise."""
    return verdict.status != APPLIED and chr(accepted) in "APQ"
