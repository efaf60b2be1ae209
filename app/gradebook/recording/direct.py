"""Saves on their way past the journal: one batch of them, in one transaction, and what each is answered.

Where the journal can still be read, what it holds of the same sections is recorded first, in the same transaction:
edits may be based on it. Its entries stay where they are; the flusher finds them recorded and takes them out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.drafts.codec import CELL, CLIENT, Context, Entry, pack_settled_reply
from app.drafts.keys import partition_of
from app.gradebook.context import TOLD_MAX, LoadedContext, first_exceptions, head_of_row, packed_exceptions
from app.gradebook.recording.batches import Batch, Refusal, note_of
from app.gradebook.recording.fences import DirectFence
from app.gradebook.recording.positions import ClientKey, by_client, client_key
from app.gradebook.recording.rows import judged_entries
from app.model.chain import CONFLICT, QUARANTINED, REJECTED, SETTLED_CONFLICT, move_position
from app.records.edits import FoundEdit, find_edits, read_client_positions, read_edit_exceptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.drafts.codec import JournaledEdit
    from app.gradebook.recording.recorder import Recorder, Settled
    from app.model.chain import Verdict
    from app.records.edits import ExceptionRow, PositionRow
    from app.records.pool import Connection


class DirectSave(NamedTuple):
    """A save as PostgreSQL is to judge it; `entry` holds no edits where it is a poll."""

    entry: Entry
    exceptions_seen_seq: int

    @property
    def key(self) -> ClientKey:
        """Whose save it is, and in which section."""
        return client_key(self.entry)


class DirectReply(NamedTuple):
    """As the journal would have replied: bytes as of accept.lua, and what PostgreSQL knows. `G`: there is a gap."""

    raw: bytes
    context: LoadedContext | None = None
    recorded_seq: int = 0


async def record_directly(
    connection: Connection, recorder: Recorder, saves: Sequence[DirectSave], pending: Sequence[Entry]
) -> list[DirectReply]:
    """Commit these saves; return what each is to be answered, once that is so in PostgreSQL.

    `pending`: un-recorded entries of the journal in the same sections, in its order. Errors as of `Recorder.record`.
    """
    before = await _positions(connection, {save.key for save in saves})
    expected = _expected(before, [*pending, *(save.entry for save in saves)])
    taken = [save for save in saves if save.entry.edits and save.entry.edits[0].seq <= expected.get(save.key, 1)]
    positions, answered = before, dict[int, LoadedContext]()
    if taken:
        entries = [*pending, *(save.entry for save in taken)]
        batch = Batch([(partition_of(e.section_id), e) for e in entries], [], set(), {})
        settled = await recorder.settle(batch, DirectFence())
        positions = before | settled.positions
        answered = await _answers(connection, settled)
    exceptions = await _exceptions(connection, saves)
    return [_reply(save, answered, positions, expected, *exceptions[save.key]) for save in saves]


async def _exceptions(
    connection: Connection, saves: Sequence[DirectSave]
) -> dict[ClientKey, tuple[Sequence[ExceptionRow], int]]:
    """Return what each client may be told, and the `seq` of what is left for later."""
    seen: dict[ClientKey, int] = {}
    for save in saves:
        seen[save.key] = min(save.exceptions_seen_seq, seen.get(save.key, save.exceptions_seen_seq))
    wanted = {(section_id, *CLIENT.unpack(client)): seq for (section_id, client), seq in seen.items()}
    rows: dict[ClientKey, list[ExceptionRow]] = {key: [] for key in seen}
    for row in await read_edit_exceptions(connection, wanted, TOLD_MAX + 1):
        rows[row.section_id, CLIENT.pack(row.user_id, row.client_id)].append(row)
    return {key: first_exceptions(of_client) for key, of_client in rows.items()}


async def _positions(connection: Connection, keys: Iterable[ClientKey]) -> dict[ClientKey, PositionRow]:
    wanted = [(section_id, *CLIENT.unpack(client)) for section_id, client in keys]
    return by_client((await read_client_positions(connection, wanted)).values())


def _expected(positions: dict[ClientKey, PositionRow], entries: Iterable[Entry]) -> dict[ClientKey, int]:
    """Return the number that each client's next edit may have at most: what comes before it is here, or comes along.

    A position only ever grows, so that one read before the transaction refuses nothing that it should not.
    """
    expected: dict[ClientKey, int] = {}
    for entry in entries:
        key = client_key(entry)
        row = positions.get(key)
        recorded, ahead = (row.recorded_seq, row.ahead) if row else (0, ())
        now = max(expected.get(key, 1), recorded + 1)
        seqs = [edit.seq for edit in entry.edits if edit.seq >= now]
        if not entry.is_direct or (seqs and entry.edits[0].seq <= now):
            now = move_position(now - 1, ahead, entry.recorded_seq, seqs)[0] + 1
        expected[key] = now
    return expected


async def _answers(connection: Connection, settled: Settled) -> dict[int, LoadedContext]:
    """Return what each direct entry (by its identity) is answered: its edits, and what stands in their cells."""
    judged = settled.judged
    entries = [(e, v) for e, v, _ in judged_entries(judged.batch, judged.verdicts) if e.is_direct]
    known = await find_edits(
        connection,
        [
            (judged.years[entry.section_id], entry.section_id, edit.edit_id)
            for entry, verdicts in entries
            for edit, verdict in zip(entry.edits, verdicts, strict=True)
            if verdict.is_duplicate
            and verdict.status in {REJECTED, QUARANTINED, CONFLICT, SETTLED_CONFLICT}
            and entry.section_id in judged.years
        ],
    )
    heads = {(key[0], CELL.pack(*key[1:])): head_of_row(row) for key, row in settled.heads.items()}
    answers: dict[int, LoadedContext] = {}
    for entry, verdicts in entries:
        found = {}
        for edit, verdict in zip(entry.edits, verdicts, strict=True):
            earlier = known.get((entry.section_id, edit.edit_id))
            found[edit.edit_id] = earlier or _found(entry, edit, verdict, judged.refusals)
        own = {e.cell: head for e in entry.edits if (head := heads.get((entry.section_id, e.cell)))}
        answers[id(entry)] = LoadedContext(Context(0, b"", [], own, {}), found)
    return answers


def _found(entry: Entry, edit: JournaledEdit, verdict: Verdict, refusals: dict[bytes, Refusal]) -> FoundEdit:
    refusal = refusals.get(edit.edit_id)
    if refusal is None and verdict.status == REJECTED:
        refusal = note_of(edit)
    if refusal is None and verdict.status == QUARANTINED:
        refusal = Refusal("enrollment_ended")
    code, params = (refusal.code, refusal.params) if refusal else (None, None)
    return FoundEdit(verdict.status, entry.user_id, verdict.base, verdict.cell_version, code, params)


def _reply(
    save: DirectSave,
    answered: dict[int, LoadedContext],
    positions: dict[ClientKey, PositionRow],
    expected: dict[ClientKey, int],
    exceptions: Sequence[ExceptionRow],
    next_seq: int,
) -> DirectReply:
    context = answered.get(id(save.entry))
    if context is None and save.entry.edits:
        return DirectReply(b"G" + expected.get(save.key, 1).to_bytes(4, "big"))
    row = positions.get(save.key)
    recorded_seq = row.recorded_seq if row else 0
    told = [e for e in exceptions if save.exceptions_seen_seq < e.client_seq <= recorded_seq]
    told_seq = min(recorded_seq, next_seq - 1) if next_seq else recorded_seq
    # Nothing above the position is called held: a hole is in a journal that is away, and what is parked is asked for
    # again until it is judged.
    raw = pack_settled_reply(recorded_seq, told_seq, len(save.entry.edits), packed_exceptions(told))
    return DirectReply(raw, context, recorded_seq)
