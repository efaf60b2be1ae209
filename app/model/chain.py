"""The chain of a cell: which edit stands, what is a conflict. The pure twin of accept.lua, and PostgreSQL's referee.

A cell's history is a chain: each applied edit's `base` is the applied edit before it. The chain alone decides order,
idempotence and conflict, on every path; no clocks, no dedupe window. Outcomes do not depend on how edits were batched,
because an edit is linked to the last *applied* edit, never to its neighbour in the batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

APPLIED, CONFLICT, REJECTED, SETTLED_CONFLICT = "A", "C", "R", "S"  # as stored in edit_log
QUARANTINED, PROVISIONAL = "Q", "P"
NO_ID = bytes(16)
_LINKS_MAX = 50  # as in accept.lua

CellKey = tuple[int, int, int, int]  # section, kind, item, student


class Head(NamedTuple):
    """The last applied edit of a cell; version 0 and NO_ID for an empty one."""

    cell_version: int
    edit_id: bytes


EMPTY = Head(0, NO_ID)


class Link(NamedTuple):
    """What is known of an edit that has been judged before."""

    status: str
    author_id: int
    base: bytes
    cell_version: int = 0
    code: str | None = None


class ChainEdit(NamedTuple):
    """What the chain needs of an edit. `accepted` is what the journal said of it: A, C, R, Q or P."""

    section_id: int
    cell: CellKey
    edit_id: bytes
    author_id: int
    base: bytes
    accepted: str
    may_relink: bool = False  # journaled before a restored database was noticed: its base may be gone


class Verdict(NamedTuple):
    """What becomes of an edit. `is_duplicate`: it was judged before, nothing is to be written."""

    status: str
    cell_version: int
    base: bytes
    is_duplicate: bool = False
    replaces: bytes | None = None  # the author's own open conflict that this edit was typed over


def effective_base(edit: ChainEdit, known: MutableMapping[tuple[int, bytes], Link]) -> bytes:
    """Return the base to link to: an own edit that never applied counts as that edit's own base."""
    base = edit.base
    for _ in range(_LINKS_MAX):
        link = known.get((edit.section_id, base))
        if link is None or link.status == APPLIED or link.author_id != edit.author_id:
            return base
        base = link.base
    return base


def judge(edit: ChainEdit, head: Head, known: MutableMapping[tuple[int, bytes], Link]) -> Verdict:
    """Return what becomes of one edit, given its cell's head and what is known of it and of its base."""
    before = known.get((edit.section_id, edit.edit_id))
    if before is not None:
        return Verdict(before.status, before.cell_version, before.base, is_duplicate=True)
    if edit.accepted in {REJECTED, QUARANTINED}:
        return Verdict(edit.accepted, 0, edit.base)
    replaced = known.get((edit.section_id, edit.base))
    replaces = (
        edit.base
        if replaced is not None and replaced.status == CONFLICT and replaced.author_id == edit.author_id
        else None
    )
    if edit.accepted == CONFLICT:
        return Verdict(CONFLICT, 0, edit.base, replaces=replaces)
    base = effective_base(edit, known)
    is_lost = edit.may_relink and base != NO_ID and (edit.section_id, base) not in known
    if base == head.edit_id or is_lost:
        return Verdict(APPLIED, head.cell_version + 1, head.edit_id, replaces=replaces)
    return Verdict(CONFLICT, 0, edit.base, replaces=replaces)


def walk(
    edits: Iterable[ChainEdit],
    heads: MutableMapping[CellKey, Head],
    known: MutableMapping[tuple[int, bytes], Link],
) -> tuple[list[Verdict], set[tuple[int, bytes]]]:
    """Judge a batch in order. `heads` and `known` are moved along.

    Returns the verdicts and the (section, edit_id) pairs that the verdicts of edits with an unmatched base depend
    on and that are not in `known`: where there are any, look them up and walk again from the same start.
    """
    verdicts: list[Verdict] = []
    missing: set[tuple[int, bytes]] = set()
    for edit in edits:
        head = heads.get(edit.cell, EMPTY)
        key = (edit.section_id, edit.edit_id)
        if edit.base == head.edit_id and edit.accepted == APPLIED and key not in known:
            # The steady state. A base that stands cannot be an own open conflict, so nothing is replaced.
            version = head.cell_version + 1
            verdicts.append(Verdict(APPLIED, version, edit.base))
            heads[edit.cell] = Head(version, edit.edit_id)
            known[key] = Link(APPLIED, edit.author_id, edit.base, version)
            continue
        verdict = judge(edit, head, known)
        verdicts.append(verdict)
        if verdict.is_duplicate:
            continue
        if verdict.status != APPLIED or verdict.base != edit.base:
            missing.add((edit.section_id, edit.edit_id))
            for base in (edit.base, effective_base(edit, known)):
                if base != NO_ID:
                    missing.add((edit.section_id, base))
        if verdict.status == APPLIED:
            heads[edit.cell] = Head(verdict.cell_version, edit.edit_id)
        known[edit.section_id, edit.edit_id] = Link(verdict.status, edit.author_id, edit.base, verdict.cell_version)
        if verdict.replaces is not None:
            old = known[edit.section_id, verdict.replaces]
            known[edit.section_id, verdict.replaces] = old._replace(status=SETTLED_CONFLICT)
    return verdicts, missing


def move_position(recorded_seq: int, ahead: Iterable[int], floor: int, settled: Iterable[int]) -> tuple[int, list[int]]:
    """Return a client's contiguous position after more of its edits were settled, and what is settled above a hole.

    `floor` is what the journal knew to be settled when it took the edits: it is higher than `recorded_seq` only after a
    database was restored, and then nothing below it can come any more.
    """
    position = max(recorded_seq, floor)
    above = sorted({seq for seq in (*ahead, *settled) if seq > position})
    taken = 0
    for seq in above:
        if seq != position + 1:
            break
        position = seq
        taken += 1
    return position, above[taken:]
