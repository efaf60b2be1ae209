"""How the service stands, looked at in the background, so that asking costs nothing.

One store is enough for saving: while PostgreSQL is away the journal takes edits, and while the journal is away
PostgreSQL does. Only without both is a process not ready.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final, Literal

from app import telemetry
from app.drafts.doctor import UnsafeJournalError, examine
from app.errors import JournalUnavailableError
from app.gradebook.ladder import Ladder
from app.gradebook.load import Load
from app.jitter import jittered

if TYPE_CHECKING:
    from app.drafts.committer import Committer
    from app.drafts.store import DraftStore
    from app.gradebook.revocations import Revocations
    from app.settings import Settings

Saving = Literal["ok", "delayed", "unavailable"]
Recording = Literal["ok", "delayed", "away"]

LOOK_S: Final = 1.0  # what is told of the oldest un-recorded edit is too old by so much at most
RECORDING_DELAYED_S: Final = 15.0  # the flusher lingers for a fraction of a second; this is long after that
QUEUE_DELAYED_SHARE: Final = 0.5


class Standing:
    """What one API process last saw of the journal and the records."""

    def __init__(self, settings: Settings, store: DraftStore, committer: Committer, revocations: Revocations) -> None:
        self._settings = settings
        self._store = store
        self._committer = committer
        self._revocations = revocations
        self._is_durable = settings.journal_unsafe
        self._is_noted = False
        self.journal_is_writable = False
        self.ladder = Ladder(settings.save_window_ms, settings.save_window_ms_max)
        self.load = Load(self.ladder.pace)
        self._counted: tuple[float, int] | None = None  # when the backlog was counted, and how many saves it was
        self._oldest_unrecorded_ms: int | None = None
        self._backlog_is_known = False

    async def require_durable(self) -> None:
        """Raise JournalUnavailableError if the journal answers and could lose an acknowledged edit.

        Return if it is safe, and also if it does not answer: then it is looked at when it does, and until then edits
        go to PostgreSQL directly.
        """
        if self._is_durable:
            return
        try:
            findings = await examine(self._store.topology)
        except UnsafeJournalError:
            raise
        except (JournalUnavailableError, ConnectionError) as error:
            self._note_away(error)
            return
        bad = [f"{f.subject} is {f.value!r}: {f.problem}" for f in findings if f.problem]
        if bad:
            raise JournalUnavailableError("; ".join(bad))
        self._is_durable = True

    async def look(self) -> None:
        """See how things stand now; never raises."""
        try:
            await self.require_durable()
            is_writable = self._is_durable and await self._store.is_writable()
            if is_writable:
                self.ladder.look(*await self._store.fullest())
                unrecorded, self._oldest_unrecorded_ms = await self._store.backlog()
                self._backlog_is_known = True
                self._count(unrecorded)
                telemetry.JOURNAL_OLDEST.set(self.oldest_unrecorded_s or 0.0)
        except Exception as error:  # noqa: BLE001 -- whatever a look meets, the next one must come
            is_writable = False
            self._note_away(error)
        if is_writable:
            self._is_noted = False
        else:
            self._backlog_is_known = False
            self._counted = None
            self.ladder.lose_sight()
        self.journal_is_writable = is_writable
        telemetry.JOURNAL_IS_WRITABLE.set(is_writable)

    def _count(self, unrecorded: int) -> None:
        now = time.monotonic()
        if self._counted is not None:
            at, before = self._counted
            telemetry.JOURNAL_SHRINKS.set((before - unrecorded) / max(0.001, now - at))
        self._counted = now, unrecorded
        telemetry.JOURNAL_UNRECORDED.set(unrecorded)

    def _note_away(self, error: Exception) -> None:
        if not self._is_noted:  # once, not at every look
            telemetry.log(telemetry.Event.JOURNAL_AWAY, level=logging.WARNING, error=error)
        self._is_noted = True

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(jittered(LOOK_S))
            await self.look()

    @property
    def saving(self) -> Saving:
        """Whether edits are taken: by the journal, or by PostgreSQL directly."""
        if not self.journal_is_writable:
            return "unavailable" if self._revocations.records_are_away else "ok"
        queue_max = self._settings.commit_queue_edits_max * QUEUE_DELAYED_SHARE
        return "delayed" if self._committer.waiting_edits > queue_max else "ok"

    @property
    def recording(self) -> Recording:
        """Whether edits that were taken reach PostgreSQL."""
        if self._revocations.records_are_away:
            return "away"
        age_s = self.oldest_unrecorded_s
        return "delayed" if age_s is not None and age_s > RECORDING_DELAYED_S else "ok"

    @property
    def oldest_unrecorded_s(self) -> float | None:
        """Age of the oldest edit not recorded yet: 0 if there is none, None while the journal cannot be asked."""
        if not self._backlog_is_known:
            return None
        if self._oldest_unrecorded_ms is None:
            return 0.0
        return max(0.0, time.time() - self._oldest_unrecorded_ms / 1000)
