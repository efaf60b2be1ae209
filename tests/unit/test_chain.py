"""The chain of a cell: order, duplicates, conflicts, and that batching makes no difference."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import example, given
from hypothesis import strategies as st

from app.model.chain import (
    APPLIED,
    CONFLICT,
    EMPTY,
    NO_ID,
    PROVISIONAL,
    QUARANTINED,
    REJECTED,
    SETTLED_CONFLICT,
    CellKey,
    ChainEdit,
    Head,
    Link,
    Verdict,
    effective_base,
    judge,
    move_position,
    walk,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

CELL: CellKey = (1, 1, 7, 101)
ME, OTHER = 11, 12
Known = dict[tuple[int, bytes], Link]


def i(name: str) -> bytes:
    return name.encode().rjust(16, b"\0") if name else NO_ID


def edit(name: str, base: str = "", *, author: int = ME, accepted: str = APPLIED, relink: bool = False) -> ChainEdit:
    return ChainEdit(1, CELL, i(name), author, i(base), accepted, relink)


def run(edits: Sequence[ChainEdit], history: dict[bytes, Link] | None = None, head: Head = EMPTY) -> list[str]:
    """Record edits as the flusher does: walk, look up what is missing, walk again. Return the statuses."""
    verdicts, _, _ = record(edits, {(1, k): link for k, link in (history or {}).items()}, {CELL: head})
    return [verdict.status for verdict in verdicts]


def record(
    edits: Sequence[ChainEdit], history: Known, heads: dict[CellKey, Head]
) -> tuple[list[Verdict], Known, dict[CellKey, Head]]:
    known: Known = {}
    asked: set[tuple[int, bytes]] = set()
    while True:
        moved, learnt = dict(heads), dict(known)
        verdicts, missing, _ = walk(edits, moved, learnt)
        # An edit whose base fits is not looked up first; the history's primary key refuses it a second time.
        written = {(e.section_id, e.edit_id) for e, v in zip(edits, verdicts, strict=True) if not v.is_duplicate}
        wanted = (missing | (written & history.keys())) - asked
        if not wanted:
            return verdicts, history | learnt, moved
        asked |= wanted
        known |= {key: history[key] for key in wanted if key in history}


def test_a_chain_is_applied_in_order_and_counted() -> None:
    verdicts, _, heads = record([edit("a"), edit("b", "a"), edit("c", "b", author=OTHER)], {}, {})
    assert [(v.status, v.cell_version, v.base) for v in verdicts] == [
        ("A", 1, NO_ID),
        ("A", 2, i("a")),
        ("A", 3, i("b")),
    ]
    assert heads[CELL] == Head(3, i("c"))


def test_a_stale_base_is_a_conflict_and_changes_nothing_for_those_behind_it() -> None:
    assert run([edit("a"), edit("x", author=OTHER), edit("b", "a"), edit("c", "b")]) == ["A", "C", "A", "A"]


def test_what_was_judged_before_is_a_duplicate_with_its_old_outcome() -> None:
    history = {
        i("a"): Link(APPLIED, ME, NO_ID, 1),
        i("r"): Link(REJECTED, ME, i("a"), code="score_out_of_range"),
        i("c"): Link(CONFLICT, ME, NO_ID),
    }
    for name, base in (("a", ""), ("c", ""), ("r", "a")):
        # An edit whose base fits is not looked up: the flusher does so when the history refuses it (its primary key).
        known = {(1, k): v for k, v in history.items()}
        heads = {CELL: Head(1, i("a"))}
        verdicts, _, _ = walk([edit(name, base, accepted=PROVISIONAL)], heads, known)
        assert (verdicts[0].status, verdicts[0].is_duplicate) == (history[i(name)].status, True)
        assert heads[CELL] == Head(1, i("a"))
        verdicts, _, _ = record([edit(name, base, accepted=PROVISIONAL)], known, heads)
        assert verdicts[0].is_duplicate


def test_the_same_edit_twice_in_a_batch_is_one_edit() -> None:
    verdicts, _, heads = record([edit("a"), edit("a"), edit("b", "a")], {}, {})
    assert [(v.status, v.is_duplicate) for v in verdicts] == [("A", False), ("A", True), ("A", False)]
    assert heads[CELL].cell_version == 2


def test_what_the_journal_refused_stays_refused() -> None:
    assert run([edit("r", accepted=REJECTED), edit("q", accepted=QUARANTINED), edit("c", accepted=CONFLICT)]) == [
        "R",
        "Q",
        "C",
    ]


def test_an_own_edit_that_never_applied_counts_as_its_base() -> None:
    row = [edit("r", accepted=REJECTED), edit("s", "r", accepted=REJECTED), edit("a", "s")]
    assert run(row) == ["R", "R", "A"]
    assert run([row[0], row[1], edit("a", "s", author=OTHER)]) == ["R", "R", "C"]  # but nobody else's


def test_an_own_conflict_typed_over_is_replaced() -> None:
    verdicts, known, _ = record([edit("a"), edit("x", author=OTHER), edit("y", "x", author=OTHER)], {}, {})
    assert [v.status for v in verdicts] == ["A", "C", "C"]
    assert (verdicts[2].replaces, known[1, i("x")].status) == (i("x"), SETTLED_CONFLICT)
    verdicts, _, _ = record([edit("z", "y", author=OTHER)], known, {CELL: Head(1, i("a"))})
    assert verdicts[0].replaces == i("y")
    verdicts, _, _ = record([edit("w", "y", author=ME)], known, {CELL: Head(1, i("a"))})
    assert (verdicts[0].status, verdicts[0].replaces) == ("C", None)  # somebody else's stays open


def test_a_base_that_a_restored_database_has_lost_is_linked_anew() -> None:
    head = Head(4, i("h"))
    assert run([edit("e", "lost", relink=True), edit("f", "e", relink=True)], head=head) == ["A", "A"]
    assert run([edit("e", "lost")], head=head) == ["C"]
    assert run([edit("e", "old", relink=True)], {i("old"): Link(APPLIED, OTHER, NO_ID, 3)}, head) == ["C"]
    assert run([edit("e", relink=True)], head=head) == ["C"]  # an empty cell is no lost base


def test_bases_that_run_in_a_circle_come_to_an_end() -> None:
    known: Known = {(1, i("x")): Link(CONFLICT, ME, i("y")), (1, i("y")): Link(CONFLICT, ME, i("x"))}
    assert effective_base(edit("e", "x"), known) in {i("x"), i("y")}
    assert judge(edit("e", "x"), Head(1, i("h")), known).status == CONFLICT
    assert run([edit("e", "e")], head=Head(1, i("h"))) == ["C"]


NAMES = [f"e{n}" for n in range(12)]
EDITS = st.lists(
    st.builds(
        edit,
        st.sampled_from(NAMES),
        st.sampled_from(["", *NAMES]),
        author=st.sampled_from((ME, OTHER)),
        accepted=st.sampled_from("AAAACRP"),
    ),
    max_size=14,
    unique_by=lambda e: e.edit_id,
)


@example(edits=[edit("e1", "e0", accepted=PROVISIONAL), edit("e0")], cuts=set(), again=[0])  # its base came after it
@given(edits=EDITS, cuts=st.sets(st.integers(1, 13)), again=st.lists(st.integers(0, 13), max_size=5))
def test_outcomes_do_not_depend_on_batches(edits: list[ChainEdit], cuts: set[int], again: list[int]) -> None:
    whole, history, heads = record(edits, {}, {})
    split: list[Verdict] = []
    known: Known = {}
    stands: dict[CellKey, Head] = {}
    bounds = [0, *sorted(c for c in cuts if c < len(edits)), len(edits)]
    for start, end in itertools.pairwise(bounds):
        verdicts, known, stands = record(edits[start:end], known, stands)
        split += verdicts
        if start < end:  # and whatever comes again in between has no effect
            repeated = [edits[at] for at in again if at < end]
            verdicts, after, unmoved = record(repeated, known, stands)
            assert all(v.is_duplicate for v in verdicts)
            assert (after, unmoved) == (known, stands)
    assert [(v.status, v.cell_version) for v in split] == [(v.status, v.cell_version) for v in whole]
    assert (known, stands) == (history, heads)


@given(edits=EDITS)
def test_applied_versions_are_a_chain_without_gaps(edits: list[ChainEdit]) -> None:
    verdicts, _, heads = record(edits, {}, {})
    applied = [(v, e) for v, e in zip(verdicts, edits, strict=True) if v.status == APPLIED]
    assert [v.cell_version for v, _ in applied] == list(range(1, len(applied) + 1))
    assert [v.base for v, _ in applied] == [NO_ID, *[e.edit_id for _, e in applied]][: len(applied)]
    assert heads.get(CELL, EMPTY).cell_version == len(applied)


def test_a_position_moves_up_to_the_first_hole() -> None:
    assert move_position(0, (), 0, [1, 2, 3]) == (3, [])
    assert move_position(3, (), 0, [5, 6]) == (3, [5, 6])
    assert move_position(3, (5, 6), 0, [4]) == (6, [])
    assert move_position(3, (5,), 0, [7, 5, 3]) == (3, [5, 7])
    assert move_position(3, (), 9, [10]) == (10, [])  # a restored database: nothing below the floor can come any more


@given(seqs=st.permutations(range(1, 9)), cuts=st.sets(st.integers(1, 7)), recorded=st.integers(0, 5))
def test_a_position_does_not_depend_on_the_order_of_arrival(seqs: list[int], cuts: set[int], recorded: int) -> None:
    position, ahead = recorded, []
    bounds = [0, *sorted(cuts), len(seqs)]
    for start, end in itertools.pairwise(bounds):
        position, ahead = move_position(position, ahead, 0, seqs[start:end])
    assert (position, ahead) == (8, [])
