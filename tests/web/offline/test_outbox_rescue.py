"""`inkfast rescue import`: a file of a browser that could not send is recorded, once; other files change nothing."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import SECRET_KEY
from tests.web.outbox_page import rescue_file
from tests.web.roll_page import eventually
from tests.world import fetch

if TYPE_CHECKING:
    from tests.browsing import Service
    from tests.gradebook_school import GradebookSchool

ROOT = Path(__file__).parents[3]


async def import_file(service: Service, path: Path, *options: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ops.cli",
        "rescue",
        "import",
        str(path),
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={
            "DATABASE_URL": service.settings.database_url,
            "REDIS_URL": service.settings.redis_url,
            "INKFAST_SECRET_KEY": SECRET_KEY,
            "INKFAST_PUBLIC_URL": service.url,
        },
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_a_file_is_recorded_once_however_often_it_is_imported(
    service: Service, school: GradebookSchool, tmp_path: Path
) -> None:
    path = tmp_path / "file.json"
    file = rescue_file(school)
    file["sections"][0]["edits"] += file["sections"][0]["edits"][:1]  # once too often
    path.write_text(json.dumps(file))
    status, out, err = await import_file(service, path, "--user", school.teacher_name)
    assert (status, err) == (0, "")
    assert out.count(": drafted") == 3
    assert out.endswith("3 drafted\n")
    status, out, err = await import_file(service, path)
    assert (status, err) == (0, "")
    wanted = [edit["edit_id"] for edit in file["sections"][0]["edits"][:3]]

    async def recorded() -> list[tuple[str, int, int]]:
        rows = await fetch(
            service.settings,
            "SELECT edit_id::text, author_id, count(*) FROM edit_log WHERE edit_id = ANY ($1::uuid[]) GROUP BY 1, 2",
            wanted,
        )
        return sorted((row["edit_id"], row["author_id"], row["count"]) for row in rows)

    await eventually(recorded, sorted((edit_id, school.teacher, 1) for edit_id in wanted))


async def test_what_is_refused_is_said(service: Service, school: GradebookSchool, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    file = rescue_file(school, 1)
    file["sections"][0]["edits"][0]["value"] = {"words": "no comment has such a field"}
    path.write_text(json.dumps(file))
    status, out, _ = await import_file(service, path)
    assert (status, out.splitlines()[-1]) == (0, "1 rejected")
    assert "rejected (value_malformed)" in out


def hostile(school: GradebookSchool) -> dict[str, tuple[str, str]]:
    """Name: what the file holds, and a word of the sentence that refuses it."""
    whole = json.dumps(rescue_file(school))
    twice = rescue_file(school, 1)
    twice["sections"][0]["edits"].append({**twice["sections"][0]["edits"][0], "value": {"text": "other"}})
    foreign = rescue_file(school)
    foreign["sections"].append({"section": 4_000_000, "edits": rescue_file(school, 1)["sections"][0]["edits"]})
    damaged = rescue_file(school)
    damaged["sections"][0]["edits"][2]["edit_id"] = "x"
    return {
        "cut off": (whole[:-40], "cut off"),
        "empty": ("", "cut off"),
        "nested": ("[" * 100_000, "cut off"),
        "another format": (json.dumps({"edits": []}), "no rescue file"),
        "a list": ("[1]", "no rescue file"),
        "a newer release": (json.dumps(rescue_file(school, version=2)), "newer release"),
        "nobody": (json.dumps(rescue_file(school, user="999999")), "may not sign in"),
        "no number": (json.dumps(rescue_file(school, user="' OR 1=1")), "may not sign in"),
        "damaged": (json.dumps(damaged), "damaged"),
        "one id for two": (json.dumps(twice), "twice"),
        "a section of others": (json.dumps(foreign), "403 not_permitted"),
    }


@pytest.mark.parametrize("school", [{"filled": 0}], indirect=True)
async def test_other_files_are_refused_in_a_sentence_and_nothing_is_sent(
    service: Service, school: GradebookSchool, tmp_path: Path
) -> None:
    files = hostile(school)
    for name, (text, _) in files.items():
        (tmp_path / f"{name}.json").write_text(text)
    places = asyncio.Semaphore(3)

    async def said_to(name: str) -> tuple[int, str, str]:
        async with places:
            return await import_file(service, tmp_path / f"{name}.json")

    said = await asyncio.gather(*map(said_to, files))
    for (name, (_, word)), (status, out, err) in zip(files.items(), said, strict=True):
        assert (name, status, out) == (name, 1, "")
        assert err.count("\n") == 1, err
        assert word in err, err
    whole = tmp_path / "whole.json"
    whole.write_text(json.dumps(rescue_file(school)))
    status, _, err = await import_file(service, whole, "--user", school.co_teacher_name)
    assert status == 1
    assert "not of" in err
    rows = await fetch(service.settings, "SELECT count(*) FROM edit_log WHERE section_id = $1", school.section)
    assert rows[0]["count"] == 0
