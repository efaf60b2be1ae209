"""The announcement of maintenance: until when, and why.

It stands in PostgreSQL and, for when that is away, in the journal. Whatever was said last counts, wherever it stands:
an end that was told to the journal alone holds when PostgreSQL is back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from app import telemetry
from app.errors import InkfastError, JournalUnavailableError
from app.jitter import jittered
from app.records.maintenance import read_maintenance, write_maintenance

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.drafts.store import DraftStore
    from app.records.pool import Connection, Pool

LOOK_S: Final = 2.0
REASON_CHARS_MAX: Final = 200


class Maintenance(Struct, frozen=True):
    """What was announced at `changed_ms`: an end in the past says that nothing is. Milliseconds since 1970."""

    until_ms: int
    reason: str
    time_zone: str
    changed_ms: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Maintenance).decode


async def read_announced(connection: Connection | None, store: DraftStore) -> Maintenance | None:
    """Return what was announced last in either store, whatever its end; None if nothing ever was.

    InkfastError if neither can be asked. Without a connection, PostgreSQL is not.
    """
    found: list[Maintenance] = []
    away: JournalUnavailableError | None = None
    try:
        raw = await store.read_maintenance()
        if raw is not None:
            found.append(_decode(raw))
    except JournalUnavailableError as error:
        away = error
    except msgspec.MsgspecError:
        pass  # of another release
    if connection is not None:
        row = await read_maintenance(connection)
        if row is not None:
            found.append(Maintenance(row.until_ms, row.reason, row.time_zone, row.changed_ms))
    elif away is not None:
        raise away
    return max(found, key=lambda announced: announced.changed_ms, default=None)


async def announce(connection: Connection | None, store: DraftStore, announced: Maintenance) -> None:
    """Write it to the journal and, with a connection, to PostgreSQL.

    JournalUnavailableError: nothing was announced. Where PostgreSQL fails afterwards, the journal has it.
    """
    await store.mirror_maintenance(_encode(announced))
    if connection is not None:
        await write_maintenance(
            connection, announced.until_ms, announced.reason, announced.time_zone, announced.changed_ms
        )


class MaintenanceBoard:
    """What one API process knows of the announcement."""

    def __init__(self, pool: Pool, store: DraftStore, records_are_away: Callable[[], bool]) -> None:
        self._pool = pool
        self._store = store
        self._records_are_away = records_are_away
        self._announced: Maintenance | None = None

    @property
    def current(self) -> Maintenance | None:
        """What is announced and not over yet."""
        announced = self._announced
        return announced if announced is not None and announced.until_ms > time.time() * 1000 else None

    async def look(self) -> None:
        """Read what was announced; never raises. If neither store answers, what was known stays."""
        before = self.current
        try:
            self._announced = await self._read()
        except InkfastError:
            return
        except Exception as error:  # noqa: BLE001 -- whatever a look meets, the next one must come
            telemetry.log(telemetry.Event.MAINTENANCE_CHANGED, level=logging.ERROR, error=error)
        if (self.current is None) != (before is None):
            telemetry.log(telemetry.Event.MAINTENANCE_CHANGED, is_announced=self.current is not None)

    async def _read(self) -> Maintenance | None:
        if self._records_are_away():
            return await read_announced(None, self._store)
        try:
            async with self._pool.acquire() as connection:
                return await read_announced(connection, self._store)
        except InkfastError:
            return await read_announced(None, self._store)

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(jittered(LOOK_S))
            await self.look()
