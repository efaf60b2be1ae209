"""What may be typed into a section."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from app.model.kinds import Kind, ValueRejectedError, parse_value
from app.model.section_rules import Ids, ScoreRange, SectionRules

QUIZ, EXTRA, RESERVED, MADE = 7001, 7002, 9001, 9002
DAY = 2026110600


def rules() -> SectionRules:
    return SectionRules(
        section_id=4001,
        school_year=2026,
        students=Ids({101, 102}),
        line_items={
            QUIZ: ScoreRange(Decimal(0), Decimal(20), is_extra_credit=False),
            EXTRA: ScoreRange(Decimal(0), Decimal(20), is_extra_credit=True),
        },
        reserved=Ids({RESERVED}),
        loaded_at=0.0,
        made={MADE: ScoreRange(Decimal(0), Decimal(5), is_extra_credit=False)},
    )


def column(maximum: str = "5", minimum: str = "0") -> dict[str, Any]:
    return {"title": "x", "result_value_max": maximum, "result_value_min": minimum}


ALLOWED: list[tuple[Kind, int, int, Any]] = [
    (Kind.SCORE, QUIZ, 101, {"score": "20"}),
    (Kind.SCORE, QUIZ, 101, {}),
    (Kind.SCORE, QUIZ, 102, {"status": ["missing"]}),
    (Kind.SCORE, EXTRA, 101, {"score": "30"}),
    (Kind.SCORE, MADE, 101, {"score": "5"}),
    (Kind.COMMENT, QUIZ, 101, {"text": "a"}),
    (Kind.COMMENT, MADE, 101, {"text": "a"}),
    (Kind.COMMENT, 0, 101, {"text": "about the student"}),
    (Kind.ATTENDANCE, DAY, 101, {"category": "present"}),
    (Kind.ROLL_TAKEN, DAY + 1, 0, {"taken": True}),
    (Kind.LINE_ITEM, QUIZ, 0, column()),
    (Kind.LINE_ITEM, RESERVED, 0, column()),
    (Kind.LINE_ITEM, MADE, 0, column()),
]
REFUSED: list[tuple[Kind, int, int, Any, str]] = [
    (Kind.SCORE, QUIZ, 103, {"score": "1"}, "unknown_student"),
    (Kind.SCORE, QUIZ, 0, {"score": "1"}, "unknown_student"),
    (Kind.SCORE, 7777, 101, {"score": "1"}, "unknown_line_item"),
    (Kind.SCORE, RESERVED, 101, {"score": "1"}, "unknown_line_item"),
    (Kind.SCORE, 0, 101, {"score": "1"}, "unknown_line_item"),
    (Kind.SCORE, QUIZ, 101, {"score": "20.1"}, "score_out_of_range"),
    (Kind.SCORE, EXTRA, 101, {"score": "-1"}, "score_out_of_range"),
    (Kind.SCORE, MADE, 101, {"score": "6"}, "score_out_of_range"),
    (Kind.COMMENT, 7777, 101, {"text": "a"}, "unknown_line_item"),
    (Kind.COMMENT, 0, 0, {"text": "a"}, "unknown_student"),
    (Kind.ATTENDANCE, QUIZ, 101, {"category": "present"}, "unknown_day"),
    (Kind.ATTENDANCE, DAY, 0, {"category": "present"}, "unknown_student"),
    (Kind.ROLL_TAKEN, DAY, 101, {"taken": True}, "unknown_student"),
    (Kind.ROLL_TAKEN, 7, 0, {"taken": True}, "unknown_day"),
    (Kind.LINE_ITEM, 7777, 0, column(), "unknown_line_item"),
    (Kind.LINE_ITEM, QUIZ, 101, column(), "unknown_student"),
    (Kind.LINE_ITEM, QUIZ, 0, column("0"), "line_item_range_empty"),
    (Kind.LINE_ITEM, QUIZ, 0, column("5", "6"), "line_item_range_empty"),
]


def check(kind: Kind, item: int, student: int, value: Any, given: SectionRules | None = None) -> None:
    (given or rules()).check(kind, item, student, parse_value(kind, msgspec.json.encode(value)))


@pytest.mark.parametrize(("kind", "item", "student", "value"), ALLOWED)
def test_what_the_section_has_a_place_for(kind: Kind, item: int, student: int, value: Any) -> None:
    check(kind, item, student, value)


@pytest.mark.parametrize(("kind", "item", "student", "value", "code"), REFUSED)
def test_what_it_has_none_for(kind: Kind, item: int, student: int, value: Any, code: str) -> None:
    with pytest.raises(ValueRejectedError, match=code):
        check(kind, item, student, value)


def test_a_drafted_definition_goes_before_the_recorded_one() -> None:
    changed = rules()
    changed.made[QUIZ] = ScoreRange(Decimal(0), Decimal(50), is_extra_credit=False)
    check(Kind.SCORE, QUIZ, 101, {"score": "45"}, changed)


def test_ids_are_found_and_others_are_not() -> None:
    few = Ids([4_294_967_295, 7, 7, 300])
    assert list(few) == [7, 300, 4_294_967_295]
    assert all(number in few for number in (7, 300, 4_294_967_295))
    assert not any(number in few for number in (-1, 0, 6, 8, 299, 4_294_967_296, 2**70))
    assert 0 not in Ids([])
