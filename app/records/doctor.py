"""Would this PostgreSQL keep what it has committed? For `inkfast doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.records.parked import read_parked_age
from app.records.schema_version import OldSchemaError, require_current_schema
from app.records.statements import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.records.pool import Connection

VERSION_NUM_MIN = 150_000
PARKED_S_MAX = 900.0  # a journal's restart and a teacher's next save are over by then
WANTED = {
    "fsync": (("on",), "set it to on: with off a crash can destroy the whole database"),
    "full_page_writes": (("on",), "set it to on: with off a power cut can tear pages"),
    "synchronous_commit": (("on", "remote_apply"), "set it to on: else `recorded` is said before it is on disk"),
    "data_checksums": (("on",), "turn them on (pg_checksums --enable, server stopped): bad disks go unnoticed"),
}


class Finding(NamedTuple):
    """One thing that was looked at; `problem` says what to do, or is empty."""

    subject: str
    value: str
    problem: str


async def read_server_settings(connection: Connection, names: Sequence[str]) -> dict[str, str]:
    """Return the settings in force on this connection."""
    return {row["name"]: row["setting"] for row in await connection.fetch(load("read_server_settings"), names)}


async def _examine_parked(connection: Connection) -> Finding:
    count, oldest_s = await read_parked_age(connection)
    advice = (
        "they are based on edits that have not arrived: is a journal still away, or was one lost? Each is judged when"
        " its base comes, or when its author's gradebook is open and the journal is back"
    )
    return Finding("parked edits", str(count), advice if oldest_s > PARKED_S_MAX else "")


async def examine(connection: Connection) -> list[Finding]:
    """Return a finding for each setting that the promise rests on, and for the schema."""
    settings = await read_server_settings(connection, [*WANTED, "server_version", "server_version_num"])
    too_old = "" if int(settings["server_version_num"]) >= VERSION_NUM_MIN else "needs PostgreSQL 15 or newer"
    findings = [Finding("PostgreSQL version", settings["server_version"], too_old)]
    for name, (wanted, advice) in WANTED.items():
        value = settings.get(name, "")
        findings.append(Finding(f"PostgreSQL {name}", value, "" if value in wanted else advice))
    try:
        await require_current_schema(connection)
    except OldSchemaError as error:
        findings.append(Finding("schema", "old", error.detail))
    else:
        findings.append(Finding("schema", "newest", ""))
        findings.append(await _examine_parked(connection))
    return findings
