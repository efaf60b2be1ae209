"""Brings the seconds of all generator processes together: Locust's own reports carry them from workers to the master.

Each second of each process becomes one line of JSON in the file of figures; whoever reads it adds them (figures.py).
"""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

KEY = "rehearsal"  # in a worker's report


class Collector:
    """In a worker it hands on; in a master, or where there is only one process, it writes and knows the state."""

    def __init__(self, figures: Path | None, *, is_worker: bool) -> None:
        self._is_worker = is_worker
        self._waiting: list[dict[str, Any]] = []
        self._file: IO[str] | None = None
        if figures is not None and not is_worker:
            self._file = figures.open("a", encoding="utf-8")
        self._gauges: dict[int, dict[str, float]] = {}
        self._seconds: dict[int, int] = {}
        self.refusal: str | None = None

    def take(self, plain: dict[str, Any]) -> None:
        """Take one second of one process."""
        if self._is_worker:
            self._waiting.append(plain)
            return
        self._gauges[plain["process"]] = plain["gauges"]
        self._seconds[plain["process"]] = plain["t"]
        self.refusal = self.refusal or plain.get("refusal")
        if self._file is not None:
            self._file.write(json.dumps(plain, separators=(",", ":")) + "\n")
            self._file.flush()

    def report_to_master(self, client_id: str, data: dict[str, Any]) -> None:  # noqa: ARG002 -- Locust's event
        """Add what has gathered to a worker's report."""
        data[KEY], self._waiting = self._waiting, []

    def worker_report(self, client_id: str, data: dict[str, Any]) -> None:  # noqa: ARG002 -- Locust's event
        """Take what a worker has reported."""
        for plain in data.get(KEY, ()):
            self.take(plain)

    def sum_of(self, gauge: str) -> float:
        """Return a gauge as it was reported last, over all processes."""
        return sum(gauges.get(gauge, 0) for gauges in self._gauges.values())

    def has_heard_of(self, second: float, processes: int) -> bool:
        """Whether so many processes have reported on a second after this one (since 1970)."""
        return sum(t > second for t in self._seconds.values()) >= processes

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
