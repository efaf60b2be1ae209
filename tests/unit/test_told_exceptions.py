"""How many exceptions one answer of the direct path tells, and how far its recorded position may go."""

from __future__ import annotations

from app.gradebook.recording.direct import TOLD_MAX, first_exceptions
from app.records.edits import ExceptionRow


def rows(*seqs: int) -> list[ExceptionRow]:
    return [ExceptionRow(1, 2, bytes(16), seq, bytes(16), "conflict", None, None, None) for seq in seqs]


def test_few_are_all_told() -> None:
    few = rows(*range(1, TOLD_MAX + 1))
    assert first_exceptions(few, 900) == (few, 900)
    assert first_exceptions([], 7) == ([], 7)


def test_of_many_the_first_are_told_and_the_position_stays_below_the_next() -> None:
    many = rows(*range(10, 10 + 5 * TOLD_MAX, 5))
    told, position = first_exceptions([*many, *rows(5000)], 6000)
    assert (list(told), position) == (many, 4999)


def test_one_number_is_told_as_a_whole() -> None:
    """Whoever has seen its number is told nothing more of it."""
    many = rows(*range(1, TOLD_MAX + 1), TOLD_MAX, TOLD_MAX + 3)
    told, position = first_exceptions(many, 900)
    assert ([e.client_seq for e in told][-2:], position) == ([TOLD_MAX, TOLD_MAX], TOLD_MAX + 2)
