"""A teacher's outbox for one section, without any I/O: the client's rules of docs/protocol.md, and its ledger.

Every save begins with the oldest unacknowledged edit and goes on in `seq` order. Edits are kept until PostgreSQL has
them (`recorded_seq`). When `drafted_seq` falls, a journal was lost, and what it held is sent again.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import time
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from loadtests.ledger import Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadtests.ledger import Ledger

EDITS_PER_SAVE_MAX = 200
BODY_BYTES_MAX = 60_000  # the server takes 64 KiB
Cell = tuple[str, int, int]  # kind, item, student


def uuid7() -> str:
    """Return a UUID that sorts by the time it was made (RFC 9562)."""
    raw = bytearray((time.time_ns() // 1_000_000).to_bytes(6, "big") + os.urandom(10))
    raw[6] = 0x70 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def moment() -> str:
    """Return now as the protocol writes it."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Save(NamedTuple):
    """One request on its way; no edits at all is a poll."""

    request: int
    body: bytes
    edits: tuple[dict[str, Any], ...]


class Conflict(NamedTuple):
    """An edit of ours that lost, and what stands in its cell."""

    edit: dict[str, Any]
    head: dict[str, Any] | None


class Outbox:
    """What one teacher has typed into one section and the service has not yet settled."""

    def __init__(
        self, user_id: int, section_id: int, ledger: Ledger, new_id: Callable[[], str] = uuid7, *, edits_max: int = 200
    ) -> None:
        self.client = Client(new_id(), user_id, section_id)
        self._ledger = ledger
        self._new_id = new_id
        self._edits_max = min(edits_max, EDITS_PER_SAVE_MAX)
        self._kept: deque[dict[str, Any]] = deque()  # in seq order, without gaps
        self._next_seq = 1
        self._requests = 0
        self.drafted_seq = 0
        self.recorded_seq = 0
        self.exceptions_seen_seq = 0
        self.seen: dict[Cell, str] = {}
        self.conflicts: deque[Conflict] = deque()
        self.next_save_ms = 5_000
        self.resent = 0
        self.renumbered = 0

    @property
    def unrecorded(self) -> int:
        """Edits that are still kept here."""
        return len(self._kept)

    @property
    def unsent(self) -> int:
        """Edits that the service has not acknowledged, as far as is known."""
        return self._next_seq - 1 - self.drafted_seq

    def type(self, cell: Cell, value: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Take a change of a cell, based on what was seen there, and number it; `more` replaces fields."""
        kind, item, student = cell
        edit: dict[str, Any] = {
            "edit_id": self._new_id(),
            "seq": self._next_seq,
            "kind": kind,
            "item": item,
            "student": student,
            "base": self.seen.get(cell),
            "value": value,
            "entered_at": moment(),
        } | more
        self._next_seq += 1
        self._kept.append(edit)
        self.seen[cell] = edit["edit_id"]
        self._ledger.typed(self.client, [edit])
        return edit

    def next_save(self) -> Save:
        """Return the next request; to be answered with one of the methods below before the next is asked for."""
        self._requests += 1
        edits: list[dict[str, Any]] = []
        size = 0
        first = self.drafted_seq + 1 - self._kept[0]["seq"] if self._kept else 0
        for edit in islice(self._kept, max(0, first), None):
            size += len(json.dumps(edit))
            if len(edits) == self._edits_max or (edits and size > BODY_BYTES_MAX):
                break
            edits.append(edit)
        if edits:
            self._ledger.sent(self.client, self._requests, edits[0]["seq"], edits[-1]["seq"])
        body = {
            "client_id": self.client.client_id,
            "sent_at": moment(),
            "exceptions_seen_seq": self.exceptions_seen_seq,
            "edits": edits,
        }
        return Save(self._requests, json.dumps(body).encode(), tuple(edits))

    def answered(self, save: Save, answer: dict[str, Any]) -> None:
        """Take the answer of a save (status 200)."""
        self._ledger.answered(self.client, save.request, answer)
        for edit, outcome in zip(save.edits, answer["outcomes"], strict=True):
            if outcome["edit_id"] != edit["edit_id"]:
                raise AssertionError("an outcome for another edit")
            if outcome["outcome"] in {"conflict", "rejected"}:
                self._refused(edit, outcome["outcome"], outcome.get("head"))
        for exception in answer["exceptions"]:
            kept = self._kept_as(exception["seq"], exception["edit_id"])
            if kept and exception["seq"] > self.exceptions_seen_seq:
                self._refused(kept, exception["outcome"], exception.get("head"))
        seen = [x["seq"] for x in answer["exceptions"]]
        self.exceptions_seen_seq = max([self.exceptions_seen_seq, *seen])
        if answer["drafted_seq"] < self.drafted_seq:
            self.resent += self.drafted_seq - max(answer["drafted_seq"], answer["recorded_seq"])
        # Not past what was answered here: of later edits, an answer that got lost may have said something else.
        heard_seq = max(self.drafted_seq, save.edits[-1]["seq"] if save.edits else 0)
        self.drafted_seq = min(answer["drafted_seq"], heard_seq)
        self.recorded_seq = max(self.recorded_seq, min(answer["recorded_seq"], heard_seq))
        self.next_save_ms = answer["next_save_ms"]
        while self._kept and self._kept[0]["seq"] <= self.recorded_seq:
            self._kept.popleft()

    def _kept_as(self, seq: int, edit_id: str) -> dict[str, Any] | None:
        # By its place: after an hour without PostgreSQL tens of thousands are kept, and as many exceptions may be told.
        place = seq - self._kept[0]["seq"] if self._kept else -1
        if 0 <= place < len(self._kept) and self._kept[place]["edit_id"] == edit_id:
            return self._kept[place]
        return next((e for e in self._kept if e["edit_id"] == edit_id), None)

    def gap(self, save: Save, expected_seq: int) -> None:
        """Take a 409: send from there; as a new client where that has left the outbox long ago."""
        self._ledger.failed(self.client, save.request, 409, "seq_gap")
        oldest = self._kept[0]["seq"] if self._kept else self._next_seq
        if expected_seq >= oldest:
            self.drafted_seq = expected_seq - 1
        else:
            self.renumber()

    def failed(self, save: Save, status: int, code: str) -> None:
        """Take a refusal of the whole request, or (status 0) no answer at all: everything is kept, and sent again."""
        self._ledger.failed(self.client, save.request, status, code)

    def smaller(self) -> None:
        """Take a 413: send half as many."""
        self._edits_max = max(1, self._edits_max // 2)

    def renumber(self) -> None:
        """Go on as a new client, with everything that is kept: as when an outbox is opened again."""
        self.renumbered += 1
        self.client = Client(self._new_id(), self.client.user_id, self.client.section_id)
        self.drafted_seq = self.recorded_seq = self.exceptions_seen_seq = 0
        for seq, edit in enumerate(self._kept, start=1):
            edit["seq"] = seq
        self._next_seq = len(self._kept) + 1
        self._ledger.typed(self.client, list(self._kept))

    def shown(self, asked_at: int, cells: dict[str, list[Any]]) -> None:
        """Take the cells of a snapshot (columns of equal length): what others wrote is what the teacher sees now."""
        columns = [cells[name] for name in ("kind", "item", "student", "edit_id", "cell_version", "state")]
        rows = list(zip(*columns, strict=True))
        self._ledger.read(self.client, asked_at, rows)
        own = {(e["kind"], e["item"], e["student"]) for e in self._kept}
        for kind, item, student, edit_id, *_ in rows:
            if (kind, item, student) not in own:
                self.seen[kind, item, student] = edit_id

    def _refused(self, edit: dict[str, Any], outcome: str, head: dict[str, Any] | None) -> None:
        cell = (edit["kind"], edit["item"], edit["student"])
        if outcome == "conflict":
            self.conflicts.append(Conflict(edit, head))
        elif self.seen.get(cell) == edit["edit_id"] and edit["base"] is None:
            self.seen.pop(cell)
        elif self.seen.get(cell) == edit["edit_id"]:
            self.seen[cell] = edit["base"]

    def settle(self, conflict: Conflict, *, keep_mine: bool) -> dict[str, Any] | None:
        """Choose: keep mine or take theirs, both as an edit on top of what stands. None where more was typed since."""
        edit, head = conflict
        cell = (edit["kind"], edit["item"], edit["student"])
        if head is None or self.seen.get(cell) != edit["edit_id"]:
            return None
        value = edit["value"] if keep_mine else head["value"]
        return self.type(cell, value, base=head["edit_id"], resolves=[edit["edit_id"]])
