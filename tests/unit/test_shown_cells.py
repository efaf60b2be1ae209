"""What a reader is shown of a cell: the record, or the journal's head over it."""

from __future__ import annotations

import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.drafts.codec import CELL, Head
from app.gradebook.shown_cells import CellPlace, columns_of, lay_over, with_waiting, without_overtaken
from app.model.kinds import Kind
from app.records.edits import FullHeadRow
from app.records.parked import WaitingEdit

ONE, TWO = (Kind.SCORE, 7, 101), (Kind.SCORE, 7, 102)
A, B, C, D, E = (uuid.UUID(int=10 + n).bytes for n in range(5))


def row(place: CellPlace, version: int, edit_id: bytes = A, value: str | None = '{"score":"1"}') -> FullHeadRow:
    return FullHeadRow(*place, version, edit_id, 5, 1_700_000_000_123, value)


def head(version: int, edit_id: bytes = B, *, is_drafted: bool = True, is_provisional: bool = False) -> Head:
    return Head(version, edit_id, 6, 1_700_000_001_000, b'{"score":"2"}', is_drafted, is_provisional)


@pytest.mark.parametrize(
    ("over", "are_away", "shown", "is_drafted"),
    [
        (head(3), False, B, True),
        (head(2), False, A, False),  # PostgreSQL wins at equal versions
        (head(0, is_provisional=True), False, B, True),  # nobody knows its version: it is the newest that was typed
        (head(3, is_drafted=False), False, A, False),
        (head(3, is_drafted=False), True, B, False),
        (head(2, is_drafted=False), True, A, False),
    ],
)
def test_the_newer_of_record_and_head_stands(over: Head, are_away: bool, shown: bytes, is_drafted: bool) -> None:  # noqa: FBT001 -- parametrized
    rows, drafted = lay_over({CELL.pack(*ONE): over}, [row(ONE, 2)], records_are_away=are_away)
    assert [one.edit_id for one in rows] == [shown]
    assert drafted == ({ONE} if is_drafted else set())


def test_a_head_without_a_record_stands_alone() -> None:
    rows, drafted = lay_over({CELL.pack(*TWO): head(1)}, [row(ONE, 2)])
    cells = columns_of(rows, drafted)
    assert (cells.student, cells.state, cells.cell_version) == ([101, 102], ["recorded", "drafted"], [2, 1])
    assert cells.edit_id == [str(uuid.UUID(bytes=A)), str(uuid.UUID(bytes=B))]
    assert cells.entered_at == ["2023-11-14T22:13:20.123Z", "2023-11-14T22:13:21.000Z"]
    assert msgspec.json.encode(cells.value) == b'[{"score":"1"},{"score":"2"}]'
    assert (cells.kind, cells.item, cells.author_id) == (["score", "score"], [7, 7], [5, 6])


def test_what_is_empty_is_shown_as_such() -> None:
    assert all(not column for column in msgspec.structs.astuple(columns_of(*lay_over({}, []))))
    cells = columns_of([row(ONE, 0, value=None)], set())
    assert (cells.cell_version, bytes(cells.value[0])) == ([None], b"null")


def waits(edit_id: bytes, base: bytes, place: CellPlace = ONE, *, entered_ms: int = 1_700_000_002_000) -> WaitingEdit:
    return WaitingEdit(place, edit_id, base, 7, entered_ms, '{"score":"3"}')


@pytest.mark.parametrize(
    ("waiting", "bases_are_hidden", "shown"),
    [
        ([], False, B),
        ([waits(C, B)], False, C),
        ([waits(C, A)], False, B),  # its base does not stand any more: it may end as a conflict
        ([waits(C, D)], False, B),  # nobody knows its base
        ([waits(D, C), waits(C, B), waits(E, D)], False, E),  # a chain, in whichever order it came
        ([waits(C, B), waits(D, B)], False, C),  # as they will be judged: the first stands
        ([waits(C, B), waits(C, B)], False, C),  # parked, and sent again through the journal
        ([waits(C, C)], False, B),
        ([waits(C, B, TWO)], False, B),
    ],
)
def test_what_waits_stands_where_its_base_does(
    *, waiting: list[WaitingEdit], bases_are_hidden: bool, shown: bytes
) -> None:
    heads = {CELL.pack(*ONE): head(3)}
    over = with_waiting(heads, [row(ONE, 2)], waiting, bases_are_hidden=bases_are_hidden)
    rows, drafted = lay_over(over, [row(ONE, 2)])
    assert ([one.edit_id for one in rows], drafted) == ([shown], {ONE})
    assert heads == {CELL.pack(*ONE): head(3)}, "what was given is left alone"


