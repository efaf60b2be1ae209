"""The few things that a drill asks PostgreSQL by hand; statements in ops/drill/sql, one a file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.records.pool import connect

if TYPE_CHECKING:
    from app.settings import Settings

SQL = Path(__file__).parent / "sql"


def ask(settings: Settings, name: str, *arguments: Any) -> list[str]:
    """Return the first column of an answer, as text; RecordsUnavailableError when PostgreSQL is away."""
    return asyncio.run(_ask(settings, name, arguments))


async def _ask(settings: Settings, name: str, arguments: tuple[Any, ...]) -> list[str]:
    connection = await connect(settings.database_url, application_name="inkfast-drill")
    try:
        return [str(row[0]) for row in await connection.fetch((SQL / f"{name}.sql").read_text(), *arguments)]
    finally:
        await connection.close()
