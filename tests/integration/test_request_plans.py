"""Plans of what requests ask are kept while tables grow: made on empty tables, they still look into indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.records.pool import REQUEST_SETTINGS, connect
from app.records.statements import load

if TYPE_CHECKING:
    from app.settings import Settings

# name: (parameter types, arguments)
ASKED = {
    "open_section": ("bigint, bigint[], boolean, boolean", "1, '{}', true, true"),
    "list_taught_sections": ("bigint", "1"),
    "read_context": (
        "bigint, bigint, uuid, bigint, smallint[], bigint[], uuid[], int",
        "1, 1, gen_random_uuid(), 0, '{1}', '{7}', array[gen_random_uuid()], 52",
    ),
    "find_edits": ("smallint[], bigint[], uuid[]", "'{2027}', '{1}', array[gen_random_uuid()]"),
    "read_columns": ("bigint, smallint[], bigint[]", "1, '{1}', '{7}'"),
}
GROWING = ("edit_log", "cell", "enrollment", "edit_exception", "client_position", "line_item_reservation")


@pytest.mark.parametrize("name", ASKED)
async def test_no_table_that_grows_is_read_as_a_whole(settings: Settings, name: str) -> None:
    types, arguments = ASKED[name]
    connection = await connect(settings.database_url, application_name="test", **REQUEST_SETTINGS)
    try:
        await connection.execute("ANALYZE")  # now PostgreSQL is sure that they are empty
        await connection.execute(f"PREPARE asked ({types}) AS {load(name)}")
        plan = [row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE asked ({arguments})")]
    finally:
        await connection.close()
    whole = [line for line in plan if any(f"Seq Scan on {table}" in line for table in GROWING)]
    assert not whole
    assert any("Index" in line for line in plan)
