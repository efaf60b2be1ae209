"""`inkfast receipt verify`: whether a receipt is ours, what it says, and what became of its edits."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import click

from app.drafts.codec import CELL, unpack_entry
from app.drafts.keys import partition_of
from app.drafts.store import DraftStore
from app.drafts.topology import Topology
from app.model.grants import derive_secret
from app.model.kinds import NAME_OF_KIND
from app.model.receipts import Receipt, ReceiptError, read
from app.records.pool import connect
from app.records.sections import read_section_facts, read_user_names
from app.settings import Settings
from ops.audit.journal import read_stream
from ops.installation import data_dir_option, settings_environment
from ops.processes import ServerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.records.pool import Connection

_SQL = Path(__file__).with_name("receipt.sql")
_STATES = {"A": "recorded", "C": "conflict", "S": "conflict, settled", "R": "rejected", "Q": "quarantined"}
# What was said of an edit when the receipt was given: its letter in the digest (app/gradebook/edit_cells.py).
_DRAFTED, _RECORDED = b"d", b"R"
_SAID_AT_ONCE = {"C": b"c", "S": b"c", "R": b"r"}


class ReceiptRefusedError(ServerError):
    """Not a receipt of this installation, or not a whole one."""


class Found(NamedTuple):
    """One edit of a receipt, wherever it is by now."""

    seq: int
    edit_id: bytes
    what: str
    state: str
    recorded_at: dt.datetime | None
    letter: bytes


@click.group()
def receipt() -> None:
    """Verify the receipts that the service gives with every save."""


@receipt.command()
@click.argument("receipt_text", metavar="RECEIPT")
@data_dir_option
def verify(receipt_text: str, data_dir: Path) -> None:
    """Check RECEIPT (`r1.…`), and say what became of the edits that it stands for.

    Exit status 1 for a receipt that this installation did not give, or one of whose edits cannot be found.
    """
    settings = Settings.from_env(settings_environment(data_dir))
    said = read_receipt(receipt_text, settings)
    lines, missing = asyncio.run(_follow(said, settings))
    for line in lines:
        click.echo(line)
    sys.exit(1 if missing else 0)


def read_receipt(text: str, settings: Settings) -> Receipt:
    """Return what a receipt says; ReceiptRefusedError if this installation did not give it."""
    secrets = {}
    for secret_key in (settings.secret_key, settings.secret_key_previous):
        if secret_key:
            key_id = derive_secret(secret_key, "receipt key id")[:4].hex()
            secrets[key_id] = derive_secret(secret_key, "receipt")
    try:
        return read(text, secrets)
    except ReceiptError as error:
        raise ReceiptRefusedError(f"not a receipt of this installation: {error}") from None


async def _follow(said: Receipt, settings: Settings) -> tuple[list[str], int]:
    """Return what is to be printed, and how many of the edits were found nowhere."""
    journaled = await _in_journal(said, settings)  # first: what leaves it meanwhile is found in PostgreSQL
    connection = await connect(settings.database_url, application_name="inkfast-receipt")
    try:
        facts = await read_section_facts(connection, said.section_id)
        names = await read_user_names(connection, [said.user_id])
        found = journaled | await _in_records(connection, said)
    finally:
        await connection.close()
    zone = ZoneInfo(facts["time_zone"]) if facts is not None else ZoneInfo("UTC")
    given = dt.datetime.fromtimestamp(said.at_ms / 1000, zone)
    count = said.last_seq - said.first_seq + 1
    missing = [seq for seq in range(said.first_seq, said.last_seq + 1) if seq not in found]
    name = names.get(said.user_id, "a user who is not known any more")
    title = f" ({facts['title']})" if facts is not None else ""
    lines = [
        f"receipt {said.short}, given by this installation on {given:%Y-%m-%d at %H:%M:%S %Z}",
        f"to {name} (user {said.user_id}), for section {said.section_id}{title}",
        f"for {count} edit{'s' if count > 1 else ''}: {said.first_seq} to {said.last_seq} of client {said.client_id}",
        "by now:",
        *(_line(found[seq], zone) for seq in sorted(found)),
    ]
    if missing:
        lines.append(
            f"NOT FOUND under these numbers: {', '.join(map(str, missing))} (were they sent again, from an outbox that"
            " was opened anew? `inkfast audit` with the client's ledger tells)"
        )
    elif _digest_fits(said, found):
        lines.append("the receipt's mark was made from exactly these edits")
    else:
        lines.append(
            "some of these edits were answered otherwise when the receipt was given (they had been sent before)"
        )
    return lines, len(missing)


def _line(found: Found, zone: ZoneInfo) -> str:
    when = f" on {found.recorded_at.astimezone(zone):%Y-%m-%d at %H:%M:%S}" if found.recorded_at is not None else ""
    return f"  {found.seq:>6}  {found.state}{when}  {found.what}"


def _digest_fits(said: Receipt, found: Mapping[int, Found]) -> bool:
    edits = [found[seq] for seq in range(said.first_seq, said.last_seq + 1)]
    as_now = b"".join(e.edit_id + e.letter for e in edits)
    as_recorded = b"".join(e.edit_id + (_RECORDED if e.letter == _DRAFTED else e.letter) for e in edits)
    return said.digest in {sha256(as_now).digest()[:16], sha256(as_recorded).digest()[:16]}


async def _in_records(connection: Connection, said: Receipt) -> dict[int, Found]:
    rows = await connection.fetch(
        _SQL.read_text(), said.section_id, said.user_id, said.client_id, said.first_seq, said.last_seq
    )
    found = {}
    for row in rows:
        status, code = str(row["status"]), row["code"]
        what = f"({code})" if row["kind"] is None else _what(row["kind"], row["item"], row["student_id"], row["value"])
        letter = _DRAFTED if row["was_drafted_first"] else _SAID_AT_ONCE.get(status, _DRAFTED)
        state = _STATES[status] + (f" ({code})" if code and row["kind"] is not None else "")
        found[row["client_seq"]] = Found(
            row["client_seq"],
            row["edit_id"].bytes,
            what,
            state,
            row["recorded_at"],
            letter,
        )
    return found


async def _in_journal(said: Receipt, settings: Settings) -> dict[int, Found]:
    topology = Topology(settings.redis_url)
    found: dict[int, Found] = {}
    try:
        await topology.learn()
        partition = partition_of(said.section_id)
        async for stream_id, raw in read_stream(DraftStore(topology), partition):
            try:
                entry = unpack_entry(stream_id, raw)
            except ValueError:
                continue
            if (entry.section_id, entry.user_id, entry.client_id) != (said.section_id, said.user_id, said.client_id):
                continue
            for edit in entry.edits:
                if said.first_seq <= edit.seq <= said.last_seq:
                    kind, item, student = CELL.unpack(edit.cell)
                    what = _what(kind, item, student, edit.value.decode("utf-8", "replace"))
                    state = "drafted: in the journal, not yet in PostgreSQL"
                    letter = _SAID_AT_ONCE.get(chr(edit.accepted), _DRAFTED)
                    found[edit.seq] = Found(edit.seq, edit.edit_id, what, state, None, letter)
    finally:
        topology.close()
    return found


def _what(kind: int, item: int, student: int, value: str | None) -> str:
    return f"{NAME_OF_KIND.get(kind, kind)}, item {item}, student {student}: {value}"
