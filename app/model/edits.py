"""Edits as they travel: request, answer, and what an edit becomes. Names as in docs/protocol.md."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Raw, Struct

from app.model.kinds import ID_MAX, KindName

EDITS_PER_SAVE_MAX = 200
BODY_BYTES_MAX = 65_536
SEQ_MAX = 2**31 - 1

Seq = Annotated[int, Meta(ge=1, le=SEQ_MAX)]
Moment = Annotated[dt.datetime, Meta(tz=True)]
Id32 = Annotated[int, Meta(ge=0, le=ID_MAX)]
Outcome = Literal["drafted", "recorded", "conflict", "rejected"]


class EditRequest(Struct, frozen=True, gc=False):
    """One change of one cell by one person, as the client sends it."""

    edit_id: UUID
    seq: Seq
    kind: KindName
    item: Id32
    student: Id32
    base: UUID | None
    value: Raw
    entered_at: Moment
    resolves: Annotated[tuple[UUID, ...], Meta(max_length=20)] = ()


class SaveRequest(Struct, frozen=True):
    """Body of `POST /api/v1/sections/{section_id}/edits`; no edits at all is a poll."""

    client_id: UUID
    sent_at: Moment
    edits: Annotated[tuple[EditRequest, ...], Meta(max_length=EDITS_PER_SAVE_MAX)]
    exceptions_seen_seq: Annotated[int, Meta(ge=0, le=SEQ_MAX)] = 0


class HeadView(Struct, omit_defaults=True):
    """What stands in a cell, as shown beside a conflict."""

    edit_id: str
    value: Raw
    author_id: int
    entered_at: str
    author_name: str | None = None


class OutcomeView(Struct, omit_defaults=True):
    """What became of one edit."""

    edit_id: UUID
    outcome: Outcome
    cell_version: int | None = None
    head: HeadView | None = None
    code: str | None = None
    params: dict[str, Any] | None = None


class SaveAnswer(Struct):
    """Answer of a save: one outcome per edit, in order, as soon as all are durable."""

    outcomes: list[OutcomeView]
    drafted_seq: int
    recorded_seq: int
    exceptions: list[Raw]
    next_save_ms: int
    receipt: str | None


_decode = msgspec.json.Decoder(SaveRequest).decode
# An escape of JSON: a whole surrogate pair, half of one, or anything else (so that an escaped backslash stays one).
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


def decode_save_request(body: bytes) -> SaveRequest:
    """Return a decoded save, or raise msgspec's error.

    Half of a surrogate pair (a browser's length limit has cut an emoji in two) is no text, and would hold up everything
    that its client has typed since: it becomes U+FFFD, as in any form that a browser sends.
    """
    try:
        return _decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        whole = _ESCAPE.sub(lambda found: b"\\ufffd" if found[1] else found[0], body)
        if whole == body:
            raise
        return _decode(whole)
