"""The demo district in a database, and the `inkfast roster` command as a person runs it."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import asyncpg
import pytest
from click.testing import CliRunner

from app.model.kinds import Kind, parse_value
from app.model.passwords import Verdict, verify_password
from app.rosters.demo import PASSWORD, load_demo_district
from app.rosters.demo_csv import write_demo_package
from app.rosters.demo_district import DemoDistrict
from app.rosters.importer import import_package
from ops.roster import roster
from tests.roster_packages import small_district, write_package

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    Database = asyncpg.Connection[asyncpg.Record]

TODAY = dt.date(2026, 11, 6)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def test_the_demo_is_loaded_once_and_is_what_its_package_says(
    database_url: str, db: Database, tmp_path: Path
) -> None:
    summary = await load_demo_district(database_url, teachers=5, seed=2014, today=TODAY)
    assert (summary.teachers, summary.schools, summary.was_there) == (5, 2, False)
    assert summary.results > 1_000
    before = await db.fetchval("SELECT count(*) FROM enrollment")
    again = await load_demo_district(database_url, teachers=50, seed=1, today=TODAY)
    assert again.was_there
    assert (again.teachers, again.enrollments) == (5, before)
    package = tmp_path / "demo"
    write_demo_package(DemoDistrict(5, 2014, TODAY), package, with_results=True)
    report = await import_package(database_url, package)
    assert report.outcome == "imported", report.sentence
    for file in report.files:
        assert (file.file, file.unchanged) == (file.file, file.rows)


async def test_demo_accounts_can_sign_in_and_see_their_sections(database_url: str, db: Database) -> None:
    await load_demo_district(database_url, teachers=3, today=TODAY)
    hashes = await db.fetch(
        "SELECT username, password_hash FROM user_account WHERE password_hash IS NOT NULL ORDER BY 1"
    )
    assert [row["username"] for row in hashes] == ["office1", "office2", "office3", "teacher1", "teacher2", "teacher3"]
    assert verify_password(hashes[3]["password_hash"], PASSWORD) is Verdict.RIGHT
    teachers = (
        "SELECT username FROM enrollment JOIN user_account USING (user_id) JOIN section USING (section_id)"
        " WHERE section.sourced_id = 'demo-section-1' AND role = 'teacher' AND begin_date <= $1 AND end_date IS NULL"
        " ORDER BY is_primary DESC"
    )
    assert [row[0] for row in await db.fetch(teachers, TODAY)] == ["teacher1", "teacher2"]
    assert await db.fetchval(
        "SELECT role FROM user_role JOIN user_account USING (user_id) WHERE username = 'office1'"
    ) == ("administrator")


async def test_demo_scores_have_a_history_in_the_partition_of_their_year(database_url: str, db: Database) -> None:
    await load_demo_district(database_url, teachers=1, today=TODAY)
    apart = (
        "SELECT count(*) FROM cell"
        " FULL JOIN edit_log_2027 AS log USING (section_id, kind, item, student_id, edit_id, value)"
        " WHERE cell.cell_version IS DISTINCT FROM log.cell_version OR log.path <> 'i' OR log.author_id <> 0"
    )
    assert await db.fetchval(apart) == 0
    for row in await db.fetch("SELECT kind, value::text FROM cell"):
        parse_value(row["kind"], row["value"].encode())
    assert await db.fetchval("SELECT count(*) FROM cell WHERE kind = $1", int(Kind.COMMENT)) > 0


async def test_new_ids_come_after_the_demo(database_url: str, db: Database) -> None:
    await load_demo_district(database_url, teachers=1, today=TODAY)
    highest = await db.fetchval("SELECT max(line_item_id) FROM line_item")
    assert await db.fetchval("SELECT nextval('line_item_id_seq')") == highest + 1


def run(database_url: str, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(roster, list(arguments), env={"DATABASE_URL": database_url})
    return done.exit_code, done.output


def test_exit_status_tells_imported_refused_and_held(database_url: str, tmp_path: Path) -> None:
    files = small_district()
    package = str(write_package(tmp_path / "p", files))
    status, said = run(database_url, "import", package)
    assert (status, "Imported: 115 added, 0 changed, 0 hidden." in said) == (0, True)
    files["results"][0]["score"] = "A"
    write_package(tmp_path / "p", files)
    status, said = run(database_url, "import", package)
    assert status == 4
    assert 'results.csv line 2: score "A" is not a number [field]' in said
    report = tmp_path / "report.json"
    assert run(database_url, "import", package, "--refused-share-max", "10", "--report", str(report))[0] == 3
    assert json.loads(report.read_text())["all_refused_rows"][0]["line"] == 2
    write_package(tmp_path / "p", {"classes": []})
    status, said = run(database_url, "import", package)
    assert status == 5
    status, _ = run(database_url, "approve", said.split("inkfast roster approve ")[1].split()[0])
    assert status == 0
    assert run(database_url, "approve", "1")[0] == 1
    status, said = run(database_url, "list")
    assert [line.split()[3] for line in said.splitlines()] == ["imported", "held", "imported", "refused", "imported"]


def test_an_imported_account_gets_a_password(database_url: str, tmp_path: Path) -> None:
    run(database_url, "import", str(write_package(tmp_path / "p", small_district())))
    assert run(database_url, "set-password", "T1", "--password", "correct horse") == (0, "T1 can sign in\n")
    assert run(database_url, "set-password", "nobody", "--password", "x")[0] == 1
    assert run(database_url, "import", str(tmp_path / "p"))[0] == 0  # and no import takes it away


def test_demo_as_a_package(database_url: str, tmp_path: Path) -> None:
    out = str(tmp_path / "demo")
    assert run(database_url, "demo", "--teachers", "2", "--today", "2026-11-06", "--out", out)[0] == 0
    assert run(database_url, "demo", "--teachers", "2", "--out", out)[0] == 1  # it is not empty
    assert run(database_url, "import", out)[0] == 0
    status, said = run(database_url, "demo", "--teachers", "2")
    assert (status, "was there already" in said) == (0, True)


def import_and_kill(database_url: str, package: Path, at: str) -> int:
    """Run an import as a process and kill it when it says that it has come to a certain step; return its status."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ops.roster", "import", str(package)],
        env={"DATABASE_URL": database_url},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(at):
            process.kill()
            break
    process.communicate()
    return process.returncode


async def test_an_import_that_was_killed_is_finished_by_the_next(
    database_url: str, db: Database, tmp_path: Path
) -> None:
    package = tmp_path / "demo"
    write_demo_package(DemoDistrict(20, 2014, TODAY), package, with_results=True)
    async with db.transaction():  # however late the killer is: nothing can be recorded before
        await db.execute("LOCK TABLE cell IN SHARE MODE")
        assert await asyncio.to_thread(import_and_kill, database_url, package, "recording results") == -9
    assert await db.fetchval("SELECT count(*) FROM enrollment") > 2_000
    report = await import_package(database_url, package)
    assert report.outcome == "imported", report.sentence
    assert report.of("enrollments.csv").added == 0
    assert report.of("results.csv").refused == 0
    versions = await db.fetch("SELECT DISTINCT cell_version FROM edit_log")
    assert [row[0] for row in versions] == [1]
    assert await db.fetchval("SELECT count(*) FROM cell") == await db.fetchval("SELECT count(*) FROM edit_log")
    assert await db.fetchval("SELECT count(*) FROM roster_import WHERE outcome = 'failed'") == 1
