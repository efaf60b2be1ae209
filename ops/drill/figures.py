"""Figures that a drill takes from a client ledger (docs/ledger.md)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MICROSECONDS = 1_000_000


def longest_stall_s(ledger: Path) -> float:
    """Return the longest time that a save took from its first sending to its acknowledgement, retries and all."""
    first_sent: dict[tuple[str, int], int] = {}
    longest = 0
    with ledger.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            event = json.loads(line)
            client = (event.get("client_id", ""), event.get("section_id", 0))
            if event["event"] == "sent":
                first_sent.setdefault(client, event["t"])
            elif event["event"] == "answered" and client in first_sent:
                longest = max(longest, event["t"] - first_sent.pop(client))
    return longest / MICROSECONDS
