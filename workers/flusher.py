"""drafted -> recorded: read the journal in order, commit in PostgreSQL, then take what was committed out of it.

One transaction covers all partitions that this flusher holds. Its first statement locks and renews their leases: a
flusher that was frozen past its lease finds fewer rows and rolls back, and a commit that is tried again always has
something to write. No timeout is ever put on COMMIT. After the commit the journal is drained by compare-and-delete; a
flusher that dies between the two leaves entries that its successor recognises as recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from app.drafts.store import UNBOUND
from app.errors import InkfastError, JournalUnavailableError, RecordsUnavailableError
from app.gradebook.recording.batches import Batch, build_batch, stream_position
from app.gradebook.recording.fences import IncarnationChangedError, LeaseFence, LeaseLostError
from app.gradebook.recording.recorder import Drains, Recorder
from app.jitter import jittered
from app.records import leases
from app.records.pool import Connection, connect, is_infrastructure
from app.telemetry import Event, log
from workers.catching_up import CatchingUp, report

if TYPE_CHECKING:
    from app.drafts.store import DraftStore, Incarnation, StreamEntry
    from app.settings import Settings

PARTITIONS = 64
POLL_S = 0.025
LINGER_S_MIN = 0.01
# 1,000 rows: 0.4 s; small transactions are slow (ADR 0004). With half of it 4,000 edits/s made batches of any size,
# as what comes in while one lingers makes the next one linger for as long.
LINGER_S_PER_ROW = 0.0004
BACKOFF_S_MIN, BACKOFF_S_MAX = 0.1, 2.0
ENTRIES_PER_PARTITION_MIN = 8


class Flusher:
    """One flusher process. Several share the partitions, and take over from one that is gone."""

    def __init__(self, settings: Settings, store: DraftStore) -> None:
        self._settings = settings
        self._store = store
        self.owner = uuid4()
        self._connection: Connection | None = None
        self._recorder: Recorder | None = None
        self._fence = LeaseFence(self.owner, settings.lease_ms)
        self._incarnations: dict[int, Incarnation] = {}
        self._renew_at = 0.0
        self._linger_s = LINGER_S_MIN
        self._held: set[int] = set()
        self._cursors: dict[int, bytes] = {}  # last entry read of each partition
        self._ahead: asyncio.Task[Batch | None] | None = None
        self._draining: asyncio.Task[None] | None = None
        self._is_other_stream = False
        self.recorded_rows = 0
        self._catching_up = CatchingUp()

    async def run(self, stop: asyncio.Event) -> None:
        """Flush until `stop` is set; then record what is there, and give the partitions back."""
        backoff_s = BACKOFF_S_MIN
        while not stop.is_set():
            try:
                await self._keep_leases()
                rows = await self.flush()
                backoff_s = BACKOFF_S_MIN
                if not rows:
                    await _wait(stop, POLL_S)
            except Exception as error:  # noqa: BLE001 -- a flusher goes on; what cannot pass is counted and backed off
                await self._forget(error)
                await _wait(stop, jittered(backoff_s, 0.5, 1.0))
                backoff_s = min(BACKOFF_S_MAX, backoff_s * 2)
        await self._finish()

    async def _finish(self) -> None:
        with contextlib.suppress(Exception):
            while await self.flush(is_last=True):
                pass
            await self._drained()
        with contextlib.suppress(Exception):
            if self._connection is not None:
                await leases.retire_flusher(self._connection, self.owner)
        if self._connection is not None:
            self._connection.terminate()

    async def _forget(self, error: Exception) -> None:
        """After a failure nothing is assumed: a new connection, new leases, and the journal is read from its oldest."""
        await self._read_again()
        with contextlib.suppress(Exception):
            await self._drained()
        level = logging.WARNING if _is_expected(error) else logging.ERROR
        log(Event.FLUSH_FAILED, level=level, error=error)
        if not isinstance(error, JournalUnavailableError):
            self._catching_up.lost(time.monotonic())
            if self._connection is not None:
                self._connection.terminate()
            self._connection = self._recorder = None
            self._fence.epochs.clear()
            self._incarnations.clear()
        self._renew_at = 0.0

    async def _connect(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            # A flusher that stops in the middle of its transaction (frozen, its machine without power) keeps the rows
            # of its leases locked: PostgreSQL ends it when the lease is over, so that somebody else can take them.
            self._connection = await connect(
                self._settings.database_url,
                application_name="inkfast-flusher",
                idle_in_transaction_session_timeout=str(self._settings.lease_ms),
            )
            # After a lost connection its own leases would be in its way until they run out: they are taken anew.
            await leases.release_leases(self._connection, self.owner, range(PARTITIONS))
            self._recorder = Recorder(self._connection)
            self._fence.epochs.clear()
            self._incarnations.clear()
        return self._connection

    async def _keep_leases(self) -> None:
        """Renew, take what is free up to a fair share, give back what is above it; a third of a lease apart."""
        now = time.monotonic()
        if now < self._renew_at and self._connection is not None and not self._connection.is_closed():
            return
        connection = await self._connect()
        lease_ms = self._settings.lease_ms
        await leases.announce_flusher(connection, self.owner, lease_ms)
        if self._fence.epochs:
            held = await leases.renew_leases(connection, self.owner, self._fence.epochs, lease_ms)
            self._fence.epochs = {p: e for p, e in self._fence.epochs.items() if p in held}
        share = -(-PARTITIONS // max(1, await leases.count_flushers(connection)))
        surplus = sorted(self._fence.epochs)[share:]
        if surplus:
            await leases.release_leases(connection, self.owner, surplus)
            for partition in surplus:
                del self._fence.epochs[partition]
        elif len(self._fence.epochs) < share:
            taken = await leases.take_leases(connection, self.owner, share - len(self._fence.epochs), lease_ms)
            self._fence.epochs |= taken
            for partition in taken:
                self._incarnations.pop(partition, None)
        await self._bind(connection)
        self._renew_at = now + lease_ms / 3000

    async def _bind(self, connection: Connection) -> None:
        """Bind each newly taken partition to this history of the database, healing it after a restore."""
        if self._fence.epochs.keys() <= self._incarnations.keys():
            return
        incarnation = await leases.read_incarnation(connection)
        if incarnation != self._fence.incarnation:
            # All of them, also those held before: what was read ahead of these would not be linked anew either.
            await self._read_again()
            self._incarnations.clear()
            self._fence.incarnation = incarnation
        for partition in [p for p in self._fence.epochs if p not in self._incarnations]:
            now = await self._store.read_incarnation(partition)
            if now is None:
                now = await self._store.write_incarnation(partition, incarnation, is_new=True)
            elif now.incarnation != incarnation:
                # Said before it is done: whoever reads meanwhile must not take what is left for all that was recorded.
                await self._store.write_incarnation(partition, UNBOUND, is_new=True)
                await self._store.evict(partition, await self._store.sections(partition), keep_positions=True)
                now = await self._store.write_incarnation(partition, incarnation, is_new=False)
                log(Event.INCARNATION_CHANGED, level=logging.WARNING, partition=partition)
            self._incarnations[partition] = now

    async def flush(self, *, is_last: bool = False) -> int:
        """Record one batch; return how many edits it held. 0: nothing to do.

        While PostgreSQL works, the next batch is read, and the one before is taken out of the journal.
        """
        batch = await self._take_ahead() or await self._collect(is_last=is_last)
        if batch is None:
            await self._drained()
            self._cursors.clear()  # what was read and not recorded, or came in under an old id, is found again
            return 0
        if batch.rows * 2 >= self._settings.flush_batch_rows_max:
            self._ahead = asyncio.create_task(self._collect(is_last=True))
        if not await self._record(batch):
            return 0
        self._linger_s = min(self._settings.flush_linger_ms / 1000, LINGER_S_MIN + LINGER_S_PER_ROW * batch.rows)
        return max(1, batch.rows)

    async def _take_ahead(self) -> Batch | None:
        task, self._ahead = self._ahead, None
        return await task if task is not None else None

    async def _collect(self, *, is_last: bool) -> Batch | None:
        """Read the next batch, waiting a little for it to fill unless it is the last."""
        partitions = [p for p in self._fence.epochs if p in self._incarnations]
        rows_max = self._settings.flush_batch_rows_max
        found = await self._read(partitions, rows_max)
        if not found:
            return None
        if not is_last and len(found) < rows_max:
            oldest_s = time.time() - min(int(f.stream_id.split(b"-")[0]) for f in found) / 1000
            if 0 <= oldest_s < self._linger_s:
                await asyncio.sleep(self._linger_s - oldest_s)
                found = await self._read(partitions, rows_max)
        batch = build_batch(found, rows_max, self._incarnations)
        self._report_held(batch)
        for partition, entry in batch.entries:
            self._cursors[partition] = entry.stream_id
        for raw in batch.unreadable:
            self._cursors[raw.partition] = max(
                raw.stream_id, self._cursors.get(raw.partition, b"0-0"), key=stream_position
            )
        return batch if batch.entries or batch.unreadable else None

    async def _read(self, partitions: list[int], rows_max: int) -> list[StreamEntry]:
        if not partitions:
            return []
        lengths = await self._store.lengths(partitions)
        report(self._catching_up.sees(sum(lengths), time.monotonic()))
        full = [p for p, length in zip(partitions, lengths, strict=True) if length]
        if not full:
            return []
        count = max(ENTRIES_PER_PARTITION_MIN, -(-rows_max // len(full)))
        return await self._store.read_entries(full, count, after=self._cursors)

    async def _record(self, batch: Batch) -> bool:
        """Commit a batch and begin to drain it; False if it has to be read again."""
        assert self._recorder is not None  # noqa: S101 -- partitions are held, so there is a connection
        if not batch.partitions <= self._fence.epochs.keys():
            await self._read_again()  # given back since the batch was read
            return False
        try:
            settled = await self._recorder.record(batch, self._fence)
        except IncarnationChangedError:
            self._incarnations.clear()
            self._renew_at = 0.0
            await self._read_again()
            return False
        except LeaseLostError as lost:
            for partition in lost.partitions:
                self._fence.epochs.pop(partition, None)
                self._incarnations.pop(partition, None)
            self._renew_at = 0.0
            await self._read_again()
            return False
        self.recorded_rows += batch.rows
        self._catching_up.recorded(batch.rows, len(batch.entries))
        await self._drained()
        self._draining = asyncio.create_task(self._drain(settled, batch.unreadable))
        return True

    async def _drain(self, settled: Drains, unreadable: list[StreamEntry]) -> None:
        removed = await self._store.drain(settled)
        if removed < sum(map(len, settled.values())):
            # The stream is not the one that was read: it was lost, and what came since may have lower ids.
            self._cursors.clear()
            self._is_other_stream = True
        for raw in unreadable:
            await self._store.remove_unreadable(raw)

    async def _drained(self) -> None:
        """Wait for the drain that is under way; if it failed, its entries are read, recognised and drained again."""
        task, self._draining = self._draining, None
        if task is not None:
            await task
        if self._is_other_stream:
            self._is_other_stream = False
            await self._read_again()

    async def _read_again(self) -> None:
        """Forget what was read ahead: start from the oldest entry of each partition."""
        task, self._ahead = self._ahead, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        self._cursors.clear()

    def _report_held(self, batch: Batch) -> None:
        for partition in batch.held - self._held:
            log(Event.PARTITION_HELD, level=logging.ERROR, partition=partition)
        self._held = set(batch.held)


def _is_expected(error: Exception) -> bool:
    return isinstance(error, RecordsUnavailableError | InkfastError) or is_infrastructure(error)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    """Wait until `stop` is set, at most `seconds`."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