@pytest.mark.parametrize(
    ("waiting", "recorded", "shown"),
    [
        ([waits(C, B)], [], C),  # its base is in the journal, which cannot be read
        ([waits(C, B)], [row(ONE, 2)], C),
        ([waits(C, B), waits(D, C)], [row(ONE, 2)], D),
        ([waits(C, B), waits(D, E)], [row(ONE, 2)], D),
        ([waits(C, B), waits(D, B)], [row(ONE, 2)], C),
        ([waits(C, B, entered_ms=1_700_000_000_000)], [row(ONE, 2)], A),  # somebody has typed over it since
    ],
)
def test_while_the_bases_are_hidden_what_waits_stands_on_what_is_hidden_in_it(
    waiting: list[WaitingEdit], recorded: list[FullHeadRow], shown: bytes
) -> None:
    over = with_waiting({}, recorded, waiting, bases_are_hidden=True)
    assert [one.edit_id for one in lay_over(over, recorded)[0]] == [shown]


def test_what_waits_is_shown_as_it_was_typed() -> None:
    (shown,), drafted = lay_over(with_waiting({}, [row(ONE, 2)], [waits(B, A)]), [row(ONE, 2)])
    assert shown == FullHeadRow(*ONE, 3, B, 7, 1_700_000_002_000, '{"score":"3"}')
    assert drafted == {ONE}
    unsure = {CELL.pack(*ONE): head(0, is_provisional=True)}
    assert with_waiting(unsure, [], [waits(C, B)])[CELL.pack(*ONE)].cell_version == 0, "nobody knows that of its base"
    copied = head(3, is_drafted=False)  # PostgreSQL is away: the newest that is known to have been recorded
    over = with_waiting({CELL.pack(*ONE): copied}, [row(ONE, 2)], [waits(C, B)], records_are_away=True)
    assert over[CELL.pack(*ONE)].edit_id == C


def test_what_is_parked_stands_before_what_the_journal_has_on_the_same_base() -> None:
    heads = {CELL.pack(*ONE): head(3, D)}  # typed on B, as the parked one was
    over = with_waiting(heads, [row(ONE, 1)], [waits(C, B)], [waits(E, C)], chained={B, D})
    assert over[CELL.pack(*ONE)].edit_id == E
    over = with_waiting(heads, [row(ONE, 1)], [], [waits(C, B)], chained={B, D})
    assert over[CELL.pack(*ONE)].edit_id == D, "in the journal the head was first"
    heads = {CELL.pack(*ONE): head(3, C)}  # it has come again through the journal, and one more was parked on it
    over = with_waiting(heads, [row(ONE, 1)], [waits(C, B), waits(E, C)], chained={B, C})
    assert over[CELL.pack(*ONE)].edit_id == E


@pytest.mark.parametrize(
    ("over", "recorded", "stands"),
    [
        (head(3)._replace(root_version=1), row(ONE, 1), True),
        (head(3)._replace(root_version=1), row(ONE, 2), False),  # something else was recorded under the chain
        (head(3)._replace(root_version=1), row(ONE, 2, C), True),  # the chain's own, and not drained yet
        (head(3)._replace(root_version=1), row(TWO, 2), True),
        (head(0, is_provisional=True), row(ONE, 2), True),  # nobody knows on what it stands
        (head(3, is_drafted=False), row(ONE, 4), True),  # no chain
    ],
)
def test_a_chain_under_which_something_else_was_recorded_is_left_out(
    *, over: Head, recorded: FullHeadRow, stands: bool
) -> None:
    heads = {CELL.pack(*ONE): over}
    assert without_overtaken(heads, [recorded], {B, C}) == (heads if stands else {})


places = st.tuples(st.sampled_from([1, 2, 4]), st.integers(0, 3), st.integers(0, 3))


@given(
    st.dictionaries(places, st.integers(1, 5)),
    st.dictionaries(places, st.tuples(st.integers(0, 6), st.booleans(), st.booleans())),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_cells_are_in_order_and_each_is_there_once(
    recorded: dict[CellPlace, int],
    heads: dict[CellPlace, tuple[int, bool, bool]],
    are_away: bool,  # noqa: FBT001 -- drawn
    random: object,
) -> None:
    """Against the rule, cell by cell."""
    rows = [row(place, version) for place, version in recorded.items()]
    random.shuffle(rows)  # type: ignore[attr-defined]  # a Random; PostgreSQL gives them in any order
    over = {
        CELL.pack(*place): head(version, is_drafted=dirty, is_provisional=dirty and unsure)
        for place, (version, dirty, unsure) in heads.items()
    }
    shown, drafted = lay_over(over, rows, records_are_away=are_away)
    stands = {}
    for place in {*recorded, *heads}:
        version, dirty, unsure = heads.get(place, (0, False, False))
        counts = place in heads and (dirty or are_away)
        if counts and (place not in recorded or (dirty and unsure) or version > recorded[place]):
            stands[place] = (B, dirty)
        elif place in recorded:
            stands[place] = (A, False)
    assert [(one[:3], one.edit_id, one[:3] in drafted) for one in shown] == [
        (place, *stands[place]) for place in sorted(stands)
    ]
