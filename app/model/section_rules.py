"""What may be typed into a section: its students, its columns and their ranges. Loaded by app/gradebook/rules.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from app.model.kinds import (
    LINE_ITEM_KINDS,
    Kind,
    LineItemValue,
    ScoreValue,
    Value,
    ValueRejectedError,
    check_item,
    check_score_range,
)


@dataclass(frozen=True)
class ScoreRange:
    """The range of one column."""

    low: Decimal
    high: Decimal
    is_extra_credit: bool

    @classmethod
    def of(cls, value: LineItemValue) -> ScoreRange:
        """Return the range that a column's definition gives."""
        return cls(Decimal(value.result_value_min), Decimal(value.result_value_max), value.is_extra_credit)


@dataclass(frozen=True)
class SectionRules:
    """A section's rules at `loaded_at` (monotonic seconds of the process that loaded them)."""

    section_id: int
    school_year: int
    students: frozenset[int]
    line_items: dict[int, ScoreRange]
    reserved: frozenset[int]
    loaded_at: float
    made: dict[int, ScoreRange] = field(default_factory=dict)

    def check(self, kind: int, item: int, student: int, value: Value) -> None:
        """Refuse, with ValueRejectedError, what this section has no place for."""
        check_item(kind, item, student)
        if student and student not in self.students:
            raise ValueRejectedError("unknown_student", {"student": str(student)})
        if kind == Kind.LINE_ITEM:
            self._check_line_item(item, value)
        elif kind in LINE_ITEM_KINDS and not (kind == Kind.COMMENT and item == 0):
            limits = self.made.get(item) or self.line_items.get(item)
            if limits is None:
                raise ValueRejectedError("unknown_line_item", {"item": str(item)})
            if isinstance(value, ScoreValue) and value.score is not None:
                check_score_range(value.score, limits.low, limits.high, is_extra_credit=limits.is_extra_credit)

    def _check_line_item(self, item: int, value: Value) -> None:
        if item not in self.line_items and item not in self.reserved and item not in self.made:
            raise ValueRejectedError("unknown_line_item", {"item": str(item)})
        assert isinstance(value, LineItemValue)  # noqa: S101 -- parse_value gave it for this kind
        limits = ScoreRange.of(value)
        if limits.low >= limits.high:
            raise ValueRejectedError("line_item_range_empty", {"min": f"{limits.low:f}", "max": f"{limits.high:f}"})
