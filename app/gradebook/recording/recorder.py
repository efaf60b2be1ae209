"""One flush transaction: judge a batch against PostgreSQL, write it, and say what to take out of the journal."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from msgspec import json

from app.drafts.codec import CELL, UNCHECKED
from app.gradebook.recording.batches import (
    Batch,
    Refusal,
    history_rows,
    line_item_rows,
    settled_conflicts,
    unchecked,
    unstorable,
)
from app.gradebook.recording.ordinary import Ordinary, ordinary, ordinary_drains
from app.gradebook.recording.positions import (
    ClientKey,
    by_client,
    client_key,
    clients_of,
    moved_positions,
    told_positions,
)
from app.gradebook.recording.verdicts import cells_to_heal, drain_of, exceptions_of, settle_entry
from app.gradebook.rules import load_rules
from app.model.chain import Head, Link, Verdict, walk
from app.model.kinds import LineItemValue, ValueRejectedError, parse_value
from app.model.section_rules import ScoreRange
from app.records import edits as records
from app.records.leases import Epochs, touch_leases
from app.records.pool import is_duplicate, is_poison, sqlstate_of
from app.telemetry import Event, log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from uuid import UUID

    from app.drafts.codec import Entry, JournaledEdit
    from app.drafts.store import StreamEntry
    from app.model.chain import CellKey
    from app.model.section_rules import SectionRules
    from app.records.binary_copy import HistoryRow
    from app.records.pool import Connection

Drains = dict[int, list[tuple[int, bytes]]]  # partition -> (section, packed verdicts) of each settled entry
_LOOKUPS_MAX = 60  # each round follows one more link; the chain follows 50
# What PostgreSQL says when a client's cancel has cut short its wait for the standby: committed here, perhaps not there.
_SYNC_WAIT_CANCELLED = "canceling wait for synchronous replication"


class LeaseLostError(Exception):
    """Somebody else holds some of the partitions; nothing was written."""

    def __init__(self, partitions: set[int]) -> None:
        super().__init__(f"lost {sorted(partitions)}")
        self.partitions = partitions


class IncarnationChangedError(Exception):
    """The database was restored since the partitions were bound to it; nothing was written."""


class UnknownOutcomeError(Exception):
    """COMMIT returned, but the standby may not have it: do not drain; the same batch is committed again."""


class _Judged:
    """A batch with PostgreSQL's verdicts."""

    def __init__(
        self,
        batch: Batch,
        verdicts: list[Verdict],
        refusals: dict[bytes, Refusal],
        years: dict[int, int],
    ) -> None:
        self.batch = batch
        self.verdicts = verdicts
        self.refusals = refusals
        self.years = years


