"""The load client keeps the client's rules: what it keeps, what it sends again, and when it begins anew."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from loadtests.outbox import Outbox, Save

if TYPE_CHECKING:
    from pathlib import Path

    from loadtests.ledger import Ledger

CELL, OTHER = ("score", 7, 1), ("score", 7, 2)


@pytest.fixture
def outbox(ledger: Ledger) -> Outbox:
    return Outbox(11, 4001, ledger)


def _seqs(save: Save) -> list[int]:
    edits = json.loads(save.body)["edits"]
    assert edits == list(save.edits)
    return [edit["seq"] for edit in edits]


def _answer(save: Save, drafted: int, recorded: int, **over: Any) -> dict[str, Any]:
    outcomes = [{"edit_id": e["edit_id"], "outcome": "drafted", "cell_version": 1} for e in save.edits]
    answer = {
        "outcomes": outcomes,
        "drafted_seq": drafted,
        "recorded_seq": recorded,
        "exceptions": [],
        "next_save_ms": 500,
    }
    return answer | over


def test_every_save_begins_with_the_oldest_unacknowledged_edit(outbox: Outbox) -> None:
    outbox.type(CELL, {"score": "1"})
    lost = outbox.next_save()
    outbox.failed(lost, 0, "ConnectionResetError")
    outbox.type(CELL, {"score": "2"})
    again = outbox.next_save()
    assert (_seqs(lost), _seqs(again)) == ([1], [1, 2])
    assert again.edits[1]["base"] == again.edits[0]["edit_id"]
    outbox.answered(again, _answer(again, 2, 0))
    assert (outbox.unsent, outbox.unrecorded) == (0, 2), "kept until it is recorded"
    assert _seqs(outbox.next_save()) == []


def test_what_a_lost_journal_held_is_sent_again(outbox: Outbox) -> None:
    for score in range(4):
        outbox.type(CELL, {"score": str(score)})
    save = outbox.next_save()
    outbox.answered(save, _answer(save, 4, 1))
    poll = outbox.next_save()
    outbox.answered(poll, _answer(poll, 1, 1))
    assert _seqs(outbox.next_save()) == [2, 3, 4]
    assert outbox.resent == 3


def test_a_gap_is_filled_from_where_the_server_stands(outbox: Outbox) -> None:
    for score in range(3):
        outbox.type(CELL, {"score": str(score)})
    save = outbox.next_save()
    outbox.answered(save, _answer(save, 3, 0))
    outbox.type(CELL, {"score": "4"})
    outbox.gap(outbox.next_save(), 2)
    assert _seqs(outbox.next_save()) == [2, 3, 4]
    assert outbox.renumbered == 0


def test_a_gap_that_has_left_the_outbox_begins_anew(outbox: Outbox) -> None:
    for score in range(3):
        outbox.type(CELL, {"score": str(score)})
    save = outbox.next_save()
    outbox.answered(save, _answer(save, 3, 2))
    first = outbox.client.client_id
    outbox.gap(outbox.next_save(), 1)
    again = outbox.next_save()
    assert outbox.client.client_id != first
    assert _seqs(again) == [1]
    assert again.edits[0]["edit_id"] == save.edits[2]["edit_id"]


def test_a_conflict_is_settled_on_top_of_what_stands(outbox: Outbox) -> None:
    mine = outbox.type(CELL, {"score": "1"})
    save = outbox.next_save()
    head = {"edit_id": "01990000-0000-7000-8000-000000000001", "value": {"score": "9"}}
    conflict = {"edit_id": mine["edit_id"], "outcome": "conflict", "head": head}
    outbox.answered(save, _answer(save, 1, 0, outcomes=[conflict]))
    settled = outbox.settle(outbox.conflicts.popleft(), keep_mine=False)
    assert settled is not None
    assert (settled["base"], settled["resolves"], settled["value"]) == (
        head["edit_id"],
        [mine["edit_id"]],
        head["value"],
    )


def test_an_exception_is_taken_once_and_said_to_be_seen(outbox: Outbox) -> None:
    mine = outbox.type(CELL, {"score": "1"})
    save = outbox.next_save()
    outbox.answered(save, _answer(save, 1, 0))
    exception = {"edit_id": mine["edit_id"], "seq": 1, "outcome": "conflict", "head": None}
    for _ in range(2):
        poll = outbox.next_save()
        outbox.answered(poll, _answer(poll, 1, 1, exceptions=[exception]))
    assert len(outbox.conflicts) == 1
    assert json.loads(outbox.next_save().body)["exceptions_seen_seq"] == 1


def test_a_save_holds_200_edits_and_half_as_many_after_a_413(outbox: Outbox) -> None:
    for score in range(450):
        outbox.type(CELL, {"score": str(score)})
    assert _seqs(outbox.next_save()) == list(range(1, 201))
    outbox.smaller()
    assert _seqs(outbox.next_save()) == list(range(1, 101))


def test_a_snapshot_changes_what_is_seen_only_where_nothing_of_ones_own_waits(outbox: Outbox) -> None:
    mine = outbox.type(CELL, {"score": "1"})
    theirs = {"kind": ["score", "score"], "item": [7, 7], "student": [1, 2], "edit_id": ["a", "b"]}
    outbox.shown(1, theirs | {"cell_version": [1, 1], "state": ["recorded", "recorded"]})
    assert outbox.seen == {CELL: mine["edit_id"], OTHER: "b"}


def test_the_ledger_is_written_before_anything_is_sent(outbox: Outbox, ledger_path: Path) -> None:
    outbox.type(CELL, {"score": "1"})
    outbox.next_save()
    events = [json.loads(line) for line in ledger_path.read_text().splitlines()]
    assert [e["event"] for e in events] == ["run", "typed", "sent"]
    assert (events[2]["first_seq"], events[2]["last_seq"]) == (1, 1)
