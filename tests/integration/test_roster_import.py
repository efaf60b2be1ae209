"""Imports into a real database: what is added, changed, hidden, brought back and held; runs and their reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from app.records import rosters
from app.rosters import importer
from app.rosters.importer import ApprovalError, ImportBusyError, ImportOptions, approve_import, import_package
from tests.roster_packages import STUDENTS, changes, csv_bytes, numbers, small_district, write_package

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    Database = asyncpg.Connection[asyncpg.Record]

SAMPLES = Path(__file__).parent.parent / "data" / "rosters"
TABLES = (
    *("org", "academic_session", "course", "section", "user_account", "user_role", "enrollment"),
    *("category", "line_item", "cell", "edit_log"),
)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def counts(db: Database) -> dict[str, int]:
    return {table: await db.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES}


@pytest.mark.parametrize("version", ["1", "2"])
async def test_contoso(database_url: str, db: Database, version: str) -> None:
    report = await import_package(database_url, SAMPLES / f"oea-contoso-university-v1p{version}.zip")
    assert report.outcome == "imported", report.sentence
    assert report.refused_total == 0
    assert await counts(db) == {
        "org": 6, "academic_session": 3, "course": 87, "section": 87, "user_account": 640, "user_role": 640,
        "enrollment": 3_687, "category": 3, "line_item": 396, "cell": 10_711, "edit_log": 10_711,
    }  # fmt: skip
    assert await db.fetchval("SELECT district_name FROM installation") == "Contoso University"
    again = await import_package(database_url, SAMPLES / "oea-contoso-university-v1p2.zip")
    assert all(set(numbers(again, file.file)) <= {"rows", "unchanged"} for file in again.files)


@pytest.mark.parametrize("version", ["1", "2"])
async def test_grand_bend_has_extra_credit(database_url: str, db: Database, version: str) -> None:
    report = await import_package(database_url, SAMPLES / f"edfi-grand-bend-v1p{version}.zip")
    assert report.outcome == "imported", report.sentence
    assert numbers(report, "results.csv") == {"rows": 250, "added": 250}
    assert {warned.code for warned in report.warnings} == {"above_maximum"}
    above = (
        "SELECT count(*) FROM cell JOIN line_item ON line_item_id = item"
        " WHERE (value ->> 'score')::numeric > result_value_max"
    )
    assert await db.fetchval(above) == 5
    assert await db.fetchval(above + " AND NOT is_extra_credit") == 0
    late = "SELECT count(*) FROM cell WHERE value -> 'status' ? 'late'"
    assert await db.fetchval(late) == (25 if version == "2" else 0)


@pytest.mark.parametrize("sample", sorted((SAMPLES / "longsight" / "valid").glob("*.zip")), ids=lambda path: path.stem)
async def test_longsight_accepts(database_url: str, sample: Path) -> None:
    report = await import_package(database_url, sample)
    assert report.outcome == "imported", report.sentence
    assert report.refused_total == 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("csv-quote-failure", "users.csv line 2: field 2: a quotation mark inside a field that is not quoted"),
        ("delta-lifecycle-required-failure", "users.csv line 2: a row of a delta needs status and dateLastModified"),
        (
            "duplicate-sourcedid-failure",
            'users.csv line 2: sourcedId "user-1" is in 2 lines of the file, first in line 2',
        ),
        ("field-parser-failures", 'academicSessions.csv line 2: schoolYear "20X5" is not a year'),
        ("invalid-manifest-header", 'manifest.csv line 1: the header is "PropertyName,value"'),
        (
            "manifest-marks-present-file-absent",
            "users.csv is in the package, but the manifest says file.users is absent",
        ),
        ("missing-manifest", "there is no manifest.csv"),
        ("missing-target-record-failure", 'categorySourcedId "category-missing": there is no such category'),
    ],
)
async def test_longsight_refuses(database_url: str, db: Database, name: str, reason: str) -> None:
    report = await import_package(database_url, SAMPLES / "longsight" / "invalid" / f"{name}.zip")
    assert report.outcome == "refused"
    assert reason in report.sentence
    assert sum((await counts(db)).values()) == 0


async def test_every_field_that_does_not_parse_is_named(database_url: str) -> None:
    report = await import_package(database_url, SAMPLES / "longsight" / "invalid" / "field-parser-failures.zip")
    said = "\n".join(row.reason for row in report.refused_rows)
    for value in ("20X5", "not-integer", "not-date", "not-float", "not-status", "not-boolean", "bad id"):
        assert f'"{value}"' in said


async def test_nicelion(database_url: str, tmp_path: Path) -> None:
    template = SAMPLES / "nicelion" / "oneroster-example-csv"
    report = await import_package(database_url, template)
    assert "demographics.csv is in the package, but the manifest says file.demographics is absent" in report.sentence
    package = tmp_path / "p"
    package.mkdir()
    for file in template.iterdir():
        if file.name != "demographics.csv":
            (package / file.name).write_bytes(file.read_bytes())
    report = await import_package(database_url, package)
    assert (report.outcome, report.sentence) == ("imported", "Imported: 0 added, 0 changed, 0 hidden.")
    (package / "users.csv").write_bytes((SAMPLES / "nicelion" / "outputs" / "test-csv.csv").read_bytes())
    report = await import_package(database_url, package)
    assert report.outcome == "refused"
    assert report.refused_total == 1_999
    assert 'users.csv line 2: orgSourcedIds "slksldkmlsk49303": there is no such org' in report.sentence


async def test_importing_again_changes_nothing(database_url: str, db: Database, tmp_path: Path) -> None:
    package = write_package(tmp_path / "p", small_district())
    first = await import_package(database_url, package)
    assert first.outcome == "imported", first.sentence
    rows = "SELECT xmin::text, ctid::text, * FROM "
    tables = ("org", "course", "section", "user_account", "user_role", "enrollment", "line_item", "cell", "edit_log")
    before = [await db.fetch(rows + table) for table in tables]
    second = await import_package(database_url, package)
    assert [await db.fetch(rows + table) for table in tables] == before
    assert second.of("users.csv").unchanged == STUDENTS + 2


async def test_changes_are_only_where_something_changed(database_url: str, db: Database, tmp_path: Path) -> None:
    files = small_district()
    package = write_package(tmp_path / "p", files)
    await import_package(database_url, package)
    files["users"][3]["familyName"] = "Núñez"
    files["classes"][0]["title"] = "Algebra"
    files["orgs"].append({"sourcedId": "x", "name": "Annex", "type": "ext:annex", "parentSourcedId": "o"})
    files["results"][4]["score"] = "4.00"  # the same number
    files["results"][5]["score"] = "5.5"
    report = await import_package(database_url, write_package(package, files))
    assert numbers(report, "users.csv") == {"rows": 22, "changed": 1, "unchanged": 21}
    assert numbers(report, "classes.csv") == {"rows": 2, "changed": 1, "unchanged": 1}
    assert numbers(report, "orgs.csv") == {"rows": 3, "added": 1, "unchanged": 2}
    assert numbers(report, "results.csv") == {"rows": 20, "changed": 1, "unchanged": 19}
    history = await db.fetch(
        "SELECT cell_version, base_id, edit_id, value FROM edit_log JOIN user_account ON user_id = student_id"
        " WHERE sourced_id = 's6' ORDER BY cell_version"
    )
    assert [(row["cell_version"], json.loads(row["value"])) for row in history] == [
        (1, {"score": "5"}),
        (2, {"score": "5.5"}),
    ]
    assert history[1]["base_id"] == history[0]["edit_id"]


async def test_what_left_is_hidden_and_comes_back(database_url: str, db: Database, tmp_path: Path) -> None:
    files = small_district()
    package = write_package(tmp_path / "p", files)
    await import_package(database_url, package)
    del files["users"][-1], files["roles"][-1], files["results"][-1]
    files["enrollments"] = [row for row in files["enrollments"] if row["userSourcedId"] != "s20"]
    report = await import_package(database_url, write_package(package, files))
    assert report.outcome == "imported", report.sentence
    assert [report.of(f"{name}.csv").hidden for name in ("users", "roles", "enrollments")] == [1, 1, 2]
    gone = "SELECT hidden_at IS NOT NULL FROM user_account WHERE sourced_id = 's20'"
    assert await db.fetchval(gone)
    assert await db.fetchval("SELECT count(*) FROM cell") == STUDENTS  # no grade is gone
    back = await import_package(database_url, write_package(package, small_district()))
    assert [back.of(f"{name}.csv").returned for name in ("users", "roles", "enrollments")] == [1, 1, 2]
    assert not await db.fetchval(gone)


async def test_a_delta_hides_what_it_says_and_nothing_else(database_url: str, db: Database, tmp_path: Path) -> None:
    await import_package(database_url, write_package(tmp_path / "p", small_district()))
    delta = changes(
        users=[{"sourcedId": "s20", "status": "tobedeleted"}, small_district()["users"][0] | {"givenName": "Ann"}],
        enrollments=[{"sourcedId": "e-c2-s20", "status": "tobedeleted"}],
    )
    report = await import_package(database_url, write_package(tmp_path / "q", delta, "delta"))
    assert report.outcome == "imported", report.sentence
    assert numbers(report, "users.csv") == {"rows": 2, "changed": 1, "hidden": 1}
    assert numbers(report, "enrollments.csv") == {"rows": 1, "hidden": 1}
    assert await db.fetchval("SELECT count(*) FROM user_account WHERE hidden_at IS NOT NULL") == 1
    report = await import_package(database_url, write_package(tmp_path / "q", delta, "delta"))
    assert numbers(report, "users.csv") == {"rows": 2, "unchanged": 1}


async def test_roles_of_1_1_follow_the_user(database_url: str, db: Database, tmp_path: Path) -> None:
    package = tmp_path / "p"
    package.mkdir()
    (package / "manifest.csv").write_text(
        "propertyName,value\noneroster.version,1.1\nfile.orgs,bulk\nfile.users,bulk\n"
    )
    (package / "orgs.csv").write_bytes(csv_bytes("orgs", small_district()["orgs"]))
    header = "sourcedId,enabledUser,orgSourcedIds,role,username,givenName,familyName\n"
    roles = (
        "SELECT sourced_id, role, is_primary FROM user_role JOIN org USING (org_id)"
        " WHERE user_role.hidden_at IS NULL ORDER BY 1"
    )
    (package / "users.csv").write_text(header + 'u,true,"o,d",teacher,u,U,U\n')
    await import_package(database_url, package)
    assert [tuple(row) for row in await db.fetch(roles)] == [("d", "teacher", False), ("o", "teacher", True)]
    (package / "users.csv").write_text(header + "u,true,d,principal,u,U,U\n")
    await import_package(database_url, package)
    assert [tuple(row) for row in await db.fetch(roles)] == [("d", "principal", True)]


async def test_a_run_that_would_hide_much_is_held(database_url: str, db: Database, tmp_path: Path) -> None:
    files = small_district()
    await import_package(database_url, write_package(tmp_path / "p", files))
    files["classes"].pop()
    files["users"][0]["givenName"] = "Changed"
    package = write_package(tmp_path / "p", {name: files[name] for name in ("classes", "users")})
    held = await import_package(database_url, package)
    assert held.outcome == "held"
    assert "1 of 2 sections (50.0 %)" in held.sentence
    assert f"inkfast roster approve {held.roster_import_id}" in held.sentence
    assert await db.fetchval("SELECT count(*) FROM section WHERE hidden_at IS NOT NULL") == 0
    assert await db.fetchval("SELECT given_name FROM user_account WHERE sourced_id = 't1'") == "Given"
    assert await db.fetchval("SELECT outcome FROM roster_import ORDER BY roster_import_id DESC LIMIT 1") == "held"
    run = held.roster_import_id or 0
    approved = await approve_import(database_url, run)
    assert approved.outcome == "imported"
    assert await db.fetchval("SELECT count(*) FROM section WHERE hidden_at IS NOT NULL") == 1
    with pytest.raises(ApprovalError, match="approved already"):
        await approve_import(database_url, run)
    with pytest.raises(ApprovalError, match="its outcome is imported"):
        await approve_import(database_url, approved.roster_import_id or 0)


async def test_a_held_delta_and_a_package_that_changed_meanwhile(database_url: str, tmp_path: Path) -> None:
    await import_package(database_url, write_package(tmp_path / "p", small_district()))
    delta = changes(users=[{"sourcedId": f"s{number}", "status": "tobedeleted"} for number in (1, 2)])
    package = write_package(tmp_path / "q", delta, "delta")
    held = await import_package(database_url, package)
    assert (held.outcome, "2 of 20 students (10.0 %)" in held.sentence) == ("held", True)
    write_package(package, changes(users=delta["users"][:1]), "delta")
    with pytest.raises(ApprovalError, match="has changed since"):
        await approve_import(database_url, held.roster_import_id or 0)
    assert (await import_package(database_url, package)).outcome == "imported"


async def test_another_districts_package_is_held(database_url: str, db: Database) -> None:
    await import_package(database_url, SAMPLES / "edfi-grand-bend-v1p2.zip")
    held = await import_package(database_url, SAMPLES / "oea-contoso-university-v1p2.zip")
    assert held.outcome == "held"
    assert "532 of 532 sections (100.0 %)" in held.sentence
    assert await db.fetchval("SELECT count(*) FROM org") == 4


async def test_an_empty_enrollments_file_is_held(database_url: str, tmp_path: Path) -> None:
    await import_package(database_url, write_package(tmp_path / "p", small_district()))
    held = await import_package(database_url, write_package(tmp_path / "q", {"enrollments": []}))
    assert "42 of 42 enrollments" in held.sentence


async def test_one_import_at_a_time(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "LOCK_WAIT_S_MAX", 0.3)
    other = await rosters.connect_for_import(database_url)
    assert await rosters.roster_lock_imports(other)
    with pytest.raises(ImportBusyError):
        await import_package(database_url, write_package(tmp_path / "p", small_district()))
    await other.close()
    assert (await import_package(database_url, tmp_path / "p")).outcome == "imported"


async def test_a_run_that_was_cut_short_is_marked_and_finished_by_the_next(
    database_url: str, db: Database, tmp_path: Path
) -> None:
    await db.execute("INSERT INTO roster_import (source, source_digest) VALUES ('x', 'y')")
    await db.execute(
        "INSERT INTO roster_stage.org (line, sourced_id, is_deleted, name, type) VALUES (2, 'z', false, 'Z', 'school')"
    )
    await import_package(database_url, write_package(tmp_path / "p", small_district()))
    assert [row[0] for row in await db.fetch("SELECT outcome FROM roster_import ORDER BY roster_import_id")] == [
        "failed",
        "imported",
    ]
    assert await db.fetchval("SELECT count(*) FROM org WHERE sourced_id = 'z'") == 0


async def test_the_report_is_stored_and_written_with_every_row(database_url: str, db: Database, tmp_path: Path) -> None:
    files = small_district()
    for user in files["users"][2:]:
        user["enabledUser"] = "?"
    path = tmp_path / "report.json"
    report = await import_package(database_url, write_package(tmp_path / "p", files), ImportOptions(report_path=path))
    assert report.outcome == "refused"
    written = json.loads(path.read_text())
    assert len(written["all_refused_rows"]) == report.refused_total
    assert written["all_refused_rows"][0] | {"file": "users.csv", "line": 4} == written["all_refused_rows"][0]
    stored = await db.fetchrow("SELECT outcome, report, finished_at FROM roster_import")
    assert stored is not None
    assert (stored["outcome"], json.loads(stored["report"])["sentence"]) == ("refused", report.sentence)
    assert await db.fetchval("SELECT count(*) FROM roster_stage.user_account") == 0
