"""Which history of the database this process last heard from; what it holds of another one is worth nothing.

A restored database says so in every answer that a reading gets: its incarnation is another. The flusher, which asks
more often, may know before; it then binds the journal's partitions to it, which reading sees as well. (A backup that
still replays its log has its old incarnation, and is not asked at all: app/records/pool.py.)
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from app import telemetry

if TYPE_CHECKING:
    from collections.abc import Callable


class DatabaseHistory:
    """`forget` is called when PostgreSQL turns out to be another than it was."""

    def __init__(self, *forget: Callable[[], None]) -> None:
        self._forget = forget
        self.incarnation = ""

    def heard(self, incarnation: str) -> None:
        """Take what an answer of PostgreSQL said."""
        if incarnation == self.incarnation:
            return
        if self.incarnation:
            telemetry.log(telemetry.Event.INCARNATION_CHANGED, level=logging.WARNING)
            for forget in self._forget:
                forget()
        self.incarnation = incarnation

    def is_past(self, kept: str, journal: str | None) -> bool:
        """Whether what was kept comes from another history than PostgreSQL's, or the journal's, is by now.

        What was recorded after it was kept is then in no head of the journal any more: it would show an older state
        than its reader has been told.
        """
        known = {name for name in (self.incarnation or None, journal) if name is not None}
        return bool(kept) and not known <= {kept}
