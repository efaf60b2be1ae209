"""The whole edit path in plain Python: a journal (accept, drain, evict) and the records, built on app/model/chain.py.

It keeps values, not bytes, so that it says what the scripts are to do and not how. The tests beside this file run it
next to accept.lua, drain.lua and evict.lua on a real server, and next to whole processes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from app.drafts.codec import APPLIED as APPLIED_BYTE
from app.drafts.codec import (
    CELL,
    CONFLICT,
    NORMAL,
    PROVISIONAL,
    QUARANTINE,
    REJECTED,
    SETTLED_CONFLICT,
    UNCHECKED,
    Context,
    EditVerdict,
    Head,
    Settled,
    pack_exception,
)
from app.model import chain
from app.model.chain import APPLIED, NO_ID, ChainEdit, Link

SECTION = 4001
LINKS_MAX = 50
# An edit that is known under another client or number is journaled once more, so that this number is settled too.
AGAIN = {
    APPLIED_BYTE: PROVISIONAL,
    PROVISIONAL: PROVISIONAL,
    CONFLICT: CONFLICT,
    SETTLED_CONFLICT: CONFLICT,
    REJECTED: REJECTED,
    QUARANTINE: QUARANTINE,
}


@dataclass(frozen=True)
class Edit:
    """An edit on its way in; `status` is NORMAL, REJECTED (with its note in `extra`) or QUARANTINE."""

    status: int
    seq: int
    cell: bytes
    edit_id: bytes
    base: bytes
    entered_ms: int
    value: bytes
    extra: bytes = b""


class Save(NamedTuple):
    """One save: a client is (user id, client id)."""

    user_id: int
    client_id: bytes
    first_seq: int
    seen_seq: int
    edits: tuple[Edit, ...]

    @property
    def client(self) -> tuple[int, bytes]:
        return self.user_id, self.client_id


@dataclass(frozen=True)
class Standing:
    """What stands in a cell of the journal; `root` is the recorded edit that a drafted chain hangs on."""

    cell_version: int
    edit_id: bytes
    author_id: int
    entered_ms: int
    value: bytes
    is_drafted: bool = False
    is_provisional: bool = False
    root: bytes = NO_ID
    root_version: int = 0

    @classmethod
    def of(cls, head: Head) -> Standing:
        return cls(head.cell_version, head.edit_id, head.author_id, head.entered_ms, head.value)

    def head(self) -> Head:
        return Head(
            self.cell_version,
            self.edit_id,
            self.author_id,
            self.entered_ms,
            self.value,
            self.is_drafted,
            self.is_provisional,
            self.root_version,
        )


EMPTY = Standing(0, NO_ID, 0, 0, b"")


class Unrecorded(NamedTuple):
    """An edit that the journal holds; `base` and `note` only of those that were not applied there."""

    status: int
    cell_version: int
    author_id: int = 0
    base: bytes = b""
    note: bytes = b""


class Entry(NamedTuple):
    """One entry of the stream: (accepted, version, edit) of each edit."""

    user_id: int
    client_id: bytes
    recorded_seq: int
    edits: tuple[tuple[int, int, Edit], ...]


Result = tuple[str, int, Head | bytes | None]  # letter, version, the head or the note beside it


class Reply(NamedTuple):
    """An answer: letter O, N or G, and one result per edit."""

    letter: str
    expected_seq: int = 0
    drafted_seq: int = 0
    recorded_seq: int = 0
    results: tuple[Result, ...] = ()
    exceptions: tuple[tuple[int, bytes], ...] = ()
    wanted: frozenset[bytes] = frozenset()


class _NeedsContextError(Exception):
    """Only PostgreSQL can say."""


@dataclass
class _Judging:
    """One save while it is judged; nothing of the journal changes before every edit has its outcome."""

    save: Save
    context: Context | None
    is_away: bool
    drafted_seq: int
    recorded_seq: int
    heads: dict[bytes, Standing] = field(default_factory=dict)
    unrecorded: dict[bytes, Unrecorded] = field(default_factory=dict)
    entry: list[tuple[int, int, Edit]] = field(default_factory=list)

    @property
    def may_ask(self) -> bool:
        return self.context is None and not self.is_away


@dataclass
class Journal:
    """One section of the journal."""

    heads: dict[bytes, Standing] = field(default_factory=dict)
    columns: set[bytes] = field(default_factory=set)
    recorded_columns: frozenset[bytes] | None = None
    unrecorded: dict[bytes, Unrecorded] = field(default_factory=dict)
    positions: dict[tuple[int, bytes], tuple[int, int]] = field(default_factory=dict)
    exceptions: dict[tuple[int, bytes], list[tuple[int, bytes]]] = field(default_factory=dict)
    unasked: set[tuple[int, bytes]] = field(default_factory=set)  # clients of whose exceptions PostgreSQL may know more
    stream: list[Entry] = field(default_factory=list)

    def accept(self, save: Save, context: Context | None = None, *, is_away: bool = False) -> Reply:
        """Judge a save as a whole."""
        is_new = save.client not in self.positions
        is_unasked = save.client in self.unasked or (is_new and is_away)
        position = self._position(save, context, is_away=is_away)
        if position is None:
            # A poll tells nothing of where its client stands: nothing is made up from it.
            return Reply("O") if is_away else self._ask(save, {})
        drafted, recorded = position
        if save.edits and save.first_seq > drafted + 1:
            caught_up = context.recorded_seq if context is not None else 0  # by saves that went past the journal
            if save.first_seq > max(drafted, caught_up) + 1:
                may_ask = context is None and not is_away
                return self._ask(save, {}) if may_ask else Reply("G", expected_seq=max(drafted, caught_up) + 1)
            drafted = recorded = caught_up
            is_unasked = True
        if is_unasked and context is None and not is_away:
            return self._ask(save, {})
        drained = recorded
        judging = _Judging(save, context, is_away, drafted, recorded)
        try:
            results = tuple(self._judge(judging, edit) for edit in save.edits)
        except _NeedsContextError:
            return self._ask(save, judging.unrecorded)
        if context is not None:
            self._hydrate(context)
        self.heads.update({cell: head for cell, head in judging.heads.items() if head.is_drafted})
        self.unrecorded.update(judging.unrecorded)
        drafted, recorded = (
            max(drafted, save.first_seq + len(save.edits) - 1 if save.edits else 0),
            judging.recorded_seq,
        )
        self.positions[save.client] = drafted, recorded
        if judging.entry:
            self.stream.append(Entry(*save.client, recorded, tuple(judging.entry)))
        told, told_seq = self._tell(save, context, recorded, drained, is_new=is_new, is_unasked=is_unasked)
        return Reply("O", 0, drafted, told_seq, results, told)

    def _tell(
        self, save: Save, context: Context | None, recorded: int, drained: int, *, is_new: bool, is_unasked: bool
    ) -> tuple[tuple[tuple[int, bytes], ...], int]:
        """Return what is told, and how far the client may be told to be recorded: no further than is known here."""
        exceptions = self.exceptions.pop(save.client, [])
        self.unasked.discard(save.client)
        told_to = save.seen_seq if is_unasked else None
        if context is not None and (is_unasked or is_new):
            told_to = context.next_exception_seq - 1 if context.next_exception_seq else None
            if drained > context.recorded_seq:
                # Recorded since PostgreSQL was asked; a drain may have found no room for what came of it.
                told_to = context.recorded_seq if told_to is None else min(told_to, context.recorded_seq)
            known = _unpack(context.exceptions)
            ours = [e for e in exceptions if e[0] not in dict(known)]
            exceptions = known + [e for e in ours if told_to is None or e[0] <= told_to]
        if told_to is not None:
            self.unasked.add(save.client)
        unseen = [e for e in exceptions if e[0] > save.seen_seq]
        if unseen:
            self.exceptions[save.client] = unseen
        # Those above a hole wait until it is settled: whatever comes of it has a lower number.
        position = recorded if told_to is None else min(recorded, told_to)
        return tuple(e for e in unseen if e[0] <= position), position

    def _position(self, save: Save, context: Context | None, *, is_away: bool) -> tuple[int, int] | None:
        known = self.positions.get(save.client)
        if known is None and context is not None:
            return context.recorded_seq, context.recorded_seq
        if known is None and is_away and save.edits:
            return save.first_seq - 1, 0
        return known

    def _ask(self, save: Save, unrecorded: dict[bytes, Unrecorded]) -> Reply:
        """Ask for what PostgreSQL knows, naming where the bases end that lead through un-recorded edits."""
        ends = set()
        for edit in save.edits:
            base = self._follow(edit.base, save.user_id, unrecorded)
            if base not in {edit.base, NO_ID}:
                ends.add(base)
            head = self.heads.get(edit.cell)
            if head is not None and head.is_drafted and head.edit_id != edit.base:
                ends.add(head.edit_id)
        return Reply("N", wanted=frozenset(ends))

    def _follow(self, base: bytes, author: int, unrecorded: dict[bytes, Unrecorded]) -> bytes:
        for _ in range(LINKS_MAX):
            known = unrecorded.get(base) or self.unrecorded.get(base)
            if known is None or known.status in {APPLIED_BYTE, PROVISIONAL} or known.author_id != author:
                return base
            base = known.base
        return base

    def _judge(self, judging: _Judging, edit: Edit) -> Result:
        before = self._known(judging, edit)
        if before is not None:
            return before
        if edit.seq <= judging.drafted_seq and judging.may_ask:
            raise _NeedsContextError
        context = judging.context
        if judging.is_away or (context is not None and context.recorded_seq < edit.seq):
            # What became of it nobody can say now, or PostgreSQL was asked before: its client must not let go of it.
            judging.recorded_seq = min(judging.recorded_seq, edit.seq - 1)
        if edit.status == REJECTED:
            return self._keep(judging, edit, REJECTED, "r", edit.extra)
        if edit.status == QUARANTINE:
            return self._keep(judging, edit, QUARANTINE, "d")
        return self._link(judging, edit)

    def _known(self, judging: _Judging, edit: Edit) -> Result | None:
        """The outcome of an edit that has been judged before."""
        context = judging.context
        before = judging.unrecorded.get(edit.edit_id) or self.unrecorded.get(edit.edit_id)
        if before is not None:
            if before.status == CONFLICT and judging.may_ask and self._head(judging, edit.cell) is None:
                raise _NeedsContextError
            if edit.seq > judging.drafted_seq:
                judging.entry.append((AGAIN[before.status], 0, edit))
            return self._found(judging, edit, before)
        settled = context.settled.get(edit.edit_id) if context is not None else None
        if settled is not None:
            if edit.seq > judging.drafted_seq:
                again = REJECTED if settled.status == QUARANTINE else AGAIN[settled.status]
                judging.entry.append((again, 0, edit))
            return "s", 0, None
        return None

    def _link(self, judging: _Judging, edit: Edit) -> Result:
        head = self._head(judging, edit.cell)
        if head is None and not judging.is_away:
            raise _NeedsContextError
        if head is not None and head.edit_id == edit.edit_id:
            judging.entry.append((PROVISIONAL, 0, edit))
            return "d", head.cell_version, None
        base, is_unjudged = edit.base, False
        if head is not None and base != head.edit_id:
            base, is_unjudged = self._effective_base(judging, base)
        if head is None or base == head.edit_id:
            return "d", self._apply(judging, edit, head, base), None
        is_unjudged |= judging.context is not None and self._is_open(judging.context, edit.cell, head, base)
        if is_unjudged or judging.is_away or edit.status == UNCHECKED:
            return self._keep(judging, edit, PROVISIONAL, "d")
        if judging.may_ask:
            raise _NeedsContextError
        return self._keep(judging, edit, CONFLICT, "c", shown=self._shown(judging, edit.cell))

    @staticmethod
    def _is_open(context: Context, cell: bytes, head: Standing, base: bytes) -> bool:
        """Whether what PostgreSQL knew when it was asked does not prove that `base` no longer stands.

        It does not where the cell was recorded once more since then, where PostgreSQL knows what is only drafted here,
        and where what stands in it there is that base.
        """
        theirs = context.heads.get(cell)
        recorded_version = head.root_version if head.is_drafted else head.cell_version
        if recorded_version > (theirs.cell_version if theirs is not None else 0):
            return True
        is_base_there = theirs is not None and theirs.edit_id == base
        return head.is_drafted and (head.edit_id in context.settled or is_base_there)

    def _found(self, judging: _Judging, edit: Edit, before: Unrecorded) -> Result:
        if before.status == APPLIED_BYTE:
            return "d", before.cell_version, None
        if before.status == CONFLICT:
            return "c", 0, self._shown(judging, edit.cell)
        if before.status == REJECTED:
            return "r", 0, before.note
        return "d", 0, None

    def _effective_base(self, judging: _Judging, base: bytes) -> tuple[bytes, bool]:
        """Return the base to link to, and whether only PostgreSQL can say what that is."""
        author, context = judging.save.user_id, judging.context
        known: dict[tuple[int, bytes], Link] = {}
        unrecorded = self.unrecorded | judging.unrecorded
        for edit_id, settled in (context.settled if context else {}).items():
            known[0, edit_id] = Link(chr(settled.status), settled.author_id, settled.base)
        for edit_id, u in unrecorded.items():
            # A provisional edit may yet be applied: nothing is concluded from its not being applied here.
            known[0, edit_id] = (
                Link(APPLIED, 0, NO_ID)
                if u.status in {APPLIED_BYTE, PROVISIONAL}
                else Link(chr(u.status), u.author_id, u.base)
            )
        end = chain.effective_base(ChainEdit(0, (0, 0, 0, 0), b"", author, base, APPLIED), known)
        if end in unrecorded:
            return end, unrecorded[end].status == PROVISIONAL
        is_open = (0, end) not in known or known[0, end].status == chain.PARKED
        return end, context is not None and end != NO_ID and is_open

    def _head(self, judging: _Judging, cell: bytes) -> Standing | None:
        """What stands in the cell, EMPTY where that is known to be nothing, None where only PostgreSQL knows."""
        if cell in judging.heads:
            return judging.heads[cell]
        head = self.heads.get(cell)
        newer = judging.context.heads.get(cell) if judging.context else None
        if newer is not None and (head is None or (not head.is_drafted and head.cell_version <= newer.cell_version)):
            head = Standing.of(newer)
        if head is None and self._is_known(judging, cell[:5]):
            head = EMPTY
        if head is not None:
            judging.heads[cell] = head
        return head

    def _is_known(self, judging: _Judging, column: bytes) -> bool:
        if column in self.columns or (judging.context is not None and column in judging.context.columns):
            return True
        return self.recorded_columns is not None and column not in self.recorded_columns

    def _shown(self, judging: _Judging, cell: bytes) -> Head | None:
        head = self._head(judging, cell)
        return head.head() if head is not None and head is not EMPTY else None

    def _apply(self, judging: _Judging, edit: Edit, head: Standing | None, base: bytes) -> int:
        root, root_version = base, head.cell_version if head is not None else 0
        if head is not None and head.is_drafted:
            root, root_version = head.root, head.root_version
        is_provisional = head is None or head.is_provisional
        version = 0 if head is None or is_provisional else head.cell_version + 1
        judging.heads[edit.cell] = Standing(
            version,
            edit.edit_id,
            judging.save.user_id,
            edit.entered_ms,
            edit.value,
            is_drafted=True,
            is_provisional=is_provisional,
            root=root,
            root_version=root_version if root != NO_ID else 0,
        )
        judging.entry.append((APPLIED_BYTE, version, edit))
        judging.unrecorded[edit.edit_id] = Unrecorded(APPLIED_BYTE, version)
        return version

    def _keep(
        self, judging: _Judging, edit: Edit, status: int, letter: str, note: bytes = b"", shown: Head | None = None
    ) -> Result:
        judging.entry.append((status, 0, edit))
        judging.unrecorded[edit.edit_id] = Unrecorded(status, 0, judging.save.user_id, edit.base, note)
        return letter, 0, note or shown

    def _hydrate(self, context: Context) -> None:
        if self.recorded_columns is None:
            self.recorded_columns = frozenset(context.recorded_columns)
        self.columns.update(context.columns)
        for cell, head in context.heads.items():
            have = self.heads.get(cell)
            if have is None or (not have.is_drafted and have.cell_version <= head.cell_version):
                self.heads[cell] = Standing.of(head)

    def drain(self, entry: Entry, settlement: Settlement) -> None:
        """Take an entry out and put PostgreSQL's verdicts into the heads."""
        if entry not in self.stream:
            return
        for verdict in settlement.verdicts:
            self._settle(verdict, settlement.heads.get(verdict.cell))
        for verdict in settlement.verdicts:
            self.unrecorded.pop(verdict.edit_id, None)
        client = entry.user_id, entry.client_id
        drafted, recorded = self.positions.get(client, (settlement.recorded_seq, 0))
        recorded = max(recorded, settlement.recorded_seq)
        drafted = recorded if settlement.has_hole else max(drafted, recorded)
        self.positions[client] = drafted, recorded
        if settlement.exceptions and client not in self.unasked:  # then PostgreSQL is asked for these too
            self.exceptions[client] = self.exceptions.get(client, []) + settlement.exceptions
        self.stream.remove(entry)

    def _settle(self, verdict: EditVerdict, recorded: Head | None) -> None:
        head = self.heads.get(verdict.cell)
        if verdict.accepted == APPLIED_BYTE and head is not None:
            stands = head.edit_id == verdict.edit_id
            if verdict.verdict != APPLIED_BYTE and stands:
                self._put(verdict.cell, recorded)
            elif verdict.verdict == APPLIED_BYTE and head.is_drafted and stands:
                self._put(verdict.cell, head.head()._replace(cell_version=verdict.cell_version))
            elif verdict.verdict == APPLIED_BYTE and head.is_drafted and verdict.cell_version > head.root_version:
                moved = replace(head, root=verdict.edit_id, root_version=verdict.cell_version)
                self.heads[verdict.cell] = moved
        if verdict.is_last:
            self._heal(verdict.cell, recorded)

    def _heal(self, cell: bytes, recorded: Head | None) -> None:
        """Replace a refused head, and what descends from it, by PostgreSQL's; a chain that hangs on that stays."""
        head = self.heads.get(cell)
        recorded_id = recorded.edit_id if recorded else NO_ID
        if head is not None:
            pending = self.unrecorded.get(recorded_id)
            is_pending = pending is not None and pending.status == APPLIED_BYTE
            is_waiting = head.is_provisional or head.root == recorded_id or is_pending
            if head.edit_id != recorded_id and head.is_drafted and is_waiting:
                return
            if not head.is_drafted and recorded is not None and head.cell_version > recorded.cell_version:
                return
        self._put(cell, recorded)

    def _put(self, cell: bytes, recorded: Head | None) -> None:
        if recorded is None:
            self.heads.pop(cell, None)
        else:
            self.heads[cell] = Standing.of(recorded)

    def evict(self, *, keep_positions: bool = False) -> None:
        """Forget what PostgreSQL knows too."""
        self.heads = {cell: head for cell, head in self.heads.items() if head.is_drafted}
        self.columns.clear()
        self.recorded_columns = None
        if not keep_positions:
            self.positions = {
                client: (drafted, recorded)
                for client, (drafted, recorded) in self.positions.items()
                if drafted != recorded or client in self.exceptions or client in self.unasked
            }


