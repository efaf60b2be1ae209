"""One transaction that records edits: judge a batch against PostgreSQL, write it, and say what became of it."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from msgspec import json

from app.drafts.codec import CELL, UNCHECKED
from app.gradebook.recording.batches import Batch, Refusal, unchecked, unstorable
from app.gradebook.recording.ordinary import Ordinary, ordinary, ordinary_drains, parted
from app.gradebook.recording.poison import find_poison
from app.gradebook.recording.positions import (
    ClientKey,
    by_client,
    client_key,
    clients_of,
    moved_positions,
    told_positions,
)
from app.gradebook.recording.rows import (
    Judged,
    as_chain_edit,
    history_rows,
    judged_entries,
    line_item_rows,
    parked_counts,
    parked_rows,
    quarantine_rows,
    settled_conflicts,
)
from app.gradebook.recording.verdicts import (
    cells_to_heal,
    drain_of,
    exceptions_of,
    promoted_exceptions,
    settle_entry,
)
from app.gradebook.rules import load_rules
from app.model.chain import Head, Link, walk
from app.model.kinds import LineItemValue, ValueRejectedError, parse_value
from app.model.section_rules import ScoreRange
from app.records import edits as records
from app.records.parked import count_parked, park_edits, read_parked_edits, unpark_edits
from app.records.pool import is_duplicate, is_poison
from app.telemetry import Event, log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from app.gradebook.recording.fences import Fence
    from app.model.chain import CellKey, ChainEdit, Verdict, Walked
    from app.records.leases import Held
    from app.records.parked import ParkedEdit
    from app.records.pool import Connection

Drains = dict[int, list[tuple[int, bytes]]]  # partition -> (section, packed verdicts) of each settled entry
_Done = TypeVar("_Done")
USUAL_SHARE_MIN = 0.25  # of a batch: with less, a transaction of its own for what is ordinary costs more than it saves
_LOOKUPS_MAX = 60  # each round may find that an edit has to be looked up on which another stands
# What PostgreSQL says when a client's cancel has cut short its wait for the standby: committed here, perhaps not there.
_SYNC_WAIT_CANCELLED = "canceling wait for synchronous replication"


class UnknownOutcomeError(Exception):
    """COMMIT returned, but the standby may not have it: do not drain; the same batch is committed again."""


class Settled(NamedTuple):
    """A committed batch: what became of each edit, where its clients stand, and what stands in its cells."""

    judged: Judged
    positions: dict[ClientKey, records.PositionRow]
    heads: dict[CellKey, records.FullHeadRow]
    heals: set[int]


class Recorder:
    """Writes batches over one connection that it alone uses."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._years: dict[int, int] = {}
        self._is_sync_doubtful = False
        connection.add_log_listener(self._listen)

    def _listen(self, _connection: object, message: object) -> None:
        if _SYNC_WAIT_CANCELLED in str(message):
            self._is_sync_doubtful = True

    async def record(self, batch: Batch, fence: Fence) -> Drains:
        """Commit a batch of the journal; return what is to be taken out of it, all of which is settled in PostgreSQL.

        Raises what the fence raises, with nothing written. On any other error the outcome is unknown; recording the
        same batch again is harmless.
        """
        years = await self._school_years(batch)
        plain = ordinary(batch, years)
        if plain is not None:
            return await self._record_plain(batch, fence, plain)
        usual, odd = parted(batch, years)
        if usual.rows < batch.rows * USUAL_SHARE_MIN:
            return drains_of(await self.settle(batch, fence))
        drains = await self.record(usual, fence)
        for partition, settled in drains_of(await self.settle(odd, fence)).items():
            drains.setdefault(partition, []).extend(settled)
        return drains

    async def _record_plain(self, batch: Batch, fence: Fence, plain: Ordinary) -> Drains:
        """Commit on the journal's word, or as the referee judges where PostgreSQL does not bear it out."""
        try:
            return await self._transact(batch, fence, partial(self._write_ordinary, found=plain))
        except records.ClaimRefutedError:
            pass  # rolled back; the referee decides
        except Exception as error:
            if not (is_duplicate(error) or is_poison(error)):
                raise
        return drains_of(await self.settle(batch, fence))

    async def settle(self, batch: Batch, fence: Fence) -> Settled:
        """Commit a batch as the referee judges it; errors as in `record`."""
        refusals: dict[bytes, Refusal] = {}
        is_looked_up = is_again = False
        while True:
            try:
                write = partial(self._write_judged, refusals=refusals, look_up_all=is_looked_up)
                return await self._transact(batch, fence, write)
            except Exception as error:
                if is_duplicate(error) and not is_looked_up:
                    is_looked_up = True  # recorded already, though its base fits: ask the history for every edit
                elif is_poison(error):
                    found = await self._find_poison(batch, fence, refusals, look_up_all=is_looked_up)
                    if not found and is_again:
                        raise
                    is_again = not found  # between the two transactions somebody else may have set it aside
                    refusals |= found
                else:
                    raise

    async def _transact(self, batch: Batch, fence: Fence, write: Callable[[Batch, Held], Awaitable[_Done]]) -> _Done:
        self._is_sync_doubtful = False
        async with self._connection.transaction():
            done = await write(batch, await fence.hold(self._connection, batch))
        if self._is_sync_doubtful:
            raise UnknownOutcomeError
        return done

    async def _write_ordinary(self, batch: Batch, held: Held, *, found: Ordinary) -> Drains:
        """Write on the journal's word; the writing itself checks its claims."""
        if not held.parked.isdisjoint(batch.rows_by_partition):
            raise records.ClaimRefutedError  # somebody may have waited for one of these
        await records.apply_claimed_edits(self._connection, *found)
        await records.write_line_items(self._connection, line_item_rows(found.cells))
        return ordinary_drains(batch, await self._move_positions(batch, None))

    async def _judge(self, batch: Batch, held: Held, refusals: dict[bytes, Refusal], *, look_up_all: bool) -> Judged:
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
        parked = await self._parked(batch, held)
        walked = await self._walk(edits, [as_chain_edit(p) for p in parked], years, look_up_all=look_up_all)
        by_id = {p.edit_id: p for p in parked}
        promoted = [(by_id[edit.edit_id], verdict) for edit, verdict in walked.promoted]
        return Judged(batch, walked.verdicts, refusals, years, promoted)

    async def _parked(self, batch: Batch, held: Held) -> list[ParkedEdit]:
        sections = {e.section_id for partition, e in batch.entries if partition in held.parked}
        return await read_parked_edits(self._connection, sorted(sections)) if sections else []

    async def _walk(
        self, edits: list[ChainEdit], parked: list[ChainEdit], years: dict[int, int], *, look_up_all: bool
    ) -> Walked:
        cells: list[CellKey] = list(dict.fromkeys(edit.cell for edit in (*edits, *parked)))
        heads = {c: Head(*h) for c, h in (await records.read_heads(self._connection, cells)).items()}
        known: dict[tuple[int, bytes], Link] = {}
        asked: set[tuple[int, bytes]] = set()
        wanted = {(e.section_id, e.edit_id) for e in edits} if look_up_all else set()
        for _ in range(_LOOKUPS_MAX):
            if wanted:
                found = await self._look_up(wanted, years)
                known |= found
                asked |= wanted | found.keys()
            walked = walk(edits, dict(heads), dict(known), parked)
            wanted = walked.missing - asked
            if not wanted:
                return walked
        raise RuntimeError("the chain of a batch does not come to an end")

    async def _school_years(self, batch: Batch) -> dict[int, int]:
        # Not `… - self._years.keys()`: that goes through all the sections of the district, for each batch.
        unknown = {entry.section_id for _, entry in batch.entries if entry.section_id not in self._years}
        if unknown:
            self._years |= await records.read_school_years(self._connection, sorted(unknown))
        return self._years

    async def _look_up(self, wanted: set[tuple[int, bytes]], years: dict[int, int]) -> dict[tuple[int, bytes], Link]:
        found = await records.find_edits_with_bases(
            self._connection, [(years[s], s, edit_id) for s, edit_id in sorted(wanted) if s in years]
        )
        return {k: Link(f.status, f.author_id, f.base, f.cell_version, f.code) for k, f in found.items()}

    async def _check_unchecked(self, batch: Batch, refusals: dict[bytes, Refusal]) -> None:
        """Check what was accepted while the roster could not be asked; after an outage that is all of many sections."""
        found = [(entry, edit) for entry, edit in unchecked(batch) if edit.edit_id not in refusals]
        sections = {entry.section_id for entry, _ in found}
        rules = await load_rules(self._connection, sections, time.monotonic()) if sections else {}
        for entry, edit in found:
            of_section = rules.get(entry.section_id)
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

    async def _move_positions(
        self, batch: Batch, verdicts: Sequence[Verdict] | None
    ) -> dict[ClientKey, records.PositionRow]:
        now = await records.read_client_positions(self._connection, clients_of(batch))
        positions = moved_positions(batch, by_client(now.values()), verdicts)
        await records.write_client_positions(self._connection, list(positions.values()))
        return positions

    async def _write_judged(
        self, batch: Batch, held: Held, *, refusals: dict[bytes, Refusal], look_up_all: bool
    ) -> Settled:
        """Write as the referee judges."""
        judged = await self._judge(batch, held, refusals, look_up_all=look_up_all)
        connection = self._connection
        history, cells, unparked = history_rows(judged)
        await records.apply_edits(connection, history, cells)
        await park_edits(connection, parked_rows(history))
        await unpark_edits(connection, unparked)
        await count_parked(connection, parked_counts(batch, history, unparked))
        await records.write_line_items(connection, line_item_rows(cells))
        await records.settle_conflicts(connection, settled_conflicts(judged))
        positions = await self._move_positions(batch, judged.verdicts)
        await records.quarantine_edits(connection, quarantine_rows(judged))
        last = cells_to_heal(judged)
        heads = await records.read_full_heads(connection, list(last))
        settled = Settled(judged, positions, heads, set(last.values()))
        await records.write_edit_exceptions(connection, exceptions_of_batch(settled))
        return settled

    async def _find_poison(
        self, batch: Batch, fence: Fence, refusals: dict[bytes, Refusal], *, look_up_all: bool
    ) -> dict[bytes, Refusal]:
        """Return the edits that PostgreSQL refuses to store, found in a transaction that is rolled back."""
        transaction = self._connection.transaction()
        await transaction.start()
        try:
            held = await fence.hold(self._connection, batch)
            judged = await self._judge(batch, held, refusals, look_up_all=look_up_all)
            found = await find_poison(self._connection, history_rows(judged)[0])
        finally:
            await transaction.rollback()
        for edit_id, refusal in found.items():
            log(Event.EDIT_QUARANTINED, edit_id=edit_id.hex(), sqlstate=refusal.sqlstate)
        return found


def exceptions_of_batch(settled: Settled) -> list[records.ExceptionRow]:
    """Return every edit that its client believes drafted, and that ended otherwise."""
    judged = settled.judged
    found = [
        row
        for entry, verdicts, _ in judged_entries(judged.batch, judged.verdicts)
        for row in exceptions_of(entry, verdicts, judged.refusals, settled.heads)
    ]
    return found + promoted_exceptions(judged.promoted, settled.heads)


def drains_of(settled: Settled) -> Drains:
    """Return what drain.lua is to be told of each entry, by partition."""
    judged = settled.judged
    batch, drains = judged.batch, Drains()
    told = told_positions(batch, settled.positions)
    entries = judged_entries(batch, judged.verdicts)
    for (partition, _), (entry, verdicts, at), told_seq in zip(batch.entries, entries, told, strict=True):
        own = exceptions_of(entry, verdicts, judged.refusals, settled.heads)
        verdicts_told = settle_entry(entry, verdicts, settled.heads, at, settled.heals)
        drain = drain_of(entry, verdicts_told, own, settled.positions[client_key(entry)], told_seq)
        drains.setdefault(partition, []).append((entry.section_id, drain))
    return drains
