"""From PostgreSQL's verdicts to what clients are told and what the journal's heads become. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.drafts.codec import CELL, EditVerdict, pack_drain, pack_exception
from app.gradebook.context import exception_body, head_json, head_of_row
from app.gradebook.recording.batches import Refusal, note_of
from app.gradebook.recording.rows import Judged, as_chain_edit
from app.model.chain import APPLIED, PARKED
from app.records.edits import ExceptionRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.drafts.codec import Entry, JournaledEdit
    from app.model.chain import CellKey, Verdict
    from app.records.edits import FullHeadRow, PositionRow
    from app.records.parked import ParkedEdit

_APPLIED, _PROVISIONAL, _PARKED = ord("A"), ord("P"), ord("P")
_OUTCOME = {"C": "conflict", "S": "conflict", "R": "rejected", "Q": "quarantined"}


def _other_head(accepted: int, verdict: Verdict) -> bool:
    """Tell whether the journal's head may differ from PostgreSQL's after this verdict.

    A recorded edit that came again while its cell was not known may have become the head although others follow it.
    """
    return (
        accepted != ord(verdict.status) or accepted == _PROVISIONAL or (verdict.is_duplicate and accepted == _APPLIED)
    )


def cells_to_heal(judged: Judged) -> dict[CellKey, int]:
    """Return, for each cell about which the journal may be wrong, the place of its last edit in the batch.

    The drain heals the cell there: before, the journal does not know all that the batch has recorded in it.
    """
    batch = judged.batch
    last: dict[CellKey, int] = {}
    for (_, edit), chain, verdict in zip(batch.journaled, batch.edits, judged.verdicts, strict=True):
        if _other_head(edit.accepted, verdict):
            last[chain.cell] = 0
    if judged.promoted:
        here = {chain.cell for chain in batch.edits}
        last |= {cell: 0 for parked, _ in judged.promoted if (cell := as_chain_edit(parked).cell) in here}
    if last:
        last |= {chain.cell: at for at, chain in enumerate(batch.edits) if chain.cell in last}
    return last


def is_refused(accepted: int, verdict: Verdict) -> bool:
    """Tell whether the client was told "drafted" and the edit ended otherwise."""
    return verdict.status not in {APPLIED, PARKED} and chr(accepted) in "APQ"


def promoted_exceptions(
    promoted: Sequence[tuple[ParkedEdit, Verdict]], heads: Mapping[CellKey, FullHeadRow]
) -> list[ExceptionRow]:
    """Return the edits that were parked, hence called drafted, and that ended otherwise than applied."""
    found = []
    for parked, verdict in promoted:
        if verdict.status != APPLIED:
            head = heads.get(as_chain_edit(parked).cell)
            found.append(
                ExceptionRow(
                    parked.section_id,
                    parked.author_id,
                    parked.client_id,
                    parked.client_seq,
                    parked.edit_id,
                    _OUTCOME[verdict.status],
                    None,
                    None,
                    head_json(head) if head else None,
                )
            )
    return found


def exceptions_of(
    entry: Entry,
    verdicts: Sequence[Verdict],
    refusals: Mapping[bytes, Refusal],
    heads: Mapping[CellKey, FullHeadRow],
) -> list[ExceptionRow]:
    """Return the edits of an entry that their client believes drafted, and that ended otherwise."""
    found = []
    for edit, verdict in zip(entry.edits, verdicts, strict=True):
        # One that came directly may have been drafted before, in a journal that is away, and its answer may be lost.
        if not (is_refused(edit.accepted, verdict) or (entry.is_direct and verdict.status not in {APPLIED, PARKED})):
            continue
        refusal = _refusal(edit, verdict, refusals)
        head = heads.get((entry.section_id, *CELL.unpack(edit.cell)))
        found.append(
            ExceptionRow(
                entry.section_id,
                entry.user_id,
                entry.client[4:],
                edit.seq,
                edit.edit_id,
                _OUTCOME[verdict.status],
                refusal.code if refusal else None,
                refusal.params if refusal else None,
                head_json(head) if head else None,
            )
        )
    return found


def _refusal(edit: JournaledEdit, verdict: Verdict, refusals: Mapping[bytes, Refusal]) -> Refusal | None:
    if verdict.status == "Q":
        return refusals.get(edit.edit_id) or Refusal("enrollment_ended")
    if verdict.status == "R":
        return refusals.get(edit.edit_id) or note_of(edit)
    return None


def settle_entry(
    entry: Entry, verdicts: Sequence[Verdict], heads: Mapping[CellKey, FullHeadRow], at: int, heals: set[int]
) -> list[EditVerdict]:
    """Return the verdicts of an entry whose first edit is the batch's edit `at`."""
    settled = []
    for i, (edit, verdict) in enumerate(zip(entry.edits, verdicts, strict=True), at):
        head: bytes | None = None
        if i in heals or _other_head(edit.accepted, verdict):
            row = heads.get((entry.section_id, *CELL.unpack(edit.cell)))
            head = head_of_row(row).pack() if row else b""
        status = ord(verdict.status)
        settled.append(
            EditVerdict(edit.accepted, status, verdict.cell_version, edit.cell, edit.edit_id, head, i in heals)
        )
    return settled


def drain_of(
    entry: Entry,
    settled: Sequence[EditVerdict],
    exceptions: Sequence[ExceptionRow],
    position: PositionRow,
    told_seq: int,
) -> bytes:
    """Return a settled entry as drain.lua takes it; `told_seq` is what its client may be told (told_positions)."""
    packed = b"".join(
        pack_exception(e.client_seq, exception_body(e.edit_id, e.client_seq, e.outcome, e.code, e.params, e.head))
        for e in exceptions
    )
    return pack_drain(
        entry.stream_id,
        entry.edits[0].edit_id,
        entry.header,
        told_seq,
        packed,
        settled,
        has_hole=bool(position.ahead) or any(v.verdict == _PARKED for v in settled),
    )
