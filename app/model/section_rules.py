"""What may be typed into a section: its students, its columns and their ranges. Loaded by app/gradebook/rules.py."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from app.model.kinds import (
    COMMENT,
    LINE_ITEM,
    SCORE,
    WHOLE_SECTION_KINDS,
    LineItemValue,
    Value,
    ValueRejectedError,
    check_item,
    check_score_range,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Ids:
    """Ids of one section, in four bytes each: as a set of numbers they took 70, of a hundred thousand sections."""

    __slots__ = ("_sorted",)

    def __init__(self, ids: Iterable[int]) -> None:
        self._sorted = array("I", sorted(set(ids)))

    def __contains__(self, number: int) -> bool:
        at = bisect_left(self._sorted, number)
        return at < len(self._sorted) and self._sorted[at] == number

    def __iter__(self) -> Iterator[int]:
        return iter(self._sorted)


@dataclass(frozen=True, slots=True)
class ScoreRange:
    """The range of one column."""

    low: Decimal
    high: Decimal
    is_extra_credit: bool

    @classmethod
    def of(cls, value: LineItemValue) -> ScoreRange:
        """Return the range that a column's definition gives."""
        return cls(Decimal(value.result_value_min), Decimal(value.result_value_max), value.is_extra_credit)


@dataclass(frozen=True, slots=True)
class SectionRules:
    """A section's rules at `loaded_at` (monotonic seconds of the process that loaded them).

    `made`: columns that are drafted, and not recorded yet.
    """

    section_id: int
    school_year: int
    students: Ids
    line_items: dict[int, ScoreRange]
    reserved: Ids
    loaded_at: float
    made: dict[int, ScoreRange] = field(default_factory=dict)

    def check(self, kind: int, item: int, student: int, value: Value) -> None:
        """Refuse, with ValueRejectedError, what this section has no place for."""
        if student not in self.students or kind in WHOLE_SECTION_KINDS:
            check_item(kind, item, student)
            if student:
                raise ValueRejectedError("unknown_student", {"student": str(student)})
        if kind == SCORE:
            limits = self.made.get(item) or self.line_items.get(item)
            if limits is None:
                raise ValueRejectedError("unknown_line_item", {"item": str(item)})
            if value.score is not None:  # type: ignore[union-attr]  # parse_value gave a ScoreValue for this kind
                check_score_range(value.score, limits.low, limits.high, is_extra_credit=limits.is_extra_credit)  # type: ignore[union-attr]
        elif kind == COMMENT:
            if item and item not in self.made and item not in self.line_items:
                raise ValueRejectedError("unknown_line_item", {"item": str(item)})
        elif kind == LINE_ITEM:
            self._check_line_item(item, value)
        else:
            check_item(kind, item, student)

    def _check_line_item(self, item: int, value: Value) -> None:
        if item not in self.line_items and item not in self.reserved and item not in self.made:
            raise ValueRejectedError("unknown_line_item", {"item": str(item)})
        assert isinstance(value, LineItemValue)  # noqa: S101 -- parse_value gave it for this kind
        limits = ScoreRange.of(value)
        if limits.low >= limits.high:
            raise ValueRejectedError("line_item_range_empty", {"min": f"{limits.low:f}", "max": f"{limits.high:f}"})
