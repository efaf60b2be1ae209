"""Which grants are not honoured although their signature is good.

The set is read from PostgreSQL every few seconds, in the background, so that the save path only looks into memory, and
it is mirrored beside the journal: a process that starts while PostgreSQL is away has it from there. Whether PostgreSQL
answers is known here too; while it does not, grants are honoured past their term for teaching (app/api/guards.py).
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from typing import TYPE_CHECKING, Final

from app import telemetry
from app.errors import InkfastError, JournalUnavailableError, RecordsUnavailableError
from app.jitter import jittered
from app.model.grants import GRANT_HOURS_MAX
from app.records.accounts import (
    delete_forgotten_grant_revocations,
    delete_settled_sign_in_allowances,
    insert_grant_revocation,
    list_grant_revocations,
)

if TYPE_CHECKING:
    from uuid import UUID

    from app.drafts.store import DraftStore
    from app.model.grants import Grant
    from app.records.accounts import Revocation
    from app.records.pool import Connection, Pool
    from app.settings import Settings

REFRESH_S: Final = 2.0
OVERLAP: Final = dt.timedelta(seconds=30)  # a revocation is stamped a little before its commit shows it to others
WHOLE_S: Final = 600.0  # how often the whole set is read anew, and what is forgotten is left out
# After this no grant that somebody has now can be honoured: the longest term, and more grace than anybody will set.
USER_FORGET_S: Final = (GRANT_HOURS_MAX + 9 * 24) * 3600
_BEGINNING: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


class Revocations:
    """The set of one process, never older than a few seconds while PostgreSQL answers."""

    def __init__(self, settings: Settings, pool: Pool, store: DraftStore) -> None:
        self._pool = pool
        self._store = store
        self._login_forget_s = settings.grant_minutes * 60 + settings.grant_grace_hours * 3600
        self._grant_ids: set[str] = set()
        self._login_session_ids: set[str] = set()
        self._users: dict[int, int] = {}  # user -> grants issued up to this second are refused
        self._newest = _BEGINNING
        self._whole_at: float | None = None
        self._mirror_is_read = False
        self._read_at = time.monotonic()
        self.records_are_away = False

    def refuses(self, grant: Grant) -> bool:
        """Whether the grant was revoked, by itself, with its login session, or with all of its user's."""
        return (
            grant.login_session_id in self._login_session_ids
            or grant.grant_id in self._grant_ids
            or self._users.get(grant.user_id, -1) >= grant.issued_at
        )

    def earliest_issue(self, user_id: int) -> int:
        """Return the first second in which a grant can be issued that no revocation of the user refuses."""
        return self._users.get(user_id, -1) + 1

    async def revoke_grant(self, connection: Connection, grant: Grant) -> None:
        """Refuse this grant from now on, everywhere within seconds."""
        await self._revoke(connection, f"grant:{grant.grant_id}", USER_FORGET_S)

    async def revoke_login_session(self, connection: Connection, login_session_id: UUID) -> None:
        """Refuse what was granted in this login session."""
        await self._revoke(connection, f"login:{login_session_id.hex}", self._login_forget_s)

    async def revoke_user(self, connection: Connection, user_id: int) -> None:
        """Refuse what was granted to this user up to now; what is granted later is honoured."""
        await self._revoke(connection, f"user:{user_id}", USER_FORGET_S)

    async def _revoke(self, connection: Connection, subject: str, forget_s: float) -> None:
        await self._take([await insert_grant_revocation(connection, subject, forget_s)])

    async def refresh(self) -> None:
        """Read what was revoked since the last look, or raise what PostgreSQL's absence raises."""
        is_whole = self._whole_at is None or time.monotonic() - self._whole_at > WHOLE_S
        async with self._pool.acquire() as connection:
            if is_whole:
                await delete_forgotten_grant_revocations(connection)
                await delete_settled_sign_in_allowances(connection)
            found = await list_grant_revocations(connection, _BEGINNING if is_whole else self._newest - OVERLAP)
        if is_whole:
            self._grant_ids, self._login_session_ids, self._users = set(), set(), {}
            self._whole_at = time.monotonic()
        self._read_at = time.monotonic()
        for revocation in found:
            self._newest = max(self._newest, revocation.revoked_at)
        await self._take(found)
        if is_whole:
            await self._sweep_mirror()

    async def look(self) -> None:
        """Refresh once and never raise; while PostgreSQL is away, note it and take what the mirror has."""
        try:
            await self.refresh()
        except RecordsUnavailableError:
            await self._notice_absence()
        except InkfastError as error:  # no free connection: PostgreSQL is busy, not away
            telemetry.log(telemetry.Event.REVOCATIONS_STALE, level=logging.WARNING, error=error)
        except Exception as error:  # noqa: BLE001 -- the task must outlive whatever a refresh can meet
            telemetry.log(telemetry.Event.REVOCATIONS_STALE, level=logging.ERROR, error=error)
        else:
            if self.records_are_away:
                telemetry.log(telemetry.Event.REVOCATIONS_FRESH)
            self.records_are_away = False
        telemetry.REVOCATIONS_AGE.set(time.monotonic() - self._read_at)

    async def run(self) -> None:
        """Keep the set fresh for ever."""
        while True:
            await asyncio.sleep(jittered(REFRESH_S))
            await self.look()

    async def _notice_absence(self) -> None:
        if not self.records_are_away:
            telemetry.log(telemetry.Event.REVOCATIONS_STALE, level=logging.WARNING)
            self._mirror_is_read = False
        self.records_are_away = True
        if self._mirror_is_read:
            return  # without PostgreSQL nothing is revoked
        try:
            mirrored = await self._store.read_revocations()
        except JournalUnavailableError:
            return  # then nothing can be saved either
        self._mirror_is_read = True
        for name, forget_at in mirrored.items():
            if forget_at > time.time():
                subject, _, revoked_at = name.partition("@")
                self._add(subject, int(revoked_at or 0))

    async def _take(self, revocations: list[Revocation]) -> None:
        """Add to the set, and mirror what is news."""
        news: dict[str, int] = {}
        for revocation in revocations:
            revoked_at = int(revocation.revoked_at.timestamp())
            if self._add(revocation.subject, revoked_at):
                # Grants issued after a user's revocation are honoured, so that its moment belongs to the mirrored name.
                of_user = revocation.subject.startswith("user:")
                name = f"{revocation.subject}@{revoked_at}" if of_user else revocation.subject
                news[name] = int(revocation.forget_at.timestamp())
        if news:
            await self._mirror(news)

    def _add(self, subject: str, revoked_at: int) -> bool:
        """Take a revocation over; return whether it was news."""
        kind, _, name = subject.partition(":")
        if kind == "user":
            is_news = revoked_at > self._users.get(int(name), -1)
            self._users[int(name)] = max(revoked_at, self._users.get(int(name), -1))
            return is_news
        ids = self._login_session_ids if kind == "login" else self._grant_ids
        is_news = name not in ids
        ids.add(name)
        return is_news

    async def _mirror(self, revoked: dict[str, int]) -> None:
        try:
            await self._store.mirror_revocations(revoked)
        except JournalUnavailableError as error:
            # PostgreSQL has it, and the next whole reading mirrors it.
            telemetry.log(telemetry.Event.REVOCATIONS_STALE, level=logging.WARNING, error=error)

    async def _sweep_mirror(self) -> None:
        """Take out of the mirror what no grant can be affected by any more."""
        try:
            mirrored = await self._store.read_revocations()
            await self._store.forget_revocations([name for name, until in mirrored.items() if until <= time.time()])
        except JournalUnavailableError:
            return