class Recorder:
    """Writes batches over one connection that it alone uses."""

    def __init__(self, connection: Connection, owner: UUID, lease_ms: int) -> None:
        self._connection = connection
        self._owner = owner
        self._lease_ms = lease_ms
        self._years: dict[int, int] = {}
        self._is_sync_doubtful = False
        self.incarnation = ""
        connection.add_log_listener(self._listen)

    def _listen(self, _connection: object, message: object) -> None:
        if _SYNC_WAIT_CANCELLED in str(message):
            self._is_sync_doubtful = True

    async def record(self, batch: Batch, epochs: Epochs) -> Drains:
        """Commit a batch; on return everything in it is settled in PostgreSQL.

        Raises LeaseLostError or IncarnationChangedError with nothing written. On any other error the outcome is
        unknown; recording the same batch again is harmless.
        """
        refusals: dict[bytes, Refusal] = {}
        is_looked_up = False
        try:
            plain = ordinary(batch, await self._school_years(batch))
            if plain is not None:
                return await self._transact(batch, epochs, partial(self._write_ordinary, found=plain))
        except records.ClaimRefutedError:
            pass  # rolled back; the referee decides
        except Exception as error:
            if not (is_duplicate(error) or is_poison(error)):
                raise
        while True:
            try:
                write = partial(self._write_judged, refusals=refusals, look_up_all=is_looked_up)
                return await self._transact(batch, epochs, write)
            except Exception as error:
                if is_duplicate(error) and not is_looked_up:
                    is_looked_up = True  # recorded already, though its base fits: ask the history for every edit
                elif is_poison(error):
                    found = await self._find_poison(batch, epochs, refusals, look_up_all=is_looked_up)
                    if not found:
                        raise
                    refusals |= found
                else:
                    raise

    async def _transact(self, batch: Batch, epochs: Epochs, write: Callable[[Batch], Awaitable[Drains]]) -> Drains:
        self._is_sync_doubtful = False
        async with self._connection.transaction():
            await self._fence(batch, epochs)
            drains = await write(batch)
        if self._is_sync_doubtful:
            raise UnknownOutcomeError
        return drains

    async def _fence(self, batch: Batch, epochs: Epochs) -> None:
        held, incarnation = await touch_leases(
            self._connection, self._owner, epochs, self._lease_ms, batch.rows_by_partition
        )
        if held != set(epochs):
            raise LeaseLostError(set(epochs) - held)
        if incarnation != self.incarnation:
            raise IncarnationChangedError

    async def _write_ordinary(self, batch: Batch, *, found: Ordinary) -> Drains:
        """Write on the journal's word; the writing itself checks its claims."""
        await records.apply_claimed_edits(self._connection, *found)
        await records.write_line_items(self._connection, line_item_rows(found.cells))
        return ordinary_drains(batch, await self._move_positions(batch))

    async def _judge(self, batch: Batch, refusals: dict[bytes, Refusal], *, look_up_all: bool) -> _Judged:
        refusals |= unstorable(batch)
        years = await self._school_years(batch)
        for edit in batch.edits:
            if edit.section_id not in years:
                refusals[edit.edit_id] = Refusal("unknown_section", None, "23503", "no such section")
        await self._check_unchecked(batch, refusals)
        edits = batch.edits
        if refusals:
            edits = [
                edit._replace(accepted="Q" if refusal.sqlstate else "R")
                if (refusal := refusals.get(edit.edit_id))
                else edit
                for edit in edits
            ]
        cells: list[CellKey] = list(dict.fromkeys(edit.cell for edit in edits))
        heads = {c: Head(*h) for c, h in (await records.read_heads(self._connection, cells)).items()}
        known: dict[tuple[int, bytes], Link] = {}
        asked: set[tuple[int, bytes]] = set()
        wanted = {(e.section_id, e.edit_id) for e in edits} if look_up_all else set()
        for _ in range(_LOOKUPS_MAX):
            if wanted:
                known |= await self._look_up(wanted, years)
                asked |= wanted
            verdicts, missing = walk(edits, dict(heads), dict(known))
            wanted = missing - asked
            if not wanted:
                break
        else:
            raise RuntimeError("the chain of a batch does not come to an end")
        return _Judged(batch, verdicts, refusals, years)

    async def _school_years(self, batch: Batch) -> dict[int, int]:
        unknown = {entry.section_id for _, entry in batch.entries} - self._years.keys()
        if unknown:
            self._years |= await records.read_school_years(self._connection, sorted(unknown))
        return self._years

    async def _look_up(self, wanted: set[tuple[int, bytes]], years: dict[int, int]) -> dict[tuple[int, bytes], Link]:
        found = await records.find_edits(
            self._connection, [(years[s], s, edit_id) for s, edit_id in sorted(wanted) if s in years]
        )
        return {k: Link(f.status, f.author_id, f.base, f.cell_version, f.code) for k, f in found.items()}

    async def _check_unchecked(self, batch: Batch, refusals: dict[bytes, Refusal]) -> None:
        """Check what was accepted while the roster could not be asked."""
        rules: dict[int, SectionRules | None] = {}
        for entry, edit in unchecked(batch):
            section_id = entry.section_id
            if edit.edit_id in refusals:
                continue
            if section_id not in rules:
                rules[section_id] = await load_rules(self._connection, section_id, time.monotonic())
            of_section = rules[section_id]
            kind, item, student = CELL.unpack(edit.cell)
            try:
                value = parse_value(kind, edit.value)
                if of_section is not None:
                    if edit.status_in == UNCHECKED:
                        of_section.check(kind, item, student, value)
                    if isinstance(value, LineItemValue):
                        of_section.made[item] = ScoreRange.of(value)
            except ValueRejectedError as error:
                refusals[edit.edit_id] = Refusal(error.code, json.encode(error.params).decode())

    async def _move_positions(self, batch: Batch) -> dict[ClientKey, records.PositionRow]:
        now = await records.read_client_positions(self._connection, clients_of(batch))
        positions = moved_positions(batch, by_client(now.values()))
        await records.write_client_positions(self._connection, list(positions.values()))
        return positions

    async def _write_judged(self, batch: Batch, refusals: dict[bytes, Refusal], *, look_up_all: bool) -> Drains:
        """Write as the referee judges."""
        judged = await self._judge(batch, refusals, look_up_all=look_up_all)
        connection = self._connection
        history, cells = history_rows(batch, judged.verdicts, judged.refusals, judged.years)
        await records.apply_edits(connection, history, cells)
        await records.write_line_items(connection, line_item_rows(cells))
        await records.settle_conflicts(connection, settled_conflicts(batch, judged.verdicts, judged.years))
        positions = await self._move_positions(batch)
        await records.quarantine_edits(connection, _quarantine_rows(judged))
        last = cells_to_heal(batch, judged.verdicts)
        heads = await records.read_full_heads(connection, list(last))
        heals = set(last.values())
        exceptions: list[records.ExceptionRow] = []
        drains: Drains = {}
        at = 0
        for (partition, entry), told_seq in zip(batch.entries, told_positions(batch, positions), strict=True):
            verdicts = judged.verdicts[at : at + len(entry.edits)]
            own = exceptions_of(entry, verdicts, judged.refusals, heads)
            exceptions += own
            settled = settle_entry(entry, verdicts, heads, at, heals)
            drain = drain_of(entry, settled, own, positions[client_key(entry)], told_seq)
            drains.setdefault(partition, []).append((entry.section_id, drain))
            at += len(entry.edits)
        await records.write_edit_exceptions(connection, exceptions)
        return drains

    async def _find_poison(
        self, batch: Batch, epochs: Epochs, refusals: dict[bytes, Refusal], *, look_up_all: bool
    ) -> dict[bytes, Refusal]:
        """Return the edits that PostgreSQL refuses to store, found by halving in transactions that are rolled back."""
        transaction = self._connection.transaction()
        await transaction.start()
        try:
            await self._fence(batch, epochs)
            judged = await self._judge(batch, refusals, look_up_all=look_up_all)
            rows, _ = history_rows(batch, judged.verdicts, judged.refusals, judged.years)
            found: dict[bytes, Refusal] = {}
            await self._halve(rows, found)
        finally:
            await transaction.rollback()
        for edit_id, refusal in found.items():
            log(Event.EDIT_QUARANTINED, edit_id=edit_id.hex(), sqlstate=refusal.sqlstate)
        return found

    async def _halve(self, rows: Sequence[HistoryRow], found: dict[bytes, Refusal]) -> None:
        error = await self._probe(rows)
        if error is None:
            return
        if len(rows) == 1:
            found[rows[0].edit_id] = Refusal(
                "refused_by_database", None, sqlstate_of(error) or "XX000", str(error)[:500]
            )
            return
        middle = len(rows) // 2
        await self._halve(rows[:middle], found)
        await self._halve(rows[middle:], found)

    async def _probe(self, rows: Sequence[HistoryRow]) -> Exception | None:
        """Try rows inside a savepoint that is always rolled back; return what PostgreSQL had against them."""
        savepoint = self._connection.transaction()
        await savepoint.start()
        try:
            await records.apply_edits(self._connection, rows, ())
        except Exception as error:
            if is_poison(error):
                return error
            raise
        finally:
            await savepoint.rollback()
        return None


