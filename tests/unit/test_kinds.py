"""What a cell can hold, kind by kind."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model.kinds import (
    DAY_KINDS,
    KIND_OF_NAME,
    NAME_OF_KIND,
    VALUE_BYTES_MAX,
    WHOLE_SECTION_KINDS,
    Kind,
    ValueRejectedError,
    as_sent,
    attendance_item,
    canonical,
    check_item,
    check_score_range,
    meeting_of,
    parse_value,
)

FITTING: list[tuple[Kind, Any]] = [
    (Kind.SCORE, {"score": "17.5"}),
    (Kind.SCORE, {"score": "-3", "status": ["late", "missing"]}),
    (Kind.SCORE, {"score": "123456.7891"}),
    (Kind.SCORE, {"score": None}),
    (Kind.SCORE, {"status": ["exempt"]}),
    (Kind.SCORE, {}),
    (Kind.COMMENT, {"text": ""}),
    (Kind.COMMENT, {"text": "Gut gemacht, José! 👏\n" * 50}),
    (Kind.ATTENDANCE, {"category": "tardy", "arrival_time": "08:07", "note": "bus"}),
    (Kind.ATTENDANCE, {"category": None}),
    (Kind.LINE_ITEM, {"title": "Quiz", "result_value_max": "20"}),
    (Kind.ROLL_TAKEN, {"taken": True}),
]
REFUSED: list[tuple[Kind, Any]] = [
    (Kind.SCORE, {"score": 17.5}),
    (Kind.SCORE, {"score": "17,5"}),
    (Kind.SCORE, {"score": ""}),
    (Kind.SCORE, {"score": "17\n"}),
    (Kind.SCORE, {"score": " 17"}),
    (Kind.SCORE, {"score": "1e3"}),
    (Kind.SCORE, {"score": "NaN"}),
    (Kind.SCORE, {"score": "\u0661\u0667"}),
    (Kind.SCORE, {"score": "1234567"}),
    (Kind.SCORE, {"score": "1.23456"}),
    (Kind.SCORE, {"status": "late"}),
    (Kind.SCORE, {"grade": "17"}),
    (Kind.SCORE, ["17"]),
    (Kind.SCORE, "17"),
    (Kind.SCORE, None),
    (Kind.COMMENT, {}),
    (Kind.COMMENT, {"text": None}),
    (Kind.COMMENT, {"text": "a\x00b"}),
    (Kind.COMMENT, {"text": "x" * 2001}),
    (Kind.ATTENDANCE, {}),
    (Kind.ATTENDANCE, {"category": "asleep"}),
    (Kind.ATTENDANCE, {"category": "tardy", "arrival_time": "24:00"}),
    (Kind.ATTENDANCE, {"category": "tardy", "arrival_time": "08:07\n"}),
    (Kind.LINE_ITEM, {"title": "Quiz"}),
    (Kind.LINE_ITEM, {"title": "", "result_value_max": "20"}),
    (Kind.LINE_ITEM, {"title": "Quiz", "result_value_max": 20}),
    (Kind.LINE_ITEM, {"title": "Quiz", "result_value_max": "20", "due_date": "tomorrow"}),
    (Kind.ROLL_TAKEN, {"taken": "yes"}),
]


@pytest.mark.parametrize(("kind", "value"), FITTING)
def test_a_fitting_value_survives_unchanged(kind: Kind, value: Any) -> None:
    raw = json.dumps(value, indent=1).encode()
    stored = json.loads(canonical(parse_value(kind, raw)))
    assert stored == {k: v for k, v in value.items() if v is not None or k == "category"}
    assert canonical(parse_value(kind, canonical(parse_value(kind, raw)))) == canonical(parse_value(kind, raw))


@pytest.mark.parametrize(("kind", "value"), REFUSED)
def test_a_value_that_does_not_fit_is_rejected_with_a_reason_that_can_be_stored(kind: Kind, value: Any) -> None:
    with pytest.raises(ValueRejectedError) as refused:
        parse_value(kind, json.dumps(value).encode())
    assert refused.value.code == "value_malformed"
    assert "\x00" not in refused.value.params["reason"]
    assert len(refused.value.params["reason"]) <= 200


def rejection(kind: int, raw: bytes) -> str | None:
    try:
        parse_value(kind, raw)
    except ValueRejectedError as refused:
        return refused.code
    return None


@given(raw=st.binary(max_size=300), kind=st.sampled_from(Kind))
def test_bytes_of_any_kind_are_a_value_or_a_rejection(raw: bytes, kind: Kind) -> None:
    assert rejection(kind, raw) in {None, "value_malformed", "value_too_large"}
    kept = as_sent(raw)
    assert b"\\u0000" not in kept.replace(b"\\\\", b"")
    json.loads(kept)


@pytest.mark.parametrize("kind", Kind)
def test_a_value_beyond_its_limit_is_rejected_before_it_is_read(kind: Kind) -> None:
    with pytest.raises(ValueRejectedError) as refused:
        parse_value(kind, b" " * (VALUE_BYTES_MAX[kind] + 1))
    assert (refused.value.code, refused.value.params) == (
        "value_too_large",
        {"max_bytes": str(VALUE_BYTES_MAX[kind])},
    )


def test_the_longest_texts_fit_into_their_limits() -> None:
    """The limit in bytes is above the limit in characters, however they are written."""
    assert parse_value(Kind.COMMENT, json.dumps({"text": "\u20ac" * 1_300}).encode())
    assert parse_value(Kind.COMMENT, json.dumps({"text": "👏" * 2_000}, ensure_ascii=False).encode())
    widest = {"title": "👏" * 200, "result_value_max": "999999.9999", "description": "👏" * 2_000}
    assert parse_value(Kind.LINE_ITEM, json.dumps(widest, ensure_ascii=False).encode())
    note = {"category": "unexcused_absence", "arrival_time": "23:59", "note": "👏" * 500}
    assert parse_value(Kind.ATTENDANCE, json.dumps(note, ensure_ascii=False).encode())


def test_names_and_numbers_of_kinds_stay() -> None:
    assert KIND_OF_NAME == {"score": 1, "comment": 2, "attendance": 3, "line_item": 4, "roll_taken": 5}
    assert {name: number for number, name in NAME_OF_KIND.items()} == KIND_OF_NAME
    assert {Kind.LINE_ITEM, Kind.ROLL_TAKEN} == WHOLE_SECTION_KINDS
    assert {Kind.ATTENDANCE, Kind.ROLL_TAKEN} == DAY_KINDS


@given(day=st.dates(dt.date(1900, 1, 1), dt.date(4294, 1, 1)), meeting=st.integers(0, 99))
def test_a_days_item_can_be_read_back(day: dt.date, meeting: int) -> None:
    assert meeting_of(attendance_item(day, meeting)) == (day, meeting)


@pytest.mark.parametrize("item", [0, 7001, 2026023000, 2026130100, 2026000100, 4294967295])
def test_a_number_that_names_no_day_is_no_day(item: int) -> None:
    assert meeting_of(item) is None
    with pytest.raises(ValueRejectedError, match="unknown_day"):
        check_item(Kind.ATTENDANCE, item, 101)


@pytest.mark.parametrize("kind", Kind)
def test_whole_section_kinds_take_no_student_and_the_others_take_one(kind: Kind) -> None:
    right, wrong = (0, 101) if kind in WHOLE_SECTION_KINDS else (101, 0)
    check_item(kind, 2026110600, right)
    with pytest.raises(ValueRejectedError, match="unknown_student"):
        check_item(kind, 2026110600, wrong)


@pytest.mark.parametrize(
    ("score", "is_extra_credit", "fits"),
    [("0", False, True), ("20", False, True), ("20.0001", False, False), ("25", True, True), ("-0.5", True, False)],
)
def test_a_scores_range(score: str, *, is_extra_credit: bool, fits: bool) -> None:
    if fits:
        check_score_range(score, Decimal(0), Decimal(20), is_extra_credit=is_extra_credit)
        return
    with pytest.raises(ValueRejectedError) as refused:
        check_score_range(score, Decimal(0), Decimal(20), is_extra_credit=is_extra_credit)
    assert (refused.value.code, refused.value.params) == ("score_out_of_range", {"min": "0", "max": "20"})
