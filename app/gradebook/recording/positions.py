"""Where clients stand in their sections, before and after a batch. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.drafts.codec import CLIENT
from app.model.chain import PARKED, move_position
from app.records.edits import PositionRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.drafts.codec import Entry
    from app.gradebook.recording.batches import Batch
    from app.model.chain import Verdict

ClientKey = tuple[int, bytes]  # section, user and client id as in the journal


def client_key(entry: Entry) -> ClientKey:
    """Return whose position an entry moves."""
    return entry.section_id, entry.client


def clients_of(batch: Batch) -> list[tuple[int, int, bytes]]:
    """Return every client of a batch once, as read_client_positions asks for it."""
    return [(section_id, *CLIENT.unpack(client)) for section_id, client in dict.fromkeys(map(_key, batch.entries))]


def by_client(rows: Iterable[PositionRow]) -> dict[ClientKey, PositionRow]:
    """Return positions by the journal's name of their client."""
    return {(row.section_id, CLIENT.pack(row.user_id, row.client_id)): row for row in rows}


def moved_positions(
    batch: Batch, now: Mapping[ClientKey, PositionRow], verdicts: Sequence[Verdict] | None
) -> dict[ClientKey, PositionRow]:
    """Return where each client stands once this batch is committed.

    What is parked is not settled. Without `verdicts` everything is.
    """
    floors: dict[ClientKey, int] = {}
    seqs: dict[ClientKey, list[int]] = {}
    at = 0
    for _, entry in batch.entries:
        key = client_key(entry)
        own = [edit.seq for edit in entry.edits]
        if verdicts is not None:
            of_entry = verdicts[at : at + len(own)]
            at += len(own)
            own = [seq for seq, verdict in zip(own, of_entry, strict=True) if verdict.status != PARKED]
        if key in seqs:
            floors[key] = max(floors[key], entry.recorded_seq)
            seqs[key] += own
        else:
            floors[key] = entry.recorded_seq
            seqs[key] = own
    moved = {}
    for key, settled in seqs.items():
        row = now.get(key)
        recorded, ahead = (row.recorded_seq, row.ahead) if row else (0, ())
        position, above = move_position(recorded, ahead, floors[key], settled)
        user_id, client_id = CLIENT.unpack(key[1])
        moved[key] = PositionRow(key[0], user_id, client_id, position, tuple(above))
    return moved


def told_positions(batch: Batch, positions: Mapping[ClientKey, PositionRow]) -> list[int]:
    """Return, for each entry, how far its client may be told that everything is settled when that entry is drained.

    The journal is drained entry by entry, and an exception comes with its entry: `recorded_seq` must not pass an edit
    of which the client has yet to hear, or it lets go of it, and never asks again.
    """
    told: list[int] = []
    untold: dict[ClientKey, int] = {}
    for _, entry in reversed(batch.entries):
        key, first = client_key(entry), min([edit.seq for edit in entry.edits])
        settled = positions[key].recorded_seq
        later = untold.get(key)
        if later is not None:
            settled, first = min(settled, later - 1), min(first, later)
        told.append(settled)
        untold[key] = first
    told.reverse()
    return told


def _key(of_partition: tuple[int, Entry]) -> ClientKey:
    return client_key(of_partition[1])
