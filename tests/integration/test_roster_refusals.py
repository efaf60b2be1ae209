"""Rows that cannot be imported, and files that cannot be read: refused with file, line and reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from app.rosters.importer import ImportOptions, import_package
from app.rosters.report import text_lines
from tests.roster_packages import changes, csv_bytes, numbers, refused, small_district, write_package

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    Database = asyncpg.Connection[asyncpg.Record]

ANY_SHARE = ImportOptions(refused_share_max=100)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def test_a_refused_row_protects_its_record(database_url: str, db: Database, tmp_path: Path) -> None:
    files = small_district()
    await import_package(database_url, write_package(tmp_path / "p", files))
    files["users"][5]["enabledUser"] = "maybe"
    files["enrollments"][7]["beginDate"] = "tomorrow"
    report = await import_package(database_url, write_package(tmp_path / "p", files), ANY_SHARE)
    assert report.outcome == "imported"
    assert refused(report) == [("users.csv", 7, "field"), ("enrollments.csv", 9, "field")]
    assert await db.fetchval("SELECT count(*) FROM user_account WHERE hidden_at IS NULL") == 22
    assert await db.fetchval("SELECT count(*) FROM enrollment WHERE hidden_at IS NULL") == 42


async def test_a_row_without_an_id_suspends_hiding(database_url: str, db: Database, tmp_path: Path) -> None:
    files = small_district()
    await import_package(database_url, write_package(tmp_path / "p", files))
    files["users"][21]["sourcedId"] = ""
    report = await import_package(database_url, write_package(tmp_path / "p", files), ANY_SHARE)
    assert "hiding_suspended" in {warned.code for warned in report.warnings}
    assert await db.fetchval("SELECT count(*) FROM user_account WHERE hidden_at IS NOT NULL") == 0


async def test_what_needs_other_rows_is_checked(database_url: str, tmp_path: Path) -> None:
    files = small_district()
    files["users"] += [files["users"][0] | {"sourcedId": "x1", "username": "S1"}, files["users"][1]]
    files["classes"][1]["termSourcedIds"] = "y,z"
    files["courses"].append({"sourcedId": "k2", "title": "Art", "orgSourcedId": "nowhere"})
    files["academicSessions"].append(files["academicSessions"][0] | {"sourcedId": "z2", "endDate": "2025-01-01"})
    files["lineItems"][0]["resultValueMax"] = "-1"
    files["results"] += [files["results"][3] | {"sourcedId": "g-again"}, files["results"][0] | {"score": "-1"}]
    report = await import_package(database_url, write_package(tmp_path / "p", files), ANY_SHARE)
    said = {(row.file, row.line): (row.code, row.reason) for row in report.refused_rows}
    assert said["users.csv", 24] == ("username_taken", 'username "S1" is also in line 4')
    assert said["users.csv", 3][0] == said["users.csv", 25][0] == "duplicate_sourced_id"
    assert said["classes.csv", 3] == ("missing_target", 'termSourcedIds "z": there is no such academic session')
    assert said["courses.csv", 3] == ("missing_target", 'orgSourcedId "nowhere": there is no such org')
    assert said["academicSessions.csv", 3] == ("dates", "endDate 2025-01-01 is before startDate 2026-08-01")
    assert said["lineItems.csv", 2] == ("range", "resultValueMax -1 is below resultValueMin 0")
    assert said["lineItems.csv", 3] == ("missing_target", 'classSourcedId "c2": its row in classes.csv is refused')
    assert said["results.csv", 5][0] == "missing_target"  # its line item is refused
    assert report.of("enrollments.csv").refused == 21  # those of the second class


async def test_scores_below_the_minimum_second_results_and_wrong_classes(database_url: str, tmp_path: Path) -> None:
    files = small_district()
    files["results"][0]["score"] = "-1"
    files["results"][1]["classSourcedId"] = "c2"
    files["results"].append(files["results"][2] | {"sourcedId": "g-again"})
    report = await import_package(database_url, write_package(tmp_path / "p", files), ANY_SHARE)
    assert refused(report) == [
        ("results.csv", 2, "score_below_minimum"),
        ("results.csv", 3, "wrong_section"),
        ("results.csv", 22, "second_result"),
    ]
    assert numbers(report, "results.csv") == {"rows": 21, "added": 18, "refused": 3}


async def test_names_can_be_swapped_but_not_taken(database_url: str, db: Database, tmp_path: Path) -> None:
    await import_package(database_url, write_package(tmp_path / "p", small_district()))
    files = small_district()
    files["users"][0]["username"], files["users"][1]["username"] = "T2", "T1"
    report = await import_package(database_url, write_package(tmp_path / "p", files))
    assert numbers(report, "users.csv") == {"rows": 22, "changed": 2, "unchanged": 20}
    assert await db.fetchval("SELECT username FROM user_account WHERE sourced_id = 't1'") == "T2"
    taker = changes(users=[small_district()["users"][0] | {"sourcedId": "new", "username": "S5"}])
    report = await import_package(database_url, write_package(tmp_path / "q", taker, "delta"), ANY_SHARE)
    assert report.refused_rows[0].reason == 'username "S5" belongs to the user with sourcedId "s5"'


@pytest.mark.parametrize("name", ["orgs", "academicSessions"])
async def test_a_circle_of_parents_refuses_the_package(
    database_url: str, db: Database, tmp_path: Path, name: str
) -> None:
    files = small_district()
    row = files[name][-1]
    files[name] += [row | {"sourcedId": "a", "parentSourcedId": "b"}, row | {"sourcedId": "b", "parentSourcedId": "a"}]
    report = await import_package(database_url, write_package(tmp_path / "p", files), ANY_SHARE)
    assert report.problems[0].code == "cycle"
    assert "a → b → a" in report.problems[0].reason
    assert await db.fetchval("SELECT count(*) FROM org") == 0


async def test_a_delta_cannot_close_a_circle_either(database_url: str, tmp_path: Path) -> None:
    await import_package(database_url, write_package(tmp_path / "p", small_district()))
    delta = changes(orgs=[small_district()["orgs"][0] | {"parentSourcedId": "o"}])
    report = await import_package(database_url, write_package(tmp_path / "q", delta, "delta"))
    assert report.problems[0].reason == "parentSourcedId goes in a circle: d → o → d"


async def test_what_a_package_says_cannot_steer_the_terminal(database_url: str, tmp_path: Path) -> None:
    files = small_district()
    files["enrollments"][0]["userSourcedId"] = "x\x1b[2J"
    report = await import_package(database_url, write_package(tmp_path / "p", files), ANY_SHARE)
    assert refused(report) == [("enrollments.csv", 2, "missing_target")]
    assert "x\ufffd[2J" in "\n".join(text_lines(report))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
async def test_encodings(database_url: str, db: Database, tmp_path: Path, encoding: str) -> None:
    files = small_district()
    files["users"][0]["familyName"] = "Muñoz 李"
    users = csv_bytes("users", files["users"], encoding)
    report = await import_package(database_url, write_package(tmp_path / "p", files, users=users))
    assert report.outcome == "imported", report.sentence
    assert await db.fetchval("SELECT family_name FROM user_account WHERE sourced_id = 't1'") == "Muñoz 李"


async def test_a_windows_file_is_refused_until_its_encoding_is_named(database_url: str, tmp_path: Path) -> None:
    files = small_district()
    files["users"][0]["familyName"] = "Muñoz"
    package = write_package(tmp_path / "p", files, users=csv_bytes("users", files["users"], "windows-1252"))
    report = await import_package(database_url, package)
    assert "users.csv line 2: byte 0xF1 is not UTF-8" in report.sentence
    report = await import_package(database_url, package, ImportOptions(encoding="windows-1252"))
    assert report.outcome == "imported"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"sourcedId,name,type\no," + b"x" * 3_000_000 + b",school\n", "record_too_long"),
        (b"sourcedId,name,type\no,\0,school\n", "nul"),
        (b'sourcedId,name,type\no,"S,school\n', "csv_quote"),
        (b"", "header_missing"),
        (b"id,name\no,S\n", "header_column"),
    ],
)
async def test_broken_files_refuse_the_package(database_url: str, tmp_path: Path, text: bytes, code: str) -> None:
    report = await import_package(database_url, write_package(tmp_path / "p", small_district(), orgs=text))
    assert (report.outcome, report.problems[0].code) == ("refused", code)
