"""Save a teacher's edits: check them, journal them, and answer what became of each.

The steady state asks no database. PostgreSQL is asked when the journal does not know a column, a client or an edit yet
(accept.lua says so and has written nothing), and before anybody is told "conflict".
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from app.drafts.codec import (
    CELL,
    NO_ID,
    NORMAL,
    QUARANTINE,
    REJECTED,
    UNCHECKED,
    pack_client,
    pack_edit,
    pack_extra,
    pack_save,
    unpack_exceptions,
    unpack_extra,
    unpack_head,
    unpack_reply,
    with_context,
    with_records_away,
)
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
from app.gradebook.context import LoadedContext, load_context, rfc3339
from app.model.edits import BODY_BYTES_MAX, HeadView, OutcomeView, SaveAnswer, SaveRequest, decode_save_request
from app.model.grants import derive_secret
from app.model.kinds import KIND_OF_NAME, Kind, LineItemValue, ValueRejectedError, as_sent, canonical, parse_value
from app.model.receipts import issue
from app.model.section_rules import ScoreRange
from app.records.accounts import read_section_access

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.drafts.committer import Committer
    from app.gradebook.rules import RulesCache
    from app.model.edits import EditRequest
    from app.model.grants import Grant
    from app.model.section_rules import SectionRules
    from app.records.accounts import SectionAccess
    from app.records.pool import Pool
    from app.settings import Settings

_encode = msgspec.json.Encoder().encode
_FOUND_DRAFTED, _SETTLED, _CONFLICT = b"d"[0], b"s"[0], b"c"[0]
_LETTER = {"drafted": b"d", "recorded": b"R", "conflict": b"c", "rejected": b"r"}


class Save(NamedTuple):
    """One save on its way: packed edits, and what is needed to answer."""

    section_id: int
    client: bytes
    request: SaveRequest
    packed: bytes
    received_ms: int
    cells: list[bytes]
    edit_ids: list[bytes]

    @property
    def looked_up(self) -> list[bytes]:
        """The edits, and the edits that they are based on."""
        return [*self.edit_ids, *(e.base.bytes for e in self.request.edits if e.base is not None)]


class EditCells:
    """The save path of one API process."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        committer: Committer,
        rules: RulesCache,
        *,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._pool = pool
        self._committer = committer
        self._rules = rules
        self._wall_ms = wall_ms
        self._window_ms = settings.save_window_ms
        self._receipt_secret = derive_secret(settings.secret_key, "receipt")
        self._receipt_key_id = derive_secret(settings.secret_key, "receipt key id")[:4].hex()

    def next_save_ms(self) -> int:
        """Return how long clients are to collect edits before their next save."""
        return self._window_ms

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
        access = await self._access(grant, section_id)
        save = await self._prepare(grant, section_id, request, access)
        partition = partition_of(section_id)
        count = len(request.edits)
        context: LoadedContext | None = None
        reply = await self._committer.commit(partition, section_id, save.packed, count)
        if reply == b"N":
            try:
                context = await load_context(self._pool, save.section_id, save.client, save.cells, save.looked_up)
                packed = with_context(save.packed, context.context)
            except RecordsUnavailableError:
                packed = with_records_away(save.packed)
            reply = await self._committer.commit(partition, section_id, packed, count)
        if reply[:1] == b"G":
            expected = int.from_bytes(reply[1:5], "big")
            raise SeqGapError("edits before these are missing", params={"expected_seq": expected})
        if reply[:1] != b"O":
            raise JournalUnavailableError("the journal could not judge these edits", retry_after_s=2)
        return self._answer(save, reply, context)

    async def _access(self, grant: Grant, section_id: int) -> SectionAccess | None:
        """Return None for an active teacher, else how far access went; raise NotPermittedError for strangers."""
        if grant.section_ids is not None and section_id in grant.section_ids:
            return None
        if not 0 < section_id < 2**32:
            raise NotFoundError("no such section")
        async with self._pool.acquire() as connection:
            access = await read_section_access(connection, grant.user_id, section_id)
        if access.is_active:
            return None
        if access.ended_at is None:
            raise NotPermittedError("this is not one of your sections")
        return access

    async def _prepare(self, grant: Grant, section_id: int, request: SaveRequest, access: SectionAccess | None) -> Save:
        received_ms = self._wall_ms()
        edits = request.edits
        first = edits[0].seq if edits else 0
        rules = self._rules.known(section_id)
        if rules is None and edits:
            try:
                rules = await self._rules.fresh(section_id)
            except RecordsUnavailableError:
                rules = None
        if access is None:
            try:
                packed, cells, ids = _pack_edits(edits, first, rules)
            except _StaleRulesError:
                rules = await self._fresh(section_id, rules)
                packed, cells, ids = _pack_edits(edits, first, rules, is_final=True)
        else:
            ended_ms = int(access.ended_at.timestamp() * 1000) if access.ended_at else 0
            packed, cells, ids = _pack_edits(edits, first, None, ended_ms=ended_ms)
        skew = received_ms - int(request.sent_at.timestamp() * 1000)
        client = pack_client(grant.user_id, request.client_id.bytes)
        save = pack_save(
            client,
            section_id,
            first,
            request.exceptions_seen_seq,
            max(-(2**31), min(2**31 - 1, skew)),
            received_ms,
            0,
            packed,
        )
        return Save(section_id, client, request, save, received_ms, cells, ids)

    async def _fresh(self, section_id: int, rules: SectionRules | None) -> SectionRules | None:
        """Never refuse from a cache: look it up, or let the flusher check while PostgreSQL is away."""
        try:
            return await self._rules.fresh(section_id, than=rules)
        except RecordsUnavailableError:
            return None

    def _answer(self, save: Save, raw: bytes, context: LoadedContext | None) -> SaveAnswer:
        edits = save.request.edits
        reply = unpack_reply(raw, len(edits))
        outcomes: list[OutcomeView] = []
        said: list[bytes] = []
        for i, (letter, version, extra) in enumerate(reply.results):
            edit_id = save.edit_ids[i]
            if letter == _FOUND_DRAFTED:
                view = OutcomeView(edits[i].edit_id, "drafted", version or None)
            elif letter == _SETTLED:
                view = _settled(edits[i], save.cells[i], edit_id, context)
            elif letter == _CONFLICT:
                view = _conflict(edits[i], save.cells[i], extra, context)
            else:
                view = _rejected(edits[i], unpack_extra(extra)[1])
            outcomes.append(view)
            said += (edit_id, _LETTER[view.outcome])
        receipt = None
        if edits:
            receipt = issue(
                self._receipt_key_id,
                self._receipt_secret,
                save.section_id,
                save.client,
                edits[0].seq,
                edits[-1].seq,
                save.received_ms,
                b"".join(said),
            )
        return SaveAnswer(
            outcomes,
            reply.drafted_seq,
            reply.recorded_seq,
            [msgspec.Raw(body) for body in unpack_exceptions(reply.exceptions)],
            self._window_ms,
            receipt,
        )


