"""The chain of a cell: which edit stands, what is a conflict. The pure twin of accept.lua, and PostgreSQL's referee.

A cell's history is a chain: each applied edit's `base` is the applied edit before it. The chain alone decides order,
idempotence and conflict, on every path; no clocks, no dedupe window. Outcomes do not depend on how edits were batched,
because an edit is linked to the last *applied* edit, never to its neighbour in the batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping, Sequence

APPLIED, CONFLICT, REJECTED, SETTLED_CONFLICT = "A", "C", "R", "S"  # as stored in edit_log
QUARANTINED, PROVISIONAL = "Q", "P"
PARKED = PROVISIONAL  # as stored in edit_log: kept, and not judged yet
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
    is_direct: bool = False  # came past the journal: a base that is not known may be in there, not recorded yet


class Verdict(NamedTuple):
    """What becomes of an edit. `is_duplicate`: it was judged before, nothing is to be written."""

    status: str
    cell_version: int
    base: bytes
    is_duplicate: bool = False
    replaces: bytes | None = None  # the author's own open conflict that this edit was typed over
    was_parked: bool = False  # the history has it already, parked until now


class Walked(NamedTuple):
    """A judged batch.

    `missing`: the (section, edit_id) pairs that the verdicts of edits with an unmatched base depend on and that were
    not known. `promoted`: edits that were parked, and that the batch has brought the base of.
    """

    verdicts: list[Verdict]
    missing: set[tuple[int, bytes]]
    promoted: list[tuple[ChainEdit, Verdict]]


def effective_base(edit: ChainEdit, known: MutableMapping[tuple[int, bytes], Link]) -> bytes:
    """Return the base to link to: an own edit that never applied counts as that edit's own base."""
    base = edit.base
    for _ in range(_LINKS_MAX):
        link = known.get((edit.section_id, base))
        if link is None or link.status in {APPLIED, PARKED} or link.author_id != edit.author_id:
            return base
        base = link.base
    return base


def judge(edit: ChainEdit, head: Head, known: MutableMapping[tuple[int, bytes], Link]) -> Verdict:
    """Return what becomes of one edit, given its cell's head and what is known of it and of its base."""
    before = known.get((edit.section_id, edit.edit_id))
    if before is not None and before.status != PARKED:
        return Verdict(before.status, before.cell_version, before.base, is_duplicate=True)
    verdict = _judge_new(edit, head, known)
    if before is None:
        return verdict
    if verdict.status == PARKED:
        return verdict._replace(is_duplicate=True)
    return verdict._replace(was_parked=True)


def _judge_new(edit: ChainEdit, head: Head, known: MutableMapping[tuple[int, bytes], Link]) -> Verdict:
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
    link = known.get((edit.section_id, base))
    is_lost = edit.may_relink and base != NO_ID and link is None
    if base == head.edit_id or is_lost:
        return Verdict(APPLIED, head.cell_version + 1, head.edit_id, replaces=replaces)
    is_awaited = (edit.is_direct and link is None) or (link is not None and link.status == PARKED)
    if is_awaited and base not in {NO_ID, edit.edit_id}:
        return Verdict(PARKED, 0, edit.base)
    return Verdict(CONFLICT, 0, edit.base, replaces=replaces)


def walk(
    edits: Iterable[ChainEdit],
    heads: MutableMapping[CellKey, Head],
    known: MutableMapping[tuple[int, bytes], Link],
    parked: Sequence[ChainEdit] = (),
) -> Walked:
    """Judge a batch in order. `heads` and `known` are moved along; `parked` are the parked edits of its sections.

    Where edits are `missing`, look them up and walk again from the same start. A parked edit is judged as soon as its
    base has been, before anything that follows: outcomes do not depend on how edits were batched.
    """
    return _Walk(heads, known, parked).judge_all(edits)


class _Walk:
    def __init__(
        self,
        heads: MutableMapping[CellKey, Head],
        known: MutableMapping[tuple[int, bytes], Link],
        parked: Sequence[ChainEdit],
    ) -> None:
        self._heads = heads
        self._known = known
        self._waiting: dict[tuple[int, bytes], list[ChainEdit]] = {}
        self._missing: set[tuple[int, bytes]] = set()
        self._promoted: list[tuple[ChainEdit, Verdict]] = []
        self._verdicts: list[Verdict] = []
        self._parked_here: dict[tuple[int, bytes], int] = {}  # edits that this batch has parked: their place in it
        for edit in parked:
            known[edit.section_id, edit.edit_id] = Link(PARKED, edit.author_id, edit.base)
            self._waiting.setdefault((edit.section_id, edit.base), []).append(edit)

    def judge_all(self, edits: Iterable[ChainEdit]) -> Walked:
        verdicts, heads, known, waiting = self._verdicts, self._heads, self._known, self._waiting
        for edit in edits:
            head = heads.get(edit.cell, EMPTY)
            key = (edit.section_id, edit.edit_id)
            if edit.base == head.edit_id and edit.accepted == APPLIED and key not in known and not waiting:
                # The steady state. A base that stands cannot be an own open conflict, so nothing is replaced.
                version = head.cell_version + 1
                verdicts.append(Verdict(APPLIED, version, edit.base))
                heads[edit.cell] = Head(version, edit.edit_id)
                known[key] = Link(APPLIED, edit.author_id, edit.base, version)
                continue
            verdict = judge(edit, head, known)
            verdicts.append(verdict)
            if not verdict.is_duplicate:
                self._take(edit, verdict)
        return Walked(verdicts, self._missing, self._promoted)

    def _take(self, edit: ChainEdit, verdict: Verdict) -> None:
        """Move heads and knowledge along with a verdict, and judge what has waited for it, and for that in turn."""
        self._note(edit, verdict)
        if verdict.status == PARKED:
            self._parked_here[edit.section_id, edit.edit_id] = len(self._verdicts) - 1
            self._wait(edit)
            return
        ready = self._waiting.pop((edit.section_id, edit.edit_id), [])
        while ready:
            child = ready.pop(0)
            key = (child.section_id, child.edit_id)
            if self._known[key].status != PARKED:
                continue  # it came again in this batch, and was judged there
            judged = judge(child, self._heads.get(child.cell, EMPTY), self._known)
            if judged.status == PARKED:
                self._wait(child)
                continue
            at = self._parked_here.pop(key, None)
            if at is None:
                self._promoted.append((child, judged))
            else:
                self._verdicts[at] = judged._replace(was_parked=False)
            self._note(child, judged)
            ready = self._waiting.pop(key, []) + ready

    def _wait(self, edit: ChainEdit) -> None:
        self._waiting.setdefault((edit.section_id, effective_base(edit, self._known)), []).append(edit)

    def _note(self, edit: ChainEdit, verdict: Verdict) -> None:
        known, key = self._known, (edit.section_id, edit.edit_id)
        if verdict.status != APPLIED or verdict.base != edit.base:
            self._missing.add(key)
            for base in (edit.base, effective_base(edit, known)):
                if base != NO_ID:
                    self._missing.add((edit.section_id, base))
        if verdict.status == APPLIED:
            self._heads[edit.cell] = Head(verdict.cell_version, edit.edit_id)
        known[key] = Link(verdict.status, edit.author_id, edit.base, verdict.cell_version)
        if verdict.replaces is not None:
            old = known[edit.section_id, verdict.replaces]
            known[edit.section_id, verdict.replaces] = old._replace(status=SETTLED_CONFLICT)


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
