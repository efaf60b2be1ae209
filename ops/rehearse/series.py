"""The seconds of a run: what all generator processes saw, with what the service looked like, a row each."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

from loadtests.rehearsal.figures import Totals

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Row = dict[str, float]
KINDS_MAX = 6  # of errors, the most frequent
COUNTS = ("offered", "drafted", "recorded", "requests", "save", "refused_edits", "stream_events")
GAUGES = (
    *("teachers", "teachers_wanted", "unrecorded", "unacknowledged", "sockets", "in_flight", "waiting"),
    *("socket_wait_ms", "streams"),
)


class Series:
    """Reads the file of figures while it grows. `whole`: the run so far; `processes`: figures of each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._seconds: dict[int, Totals] = {}
        self.whole = Totals()
        self.cpu_of: dict[int, list[float]] = {}
        self.refusals: list[str] = []
        self.sockets_most = 0.0
        self.ended: set[int] = set()  # processes that have said their last word
        self._sockets_of: dict[int, float] = {}
        self._unrecorded_of: dict[int, float] = {}

    def read(self) -> int:
        """Take what has been written since; return how many seconds of processes that were."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                taken = 0
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._offset += len(line)
                    self._take(json.loads(line))
                    taken += 1
                return taken
        except FileNotFoundError:
            return 0

    def _take(self, plain: dict[str, Any]) -> None:
        self._seconds.setdefault(plain["t"], Totals()).add(plain)
        self.whole.add(plain)
        process = plain["process"]
        self.cpu_of.setdefault(process, []).append(plain["gauges"]["cpu"])
        self._sockets_of[process] = max(self._sockets_of.get(process, 0), plain["gauges"]["sockets"])
        self.sockets_most = sum(self._sockets_of.values())
        self._unrecorded_of[process] = plain["gauges"]["unrecorded"]
        if plain.get("is_last"):
            self.ended.add(process)
        if "refusal" in plain:
            self.refusals.append(plain["refusal"])

    @property
    def unrecorded(self) -> int:
        """Edits that are not recorded as far as the last word of each process goes; they end in different seconds."""
        return int(sum(self._unrecorded_of.values()))

    @property
    def first(self) -> int | None:
        """The second in which it began."""
        return min(self._seconds) if self._seconds else None

    @property
    def last(self) -> Totals | None:
        """The last second for which every process has reported, as far as is known."""
        return self._seconds[max(self._seconds)] if self._seconds else None

    def rows(self, samples: Mapping[int, Row]) -> list[Row]:
        """Return a row for each second, `at` seconds after the first."""
        if not self._seconds:
            return []
        began = min(self._seconds)
        kinds = [kind for kind, _ in self.whole.errors.most_common(KINDS_MAX)]
        rows = []
        for t in sorted(self._seconds):
            totals = self._seconds[t]
            row: Row = {"t": t, "at": t - began}
            row |= {name: totals.counts[name] for name in COUNTS}
            row["errors"] = sum(totals.errors.values())
            row |= {f"error: {kind}": totals.errors[kind] for kind in kinds}
            row |= {name: totals.gauges[name] for name in GAUGES}
            for name, percents in (("drafted", (50, 95, 99)), ("request", (50, 99)), ("lag", (99,))):
                for percent in percents:
                    found = totals.histograms[name].percentile_ms(percent)
                    if found is not None:
                        row[f"{name}_ms_p{percent}"] = round(found, 2)
            row["generator_cpu_max"] = totals.cpu_max
            rows.append(row | samples.get(t, {}))
        return rows


def write_csv(rows: list[Row], path: Path) -> None:
    """Write the rows; a figure that was not there in a second is empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(rows)
