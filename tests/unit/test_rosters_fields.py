"""Single fields: what they become, and what is said of those that do not parse."""

from __future__ import annotations

import datetime as dt
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from app.model.kinds import Kind, parse_value
from app.rosters import fields
from app.rosters.files import RESULTS, specs
from app.rosters.problems import FieldError
from app.rosters.validate import FileStager
from tests.roster_packages import csv_bytes, small_district

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "score"),
    [("75", "75"), ("74.00", "74.00"), ("-2.5", "-2.5"), ("+3", "3"), (".5", "0.5"), ("5.", "5"), ("1e2", "100"),
     ("2.50E1", "25.0"), ("12.3400000", "12.34"), ("0", "0")],
)  # fmt: skip
def test_scores_are_exact_decimals_without_an_exponent(text: str, score: str) -> None:
    assert fields.score(text) == score


@pytest.mark.parametrize(
    ("parse", "text", "reason"),
    [
        (fields.score, "A-", '"A-" is not a number'),
        (fields.score, "nan", "not a number"),
        (fields.score, "١٢", "not a number"),
        (fields.score, "1,5", "not a number"),
        (fields.score, "1.23456", "more than 6 digits before or 4 after"),
        (fields.score, "1e99", "more than 6 digits"),
        (fields.iso_date, "10/01/2026", "not a date (yyyy-mm-dd)"),
        (fields.iso_date, "2026-02-30", "not a date"),
        (fields.iso_date, "20261001", "not a date"),
        (fields.timestamp, "yesterday", "not a date and time"),
        (fields.boolean, "1", "neither true nor false"),
        (fields.year, "20X5", "not a year"),
        (fields.year, "٢٠٢٦", "not a year"),
        (fields.identifier, "x" * 256, "longer than 255"),
        (fields.words, "x" * 2001, "2,001 characters"),
        (fields.one_of(fields.same("student")), "pupil", "not one of: student"),
        (fields.one_of(fields.same("student")), "ext:pupil", "not one of"),
    ],
)
def test_what_does_not_parse_says_so(parse: Callable[[str], Any], text: str, reason: str) -> None:
    with pytest.raises(FieldError) as caught:
        parse(text)
    assert reason in str(caught.value)


def test_words_of_a_list_in_any_case_and_extensions() -> None:
    role = fields.one_of(fields.same("student", "teacher"), extension=fields.KEEP)
    assert [role("Student"), role(" TEACHER "), role("ext:coach")] == ["student", "teacher", "ext:coach"]


def test_times_are_utc() -> None:
    assert fields.timestamp("2026-11-06T14:03:00-08:00") == dt.datetime(2026, 11, 6, 22, 3, tzinfo=dt.UTC)
    assert fields.timestamp("2026-11-06") == dt.datetime(2026, 11, 6, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ({"scoreStatus": "fully graded", "score": "75"}, '{"score":"75"}'),
        ({"scoreStatus": "Exempt"}, '{"status":["exempt"]}'),
        ({"scoreStatus": "not submitted", "missing": "true", "late": "TRUE"}, '{"status":["missing","late"]}'),
        ({"scoreStatus": "not submitted"}, '{"status":["not_submitted"]}'),
        ({"scoreStatus": "partially graded", "score": "3.50", "inProgress": "true", "incomplete": "true"},
         '{"score":"3.50","status":["incomplete","in_progress","partially_graded"]}'),
        ({"scoreStatus": "ext:scanned", "score": "1"}, '{"score":"1"}'),
        ({"scoreStatus": "fully graded"}, None),
    ],
)  # fmt: skip
def test_a_result_becomes_the_value_of_a_cell(tmp_path: Path, row: dict[str, str], value: str | None) -> None:
    [staged] = stage(
        tmp_path, "results", [{"sourcedId": "g", "lineItemSourcedId": "i", "studentSourcedId": "s", **row}]
    )
    assert staged[RESULTS.staged.index("score_value") + 6] == value
    if value:
        parse_value(Kind.SCORE, value.encode())


def stage(tmp_path: Path, name: str, rows: list[dict[str, str]], *, mode: Any = "bulk") -> list[tuple[Any, ...]]:
    path = tmp_path / f"{name}.csv"
    path.write_bytes(csv_bytes(name, rows))
    with path.open("rb") as file:
        return list(FileStager(specs("1.2")[name], mode).rows(file, lambda _: None))


