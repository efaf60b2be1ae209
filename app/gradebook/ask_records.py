"""What a save asks PostgreSQL: for a bounded time, and not at all while it is known to be silent.

A save can do without: it is then taken provisionally, and PostgreSQL judges it later. So whoever has waited in vain
notes it for the whole process, and later saves are not held up by the same silence. It ends when a probe is answered;
no teacher's save is the probe.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, TypeVar

from app import telemetry
from app.errors import OverloadedError, RecordsUnavailableError
from app.jitter import jittered
from app.patience import Patience
from app.records.edits import read_school_years

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.records.pool import Pool

# All that one save asks, together. Half of the limit for a fault of PostgreSQL (docs/faults.md): what a client waits
# for besides, to be read and journaled, comes on top. Shorter, and what is only slow is taken for away.
SAVE_S_MAX: Final = 2.0
PROBE_S_MIN, PROBE_S_MAX = 0.1, 1.0
PROBE_ANSWER_S_MAX: Final = 1.0

_T = TypeVar("_T")


class AskRecords:
    """The questions of the saves of one process."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._probing: asyncio.Task[None] | None = None
        self._patience = Patience()
        self.are_silent = False

    def until_s(self) -> float:
        """Return the moment, by the clock of this process's patience, until which a save that begins now may ask."""
        return self._patience.time() + SAVE_S_MAX

    async def ask(self, question: Callable[[], Awaitable[_T]], until_s: float) -> _T:
        """Return PostgreSQL's answer, if it comes until then; RecordsUnavailableError also where no place is free."""
        if self.are_silent:
            raise RecordsUnavailableError("PostgreSQL does not answer", retry_after_s=2)
        try:
            async with self._patience.timeout_at(until_s):
                return await question()
        except (OverloadedError, TimeoutError) as error:
            self._note_silence()
            raise RecordsUnavailableError("PostgreSQL does not answer in time", retry_after_s=2) from error

    def _note_silence(self) -> None:
        if not self.are_silent:
            self.are_silent = True
            telemetry.RECORDS_SILENT.set(1)
            telemetry.log(telemetry.Event.RECORDS_SILENT, level=logging.WARNING)
            self._probing = asyncio.get_running_loop().create_task(self._probe_until_answered())

    async def _probe_until_answered(self) -> None:
        began, pause_s = asyncio.get_running_loop().time(), PROBE_S_MIN
        while not await self._answer():
            await asyncio.sleep(jittered(pause_s, 0.5, 1.0))
            pause_s = min(PROBE_S_MAX, pause_s * 2)
        self.are_silent = False
        telemetry.RECORDS_SILENT.set(0)
        silent_s = round(asyncio.get_running_loop().time() - began, 3)
        telemetry.log(telemetry.Event.RECORDS_ANSWER, silent_s=silent_s)

    async def _answer(self) -> bool:
        try:
            async with asyncio.timeout(PROBE_ANSWER_S_MAX), self._pool.acquire() as connection:
                await read_school_years(connection, [0])
        except (OverloadedError, RecordsUnavailableError, TimeoutError):
            return False
        return True

    async def close(self) -> None:
        """Stop probing."""
        self._patience.close()
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])
