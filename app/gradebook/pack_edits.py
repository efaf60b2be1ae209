"""Check a save's edits against their kinds and their section, and pack them for the journal. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from app.drafts.codec import (
    CELL,
    MOMENT_MS_MAX,
    NO_ID,
    NORMAL,
    QUARANTINE,
    REJECTED,
    UNCHECKED,
    pack_edit,
    pack_extra,
)
from app.errors import MalformedRequestError
from app.model.kinds import KIND_OF_NAME, LINE_ITEM, LineItemValue, ValueRejectedError, as_sent, parse_value
from app.model.section_rules import ScoreRange

if TYPE_CHECKING:
    from app.model.edits import EditRequest
    from app.model.section_rules import SectionRules

_encode = msgspec.json.Encoder().encode
# Refusals that no fresher roster can change.
_FINAL = frozenset({"value_malformed", "value_too_large", "enrollment_ended"})


class StaleRulesError(Exception):
    """A refusal that rests on a cached roster: look it up before saying it."""


class PackedEdits(NamedTuple):
    """The edits of a save as blobs, with their cells and ids, in order."""

    blobs: list[bytes]
    cells: list[bytes]
    edit_ids: list[bytes]


def pack_edits(
    edits: tuple[EditRequest, ...], rules: SectionRules | None, *, is_fresh: bool = False, ended_ms: int | None = None
) -> PackedEdits:
    """Return the packed edits; refused ones are packed too, with their value and their reason.

    Without `rules` (PostgreSQL is away) only the form is checked, and the flusher checks the rest. `ended_ms`: the
    author's teaching of the section ended then; what was entered before is kept for the office. Raises
    MalformedRequestError where `seq` does not rise by one, and StaleRulesError for a refusal that rests on rules that
    are not fresh.
    """
    blobs: list[bytes] = []
    cells: list[bytes] = []
    edit_ids: list[bytes] = []
    seq = edits[0].seq if edits else 0
    for edit in edits:
        if edit.seq != seq:
            raise MalformedRequestError("seq must rise by one from edit to edit", params={"seq": edit.seq})
        seq += 1
        kind = KIND_OF_NAME[edit.kind]
        # Before 1970 or after 9999: a broken clock; the moment of arrival is kept beside it.
        entered_ms = int(edit.entered_at.timestamp() * 1000)
        if not 0 <= entered_ms <= MOMENT_MS_MAX:
            entered_ms = min(MOMENT_MS_MAX, max(0, entered_ms))
        raw = bytes(edit.value)
        note = b""
        try:
            status = _check(edit, kind, raw, entered_ms, rules, ended_ms)
        except ValueRejectedError as error:
            if rules is not None and not is_fresh and error.code not in _FINAL:
                raise StaleRulesError from None
            if error.code in {"value_malformed", "value_too_large"}:
                raw = as_sent(raw)
            status, note = REJECTED, _encode({"code": error.code, "params": error.params})
        cell = CELL.pack(kind, edit.item, edit.student)
        edit_id = edit.edit_id.bytes
        base = NO_ID if edit.base is None else edit.base.bytes
        extra = pack_extra([r.bytes for r in edit.resolves], note) if note or edit.resolves else b""
        blobs.append(pack_edit(status, edit.seq, cell, edit_id, base, entered_ms, raw, extra))
        cells.append(cell)
        edit_ids.append(edit_id)
    return PackedEdits(blobs, cells, edit_ids)


def _check(
    edit: EditRequest, kind: int, raw: bytes, entered_ms: int, rules: SectionRules | None, ended_ms: int | None
) -> int:
    """Return the status to pack an edit with, or raise ValueRejectedError with the reason of its refusal."""
    value = parse_value(kind, raw)
    if ended_ms is not None:
        if entered_ms > ended_ms:
            raise ValueRejectedError("enrollment_ended")
        return QUARANTINE
    if rules is None:
        return UNCHECKED
    rules.check(kind, edit.item, edit.student, value)
    if kind == LINE_ITEM:
        assert isinstance(value, LineItemValue)  # noqa: S101 -- parse_value gave it for this kind
        rules.made[edit.item] = ScoreRange.of(value)  # later edits of the same save may fill this column
    return NORMAL
