"""A teacher's outbox for one section, slim: the rules of loadtests/outbox.py for tens of thousands of teachers.

An edit is kept as the bytes in which it is sent; its number is implied by its place. The ledger has its first sending.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadtests.rehearsal.ledger import CompactLedger

EDITS_PER_SAVE_MAX = 200
BODY_BYTES_MAX = 60_000  # the server takes 64 KiB
_encode = msgspec.json.Encoder().encode


class Outcome(Struct):
    """What became of one edit of a save."""

    edit_id: str
    outcome: str
    code: str | None = None


class ExceptionTold(Struct):
    """An edit that was drafted and ended otherwise."""

    edit_id: str
    seq: int
    outcome: str
    code: str | None = None


class Answer(Struct):
    """The answer of a save, as far as an outbox reads it."""

    outcomes: list[Outcome]
    drafted_seq: int
    recorded_seq: int
    exceptions: list[ExceptionTold]
    next_save_ms: int


decode_answer = msgspec.json.Decoder(Answer).decode


class Edit(NamedTuple):
    """One change of a cell. `fields`: the JSON of everything but its id and number; `typed_at`: when it was due."""

    typed_at: float
    edit_id: bytes
    fields: bytes
    cell: int
    base: bytes | None

    def wire(self, seq: int) -> bytes:
        """Return it as it is sent."""
        return b'{"edit_id":"%b","seq":%d,%b}' % (self.edit_id, seq, self.fields)


class Save(NamedTuple):
    """One request on its way: edits from `first_seq`, none for a poll (then `last_seq` is 0)."""

    first_seq: int
    last_seq: int
    body: bytes


class Heard(NamedTuple):
    """What an answer told: edits acknowledged for the first time, edits recorded, and how many were refused."""

    acknowledged: list[Edit]
    recorded: list[Edit]
    refused: list[Edit]
    exceptions: int


class SlimOutbox:
    """What one teacher has typed into one section, and the service has not yet settled."""

    __slots__ = (
        "_client",
        "_edits_max",
        "_kept",
        "_ledger",
        "_new_id",
        "_told_seq",
        "acknowledged_seq",
        "client_id",
        "drafted_seq",
        "exceptions_seen_seq",
        "first_seq",
        "next_seq",
        "recorded_seq",
        "resent",
        "section_id",
        "user_id",
    )

    def __init__(self, user_id: int, section_id: int, ledger: CompactLedger, new_id: Callable[[], bytes]) -> None:
        self.user_id = user_id
        self.section_id = section_id
        self._ledger = ledger
        self._new_id = new_id
        self._edits_max = EDITS_PER_SAVE_MAX
        self._kept: deque[Edit] = deque()
        self.resent = 0
        self.acknowledged_seq = 0  # never falls: each edit's age is taken once
        self._open()

    def _open(self) -> None:
        self.client_id = self._new_id()
        self._client = self._ledger.client(self.client_id.decode(), self.user_id, self.section_id)
        self.first_seq = 1  # of what is kept
        self.next_seq = 1 + len(self._kept)
        self.drafted_seq = self.recorded_seq = self.exceptions_seen_seq = 0
        self._told_seq = 0  # highest number that the ledger has

    @property
    def unrecorded(self) -> int:
        """Edits that are still kept here."""
        return len(self._kept)

    @property
    def unsent(self) -> int:
        """Edits that the service has not acknowledged, as far as is known."""
        return self.next_seq - 1 - self.drafted_seq

    def oldest_unsent_at(self) -> float:
        """Return when the oldest edit that is to be sent was typed; only where there is one."""
        return self._kept[self.drafted_seq + 1 - self.first_seq].typed_at

    def unacknowledged(self) -> Iterator[Edit]:
        """Yield what was never acknowledged."""
        skip = max(0, self.acknowledged_seq + 1 - self.first_seq)
        return (edit for at, edit in enumerate(self._kept) if at >= skip)

    def add(self, edit: Edit) -> None:
        """Take a change and number it."""
        self._kept.append(edit)
        self.next_seq += 1

    def next_save(self, now: float, sent_at: bytes) -> Save:
        """Return the next request; to be answered with one of the methods below before the next is asked for."""
        first = self.drafted_seq + 1
        wires: list[bytes] = []
        new: list[tuple[float, bytes]] = []
        size, at, seq = 0, first - self.first_seq, first
        while at < len(self._kept) and len(wires) < self._edits_max:
            edit = self._kept[at]
            wire = edit.wire(seq)
            size += len(wire) + 1
            if wires and size > BODY_BYTES_MAX:
                break
            wires.append(wire)
            if seq > self._told_seq:
                new.append((edit.typed_at, wire))
            at, seq = at + 1, seq + 1
        last = seq - 1 if wires else 0
        if wires:
            self._ledger.sent(now, self._client, first, last, new)
            self._told_seq = max(self._told_seq, last)
        body = b'{"client_id":"%b","sent_at":"%b","exceptions_seen_seq":%d,"edits":[%b]}' % (
            self.client_id,
            sent_at,
            self.exceptions_seen_seq,
            b",".join(wires),
        )
        return Save(first, last, body)

    def answered(self, now: float, save: Save, answer: Answer) -> Heard:
        """Take the answer of a save (status 200)."""
        refused = self._note(now, save, answer)
        acknowledged: list[Edit] = []
        if save.last_seq > self.acknowledged_seq:
            first = max(self.acknowledged_seq + 1, save.first_seq) - self.first_seq
            acknowledged = [self._kept[at] for at in range(first, save.last_seq + 1 - self.first_seq)]
            self.acknowledged_seq = save.last_seq
        if answer.exceptions:
            self.exceptions_seen_seq = max(self.exceptions_seen_seq, *(x.seq for x in answer.exceptions))
        if answer.drafted_seq < self.drafted_seq:
            self.resent += self.drafted_seq - max(answer.drafted_seq, answer.recorded_seq)
        # Not past what was answered here: of later edits, an answer that got lost may have said something else.
        heard_seq = max(self.drafted_seq, save.last_seq)
        self.recorded_seq = max(self.recorded_seq, min(answer.recorded_seq, heard_seq))
        # What has left the outbox cannot be sent again: a position below it would be a gap without an edit to fill it.
        self.drafted_seq = max(min(answer.drafted_seq, heard_seq), self.recorded_seq)
        recorded = []
        while self._kept and self.first_seq <= self.recorded_seq:
            recorded.append(self._kept.popleft())
            self.first_seq += 1
        return Heard(acknowledged, recorded, refused, len(answer.exceptions))

    def _note(self, now: float, save: Save, answer: Answer) -> list[Edit]:
        """Write the answer down; what its two positions say of an edit is not said again."""
        told: list[tuple[str, str, str | None]] = []
        refused: list[Edit] = []
        for seq, outcome in enumerate(answer.outcomes, start=save.first_seq):
            edit = self._kept[seq - self.first_seq]
            if outcome.edit_id != edit.edit_id.decode():
                raise AssertionError("an outcome for another edit")
            if outcome.outcome == "drafted" and seq <= answer.drafted_seq:
                continue
            if outcome.outcome == "recorded" and seq <= answer.recorded_seq:
                continue
            told.append((outcome.edit_id, outcome.outcome, outcome.code))
            if outcome.outcome in {"conflict", "rejected"}:
                refused.append(edit)
        exceptions = b"[]"
        if answer.exceptions:
            exceptions = _encode([(x.edit_id, x.seq, x.outcome, x.code) for x in answer.exceptions])
        self._ledger.answered(
            now, self._client, answer.drafted_seq, answer.recorded_seq, _encode(told) if told else b"[]", exceptions
        )
        return refused

    def gap(self, now: float, expected_seq: int) -> None:
        """Take a 409: send from there; as a new client where that has left the outbox long ago."""
        self._ledger.failed(now, self._client, 409, "seq_gap")
        if expected_seq >= self.first_seq:
            self.drafted_seq = expected_seq - 1
        else:
            self.renumber()

    def failed(self, now: float, status: int, code: str) -> None:
        """Take a refusal of the whole request, or (status 0) no answer at all: everything is kept, and sent again."""
        self._ledger.failed(now, self._client, status, code)

    def smaller(self) -> None:
        """Take a 413: send half as many."""
        self._edits_max = max(1, self._edits_max // 2)

    def renumber(self) -> None:
        """Go on as a new client, with everything that is kept: as when an outbox is opened again."""
        acknowledged = self.acknowledged_seq + 1 - self.first_seq
        self._open()
        self.acknowledged_seq = max(0, acknowledged)
