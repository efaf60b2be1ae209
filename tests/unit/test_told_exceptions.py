"""How many exceptions one answer tells, and what is left for later."""

from __future__ import annotations

from app.gradebook.context import TOLD_MAX, first_exceptions
from app.records.edits import ExceptionRow


def rows(*seqs: int) -> list[ExceptionRow]:
    return [ExceptionRow(1, 2, bytes(16), seq, bytes(16), "conflict", None, None, None) for seq in seqs]


def test_few_are_all_told() -> None:
    few = rows(*range(1, TOLD_MAX + 1))
    assert first_exceptions(few) == (few, 0)
    assert first_exceptions([]) == ([], 0)


def test_of_many_the_first_are_told() -> None:
    many = rows(*range(10, 10 + 5 * TOLD_MAX, 5))
    told, next_seq = first_exceptions([*many, *rows(5000)])
    assert (list(told), next_seq) == (many, 5000)


def test_one_number_is_told_as_a_whole_or_not_at_all() -> None:
    """Whoever has seen its number is told nothing more of it."""
    told, next_seq = first_exceptions(rows(*range(1, TOLD_MAX + 1), TOLD_MAX))
    assert ([e.client_seq for e in told], next_seq) == (list(range(1, TOLD_MAX)), TOLD_MAX)
