"""The slim outbox sends what the outbox of loadtests/outbox.py sends, whatever the service answers."""

from __future__ import annotations

import itertools
import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.ledger import Ledger
from loadtests.outbox import Outbox
from loadtests.rehearsal.ledger import CompactLedger
from loadtests.rehearsal.outbox import Answer, Edit, Outcome, SlimOutbox, decode_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def ids() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"0199f3a0-0000-7000-8000-{next(numbers):012x}"


class Pair:
    """Both outboxes, told the same."""

    def __init__(self, folder: Path) -> None:
        self.full_id, slim_id = ids(), ids()
        self.slim_id: Callable[[], bytes] = lambda: slim_id().encode()
        self.full_ledger = Ledger(folder / "full.jsonl")
        self.full = Outbox(7, 4001, self.full_ledger, self.full_id)
        self.ledger = CompactLedger(folder / "slim.jsonl")
        self.slim = SlimOutbox(7, 4001, self.ledger, self.slim_id)
        self.typed = 0

    def close(self) -> None:
        self.full_ledger.close()
        self.ledger.close()

    def type(self, long: int = 0) -> None:
        self.typed += 1
        value = {"score": str(self.typed % 20)} if not long else {"text": "x" * long}
        kind = "score" if not long else "comment"
        self.full.type((kind, 7012, self.typed), value, base=None, entered_at="2026-11-06T14:03:21.120Z")
        fields = json.dumps(
            {"kind": kind, "item": 7012, "student": self.typed, "base": None, "value": value}
            | {"entered_at": "2026-11-06T14:03:21.120Z"}
        )[1:-1]
        self.slim.add(Edit(float(self.typed), self.slim_id(), fields.encode(), self.typed, None))

    def save(self) -> tuple[Any, Any]:
        full, slim = self.full.next_save(), self.slim.next_save(1.0, b"2026-11-06T14:03:24.000Z")
        first, second = json.loads(full.body), json.loads(slim.body)
        assert first["edits"] == second["edits"]
        assert first["client_id"] == second["client_id"]
        assert first["exceptions_seen_seq"] == second["exceptions_seen_seq"]
        return full, slim

    def answer(self, saves: tuple[Any, Any], drafted_seq: int, recorded_seq: int, refused: int | None = None) -> None:
        outcomes = [{"edit_id": e["edit_id"], "outcome": "drafted"} for e in saves[0].edits]
        if refused is not None and outcomes:
            outcomes[refused % len(outcomes)] |= {"outcome": "rejected", "code": "score_out_of_range"}
        body = {"outcomes": outcomes, "drafted_seq": drafted_seq, "recorded_seq": recorded_seq, "exceptions": []}
        body["next_save_ms"] = 5000
        self.full.answered(saves[0], body)
        self.slim.answered(1.0, saves[1], decode_answer(json.dumps(body).encode()))
        assert self.full.unrecorded == self.slim.unrecorded
        assert self.full.recorded_seq == self.slim.recorded_seq

    def fail(self, saves: tuple[Any, Any], status: int, code: str) -> None:
        self.full.failed(saves[0], status, code)
        self.slim.failed(1.0, status, code)

    def accepted(self, saves: tuple[Any, Any], number: int) -> None:
        sent = saves[0].edits[-1]["seq"] if saves[0].edits else self.full.drafted_seq
        recorded = number % (sent + 1)
        drafted = max(recorded, number // 7 % (sent + 1))
        self.answer(saves, drafted, recorded, number if number % 5 == 0 else None)

    def nobody_knows(self, saves: tuple[Any, Any], _: int) -> None:
        self.answer(saves, 0, 0)

    def gap(self, saves: tuple[Any, Any], number: int) -> None:
        expected = 1 + number % (self.full.drafted_seq + 1)
        self.full.gap(saves[0], expected)
        self.slim.gap(1.0, expected)

    def refused(self, saves: tuple[Any, Any], _: int) -> None:
        self.fail(saves, 503, "overloaded")

    def too_large(self, saves: tuple[Any, Any], _: int) -> None:
        self.fail(saves, 413, "request_too_large")
        self.full.smaller()
        self.slim.smaller()

    def opened_anew(self, saves: tuple[Any, Any], _: int) -> None:
        self.fail(saves, 0, "closed")
        self.full.renumber()
        self.slim.renumber()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    both = Pair(tmp_path)
    yield both
    both.close()


ANSWERS = ("accepted", "nobody_knows", "gap", "refused", "too_large", "opened_anew")


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(ANSWERS), st.integers(0, 10**6)), max_size=40))
def test_both_send_the_same_after_any_answers(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str, int]]
) -> None:
    pair = Pair(tmp_path_factory.mktemp("pair"))
    for before, answer, number in steps:
        for _ in range(before):
            pair.type()
        saves = pair.save()
        if number % 3 == 0:
            pair.type()  # while the save is on its way
        getattr(pair, answer)(saves, number)
    pair.save()
    pair.close()