def test_every_fault_of_a_row_is_named(tmp_path: Path) -> None:
    user = small_district()["users"][0] | {"enabledUser": "maybe", "familyName": "", "dateLastModified": "now"}
    [(line, sourced_id, _, _, code, reason, *_)] = stage(tmp_path, "users", [user])
    assert (line, sourced_id, code) == (2, "t1", "field")
    assert reason == (
        'dateLastModified "now" is not a date and time (2026-11-06T14:03:00.000Z); '
        'enabledUser "maybe" is neither true nor false; familyName is empty'
    )


def test_a_delta_needs_status_and_date_in_every_row(tmp_path: Path) -> None:
    org = {"sourcedId": "o", "name": "O", "type": "school", "status": "active"}
    [row] = stage(tmp_path, "orgs", [org], mode="delta")
    assert row[4:6] == ("delta_lifecycle", "a row of a delta needs dateLastModified")


def test_a_deleted_row_needs_no_more_than_its_id(tmp_path: Path) -> None:
    gone = {"sourcedId": "u", "status": "tobedeleted", "dateLastModified": "2026-11-01T00:00:00Z"}
    [row] = stage(tmp_path, "users", [gone], mode="delta")
    assert row[1:3] == ("u", True)
    assert row[4] is None


def test_a_deleted_result_or_role_must_say_whose(tmp_path: Path) -> None:
    gone = {"sourcedId": "x", "status": "tobedeleted", "dateLastModified": "2026-11-01T00:00:00Z"}
    [result], [role] = (stage(tmp_path, name, [gone], mode="delta") for name in ("results", "roles"))
    assert result[5] == "lineItemSourcedId is empty; studentSourcedId is empty"
    assert role[5] == "userSourcedId is empty; role is empty; orgSourcedId is empty"


def test_width_is_held_against_the_header(tmp_path: Path) -> None:
    path = tmp_path / "orgs.csv"
    path.write_text("sourcedId,name,type\no,School\no2,School,school\no3,School,school,x\n,School,school\n")
    stager = FileStager(specs("1.2")["orgs"], "bulk")
    with path.open("rb") as file:
        rows = list(stager.rows(file, lambda _: None))
    assert [(row[0], row[1], row[4]) for row in rows] == [
        (2, "o", "width"), (3, "o2", None), (4, "o3", "width"), (5, None, "required"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("header", "code", "reason"),
    [
        ("", "header_missing", "the file is empty"),
        ("sourcedId,Name,type", "header_column", 'lacks name (letters count: "Name" is not it)'),
        ("sourcedId,name,name,type", "header_duplicate", '"name" more than once'),
    ],
)
def test_headers(tmp_path: Path, header: str, code: str, reason: str) -> None:
    path = tmp_path / "orgs.csv"
    path.write_text(header)
    stager = FileStager(specs("1.2")["orgs"], "bulk")
    with path.open("rb") as file:
        assert list(stager.rows(file, lambda _: None)) == []
    assert [problem.code for problem in stager.problems] == [code]
    assert reason in stager.problems[0].reason


def test_a_file_with_a_wrong_header_is_still_read_for_broken_quotes(tmp_path: Path) -> None:
    path = tmp_path / "orgs.csv"
    path.write_text('sourcedId\no,"\n')
    stager = FileStager(specs("1.2")["orgs"], "bulk")
    with path.open("rb") as file:
        assert list(stager.rows(file, lambda _: None)) == []
    assert [problem.code for problem in stager.problems] == ["header_column", "csv_quote"]


def test_odd_things_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "users.csv"
    path.write_text(
        "sourcedId,enabledUser,username,givenName,familyName,password,metadata.x,shoeSize\n" + "u,true,u,U,U,p,,\n"
    )
    stager = FileStager(specs("1.2")["users"], "bulk")
    with path.open("rb") as file:
        list(stager.rows(file, lambda _: None))
    assert {code: count for code, (_, count) in stager.warnings.items()} == {
        "password_ignored": 1,
        "columns_ignored": 1,
    }
    assert "shoeSize" in stager.warnings["columns_ignored"][0]


def test_a_file_is_read_in_memory_that_does_not_grow_with_it(tmp_path: Path) -> None:
    path = tmp_path / "enrollments.csv"
    with path.open("w") as file:
        file.write("sourcedId,classSourcedId,userSourcedId,role,beginDate\n")
        for number in range(60_000):
            file.write(f"enrollment-{number},class-{number // 30},user-{number},student,2026-08-12\n")
    stager = FileStager(specs("1.2")["enrollments"], "bulk")
    tracemalloc.start()
    try:
        with path.open("rb") as opened:
            assert sum(1 for _ in stager.rows(opened, lambda _: None)) == 60_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * 1024**2  # the file has 4 MiB