class Settlement(NamedTuple):
    """What PostgreSQL made of one entry."""

    verdicts: list[EditVerdict]
    heads: dict[bytes, Head]
    recorded_seq: int
    has_hole: bool
    exceptions: list[tuple[int, bytes]]


@dataclass
class Records:
    """PostgreSQL's side: history, current values, positions."""

    heads: dict[bytes, Head] = field(default_factory=dict)
    log: dict[bytes, Link] = field(default_factory=dict)
    history: list[tuple[bytes, str, Edit, int]] = field(default_factory=list)
    positions: dict[tuple[int, bytes], tuple[int, list[int]]] = field(default_factory=dict)
    exceptions: dict[tuple[int, bytes], list[tuple[int, bytes]]] = field(default_factory=dict)

    def context(self, save: Save, wanted: frozenset[bytes] = frozenset()) -> Context:
        """What the API loads for a save that needs it."""
        columns = {edit.cell[:5] for edit in save.edits}
        settled: dict[bytes, Settled] = {}
        todo = {e.edit_id for e in save.edits} | {e.base for e in save.edits} | wanted
        while todo:
            edit_id = todo.pop()
            link = self.log.get(edit_id)
            if link is not None and edit_id not in settled:
                settled[edit_id] = Settled(ord(link.status), link.author_id, link.base)
                if link.status != APPLIED:
                    todo.add(link.base)
        return Context(
            self.positions.get(save.client, (0, []))[0],
            b"".join(pack_exception(seq, body) for seq, body in self.exceptions.get(save.client, [])),
            sorted(columns),
            {cell: head for cell, head in self.heads.items() if cell[:5] in columns},
            settled,
            sorted({cell[:5] for cell in self.heads}),
        )

    def record(self, entries: list[Entry]) -> list[Settlement]:
        """Settle entries in one transaction."""
        edits = [
            ChainEdit(
                SECTION,
                (SECTION, *CELL.unpack(edit.cell)),
                edit.edit_id,
                entry.user_id,
                edit.base,
                chr(accepted),
            )
            for entry in entries
            for accepted, _, edit in entry.edits
        ]
        known = {(SECTION, edit_id): link for edit_id, link in self.log.items()}
        heads = {(SECTION, *CELL.unpack(c)): chain.Head(h.cell_version, h.edit_id) for c, h in self.heads.items()}
        verdicts = chain.walk(edits, heads, known).verdicts
        self.log = {edit_id: link for (_, edit_id), link in known.items()}
        at, last_of_cell, other = 0, {}, set()
        for entry in entries:
            for accepted, _, edit in entry.edits:
                self._write(entry, edit, verdicts[at])
                last_of_cell[edit.cell] = at
                is_again = verdicts[at].is_duplicate and accepted == APPLIED_BYTE
                if is_again or (chr(accepted), verdicts[at].status) not in {(s, s) for s in "ACRQ"}:
                    other.add(edit.cell)
                at += 1
        healed = {last_of_cell[cell] for cell in other}
        for entry in entries:
            self._move(entry)
        at, settlements = 0, []
        for entry in entries:
            settlements.append(self._settlement(entry, verdicts[at : at + len(entry.edits)], healed, at))
            at += len(entry.edits)
        return settlements

    def _write(self, entry: Entry, edit: Edit, verdict: chain.Verdict) -> None:
        if verdict.is_duplicate:
            return
        self.history.append((edit.edit_id, verdict.status, edit, entry.user_id))
        if verdict.status == APPLIED:
            self.heads[edit.cell] = Head(verdict.cell_version, edit.edit_id, entry.user_id, edit.entered_ms, edit.value)

    def _move(self, entry: Entry) -> None:
        client = entry.user_id, entry.client_id
        recorded, ahead = self.positions.get(client, (0, []))
        seqs = [edit.seq for _, _, edit in entry.edits]
        self.positions[client] = chain.move_position(recorded, ahead, entry.recorded_seq, seqs)

    def _settlement(self, entry: Entry, verdicts: list[chain.Verdict], healed: set[int], at: int) -> Settlement:
        client = entry.user_id, entry.client_id
        exceptions, settled = [], []
        for (accepted, _, edit), verdict in zip(entry.edits, verdicts, strict=True):
            if chr(accepted) in "APQ" and verdict.status != APPLIED:
                exceptions.append((edit.seq, f"{verdict.status}{edit.edit_id.hex()}".encode()))
            head = self.heads.get(edit.cell)
            is_refused = accepted == APPLIED_BYTE and verdict.status != APPLIED
            shown = (head.pack() if head else b"") if is_refused or at in healed else None
            settled.append(
                EditVerdict(
                    accepted, ord(verdict.status), verdict.cell_version, edit.cell, edit.edit_id, shown, at in healed
                )
            )
            at += 1
        mine = self.exceptions.setdefault(client, [])
        mine += [e for e in exceptions if e not in mine]
        recorded, ahead = self.positions[client]
        return Settlement(settled, dict(self.heads), recorded, bool(ahead), exceptions)


def _unpack(raw: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(raw):
        seq, length = int.from_bytes(raw[at : at + 4], "big"), int.from_bytes(raw[at + 4 : at + 8], "big")
        found.append((seq, raw[at + 8 : at + 8 + length]))
        at += 8 + length
    return found


__all__ = ["EMPTY", "NORMAL", "QUARANTINE", "REJECTED", "SECTION", "Edit", "Journal", "Records", "Save"]
