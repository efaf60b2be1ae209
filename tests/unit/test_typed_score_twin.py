"""The plain page and the gradebook read the same texts the same way: one table of cases for both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.model.typed_text import TypedTextError, read_score

CASES = json.loads((Path(__file__).parents[2] / "app" / "web" / "section" / "typed_score.cases.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['text']!r} of {case['max']}")
def test_the_plain_page_reads_what_the_gradebook_reads(case: dict[str, Any]) -> None:
    if not case["plain"]:
        with pytest.raises(TypedTextError):
            read_score(case["text"], case["max"])
        return
    score, statuses = read_score(case["text"], case["max"])
    assert score == case["value"].get("score")
    assert statuses == set(case["value"].get("status", ()))


def test_there_are_cases_of_every_sort() -> None:
    assert len(CASES) > 60
    assert {bool(case["plain"]) for case in CASES} == {True, False}
    shared = {"score_not_a_number", "score_of_another_maximum", "score_comma_is_ambiguous", "score_too_long"}
    assert shared <= {case["reason"] for case in CASES if "reason" in case}
