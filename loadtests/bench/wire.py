"""The body and the answer of a save, typed as a Litestar application would type them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct

# Of the length of a real receipt, so that both answers have the same number of bytes.
RECEIPT = "r1." + "A" * 102


class ScoreValue(Struct, omit_defaults=True):
    """A score."""

    score: str | None = None
    status: tuple[str, ...] = ()


class Edit(Struct):
    """One change of one cell."""

    edit_id: UUID
    seq: Annotated[int, Meta(ge=1)]
    kind: Literal["score"]
    item: Annotated[int, Meta(ge=0)]
    student: Annotated[int, Meta(ge=0)]
    base: UUID | None
    value: ScoreValue
    entered_at: Annotated[dt.datetime, Meta(tz=True)]
    resolves: tuple[UUID, ...] = ()


class Save(Struct):
    """Body of a save."""

    client_id: UUID
    sent_at: Annotated[dt.datetime, Meta(tz=True)]
    edits: Annotated[tuple[Edit, ...], Meta(max_length=200)]
    exceptions_seen_seq: int = 0


class Outcome(Struct):
    """What became of one edit."""

    edit_id: UUID
    outcome: str
    cell_version: int


class Answer(Struct):
    """Answer of a save."""

    outcomes: list[Outcome]
    drafted_seq: int
    recorded_seq: int
    exceptions: list[Any]
    next_save_ms: int
    receipt: str


def acknowledge(save: Save) -> Answer:
    """Answer that every edit is drafted."""
    outcomes = [Outcome(edit.edit_id, "drafted", 1) for edit in save.edits]
    return Answer(outcomes, save.edits[-1].seq, 0, [], 5000, RECEIPT)
