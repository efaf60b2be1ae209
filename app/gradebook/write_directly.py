"""Saving while the journal is away: micro-batches straight into PostgreSQL, through the same referee as the flusher.

Few connections and a bounded queue of their own, so that a journal's absence cannot take PostgreSQL down as well. What
waits while a connection is busy goes together in its next transaction. A request that has waited too long is told so;
its transaction goes on, since a COMMIT is never interrupted.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NamedTuple

from app.drafts.events import publish_direct
from app.drafts.keys import partition_of
from app.errors import InkfastError, JournalUnavailableError, OverloadedError, RecordsUnavailableError
from app.gradebook.recording.direct import DirectReply, DirectSave, record_directly
from app.gradebook.recording.recorder import Recorder, UnknownOutcomeError
from app.records.pool import Connection, connect, is_infrastructure
from app.telemetry import DIRECT_EDITS, Event, log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from app.drafts.codec import Entry
    from app.drafts.store import DraftStore
    from app.gradebook.cached_sections import CachedSections
    from app.settings import Settings

BATCH_EDITS_MAX = 500
PENDING_S_MAX = 0.25
AWAY_S = 0.5  # how long PostgreSQL is taken for away after it was found so
SECTIONS_KEPT_MAX = 100_000


class _Waiting(NamedTuple):
    save: DirectSave
    future: asyncio.Future[DirectReply]


class WriteDirectly:
    """The direct path of one API process."""

    def __init__(
        self,
        settings: Settings,
        store: DraftStore,
        open_connection: Callable[..., Awaitable[Connection]] = connect,
        *,
        cached: CachedSections | None = None,
    ) -> None:
        self._database_url = settings.database_url
        self._open_connection = open_connection
        self._store = store
        self._cached = cached
        self._wait_s_max = settings.commit_wait_ms_max / 1000
        self._queue_edits_max = settings.direct_queue_edits_max
        self._lanes_max = settings.direct_connections_max
        self._queue: list[_Waiting] = []
        self._waiting_edits = 0
        self._lanes: set[asyncio.Task[None]] = set()  # kept alive until done
        self._lanes_busy = 0  # those that will still look into the queue
        self._idle: list[tuple[Connection, Recorder]] = []
        self._away_until = 0.0
        self.written: set[int] = set()  # sections of which the journal's heads are older than PostgreSQL's

    async def write(self, save: DirectSave) -> DirectReply:
        """Return what PostgreSQL made of a save, committed.

        Raises OverloadedError where too much waits already, and RecordsUnavailableError where PostgreSQL is away too,
        or has not committed in time: sending it again is harmless.
        """
        edits = max(1, len(save.entry.edits))
        if self._waiting_edits + edits > self._queue_edits_max:
            raise OverloadedError("too many edits wait for PostgreSQL", retry_after_s=2)
        loop = asyncio.get_running_loop()
        if loop.time() < self._away_until:
            raise RecordsUnavailableError("PostgreSQL is away", retry_after_s=2)
        waiting = _Waiting(save, loop.create_future())
        self._queue.append(waiting)
        self._waiting_edits += edits
        if self._lanes_busy < self._lanes_max:
            self._lanes_busy += 1
            lane = loop.create_task(self._run_lane())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        try:
            async with asyncio.timeout(self._wait_s_max):
                return await waiting.future
        except TimeoutError:
            raise RecordsUnavailableError("PostgreSQL has not committed in time", retry_after_s=5) from None
        finally:
            self._waiting_edits -= edits

    async def refresh(self, section_id: int) -> None:
        """Make the journal forget a section's recorded heads, if it was written past it; raise if it is still away."""
        if section_id in self.written:
            if self._cached is not None:
                await self._cached.forget([section_id])
            await self._store.evict(partition_of(section_id), [section_id])
            self.written.discard(section_id)

    async def close(self) -> None:
        """Finish what has begun, and close the connections."""
        if self._lanes:
            await asyncio.wait(set(self._lanes), timeout=self._wait_s_max)
        for connection, _ in self._idle:
            connection.terminate()

    async def _run_lane(self) -> None:
        """Commit batches over one connection until nothing waits."""
        await asyncio.sleep(0)  # what has arrived by now goes together
        while batch := self._take():
            if not await self._attempt(batch, is_last=len(batch) == 1):
                for waiting in batch:  # one of them has upset the others
                    await self._attempt([waiting], is_last=True)
        self._lanes_busy -= 1  # in the same step as the last look: who comes next finds a lane, or makes one

    async def _attempt(self, batch: list[_Waiting], *, is_last: bool) -> bool:
        """Commit a batch, or tell those who wait why not; False where each had better be tried alone."""
        try:
            await self._commit(batch)
        except Exception as error:  # noqa: BLE001 -- whatever it was, a lane goes on, and those who wait are told
            if not (is_last or _says_away(error)):
                log(Event.DIRECT_WRITE_FAILED, level=logging.ERROR, error=error, saves=len(batch))
                return False
            _fail(batch, error)
        return True

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        edits = 0
        while self._queue and edits < BATCH_EDITS_MAX:
            waiting = self._queue.pop(0)
            if not waiting.future.done():
                batch.append(waiting)
                edits += len(waiting.save.entry.edits)
        return batch

    async def _commit(self, batch: list[_Waiting]) -> None:
        connection, recorder = await self._connection()
        try:
            saves = [waiting.save for waiting in batch]
            replies = await record_directly(connection, recorder, saves, await self._pending(saves))
        except BaseException:
            connection.terminate()
            raise
        self._idle.append((connection, recorder))
        written: set[int] = set()
        for waiting, reply in zip(batch, replies, strict=True):
            if reply.context is not None:
                written.add(waiting.save.entry.section_id)
                self._note_written(waiting.save)  # before anything else may happen: the journal may be back
                heads = reply.context.context.heads
                publish_direct(self._store.topology, waiting.save.entry, heads, reply.recorded_seq)
        if written and self._cached is not None:
            await self._cached.forget(written)  # before somebody is told that it is recorded
        for waiting, reply in zip(batch, replies, strict=True):
            if not waiting.future.done():
                waiting.future.set_result(reply)

    def _note_written(self, save: DirectSave) -> None:
        DIRECT_EDITS.inc(len(save.entry.edits))
        if len(self.written) < SECTIONS_KEPT_MAX:  # beyond, a stale head costs a question to PostgreSQL
            self.written.add(save.entry.section_id)

    async def _connection(self) -> tuple[Connection, Recorder]:
        while self._idle:
            connection, recorder = self._idle.pop()
            if not connection.is_closed():
                return connection, recorder
        try:
            connection = await self._open_connection(self._database_url, application_name="inkfast-direct")
        except InkfastError:
            self._away_until = asyncio.get_running_loop().time() + AWAY_S
            raise
        return connection, Recorder(connection)

    async def _pending(self, saves: Sequence[DirectSave]) -> list[Entry]:
        """Return what the journal holds of these sections and is not recorded, as far as it can be read at once."""
        node = self._store.topology.node
        sections = {save.entry.section_id for save in saves if save.entry.edits}
        readable = {section_id for section_id in sections if node(partition_of(section_id)).opened() is not None}
        if not readable:
            return []
        try:
            async with asyncio.timeout(PENDING_S_MAX):
                return await self._store.read_pending(readable)
        except (JournalUnavailableError, TimeoutError):
            return []


def _says_away(error: Exception) -> bool:
    return is_infrastructure(error) or isinstance(error, UnknownOutcomeError | InkfastError)


def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
    if _says_away(error) and not isinstance(error, InkfastError):
        error = RecordsUnavailableError(f"PostgreSQL is away: {type(error).__name__}", retry_after_s=2)
    for waiting in batch:
        if not waiting.future.done():
            waiting.future.set_exception(error)
