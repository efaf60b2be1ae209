"""A column whose definition is drafted is shown as it was defined, and not mixed with what is recorded."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec

from app.drafts.codec import CELL, Head
from app.gradebook.read_section import _line_items
from app.model.kinds import Kind

RECORDED: Any = {
    "line_item_id": 7, "title": "Quiz", "description": "old", "due_date": dt.date(2026, 11, 6), "is_hidden": True,
    "is_extra_credit": True, "position": 3, "result_value_min": Decimal(0), "result_value_max": Decimal(20),
}  # fmt: skip


def _drafted(value: bytes) -> dict[bytes, Head]:
    return {CELL.pack(Kind.LINE_ITEM, 7, 0): Head(2, bytes(16), 11, 0, value, is_drafted=True)}


def test_what_a_drafted_definition_leaves_out_is_not_taken_from_the_record() -> None:
    (column,) = _line_items([RECORDED], _drafted(b'{"title":"Quiz 1","result_value_max":"10"}'))
    assert column["title"] == "Quiz 1"
    assert column["is_hidden"] is False
    assert column["is_extra_credit"] is False
    assert column["description"] == ""
    assert column["due_date"] is None


def test_a_column_that_is_only_drafted_has_every_field_of_its_definition() -> None:
    (column,) = _line_items([], _drafted(b'{"title":"New","result_value_max":"10","due_date":"2026-11-06"}'))
    assert msgspec.json.decode(msgspec.json.encode(column)) == {
        "line_item_id": 7, "title": "New", "result_value_max": "10", "result_value_min": "0", "description": "",
        "category_id": None, "assign_date": None, "due_date": "2026-11-06", "is_extra_credit": False,
        "is_hidden": False, "position": 0,
    }  # fmt: skip
