"""What one flush transaction takes out of the journal, and the rows that it becomes. Pure: no store is talked to."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from app.drafts.codec import (
    CELL,
    MOMENT_MS_MAX,
    NORMAL,
    UNCHECKED,
    UnknownFormatError,
    unpack_entry,
    unpack_extra,
)
from app.model.chain import ChainEdit
from app.model.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.drafts.codec import Entry, JournaledEdit
    from app.drafts.store import Incarnation, StreamEntry

NEVER = (0, 0)
_LETTER = {"A": b"A", "C": b"C", "R": b"R", "P": b"P"}


class Batch:
    """What one flush transaction takes: whole entries, in stream order within each partition."""

    def __init__(
        self,
        entries: list[tuple[int, Entry]],
        unreadable: list[StreamEntry],
        held: set[int],
        relink_until: Mapping[int, tuple[int, int]],
    ) -> None:
        self.entries = entries  # with their partition
        self.unreadable = unreadable
        self.held = held  # partitions with an entry of an unknown format: nothing behind it may pass
        self._relink_until = relink_until

    def of(self, entries: list[tuple[int, Entry]], unreadable: list[StreamEntry] | None = None) -> Batch:
        """Return a part of it."""
        return Batch(entries, unreadable or [], self.held, self._relink_until)

    @cached_property
    def rows_by_partition(self) -> dict[int, int]:
        """How many edits each partition contributes."""
        rows: dict[int, int] = {}
        for partition, entry in self.entries:
            rows[partition] = rows.get(partition, 0) + len(entry.edits)
        return rows

    @property
    def rows(self) -> int:
        """How many edits there are."""
        return sum(self.rows_by_partition.values())

    @property
    def partitions(self) -> set[int]:
        """Every partition that the batch takes something from."""
        return {partition for partition, _ in self.entries} | {raw.partition for raw in self.unreadable}

    def may_relink(self, partition: int, entry: Entry) -> bool:
        """Tell whether an entry was journaled before a restored database was noticed: its bases may be gone."""
        until = self._relink_until.get(partition, NEVER)
        return until != NEVER and stream_position(entry.stream_id) <= until

    @cached_property
    def journaled(self) -> list[tuple[Entry, JournaledEdit]]:
        """Every edit with its entry, in order."""
        return [(entry, edit) for _, entry in self.entries for edit in entry.edits]

    @cached_property
    def edits(self) -> list[ChainEdit]:
        """What the chain needs of each edit of `journaled`."""
        found: list[ChainEdit] = []
        for partition, entry in self.entries:
            section_id, author = entry.section_id, entry.user_id
            may_relink = self.may_relink(partition, entry)
            for edit in entry.edits:
                kind, item, student = CELL.unpack(edit.cell)
                cell = (section_id, kind, item, student)
                accepted = chr(edit.accepted)
                found.append(
                    ChainEdit(section_id, cell, edit.edit_id, author, edit.base, accepted, may_relink, entry.is_direct)
                )
        return found


class Refusal(NamedTuple):
    """Why an edit is not applied, where that is not the chain's doing; with `sqlstate` it goes into quarantine."""

    code: str
    params: str | None = None
    sqlstate: str | None = None
    message: str | None = None


def build_batch(found: Iterable[StreamEntry], rows_max: int, incarnations: Mapping[int, Incarnation]) -> Batch:
    """Take entries until `rows_max` edits are reached; an unknown format holds its partition, damage is set aside."""
    relink_until = {partition: incarnation.relink_until for partition, incarnation in incarnations.items()}
    batch = Batch([], [], set(), relink_until)
    rows = 0
    for raw in found:
        if raw.partition in batch.held or rows >= rows_max:
            continue
        try:
            entry = unpack_entry(raw.stream_id, raw.raw)
        except UnknownFormatError:
            batch.held.add(raw.partition)
            continue
        except ValueError:
            batch.unreadable.append(raw)
            continue
        batch.entries.append((raw.partition, entry))
        rows += len(entry.edits)
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
