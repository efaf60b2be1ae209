"""What a generator process saw, second by second: plain counts and histograms that can be added over processes."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from loadtests.rehearsal.histogram import Histogram

HISTOGRAMS = ("drafted", "told", "lag")


class Second:
    """One second of one process. `drafted` and `told` are ages of edits, `lag` of timers, `requests` by kind."""

    __slots__ = ("counts", "drafted", "errors", "gauges", "lag", "requests", "told")

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.gauges: dict[str, float] = {}
        self.drafted = Histogram()
        self.told = Histogram()
        self.requests: defaultdict[str, Histogram] = defaultdict(Histogram)
        self.lag = Histogram()

    def as_plain(self, t: int, process: int) -> dict[str, Any]:
        """Return it as lists and numbers. `t`: seconds since 1970."""
        plain: dict[str, Any] = {"t": t, "process": process, "counts": dict(self.counts), "errors": dict(self.errors)}
        plain["gauges"] = dict(self.gauges)
        plain["requests"] = {name: histogram.as_plain() for name, histogram in self.requests.items()}
        return plain | {name: getattr(self, name).as_plain() for name in HISTOGRAMS}


class Totals:
    """Seconds added up: of several processes, or of a whole run. Gauges add too, except for those that are a worst.

    The histogram `request` is that of all kinds together.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.gauges: Counter[str] = Counter()
        self.histograms = {name: Histogram() for name in (*HISTOGRAMS, "request")}
        self.requests: defaultdict[str, Histogram] = defaultdict(Histogram)
        self.cpu_max = 0.0

    def add(self, plain: dict[str, Any]) -> None:
        """Add one second of one process, as `Second.as_plain` has described it."""
        self.counts.update(plain["counts"])
        self.errors.update(plain["errors"])
        self.gauges.update(plain["gauges"])
        self.cpu_max = max(self.cpu_max, plain["gauges"].get("cpu", 0.0))
        for name in HISTOGRAMS:
            self.histograms[name].merge(Histogram.of_plain(plain[name]))
        for kind, found in plain["requests"].items():
            histogram = Histogram.of_plain(found)
            self.requests[kind].merge(histogram)
            self.histograms["request"].merge(histogram)
