"""Save a teacher's edits: check them, journal them, and answer what became of each.

The steady state asks no database. PostgreSQL is asked when the journal does not know a column, a client or an edit yet
(accept.lua says so and has written nothing), and before anybody is told "conflict". While the journal is away, edits go
to PostgreSQL directly (app/gradebook/write_directly.py).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from app.drafts.codec import entry_of_save, pack_client, pack_save, unpack_wanted, with_context, with_records_away
from app.drafts.keys import partition_of
from app.errors import (
    JournalUnavailableError,
    MalformedRequestError,
    NotFoundError,
    NotPermittedError,
    RecordsUnavailableError,
    RequestTooLargeError,
    SeqGapError,
    UnreadableRequestError,
)
from app.gradebook.answer_save import answer_save
from app.gradebook.ask_records import AskRecords
from app.gradebook.context import LoadedContext, load_context
from app.gradebook.ladder import RETRY_AFTER_S
from app.gradebook.pack_edits import PackedEdits, StaleRulesError, pack_edits
from app.gradebook.recording.direct import DirectSave
from app.model.edits import BODY_BYTES_MAX, SaveAnswer, SaveRequest, decode_save_request
from app.model.grants import derive_secret
from app.model.receipts import ReceiptKey
from app.records.accounts import read_section_access
from app.telemetry import EDITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.drafts.committer import Committer
    from app.gradebook.cached_sections import CachedSections
    from app.gradebook.ladder import Ladder
    from app.gradebook.rules import RulesCache
    from app.gradebook.write_directly import WriteDirectly
    from app.model.edits import EditRequest
    from app.model.grants import Grant
    from app.model.section_rules import SectionRules
    from app.records.accounts import SectionAccess
    from app.records.pool import Pool
    from app.settings import Settings

_encode = msgspec.json.Encoder().encode
RETRY_S_MAX = 10  # while both stores are away
NEW_OUTAGE_S = 60.0  # after so long without a refusal
_SKEW_MS_MIN, _SKEW_MS_MAX = -(2**31), 2**31 - 1


class Save(NamedTuple):
    """One save on its way, and what is needed to answer it."""

    section_id: int
    client: bytes
    request: SaveRequest
    packed: bytes
    skew_ms: int
    received_ms: int
    edits: PackedEdits
    ask_until_s: float

    @property
    def looked_up(self) -> list[bytes]:
        """The edits, and the edits that they are based on."""
        return [*self.edits.edit_ids, *(e.base.bytes for e in self.request.edits if e.base is not None)]


class EditCells:
    """The save path of one API process."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        committer: Committer,
        rules: RulesCache,
        directly: WriteDirectly,
        *,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        cached: CachedSections | None = None,
        ladder: Ladder | None = None,
    ) -> None:
        self._pool = pool
        self._records = AskRecords(pool)
        self._committer = committer
        self._rules = rules
        self._directly = directly
        self._wall_ms = wall_ms
        self._cached = cached
        self._ladder = ladder
        self._refused_at_s = self._away_since_s = float("-inf")
        self._window_ms = settings.save_window_ms
        secret = derive_secret(settings.secret_key, "receipt")
        self._receipt_key = ReceiptKey(derive_secret(settings.secret_key, "receipt key id")[:4], secret)

    def next_save_ms(self) -> int:
        """Return how long clients are to collect edits before their next save."""
        return self._window_ms if self._ladder is None else self._ladder.next_save_ms()

    async def close(self) -> None:
        """End what goes on in the background."""
        await self._records.close()

    async def save(self, grant: Grant, section_id: int, body: bytes) -> bytes:
        """Return the answer to a save's body as JSON, once every edit in it is durable.

        Raises an InkfastError for the request as a whole (nothing of it was accepted, or, for 503, whether it was is
        unknown and sending it again is harmless); trouble with single edits is in the answer.
        """
        if len(body) > BODY_BYTES_MAX:
            raise RequestTooLargeError("the body is too large", params={"max_bytes": BODY_BYTES_MAX})
        try:
            request = decode_save_request(body)
        except msgspec.ValidationError as error:
            raise MalformedRequestError(str(error)[:300]) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UnreadableRequestError(str(error)[:300]) from None
        return _encode(await self.save_edits(grant, section_id, request))

    async def save_edits(self, grant: Grant, section_id: int, request: SaveRequest) -> SaveAnswer:
        """Save decoded edits; guarantees and errors as in `save`."""
        ask_until_s = self._records.until_s()
        access = None
        if grant.section_ids is None or section_id not in grant.section_ids:
            access = await self._access(grant, section_id, ask_until_s)
        packed = await self._pack(section_id, request.edits, access, ask_until_s)
        save = self._save_of(grant, section_id, request, packed, ask_until_s)
        raw, context = await self._settle(save)
        if raw[:1] == b"G":
            expected = int.from_bytes(raw[1:5], "big")
            raise SeqGapError("edits before these are missing", params={"expected_seq": expected})
        if raw[:1] != b"O":
            raise JournalUnavailableError("the journal could not judge these edits", retry_after_s=2)
        return self._answer(save, raw, context)

    async def _settle(self, save: Save) -> tuple[bytes, LoadedContext | None]:
        """Return the reply of whichever store has made the save durable, and what PostgreSQL knew of it.

        The journal, if it is there; else PostgreSQL directly; and while that is away too, a journal that may come back
        in time.
        """
        try:
            return await self._journal(save, is_patient=False)
        except JournalUnavailableError:
            pass
        entry = entry_of_save(save.section_id, save.client, save.skew_ms, save.received_ms, save.edits.blobs)
        try:
            reply = await self._directly.write(DirectSave(entry, save.request.exceptions_seen_seq))
        except RecordsUnavailableError:
            pass
        else:
            return reply.raw, reply.context
        try:
            return await self._journal(save, is_patient=True)
        except JournalUnavailableError as error:
            error.retry_after_s = self._retry_after_s()
            raise

    def _retry_after_s(self) -> int:
        """Return when to try again while both stores are away: later the longer that lasts.

        The answer spreads it (app/api/problems.py): clients that come back together are the next outage
        (https://sre.google/sre-book/addressing-cascading-failures/).
        """
        now_s = asyncio.get_running_loop().time()
        if now_s - self._refused_at_s > NEW_OUTAGE_S:
            self._away_since_s = now_s
        self._refused_at_s = now_s
        return min(RETRY_S_MAX, 1 + int((now_s - self._away_since_s) / 10))

    async def _journal(self, save: Save, *, is_patient: bool) -> tuple[bytes, LoadedContext | None]:
        partition, count = partition_of(save.section_id), len(save.edits.blobs)
        if count and self._ladder is not None and self._ladder.is_full:
            raise JournalUnavailableError("the journal's memory is full", retry_after_s=RETRY_AFTER_S)
        if save.section_id in self._directly.written:
            await self._committer.within_silence(partition, self._directly.refresh(save.section_id))
        section_id, committer = save.section_id, self._committer
        reply = await committer.commit(partition, section_id, save.packed, count, is_patient=is_patient)
        if reply[:1] != b"N":
            return reply, None
        wanted = [*save.looked_up, *unpack_wanted(reply)]
        context: LoadedContext | None = None
        try:
            context = await self._records.ask(
                lambda: load_context(
                    self._pool, section_id, save.client, save.request.exceptions_seen_seq, save.edits.cells, wanted
                ),
                save.ask_until_s,
            )
            packed = with_context(save.packed, context.context)
        except RecordsUnavailableError:
            packed = with_records_away(save.packed)
        return await committer.commit(partition, section_id, packed, count, is_patient=is_patient), context

    async def _access(self, grant: Grant, section_id: int, ask_until_s: float) -> SectionAccess | None:
        """Look up what the grant does not say: None for an active teacher, else how far access went.

        Raises NotPermittedError for strangers.
        """
        if not 0 < section_id < 2**32:
            raise NotFoundError("no such section")
        try:
            access = await self._records.ask(lambda: self._read_access(grant.user_id, section_id), ask_until_s)
        except RecordsUnavailableError:
            if self._cached is not None and await self._cached.cached_access(grant.user_id, section_id):
                return None
            raise
        if access.is_active:
            return None
        if access.ended_at is None:
            raise NotPermittedError("this is not one of your sections")
        return access

    async def _read_access(self, user_id: int, section_id: int) -> SectionAccess:
        async with self._pool.acquire() as connection:
            return await read_section_access(connection, user_id, section_id)

    async def _pack(
        self, section_id: int, edits: tuple[EditRequest, ...], access: SectionAccess | None, ask_until_s: float
    ) -> PackedEdits:
        """Check the edits, by what is known of the section, and pack them."""
        rules = self._rules.known(section_id)
        if rules is None and edits:
            try:
                rules = await self._records.ask(lambda: self._rules.fresh(section_id), ask_until_s)
            except RecordsUnavailableError:
                rules = None
        if access is not None:
            ended_ms = int(access.ended_at.timestamp() * 1000) if access.ended_at else 0
            return pack_edits(edits, None, ended_ms=ended_ms)
        try:
            return pack_edits(edits, rules)
        except StaleRulesError:
            return pack_edits(edits, await self._fresh(section_id, rules, ask_until_s), is_fresh=True)

    def _save_of(
        self, grant: Grant, section_id: int, request: SaveRequest, packed: PackedEdits, ask_until_s: float
    ) -> Save:
        received_ms = self._wall_ms()
        skew_ms = max(_SKEW_MS_MIN, min(_SKEW_MS_MAX, received_ms - int(request.sent_at.timestamp() * 1000)))
        client = pack_client(grant.user_id, request.client_id.bytes)
        seen_seq = request.exceptions_seen_seq
        first_seq = request.edits[0].seq if request.edits else 0
        save = pack_save(client, section_id, first_seq, seen_seq, skew_ms, received_ms, 0, packed.blobs)
        return Save(section_id, client, request, save, skew_ms, received_ms, packed, ask_until_s)

    async def _fresh(self, section_id: int, rules: SectionRules | None, ask_until_s: float) -> SectionRules | None:
        """Never refuse from a cache: look it up, or let the flusher check while PostgreSQL is away."""
        try:
            return await self._records.ask(lambda: self._rules.fresh(section_id, than=rules), ask_until_s)
        except RecordsUnavailableError:
            return None

    def _answer(self, save: Save, raw: bytes, context: LoadedContext | None) -> SaveAnswer:
        edits, cells, ids = save.request.edits, save.edits.cells, save.edits.edit_ids
        answer, said = answer_save(raw, edits, cells, ids, context, self.next_save_ms())
        if edits:
            oldest_s = (save.request.sent_at - edits[0].entered_at).total_seconds()
            EDITS.answered([view.outcome for view in answer.outcomes], oldest_s)
            answer.receipt = self._receipt_key.issue(
                save.section_id,
                save.client,
                edits[0].seq,
                edits[-1].seq,
                save.received_ms,
                said,
            )
        return answer
