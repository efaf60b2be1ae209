"""Figures that a drill takes from a client ledger (docs/ledger.md)."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MICROSECONDS = 1_000_000

Numbered = tuple[str, int, int]  # client, section, number


class Facts(NamedTuple):
    """What clients saw. `failures`: saves that were refused or not answered, by status (0: no answer) and code."""

    stall_s: float
    drain_s: float
    unacknowledged: int
    unrecorded: int
    failures: Counter[tuple[int, str]]

    @property
    def failed_saves(self) -> int:
        """Saves that were sent in vain, for whatever reason but a gap in the numbers (which is a question)."""
        return sum(count for (status, _), count in self.failures.items() if status != 409)


class _Edits:
    """First sending, acknowledgement and recording of each edit, whatever number it has under which client."""

    def __init__(self) -> None:
        self.edit_of: dict[Numbered, str] = {}
        self.typed: dict[str, int] = {}
        self.sent: dict[str, int] = {}
        self.acknowledged: dict[str, int] = {}
        self.recorded: dict[str, int] = {}
        self.failures: Counter[tuple[int, str]] = Counter()
        self.last_t = 0
        self._reached: dict[tuple[str, int, str], int] = {}

    def take(self, event: dict[str, Any]) -> None:
        self.last_t = max(self.last_t, event["t"])
        if "client_id" not in event:
            return
        client, section, t = event["client_id"], event["section_id"], event["t"]
        match event["event"]:
            case "typed":
                self.edit_of[client, section, event["seq"]] = event["edit_id"]
                self.typed.setdefault(event["edit_id"], t)
            case "sent":
                for seq in range(event["first_seq"], event["last_seq"] + 1):
                    self.sent.setdefault(self.edit_of[client, section, seq], t)
            case "failed":
                self.failures[event["status"], event["code"]] += 1
            case "answered":
                for edit_id, *_ in event["outcomes"]:
                    self.acknowledged.setdefault(edit_id, t)
                self._cover(client, section, event["drafted_seq"], self.acknowledged, t)
                self._cover(client, section, event["recorded_seq"], self.recorded, t)

    def _cover(self, client: str, section: int, last_seq: int, moments: dict[str, int], t: int) -> None:
        """Note for every edit up to this position that it is covered, unless it has been noted."""
        reached = (client, section, "a" if moments is self.acknowledged else "r")
        for seq in range(self._reached.get(reached, 0) + 1, last_seq + 1):
            edit_id = self.edit_of.get((client, section, seq))
            if edit_id is None:  # numbered later: asked for again then
                return
            moments.setdefault(edit_id, t)
            self._reached[reached] = seq


def read_facts(ledger: Path, fault_ended_at: int | None = None) -> Facts:
    """Return what a ledger says; a last line that was cut off is left out.

    stall_s: the longest time from an edit's first sending to its acknowledgement; of one that never was acknowledged,
    its age at the end. drain_s: from `fault_ended_at` (microseconds since 1970; none: the last typing) until all that
    was typed by then was recorded, as its clients learned; where that never happened, until the end.
    """
    edits = _Edits()
    for event in _events(ledger):
        edits.take(event)
    waits = [edits.acknowledged.get(edit_id, edits.last_t) - t for edit_id, t in edits.sent.items()]
    since = max(edits.typed.values(), default=0) if fault_ended_at is None else fault_ended_at
    awaited = [edits.recorded.get(edit_id, edits.last_t) for edit_id, t in edits.typed.items() if t <= since]
    return Facts(
        max(waits, default=0) / MICROSECONDS,
        max(0, max(awaited, default=since) - since) / MICROSECONDS,
        len(edits.sent.keys() - edits.acknowledged.keys()),
        len(edits.typed.keys() - edits.recorded.keys()),
        edits.failures,
    )


def _events(ledger: Path) -> Iterator[dict[str, Any]]:
    with ledger.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            yield json.loads(line)
