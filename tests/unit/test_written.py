"""Ids and moments as the protocol writes them: a column says what its cells say, and what Python's own forms say."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from app.model.written import dashed, dashed_ids, moments, rfc3339

END_MS = 253_402_300_799_999  # of the year 9999


@given(st.lists(st.binary(min_size=16, max_size=16), max_size=70))
def test_a_column_of_ids(ids: list[bytes]) -> None:
    assert dashed_ids(ids) == [dashed(raw) for raw in ids] == [str(UUID(bytes=raw)) for raw in ids]


@given(st.lists(st.integers(-END_MS, END_MS), max_size=70))
@example([59_999, 60_000, 0, -1, 951_782_400_000, END_MS])
def test_a_column_of_moments(column: list[int]) -> None:
    written = moments(column)
    assert written == [rfc3339(max(0, ms)) for ms in column]
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    read = [dt.datetime.fromisoformat(text) - epoch for text in written]
    assert read == [dt.timedelta(milliseconds=max(0, ms)) for ms in column]
    assert {len(text) for text in written} <= {len("2026-11-30T06:44:11.000Z")}
