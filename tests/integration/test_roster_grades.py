"""Grades and imports: what a teacher has entered stands, and no grade is ever gone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import pytest

from app.model.kinds import Kind
from app.rosters.importer import ImportOptions, import_package
from tests.roster_packages import changes, numbers, refused, small_district, write_package

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


async def type_score(db: Database, student: str, value: Any, *, status: str = "A") -> None:
    """What the flusher does with a teacher's edit, by hand."""
    cell = await db.fetchrow(
        "SELECT section_id, school_year, line_item_id, "
        " (SELECT user_id FROM user_account WHERE sourced_id = $1) AS student_id,"
        " (SELECT user_id FROM user_account WHERE sourced_id = 't1') AS author_id"
        " FROM line_item JOIN section USING (section_id) WHERE line_item.sourced_id = 'i-c1'",
        student,
    )
    assert cell is not None
    key = (cell["section_id"], int(Kind.SCORE), cell["line_item_id"], cell["student_id"])
    head = await db.fetchrow("SELECT * FROM cell WHERE (section_id, kind, item, student_id) = ($1, $2, $3, $4)", *key)
    edit, version = uuid4(), (head["cell_version"] if head else 0) + 1
    await db.execute(
        "INSERT INTO edit_log (school_year, section_id, kind, item, student_id, edit_id, cell_version, base_id, status,"
        " value,"
        " author_id, client_id, client_seq, entered_at, received_at, path)"
        " VALUES ($5, $1, $2, $3, $4, $6, $7, $8, $9, $10, $11, $12, 1, now(), now(), 'j')",
        *key, cell["school_year"], edit, version if status == "A" else None, head["edit_id"] if head else None,
        status.encode(), json.dumps(value), cell["author_id"], uuid4(),
    )  # fmt: skip
    if status == "A":
        await db.execute(
            "INSERT INTO cell VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now())"
            " ON CONFLICT (section_id, kind, item, student_id) DO UPDATE"
            " SET cell_version = $5, edit_id = $6, value = $7, author_id = $8",
            *key, version, edit, json.dumps(value), cell["author_id"],
        )  # fmt: skip


async def score_of(db: Database, student: str) -> Any:
    query = "SELECT value FROM cell JOIN user_account ON user_id = student_id WHERE sourced_id = $1 AND kind = 1"
    return json.loads(await db.fetchval(query, student))


async def test_a_teachers_grade_survives(database_url: str, db: Database, tmp_path: Path) -> None:
    files = small_district()
    await import_package(database_url, write_package(tmp_path / "p", files))
    await type_score(db, "s3", {"score": "17.5", "status": ["late"]})
    await type_score(db, "s4", {"score": "3"})  # what the file says too
    files["results"][2]["score"] = "11"
    del files["results"][7]
    report = await import_package(database_url, write_package(tmp_path / "p", files))
    assert await score_of(db, "s3") == {"score": "17.5", "status": ["late"]}
    assert numbers(report, "results.csv") == {"rows": 19, "unchanged": 18, "kept": 1}
    [row] = report.refused_rows
    assert (row.line, row.code, row.reason) == (4, "kept", "kept the teacher's value: a score entered in Inkfast")
    assert report.refused_total == 0
    assert await score_of(db, "s8") == {"score": "7"}  # silence withdraws no grade


async def test_an_open_conflict_is_left_to_the_person_who_has_to_choose(
    database_url: str, db: Database, tmp_path: Path
) -> None:
    files = small_district()
    await import_package(database_url, write_package(tmp_path / "p", files))
    await type_score(db, "s3", {"score": "17.5"}, status="C")
    files["results"][2]["score"] = "11"
    report = await import_package(database_url, write_package(tmp_path / "p", files))
    assert report.kept_total == 1
    assert await score_of(db, "s3") == {"score": "2"}


async def test_a_deleted_result_empties_the_cell_and_keeps_its_history(
    database_url: str, db: Database, tmp_path: Path
) -> None:
    files = small_district()
    files["results"][0]["comment"] = "Well done"
    await import_package(database_url, write_package(tmp_path / "p", files))
    await type_score(db, "s2", {"score": "9"})
    delta = changes(results=[row | {"status": "tobedeleted"} for row in files["results"][:2]])
    report = await import_package(database_url, write_package(tmp_path / "q", delta, "delta"))
    assert numbers(report, "results.csv") == {"rows": 2, "changed": 1, "kept": 1}
    assert [await score_of(db, "s1"), await score_of(db, "s2")] == [{}, {"score": "9"}]
    assert await db.fetchval("SELECT value ->> 'text' FROM cell WHERE kind = 2") == ""
    assert await db.fetchval("SELECT count(*) FROM edit_log WHERE path = 'i' AND author_id = 0 AND kind = 2") == 2
    back = await import_package(database_url, write_package(tmp_path / "p", files))
    assert back.of("results.csv").changed == 1
    assert await score_of(db, "s1") == {"score": "0"}


async def test_a_column_that_a_teacher_made_his_own_is_left_alone(
    database_url: str, db: Database, tmp_path: Path
) -> None:
    files = small_district()
    await import_package(database_url, write_package(tmp_path / "p", files))
    await type_score(db, "s1", {"score": "9"})
    await db.execute(
        "INSERT INTO cell SELECT section_id, $1, line_item_id, 0, 1, gen_random_uuid(), '{}', 1, now() FROM line_item"
        " WHERE sourced_id = 'i-c2'",
        int(Kind.LINE_ITEM),
    )
    await db.execute("UPDATE line_item SET title = 'Mine' WHERE sourced_id = 'i-c2'")
    report = await import_package(database_url, write_package(tmp_path / "p", files))
    assert report.of("lineItems.csv").changed == 0
    report = await import_package(database_url, write_package(tmp_path / "q", {"lineItems": []}))
    assert report.of("lineItems.csv").hidden == 0  # one is the teacher's own, one holds a teacher's score


async def test_a_line_item_cannot_move_to_another_class(database_url: str, tmp_path: Path) -> None:
    files = small_district()
    await import_package(database_url, write_package(tmp_path / "p", files))
    files["lineItems"][0]["classSourcedId"] = "c2"
    report = await import_package(database_url, write_package(tmp_path / "p", files), ANY_SHARE)
    assert refused(report)[0] == ("lineItems.csv", 2, "line_item_moved")


async def test_the_school_year_of_a_section_stays(database_url: str, db: Database, tmp_path: Path) -> None:
    files = small_district()
    await import_package(database_url, write_package(tmp_path / "p", files))
    assert await db.fetchval("SELECT to_regclass('edit_log_2027') IS NOT NULL")
    files["academicSessions"][0]["schoolYear"] = "2028"
    report = await import_package(database_url, write_package(tmp_path / "p", files))
    assert report.outcome == "imported"
    assert [(warned.code, warned.count) for warned in report.warnings] == [("school_year_kept", 2)]
    assert await db.fetchval("SELECT DISTINCT school_year FROM section") == 2027
