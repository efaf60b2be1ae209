"""Turn the journal's reply to a save into the answer of the protocol. No I/O; on the save path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from app.drafts.codec import unpack_exceptions, unpack_extra, unpack_head, unpack_reply
from app.errors import JournalUnavailableError
from app.model.chain import PARKED
from app.model.edits import HeadView, OutcomeView, SaveAnswer
from app.model.written import dashed, rfc3339

if TYPE_CHECKING:
    from app.gradebook.context import LoadedContext
    from app.model.edits import EditRequest

_DRAFTED, _SETTLED, _CONFLICT = b"d"[0], b"s"[0], b"c"[0]
_LETTER = {"drafted": b"d", "recorded": b"R", "conflict": b"c", "rejected": b"r"}


def answer_save(
    raw: bytes,
    edits: tuple[EditRequest, ...],
    cells: list[bytes],
    edit_ids: list[bytes],
    context: LoadedContext | None,
    next_save_ms: int,
) -> tuple[SaveAnswer, bytes]:
    """Return the answer without its receipt, and what a receipt vouches for: edit ids and outcomes, in order."""
    reply = unpack_reply(raw, len(edits))
    outcomes: list[OutcomeView] = []
    said: list[bytes] = []
    for i, (letter, version, extra) in enumerate(reply.results):
        edit = edits[i]
        if letter == _DRAFTED:
            view = OutcomeView(edit.edit_id, "drafted", version or None)
        elif letter == _SETTLED:
            view = _settled(edit, cells[i], edit_ids[i], context)
        elif letter == _CONFLICT:
            view = _conflict(edit, cells[i], extra, context)
        else:
            view = _rejected(edit, unpack_extra(extra)[1])
        outcomes.append(view)
        said += (edit_ids[i], _LETTER[view.outcome])
    exceptions = [Raw(body) for body in unpack_exceptions(reply.exceptions)] if reply.exceptions else []
    answer = SaveAnswer(outcomes, reply.drafted_seq, reply.recorded_seq, exceptions, next_save_ms, None)
    return answer, b"".join(said)


def _rejected(edit: EditRequest, note: bytes) -> OutcomeView:
    reason: dict[str, Any] = msgspec.json.decode(note) if note else {"code": "rejected"}
    return OutcomeView(edit.edit_id, "rejected", code=reason["code"], params=reason.get("params") or None)


def _conflict(edit: EditRequest, cell: bytes, raw: bytes, context: LoadedContext | None) -> OutcomeView:
    head = unpack_head(raw) if raw else None
    if head is None and context is not None:
        head = context.context.heads.get(cell)
    if head is None:
        return OutcomeView(edit.edit_id, "conflict")
    view = HeadView(
        edit_id=dashed(head.edit_id),
        value=Raw(head.value or b"null"),
        author_id=head.author_id,
        entered_at=rfc3339(head.entered_ms),
    )
    return OutcomeView(edit.edit_id, "conflict", head.cell_version or None, head=view)


def _settled(edit: EditRequest, cell: bytes, edit_id: bytes, context: LoadedContext | None) -> OutcomeView:
    """Return the outcome that PostgreSQL knows of a re-sent edit."""
    found = context.found.get(edit_id) if context is not None else None
    if found is None:
        raise JournalUnavailableError("the journal and the records disagree; try again", retry_after_s=1)
    if found.status == "A":
        return OutcomeView(edit.edit_id, "recorded", found.cell_version)
    if found.status == PARKED:
        return OutcomeView(edit.edit_id, "drafted")
    if found.status in {"C", "S"}:
        return _conflict(edit, cell, b"", context)
    code = "quarantined" if found.status == "Q" else found.code or "rejected"
    params = msgspec.json.decode(found.params) if found.params else None
    if found.status == "Q":
        params = {"reason": found.code}
    return OutcomeView(edit.edit_id, "rejected", code=code, params=params)
