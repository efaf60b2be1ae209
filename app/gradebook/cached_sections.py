"""What is read while PostgreSQL is away: sections and lists of sections as they were read last (the snapshot cache).

Keeping them costs no answer anything: it is done afterwards, every three minutes for a section and all processes
together, and what the cache does not take is simply not there. A list of sections also says what somebody may read and
save whose grant does not: it is trusted as long as a grant is.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from app import telemetry
from app.drafts.keys import section_list_key, snapshot_key
from app.gradebook.pack_sections import SectionList, pack_list, pack_section, unpack_list, unpack_section
from app.model.grants import derive_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

    from app.drafts.snapshots import SnapshotCache
    from app.gradebook.recorded_section import RecordedSection
    from app.settings import Settings

# A teacher comes back to a section every two or three minutes. What was recorded since it was kept, and before
# PostgreSQL went away, is in the journal as clean heads, and shown over it. Where it is not (it was recorded past the
# journal, which then forgets its heads), what was kept is forgotten: see `forget`.
KEEP_EVERY_S: Final = 180
READING_S_MAX: Final = 10  # who has read a section before it was forgotten does not keep it afterwards
KEEP_SECTION_S: Final = 8 * 86_400  # longer than any outage, shorter than what somebody would take for today's
KEPT_LATELY_MAX: Final = 20_000
CELLS_AT_ONCE_MAX: Final = 100
WRITES_MAX: Final = 16  # at once, in one process; what comes on top is kept another time


class CachedSections:
    """The snapshot cache as one process uses it. `records_are_away`: whether PostgreSQL last was found to be away."""

    def __init__(
        self, settings: Settings, cache: SnapshotCache, records_are_away: Callable[[], bool] = lambda: False
    ) -> None:
        self._cache = cache
        # Installations may share a cache; a changed secret begins with an empty one.
        self._owner = derive_secret(settings.secret_key, "snapshot cache")[:6].hex()
        self._keep_list_s = settings.grant_grace_hours * 3600
        self.records_are_away = records_are_away
        self._kept_at: OrderedDict[bytes, float] = OrderedDict()
        self._writing: set[asyncio.Task[None]] = set()

    def is_due(self, section_id: int) -> bool:
        """Return whether this process may keep the section again by now."""
        return self._is_due(snapshot_key(self._owner, section_id))

    def keep(self, recorded: RecordedSection) -> None:
        """Keep a section that was just read, later and if it is due; returns at once."""
        key = snapshot_key(self._owner, recorded.facts["section_id"])
        self._soon(key, lambda: pack_section(recorded), KEEP_SECTION_S, is_large=len(recorded.rows) > CELLS_AT_ONCE_MAX)

    def keep_list(self, user_id: int, as_of_ms: int, sections: list[dict[str, Any]]) -> None:
        """Keep the list of what somebody teaches, later and if it is due; returns at once."""
        listed = SectionList(user_id, as_of_ms, sections)
        self._soon(section_list_key(self._owner, user_id), lambda: pack_list(listed), self._keep_list_s)

    async def keep_now(self, recorded: RecordedSection) -> int | None:
        """Keep a section, and return its bytes; None if the cache has not taken it."""
        packed = await asyncio.to_thread(pack_section, recorded)
        key = snapshot_key(self._owner, recorded.facts["section_id"])
        return len(packed) if await self._cache.put(key, packed, KEEP_SECTION_S) else None

    async def keep_list_now(self, user_id: int, as_of_ms: int, sections: list[dict[str, Any]]) -> bool:
        """Keep the list of what somebody teaches; return whether the cache has taken it."""
        packed = pack_list(SectionList(user_id, as_of_ms, sections))
        return await self._cache.put(section_list_key(self._owner, user_id), packed, self._keep_list_s)

    async def find(self, section_id: int) -> RecordedSection | None:
        """Return the section as it was kept last, if it was."""
        raw = await self._cache.get(snapshot_key(self._owner, section_id))
        found = unpack_section(raw, section_id) if raw is not None else None
        _count(raw, is_found=found is not None)
        return found

    async def find_list(self, user_id: int) -> SectionList | None:
        """Return the list of what somebody teaches as it was kept last, if it was."""
        raw = await self._cache.get(section_list_key(self._owner, user_id))
        found = unpack_list(raw, user_id) if raw is not None else None
        _count(raw, is_found=found is not None)
        return found

    async def cached_access(self, user_id: int, section_id: int) -> bool:
        """Return True if the user is known to teach the section; False says nothing."""
        listed = await self.find_list(user_id)
        return listed is not None and any(s["section_id"] == section_id for s in listed.sections)

    async def forget(self, section_ids: Collection[int]) -> None:
        """Forget sections of which the journal no longer knows all that was recorded since they were kept.

        They can be read again from PostgreSQL, and not while that is away: what somebody is shown is never older than
        what she was told is recorded. A cache that is away keeps what it has.
        """
        keys = [snapshot_key(self._owner, section_id) for section_id in section_ids]
        await self._cache.forget(keys, READING_S_MAX)
        for key in keys:
            self._kept_at.pop(key, None)

    async def close(self) -> None:
        """Leave what is being written, and close the connection."""
        for task in self._writing:
            task.cancel()
        await asyncio.gather(*self._writing, return_exceptions=True)
        self._cache.close()

    def _is_due(self, key: bytes) -> bool:
        return self._cache.is_there and time.monotonic() - self._kept_at.get(key, -KEEP_EVERY_S) >= KEEP_EVERY_S

    def _soon(self, key: bytes, pack: Callable[[], bytes], keep_s: int, *, is_large: bool = False) -> None:
        if not self._is_due(key) or len(self._writing) >= WRITES_MAX:
            return
        self._kept_at[key] = time.monotonic()
        self._kept_at.move_to_end(key)
        while len(self._kept_at) > KEPT_LATELY_MAX:
            self._kept_at.popitem(last=False)
        self._start(self._write(key, pack, keep_s, is_large=is_large))

    def _start(self, writing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(writing)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, key: bytes, pack: Callable[[], bytes], keep_s: int, *, is_large: bool) -> None:
        if not await self._cache.claim(key, KEEP_EVERY_S):
            return  # another process has just kept it, or the cache is away
        # In a thread: two milliseconds of a large section are for no save to wait for. A small one takes less than the
        # way to a thread and back.
        packed = await asyncio.to_thread(pack) if is_large else pack()
        is_kept = await self._cache.put(key, packed, keep_s)
        telemetry.SNAPSHOT_CACHE.labels("kept" if is_kept else "refused").inc()


def _count(raw: bytes | None, *, is_found: bool) -> None:
    # What is damaged, or of another release, is left where it is: the next reading from PostgreSQL writes over it.
    telemetry.SNAPSHOT_CACHE.labels("hit" if is_found else "miss" if raw is None else "damaged").inc()
