"""A histogram of durations that can be merged over processes: exact to less than one part in a hundred at any size.

Buckets as in HdrHistogram: 128 to each power of two of microseconds. A percentile is given as the upper end of its
bucket, so that it is never flattered. Locust's own statistics round to two digits, which hides a tenth of a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

SUB_BUCKET_BITS = 7
US_PER_S = 1_000_000


class Histogram:
    """Counts of durations, in microseconds inside and milliseconds outside."""

    __slots__ = ("count", "counts", "max_us", "sum_us")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.count = 0
        self.sum_us = 0
        self.max_us = 0

    def record(self, seconds: float) -> None:
        """Count one duration; a negative one (two clocks) counts as nothing."""
        us = int(seconds * US_PER_S)
        us = max(us, 0)
        shift = us.bit_length() - SUB_BUCKET_BITS - 1
        index = us if shift <= 0 else (shift << SUB_BUCKET_BITS) + (us >> shift)
        counts = self.counts
        counts[index] = counts.get(index, 0) + 1
        self.count += 1
        self.sum_us += us
        self.max_us = max(self.max_us, us)

    def merge(self, other: Histogram) -> None:
        """Add everything that the other has counted."""
        for index, count in other.counts.items():
            self.counts[index] = self.counts.get(index, 0) + count
        self.count += other.count
        self.sum_us += other.sum_us
        self.max_us = max(self.max_us, other.max_us)

    def percentile_ms(self, percent: float) -> float | None:
        """Return the duration that so many percent do not exceed; None where nothing was counted."""
        if not self.count:
            return None
        wanted, seen = max(1, -int(-self.count * percent // 100)), 0
        for index in sorted(self.counts):
            seen += self.counts[index]
            if seen >= wanted:
                return min(_upper_us(index), self.max_us) / 1000
        return self.max_us / 1000

    def mean_ms(self) -> float | None:
        """Return the mean; None where nothing was counted."""
        return self.sum_us / self.count / 1000 if self.count else None

    def summary(self) -> dict[str, float | None]:
        """Return what a report shows."""
        figures = {f"p{percent}": self.percentile_ms(percent) for percent in (50, 95, 99)}
        return figures | {"max": self.max_us / 1000 if self.count else None}

    def as_plain(self) -> dict[str, Any]:
        """Return it as lists and numbers, for another process."""
        return {"n": self.count, "sum": self.sum_us, "max": self.max_us, "counts": [*self.counts.items()]}

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> Histogram:
        """Return what `as_plain` has described."""
        made = cls()
        made.counts = {int(index): int(count) for index, count in plain["counts"]}
        made.count, made.sum_us, made.max_us = int(plain["n"]), int(plain["sum"]), int(plain["max"])
        return made


def _upper_us(index: int) -> int:
    shift = (index >> SUB_BUCKET_BITS) - 1
    if shift <= 0:
        return index
    return ((index - (shift << SUB_BUCKET_BITS) + 1) << shift) - 1