class _StaleRulesError(Exception):
    """A refusal that rests on a cached roster: look it up before saying it."""


def _pack_edits(
    edits: tuple[EditRequest, ...],
    first: int,
    rules: SectionRules | None,
    *,
    is_final: bool = False,
    ended_ms: int | None = None,
) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Return (blobs, cells, edit ids); raise MalformedRequestError for a batch that is not consecutive.

    `ended_ms`: when the author's teaching of the section ended; what was entered before is kept for the office.
    """
    packed: list[bytes] = []
    cells: list[bytes] = []
    ids: list[bytes] = []
    made: dict[int, ScoreRange] = {}
    for i, edit in enumerate(edits):
        if edit.seq != first + i:
            raise MalformedRequestError("seq must rise by one from edit to edit", params={"at": i})
        kind = KIND_OF_NAME[edit.kind]
        raw = bytes(edit.value)
        entered_ms = max(0, int(edit.entered_at.timestamp() * 1000))
        note, status = b"", NORMAL
        try:
            value = parse_value(kind, raw)
            raw = canonical(value)
            if ended_ms is not None:
                status = QUARANTINE
                if entered_ms > ended_ms:
                    raise ValueRejectedError("enrollment_ended")  # noqa: TRY301 -- one place packs every refusal
            elif rules is None:
                status = UNCHECKED
            else:
                if edit.item in made:
                    rules.made[edit.item] = made[edit.item]
                rules.check(kind, edit.item, edit.student, value)
                if kind == Kind.LINE_ITEM:
                    assert isinstance(value, LineItemValue)  # noqa: S101 -- parse_value gave it for this kind
                    made[edit.item] = ScoreRange.of(value)
        except ValueRejectedError as error:
            if rules is not None and not is_final and error.code not in {"value_malformed", "value_too_large"}:
                raise _StaleRulesError from None
            if error.code in {"value_malformed", "value_too_large"}:
                raw = as_sent(raw)
            status, note = REJECTED, _encode({"code": error.code, "params": error.params})
        cell = CELL.pack(kind, edit.item, edit.student)
        edit_id = edit.edit_id.bytes
        base = edit.base.bytes if edit.base is not None else NO_ID
        extra = pack_extra([r.bytes for r in edit.resolves], note) if note or edit.resolves else b""
        packed.append(pack_edit(status, edit.seq, cell, edit_id, base, entered_ms, raw, extra))
        cells.append(cell)
        ids.append(edit_id)
    return packed, cells, ids


def _rejected(edit: EditRequest, note: bytes) -> OutcomeView:
    reason: dict[str, Any] = msgspec.json.decode(note) if note else {"code": "rejected"}
    return OutcomeView(edit.edit_id, "rejected", code=reason["code"], params=reason.get("params") or None)


def _conflict(edit: EditRequest, cell: bytes, raw: bytes, context: LoadedContext | None) -> OutcomeView:
    head = unpack_head(raw) if raw else None
    if head is None and context is not None:
        head = context.context.heads.get(cell)
    if head is None:
        return OutcomeView(edit.edit_id, "conflict")
    view = HeadView(
        edit_id=head.edit_id.hex(),
        value=msgspec.Raw(head.value or b"null"),
        author_id=head.author_id,
        entered_at=rfc3339(head.entered_ms),
    )
    view.edit_id = _dashed(view.edit_id)
    return OutcomeView(edit.edit_id, "conflict", head.cell_version or None, head=view)


def _dashed(hex_id: str) -> str:
    return f"{hex_id[:8]}-{hex_id[8:12]}-{hex_id[12:16]}-{hex_id[16:20]}-{hex_id[20:]}"


def _settled(edit: EditRequest, cell: bytes, edit_id: bytes, context: LoadedContext | None) -> OutcomeView:
    """Return the outcome that PostgreSQL knows of a re-sent edit."""
    found = context.found.get(edit_id) if context is not None else None
    if found is None:
        raise JournalUnavailableError("the journal and the records disagree; try again", retry_after_s=1)
    if found.status == "A":
        return OutcomeView(edit.edit_id, "recorded", found.cell_version)
    if found.status in {"C", "S"}:
        return _conflict(edit, cell, b"", context)
    code = "quarantined" if found.status == "Q" else found.code or "rejected"
    params = msgspec.json.decode(found.params) if found.params else None
    if found.status == "Q":
        params = {"reason": found.code}
    return OutcomeView(edit.edit_id, "rejected", code=code, params=params)
