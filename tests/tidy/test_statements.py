"""Every SQL statement prepares on the migrated schema, is used, and has a file of its own; so do keys."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg
import pytest

ROOT = Path(__file__).parents[2]
SQL = ROOT / "app" / "records" / "sql"
STATEMENTS = sorted(path.stem for path in SQL.glob("*.sql"))
SERVICE = sorted(p for folder in ("app", "workers") for p in (ROOT / folder).rglob("*.py"))
SQL_TEXT = re.compile(
    r'"""?\s*(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s.+\sSET|DELETE\s+FROM)\s', re.IGNORECASE | re.DOTALL
)


async def test_every_statement_prepares(module_database_url: str) -> None:
    connection = await asyncpg.connect(module_database_url)
    try:
        for name in STATEMENTS:
            text = (SQL / f"{name}.sql").read_text("utf-8")
            try:
                await connection.prepare(text)
            except asyncpg.PostgresError as error:
                pytest.fail(f"{name}.sql: {error}")
    finally:
        await connection.close()


def test_every_statement_is_used_by_its_name() -> None:
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "app" / "records").glob("*.py"))
    unused = [name for name in STATEMENTS if f'"{name}"' not in code and not _is_loaded_by_pattern(name, code)]
    assert not unused


def _is_loaded_by_pattern(name: str, code: str) -> bool:
    """Some loaders put a name together: `load(f"roster_merge_{table}")`."""
    return any(
        re.fullmatch(re.sub(r"\\?\{[^}]*\\?\}", ".+", re.escape(pattern).replace(r"\{", "{").replace(r"\}", "}")), name)
        for pattern in re.findall(r'f"([a-z_{}]+)"', code)
        if "{" in pattern
    )


def test_no_sql_outside_of_its_folder() -> None:
    found = [str(p.relative_to(ROOT)) for p in SERVICE if SQL_TEXT.search(p.read_text("utf-8"))]
    assert not found


def test_no_key_of_the_journal_outside_of_keys() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in SERVICE
        if path.name != "keys.py" and re.search(r"\{p\d+\.|:log\"|:inc\"|:s:", path.read_text("utf-8"))
    ]
    assert not found
