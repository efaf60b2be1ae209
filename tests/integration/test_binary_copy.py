"""What COPY is given is what PostgreSQL reads, column by column; and claims are checked by the writing itself."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING

import asyncpg
import pytest

from app.records.binary_copy import NO_ID, CellRow, HistoryRow, copy_of, pack_applied, pack_history
from app.records.edits import Claim, ClaimRefutedError, apply_claimed_edits, apply_edits

if TYPE_CHECKING:
    from app.records.pool import Connection

SOME, OTHER, THIRD = uuid.uuid4().bytes, uuid.uuid4().bytes, uuid.uuid4().bytes


def row(edit_id: bytes, **over: object) -> HistoryRow:
    plain = HistoryRow(
        2026, 4001, edit_id, 1, 7001, 101, 11, OTHER, 3, 1_700_000_000_123, -250, 1_700_000_001_456, b"A", b"j", 1,
        NO_ID, b'{"score":"17.5"}',
    )  # fmt: skip
    return plain._replace(**over)  # type: ignore[arg-type]


def cell(edit_id: bytes, version: int) -> CellRow:
    return CellRow(4001, 1, 7001, 101, version, edit_id, b'{"note":"a\\"b\\\\c {,}"}', 11, 1_700_000_000_123)


async def test_every_column_comes_back(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        full = row(
            OTHER,
            status=b"R",
            cell_version=None,
            base=SOME,
            code="score_out_of_range",
            params='{"max":"20"}',
            acting_as=12,
            resolves=(SOME, THIRD),
            value='{"text":"José 学"}'.encode(),
            entered_ms=0,
        )
        await apply_edits(connection, [row(SOME), full], [])
        plain, rare = await connection.fetch("SELECT * FROM edit_log ORDER BY status")
        assert (plain["school_year"], plain["section_id"], plain["edit_id"].bytes) == (2026, 4001, SOME)
        assert (plain["kind"], plain["item"], plain["student_id"], plain["cell_version"]) == (1, 7001, 101, 1)
        assert (plain["base_id"], plain["status"], plain["code"], plain["params"]) == (None, b"A", None, None)
        assert (json.loads(plain["value"]), plain["author_id"], plain["acting_as"]) == ({"score": "17.5"}, 11, None)
        assert (plain["client_id"].bytes, plain["client_seq"], plain["clock_skew_ms"]) == (OTHER, 3, -250)
        assert plain["entered_at"] == dt.datetime.fromtimestamp(1_700_000_000.123, dt.UTC)
        assert plain["received_at"] == dt.datetime.fromtimestamp(1_700_000_001.456, dt.UTC)
        assert (plain["path"], plain["resolves"]) == (b"j", None)
        assert (rare["cell_version"], rare["base_id"].bytes, rare["status"]) == (None, SOME, b"R")
        assert (rare["code"], json.loads(rare["params"]), rare["acting_as"]) == (full.code, {"max": "20"}, 12)
        assert [i.bytes for i in rare["resolves"]] == [SOME, THIRD]
        assert json.loads(rare["value"]) == {"text": "José 学"}
        assert rare["entered_at"] == dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    finally:
        await connection.close()


def packed(r: HistoryRow) -> bytes:
    """The row of an ordinary edit, made on the spot."""
    return pack_applied(
        *(r.school_year, r.section_id, r.author_id, r.client_id, r.clock_skew_ms, r.received_ms, r.edit_id),
        *(r.kind, r.item, r.student_id, r.client_seq, r.entered_ms, r.cell_version or 0, r.base, r.value),
    )


def test_an_ordinary_row_is_made_as_any_other() -> None:
    rows = [row(SOME), row(OTHER, cell_version=7, base=SOME, value=b'{"text":"\xc3\xa9"}', entered_ms=0)]
    assert copy_of(packed(r) for r in rows) == pack_history(rows)


async def attempt(connection: Connection, rows: list[HistoryRow], cells: list[CellRow], claims: list[Claim]) -> None:
    async with connection.transaction():
        await apply_claimed_edits(connection, copy_of(map(packed, rows)), cells, claims)


async def test_a_wrong_claim_writes_nothing(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await attempt(connection, [row(SOME)], [cell(SOME, 1)], [Claim(NO_ID, 0)])
        made = await connection.fetchrow("SELECT * FROM cell")
        assert made is not None
        assert tuple(made)[:5] == (4001, 1, 7001, 101, 1)
        assert (made["edit_id"].bytes, made["author_id"]) == (SOME, 11)
        assert made["entered_at"] == dt.datetime.fromtimestamp(1_700_000_000.123, dt.UTC)
        assert json.loads(made["value"]) == {"note": 'a"b\\c {,}'}
        second = row(OTHER, cell_version=2, base=SOME)
        for wrong, error in (
            (Claim(NO_ID, 0), asyncpg.UniqueViolationError),
            (Claim(THIRD, 1), ClaimRefutedError),
            (Claim(SOME, 2), ClaimRefutedError),
        ):
            with pytest.raises(error):
                await attempt(connection, [second], [cell(OTHER, 2)], [wrong])
        assert await connection.fetchval("SELECT count(*) FROM edit_log") == 1
        await attempt(connection, [second], [cell(OTHER, 2)], [Claim(SOME, 1)])
        found = await connection.fetchrow("SELECT edit_id, cell_version, value FROM cell")
        assert found is not None
        assert (found["edit_id"].bytes, found["cell_version"]) == (OTHER, 2)
        assert json.loads(found["value"]) == {"note": 'a"b\\c {,}'}
    finally:
        await connection.close()


async def test_a_value_that_postgresql_refuses_is_a_data_error(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        for value in (b'{"text":"a\\u0000b"}', b"{", b'"\xff"'):
            with pytest.raises(asyncpg.DataError):
                await attempt(connection, [row(SOME, value=value)], [], [])
            with pytest.raises(asyncpg.DataError):
                await apply_edits(connection, [row(SOME, value=value)], [])
    finally:
        await connection.close()
