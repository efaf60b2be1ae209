"""How a form without a script becomes edits: typed text, ids, and the same form sent again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model.kinds import AttendanceValue, CommentValue, Kind, ScoreValue, canonical, parse_value
from app.model.plain_fields import read_fields
from app.model.plain_forms import (
    NO_ID,
    FormState,
    FormStateError,
    FormStudent,
    HeldValue,
    SeenHead,
    ShownCell,
    derive_client_id,
    hold,
    is_of_form,
    plain_value,
    plan,
    plan_choice,
    seal,
    unseal,
)
from app.model.typed_text import TypedTextError, read_score, read_time, read_words

KEY = b"k" * 32
TEACHER, OTHER = 11, 12
BASE = UUID("0199a000-0000-7000-8000-000000000001").bytes


@pytest.mark.parametrize(
    ("text", "score", "statuses"),
    [
        ("17", "17", ""),
        (" 18 ", "18", ""),
        ("17,5", "17.5", ""),
        ("17.50", "17.50", ""),
        ("\u00a017\u2009", "17", ""),
        ("１７", "17", ""),  # noqa: RUF001 -- as a Japanese keyboard types it
        ("−3", "-3", ""),  # noqa: RUF001 -- as a word processor writes it
        (".5", "0.5", ""),
        ("18.", "18", ""),
        ("007", "7", ""),
        ("17/20", "17", ""),
        ("17 / 20", "17", ""),
        ("16 la", "16", "late"),
        ("16la", "16", "late"),
        ("EX", None, "exempt"),
        ("mi", None, "missing"),
        ("fa", None, "missing"),
        ("12 ta", "12", "late"),
        ("0", "0", ""),
        ("", None, ""),
        ("   ", None, ""),
    ],
)  # fmt: skip
def test_a_score_is_read_kindly(text: str, score: str | None, statuses: str) -> None:
    typed = read_score(text, "20")
    assert (typed.score, " ".join(sorted(typed.statuses))) == (score, statuses)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("A+", "score_not_a_number"),
        ("85%", "score_not_a_number"),
        ("1 8", "score_not_a_number"),
        ("1.2.3", "score_not_a_number"),
        ("-", "score_not_a_number"),
        (".", "score_not_a_number"),
        ("zz", "score_not_a_number"),
        ("/20", "score_not_a_number"),
        ("1e3", "score_not_a_number"),
        ("1²", "score_not_a_number"),
        ("½", "score_not_a_number"),
        ("9" * 100, "score_not_a_number"),
        ("17/25", "score_of_another_maximum"),
        ("1,000", "score_comma_is_ambiguous"),
        ("1234567", "score_too_long"),
        ("1.23456", "score_too_long"),
    ],
)
def test_what_cannot_be_a_score_is_refused_and_never_guessed(text: str, code: str) -> None:
    with pytest.raises(TypedTextError) as caught:
        read_score(text, "20")
    assert caught.value.code == code


@given(st.text(max_size=60))
def test_whatever_is_typed_is_a_score_that_can_be_stored_or_is_refused(text: str) -> None:
    try:
        typed = read_score(text, "20")
    except TypedTextError:
        return
    parse_value(Kind.SCORE, canonical(ScoreValue(typed.score, tuple(sorted(typed.statuses)))))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "time"),
    [("8:07", "08:07"), ("08.07", "08:07"), ("8:07 am", "08:07"), ("1:30 p. m.", "13:30"), ("12:05 AM", "00:05"),
     ("12:00 pm", "12:00"), ("23h59", "23:59"), ("8:07:30", "08:07"), ("", None)],
)  # fmt: skip
def test_a_time_is_read_kindly(text: str, time: str | None) -> None:
    assert read_time(text) == time


@pytest.mark.parametrize("text", ["late", "25:00", "8:60", "13:00 pm", "0:10 am", "807"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(TypedTextError):
        read_time(text)


def test_words_keep_their_line_ends_and_their_limit() -> None:
    assert read_words(" a\r\nb\rc\x00 ", 10) == "a\nb\nc"
    with pytest.raises(TypedTextError) as caught:
        read_words("x" * 11, 10)
    assert caught.value.params == {"max": "10", "length": "11"}


def column(*values: ScoreValue | None, **over: Any) -> FormState:
    """A form of a column with a student for each value; None: an empty cell."""
    students = tuple(FormStudent(101 + i, f"Student {i}") for i in range(len(values)))
    cells: list[ShownCell] = []
    for student, value in zip(students, values, strict=True):
        shown = canonical(value) if value is not None else b""
        cells.append(ShownCell(Kind.SCORE, student.student, BASE if value is not None else NO_ID, shown))
        cells.append(ShownCell(Kind.COMMENT, student.student, NO_ID, b""))
    state = FormState(
        "column", b"f" * 16, 1_762_464_067_000, TEACHER, "Elena Ruiz", 4001, "Algebra 1", "America/Los_Angeles", 7001,
        "Quiz", "0", "20", students, tuple(cells),
    )  # fmt: skip
    return msgspec.structs.replace(state, **over)


def planned(state: FormState, heads: dict[tuple[int, int], SeenHead] | None = None, **fields: str) -> Any:
    typed = read_fields(state, {name.replace("_", "-"): [value] for name, value in fields.items()})
    return plan(state, typed.values, heads or {}, 5)


def head_of(edit: Any, author: int = TEACHER) -> SeenHead:
    return SeenHead(edit.edit_id.bytes, author, edit.value)


def test_a_state_comes_back_whole_and_unchanged_or_not_at_all() -> None:
    state = column(ScoreValue("12"))
    sealed = seal(state, KEY)
    assert unseal(sealed, [b"other" * 8, KEY]) == state
    for bad in ("", "x", "é", sealed[:-4], "A" + sealed[1:], sealed + "AAAA"):
        with pytest.raises(FormStateError):
            unseal(bad, [KEY])
    with pytest.raises(FormStateError):
        unseal(sealed, [b"another" * 8])


def test_only_what_changed_becomes_an_edit() -> None:
    state = column(ScoreValue("12"), ScoreValue("15", ("late",)), None)
    edits = planned(state, s_101="12", s_102="16", s_103="")
    assert [(e.student, e.value, e.base) for e in edits] == [(102, b'{"score":"16","status":["late"]}', BASE)]
    assert planned(state) == []


def test_an_emptied_box_clears_the_cell() -> None:
    assert [e.value for e in planned(column(ScoreValue("12")), s_101="")] == [b"{}"]


def test_flags_are_read_only_where_their_boxes_were_part_of_the_form() -> None:
    state = column(ScoreValue("12", ("late", "incomplete")))
    assert planned(state, s_101="12") == []
    assert [e.value for e in planned(state, s_101="12", p_101="1")] == [b'{"score":"12","status":["incomplete"]}']
    assert [e.value for e in planned(state, s_101="12", p_101="1", f_101="missing")] == [
        b'{"score":"12","status":["incomplete","missing"]}'
    ]


def test_a_comment_that_was_not_touched_is_no_change() -> None:
    shown = canonical(CommentValue(" first\nsecond "))
    state = column(None)
    state = msgspec.structs.replace(state, cells=(state.cells[0], ShownCell(Kind.COMMENT, 101, BASE, shown)))
    assert planned(state, c_101=" first\r\nsecond ") == []
    assert [e.value for e in planned(state, c_101="third")] == [b'{"text":"third"}']


def test_a_value_of_a_newer_release_is_not_cleared_by_an_empty_box() -> None:
    state = column(None)
    state = msgspec.structs.replace(state, cells=(ShownCell(Kind.SCORE, 101, BASE, b'{"rubric": 3}'), state.cells[1]))
    assert planned(state, s_101="") == []
    assert [e.value for e in planned(state, s_101="17")] == [b'{"score":"17"}']


def test_the_same_form_sent_twice_sends_the_same_edits_from_the_same_client() -> None:
    state = column(None, None)
    first, again = planned(state, s_101="17", s_102="12"), planned(state, s_101="17", s_102="12")
    assert first == again
    assert derive_client_id(state, first) == derive_client_id(state, again)
    assert first[0].edit_id.version == 7
    assert len({e.edit_id for e in first}) == 2
    # Also when it arrives after the first one was journaled, and its edits are the heads.
    heads = {(e.kind, e.student): head_of(e) for e in first}
    late = planned(state, heads, s_101="17", s_102="12")
    assert [e.edit_id for e in late] == [e.edit_id for e in first]
    assert derive_client_id(state, late) == derive_client_id(state, first)


def test_another_form_of_the_same_column_sends_other_edits() -> None:
    first = planned(column(None), s_101="17")
    second = planned(column(None, form_id=b"g" * 16), s_101="17")
    assert first[0].edit_id != second[0].edit_id


def test_going_back_and_changing_builds_on_what_was_sent_before() -> None:
    state = column(None, None)
    first = planned(state, s_101="17", s_102="12")
    heads = {(e.kind, e.student): head_of(e) for e in first}
    second = planned(state, heads, s_101="17", s_102="13")
    assert second[0].edit_id == first[0].edit_id
    assert second[1].base == first[1].edit_id.bytes
    assert derive_client_id(state, second) != derive_client_id(state, first)
    # And back to the first value: a third edit, not the first one again.
    heads[Kind.SCORE, 102] = head_of(second[1])
    third = planned(state, heads, s_101="17", s_102="12")
    assert third[1].edit_id not in {first[1].edit_id, second[1].edit_id}
    assert third[1].base == second[1].edit_id.bytes


def test_going_back_and_restoring_what_was_shown_is_a_change_too() -> None:
    state = column(ScoreValue("12"))
    first = planned(state, s_101="17")
    heads = {(Kind.SCORE, 101): head_of(first[0])}
    second = planned(state, heads, s_101="12")
    assert [(e.value, e.base) for e in second] == [(b'{"score":"12"}', first[0].edit_id.bytes)]
    # The reload of that submission finds its own edit, and sends it again.
    heads = {(Kind.SCORE, 101): head_of(second[0])}
    assert [e.edit_id for e in planned(state, heads, s_101="12")] == [second[0].edit_id]


def test_what_a_colleague_entered_meanwhile_is_not_built_upon() -> None:
    state = column(ScoreValue("12"))
    theirs = SeenHead(UUID(int=5).bytes, OTHER, b'{"score":"19"}')
    assert [e.base for e in planned(state, {(Kind.SCORE, 101): theirs}, s_101="17")] == [BASE]
    assert planned(state, {(Kind.SCORE, 101): theirs}, s_101="12") == []


def test_an_edit_of_somebody_else_is_never_taken_for_the_forms_own() -> None:
    state = column(None)
    mine = planned(state, s_101="17")[0]
    assert is_of_form(state, (Kind.SCORE, 101), mine.edit_id.bytes)
    assert not is_of_form(state, (Kind.SCORE, 102), mine.edit_id.bytes)
    assert not is_of_form(state, (Kind.COMMENT, 101), mine.edit_id.bytes)
    heads = {(Kind.SCORE, 101): head_of(mine, OTHER)}
    assert planned(state, heads, s_101="18")[0].base == NO_ID


def test_what_was_held_keeps_the_time_at_which_it_was_typed() -> None:
    state = column(None, None)
    held = hold(state, plan(state, read_fields(state, {"s-101": ["17"], "s-102": ["12"]}).values, {}, 1000))
    edits = plan(held, read_fields(held, {"s-101": ["17"], "s-102": ["13"]}).values, {}, 9000)
    assert [e.entered_ms for e in edits] == [1000, 9000]
    assert edits[0].edit_id == planned(state, s_101="17")[0].edit_id


def test_what_cannot_be_understood_is_left_out_and_the_others_are_sent() -> None:
    state = column(None, None)
    typed = read_fields(state, {"s-101": ["A+"], "s-102": ["12"]})
    assert set(typed.errors) == {"s-101"}
    assert set(typed.values) == {(Kind.SCORE, 102)}


def test_a_choice_is_based_on_the_head_that_was_shown() -> None:
    conflict, head = UUID(int=7).bytes, UUID(int=8).bytes
    state = column(None)
    state = msgspec.structs.replace(
        state,
        kind="choice",
        cells=(ShownCell(Kind.SCORE, 101, head, b'{"score":"19"}', (conflict,)),),
        held=(HeldValue(Kind.SCORE, 101, b'{"score":"17"}', 3),),
    )
    (mine,), (theirs,) = plan_choice(state, "mine", {}, 5), plan_choice(state, "theirs", {}, 5)
    assert (mine.value, theirs.value) == (b'{"score":"17"}', b'{"score":"19"}')
    assert {mine.base, theirs.base} == {head}
    assert mine.resolves == theirs.resolves == (conflict,)
    # Changing one's mind builds on the first decision.
    changed = plan_choice(state, "theirs", {(Kind.SCORE, 101): head_of(mine)}, 6)
    assert changed[0].base == mine.edit_id.bytes


def roll(category: str | None = None, **over: Any) -> FormState:
    shown = canonical(AttendanceValue(category, **over)) if category else b""  # type: ignore[arg-type]
    state = column(None)
    return msgspec.structs.replace(
        state,
        kind="attendance",
        cells=(ShownCell(Kind.ATTENDANCE, 101, NO_ID, shown), ShownCell(Kind.ROLL_TAKEN, 0, NO_ID, b"")),
    )


def test_taking_the_roll_is_an_edit_of_its_own_and_the_last() -> None:
    edits = planned(roll(), a_101="present", roll="1")
    assert [(e.kind, e.value) for e in edits] == [
        (Kind.ATTENDANCE, b'{"category":"present"}'),
        (Kind.ROLL_TAKEN, b'{"taken":true}'),
    ]


def test_the_roll_is_not_taken_while_an_entry_is_not_understood() -> None:
    typed = read_fields(roll(), {"a-101": ["tardy"], "t-101": ["soon"], "roll": ["1"]})
    assert typed.values == {}
    assert set(typed.errors) == {"t-101"}


def test_a_time_of_arrival_goes_with_the_mark_that_it_belongs_to() -> None:
    state = roll("tardy", arrival_time="08:07", note="bus")
    present = planned(state, a_101="present", t_101="08:07", n_101="bus")
    assert [e.value for e in present] == [b'{"category":"present","note":"bus"}']
    assert planned(state, a_101="tardy", t_101="8:07 am", n_101="bus") == []
    assert planned(state, a_101="made_up", t_101="08:07", n_101="bus") == []


def test_values_are_compared_whatever_their_spelling() -> None:
    assert plain_value(Kind.SCORE, b'{"status": [], "score": "17"}') == b'{"score":"17"}'
    assert plain_value(Kind.SCORE, b"{}") == plain_value(Kind.SCORE, b"null") == b""
    assert plain_value(Kind.SCORE, b'{"rubric": 3}') == b'{"rubric": 3}'