def test_a_save_has_two_hundred_edits_and_sixty_thousand_bytes_at_most(pair: Pair) -> None:
    for _ in range(450):
        pair.type()
    saves = pair.save()
    assert len(saves[0].edits) == 200
    pair.answer(saves, 200, 0)
    for _ in range(300):
        pair.type(long=1900)
    body = pair.slim.next_save(1.0, b"2026-11-06T14:03:24.000Z").body
    assert len(body) < 65_536


def test_an_edit_counts_as_acknowledged_once_though_its_number_falls_back(pair: Pair) -> None:
    for _ in range(3):
        pair.type()
    taken = []
    for drafted in (3, 0, 3):
        save = pair.slim.next_save(1.0, b"2026-11-06T14:03:24.000Z")
        outcomes = [Outcome(e["edit_id"], "drafted") for e in json.loads(save.body)["edits"]]
        heard = pair.slim.answered(1.0, save, Answer(outcomes, drafted, 0, [], 5000))
        taken.append(len(heard.acknowledged))
    assert taken == [3, 0, 0]
    assert pair.slim.resent == 3


def test_what_was_never_acknowledged_is_known_also_after_numbering_anew(pair: Pair) -> None:
    for _ in range(4):
        pair.type()
    save = pair.slim.next_save(1.0, b"2026-11-06T14:03:24.000Z")
    pair.type()
    outcomes = [Outcome(e["edit_id"], "drafted") for e in json.loads(save.body)["edits"]]
    pair.slim.answered(1.0, save, Answer(outcomes, 4, 2, [], 5000))
    pair.slim.renumber()
    assert [edit.typed_at for edit in pair.slim.unacknowledged()] == [5.0]
    assert pair.slim.unrecorded == 3


def test_an_outcome_for_another_edit_is_a_fault(pair: Pair) -> None:
    pair.type()
    save = pair.slim.next_save(1.0, b"2026-11-06T14:03:24.000Z")
    answer = Answer(
        [Outcome(f"0199f3a0-0000-7000-8000-{random.Random(1).getrandbits(40):012x}", "drafted")], 1, 0, [], 5
    )
    with pytest.raises(AssertionError, match="another edit"):
        pair.slim.answered(1.0, save, answer)


def test_the_ledger_has_each_edit_with_its_first_sending_only(pair: Pair, tmp_path: Path) -> None:
    pair.type()
    for _ in range(2):
        pair.slim.next_save(1.0, b"2026-11-06T14:03:24.000Z")
        pair.slim.failed(1.0, 0, "closed")
    pair.type()
    pair.slim.next_save(1.0, b"2026-11-06T14:03:24.000Z")
    pair.ledger.write()
    sent = [json.loads(line) for line in (tmp_path / "slim.jsonl").read_text().splitlines() if line.startswith('["s"')]
    assert [(line[3], line[4], len(line[5])) for line in sent] == [(1, 1, 1), (1, 1, 0), (1, 2, 1)]
