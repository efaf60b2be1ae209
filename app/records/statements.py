"""SQL by name: one statement per file in sql/, with PostgreSQL's own `$1` placeholders.

tests/tidy/test_statements.py prepares every file on the migrated schema and checks that each is used.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "sql"


@cache
def load(name: str) -> str:
    """Return the text of sql/<name>.sql; an unknown name fails at once."""
    return (_FOLDER / f"{name}.sql").read_text("utf-8")