def _quarantine_rows(judged: _Judged) -> list[records.QuarantineRow]:
    batch = judged.batch
    rows = [_unreadable_row(raw) for raw in batch.unreadable]
    if not any(verdict.status == "Q" for verdict in judged.verdicts):
        return rows
    at = 0
    for partition, entry in batch.entries:
        for edit, verdict in zip(entry.edits, judged.verdicts[at : at + len(entry.edits)], strict=True):
            if verdict.status == "Q" and not verdict.is_duplicate:
                rows.append(_quarantine_row(partition, entry, edit, judged.refusals))
        at += len(entry.edits)
    return rows


def _quarantine_row(
    partition: int, entry: Entry, edit: JournaledEdit, refusals: dict[bytes, Refusal]
) -> records.QuarantineRow:
    refusal = refusals.get(edit.edit_id) or Refusal("enrollment_ended")
    return records.QuarantineRow(
        entry.section_id,
        edit.edit_id,
        entry.user_id,
        entry.client[4:],
        edit.seq,
        refusal.code,
        refusal.sqlstate,
        refusal.message,
        edit.raw,
        partition,
        entry.stream_id.decode(),
    )


def _unreadable_row(raw: StreamEntry) -> records.QuarantineRow:
    return records.QuarantineRow(
        0, None, None, None, None, "unreadable", None, "damaged entry", raw.raw, raw.partition, raw.stream_id.decode()
    )
