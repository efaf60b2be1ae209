"""What teachers typed, sent and were told: the ledger of loadtests/ledger.py, kept in memory for the audit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadtests.ledger import Client


@dataclass
class Typed:
    """An edit as it was typed, what its author was told, and what was answered whether it arrived or not."""

    edit_id: bytes
    number: int  # in order of typing, over all teachers
    typed_s: float
    user_id: int
    section_id: int
    cell: tuple[int, int]
    base: bytes | None
    value: dict[str, Any]
    resolves: tuple[bytes, ...]
    tab: object = None
    told: list[str] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    heard_s: float | None = None


class Book:
    """A ledger of everybody."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.edits: dict[bytes, Typed] = {}
        self.numbered: dict[tuple[str, int], bytes] = {}
        self.acknowledged = self.answers = 0

    def now(self) -> int:
        return int(self._now() * 1_000_000)

    def typed(self, client: Client, edits: Sequence[dict[str, Any]]) -> None:
        for edit in edits:
            edit_id = _raw(edit["edit_id"])
            self.numbered[client.client_id, edit["seq"]] = edit_id
            if edit_id not in self.edits:
                base = edit["base"]
                self.edits[edit_id] = Typed(
                    edit_id,
                    len(self.edits),
                    self._now(),
                    client.user_id,
                    client.section_id,
                    (edit["item"], edit["student"]),
                    _raw(base) if base else None,
                    edit["value"],
                    tuple(_raw(i) for i in edit.get("resolves", ())),
                )

    def sent(self, client: Client, request: int, first_seq: int, last_seq: int) -> None:
        pass

    def failed(self, client: Client, request: int, status: int, code: str) -> None:
        pass

    def answered(self, _client: Client, _request: int, answer: dict[str, Any]) -> None:
        """Its author heard this."""
        for edit_id, outcome in _said(answer):
            edit = self.edits[edit_id]
            edit.told.append(outcome)
            if edit.heard_s is None:
                edit.heard_s = self._now()
                self.acknowledged += 1

    def answered_by_server(self, answer: dict[str, Any]) -> None:
        """It was said, and perhaps heard."""
        self.answers += 1
        for edit_id, outcome in _said(answer):
            self.edits[edit_id].answered.add(outcome)


def _said(answer: dict[str, Any]) -> list[tuple[bytes, str]]:
    """Exceptions first: an outcome beside them is of an edit that was sent again."""
    said = [*answer["outcomes"], *answer["exceptions"]]
    return [(_raw(one["edit_id"]), one["outcome"]) for one in said]


def _raw(edit_id: str) -> bytes:
    return bytes.fromhex(edit_id.replace("-", ""))
