from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from app.model.grants import derive_grant_key, read
from tests.school import add_teacher, add_user

if TYPE_CHECKING:
    from app.settings import Settings

ROOT = Path(__file__).parents[2]


async def run(environment: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "ops.cli",
        "token",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        cwd=ROOT,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
async def teacher(settings: Settings) -> tuple[int, list[int]]:
    connection = await asyncpg.connect(settings.database_url)
    try:
        await add_user(connection, "left", is_enabled=False)
        return await add_teacher(connection, "teacher1", 2)
    finally:
        await connection.close()


def environment_of(settings: Settings) -> dict[str, str]:
    return {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "INKFAST_SECRET_KEY": settings.secret_key,
    }


async def test_a_token_is_printed_and_nothing_else(settings: Settings, teacher: tuple[int, list[int]]) -> None:
    status, out, err = await run(environment_of(settings), "Teacher1", "--hours", "2")
    assert (status, err) == (0, "")
    assert out.count("\n") == 1
    key = derive_grant_key(settings.secret_key)
    grant = read(out.strip(), {key.key_id: key}, time.time())
    user_id, section_ids = teacher
    assert (grant.user_id, grant.section_ids) == (user_id, frozenset(section_ids))
    assert (grant.expires_at - grant.issued_at, grant.login_session_id) == (7200, None)


async def test_the_servers_are_found_through_the_data_directory(
    settings: Settings, teacher: tuple[int, list[int]], tmp_path: Path
) -> None:
    written = {"database_url": settings.database_url, "redis_url": settings.redis_url}
    (tmp_path / "settings.json").write_text(json.dumps(written))
    (tmp_path / "secret_key").write_text(settings.secret_key)
    status, out, err = await run({}, "teacher1", "--data-dir", str(tmp_path))
    assert (status, err) == (0, "")
    key = derive_grant_key(settings.secret_key)
    assert read(out.strip(), {key.key_id: key}, time.time()).user_id == teacher[0]


@pytest.mark.parametrize("user", ["nobody", "left", "teacher\udcff"])
async def test_who_may_not_sign_in_has_no_token(settings: Settings, teacher: tuple[int, list[int]], user: str) -> None:
    status, out, err = await run(environment_of(settings), user)
    assert (status, out) == (1, "")
    assert err.startswith("inkfast: there is no user ")
    assert "Traceback" not in err


async def test_without_servers_it_says_what_to_do(tmp_path: Path) -> None:
    status, out, err = await run({}, "teacher1", "--data-dir", str(tmp_path))
    assert (status, out) == (1, "")
    assert "inkfast up" in err
    unreachable = {
        "DATABASE_URL": "postgresql://127.0.0.1:1/x",
        "REDIS_URL": "redis://x",
        "INKFAST_SECRET_KEY": "k" * 40,
    }
    status, out, err = await run(unreachable, "teacher1")
    assert (status, out) == (1, "")
    assert err.startswith("inkfast: PostgreSQL is away")
    assert "Traceback" not in err
