"""What PostgreSQL knows of one save, loaded when accept.lua asks: position, exceptions, columns, and earlier edits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import msgspec

from app.drafts.codec import CELL, Context, Head, Settled, pack_exception
from app.errors import NotFoundError
from app.model.written import rfc3339
from app.records.context import read_context
from app.records.edits import read_edit_exceptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.records.edits import ExceptionRow, FoundEdit, FullHeadRow
    from app.records.pool import Pool

TOLD_MAX = 200  # exceptions in one answer, as in accept.lua (docs/protocol.md)
_encode = msgspec.json.Encoder().encode


class LoadedContext(NamedTuple):
    """The context for accept.lua, and what became of each edit that PostgreSQL knows."""

    context: Context
    found: dict[bytes, FoundEdit]


def exception_body(
    edit_id: bytes, seq: int, outcome: str, code: str | None, params: str | bytes | None, head: str | bytes | None
) -> bytes:
    """Return an exception as it stands in an answer (docs/protocol.md); `params` and `head` are JSON."""
    body: dict[str, Any] = {"edit_id": str(UUID(bytes=edit_id)), "seq": seq, "outcome": outcome}
    if code:
        body["code"] = code
    for name, text in (("params", params), ("head", head)):
        if text and text != "{}":
            body[name] = msgspec.Raw(text.encode() if isinstance(text, str) else text)
    return _encode(body)


def packed_exceptions(rows: Iterable[ExceptionRow]) -> bytes:
    """Return exceptions as the section hash keeps them."""
    return b"".join(
        pack_exception(r.client_seq, exception_body(r.edit_id, r.client_seq, r.outcome, r.code, r.params, r.head))
        for r in rows
    )


def head_of_row(row: FullHeadRow) -> Head:
    """Return a recorded cell as a head of the journal."""
    value = b"null" if row.value is None else row.value.encode()
    return Head(row.cell_version, row.edit_id, row.author_id, max(0, row.entered_ms), value)


def head_json(row: FullHeadRow) -> str:
    """Return a recorded head as the protocol shows it beside a conflict."""
    head = {
        "edit_id": str(UUID(bytes=row.edit_id)),
        "cell_version": row.cell_version,
        "value": msgspec.Raw((row.value or "null").encode()),
        "author_id": row.author_id,
        "entered_at": rfc3339(row.entered_ms),
    }
    return _encode(head).decode()


def first_exceptions(untold: Sequence[ExceptionRow]) -> tuple[Sequence[ExceptionRow], int]:
    """Return those that one answer tells, and the `seq` of the first that is left for later, 0 if none is.

    `untold` is in the order of `seq`, and may be cut off after TOLD_MAX + 1 of them. All of a `seq` are told together:
    whoever has seen it hears no more of it.
    """
    if len(untold) <= TOLD_MAX:
        return untold, 0
    next_seq = untold[TOLD_MAX].client_seq
    told = [e for e in untold if e.client_seq < next_seq]
    return (told, next_seq) if told else (untold, next_seq + 1)


async def load_context(
    pool: Pool, section_id: int, client: bytes, seen_seq: int, cells: Sequence[bytes], edit_ids: Sequence[bytes]
) -> LoadedContext:
    """Return what PostgreSQL knows; raise RecordsUnavailableError if it cannot be asked.

    `client` is the packed client, `seen_seq` the last of its exceptions that it has seen. The bases of the edits are
    followed through own edits that never applied.
    """
    user_id, client_id = int.from_bytes(client[:4], "big"), client[4:]
    columns = sorted({CELL.unpack(cell)[:2] for cell in cells})
    key = (section_id, user_id, client_id)
    async with pool.acquire() as connection:
        known = await read_context(connection, key, seen_seq, columns, edit_ids)
        if known is None:
            raise NotFoundError("no such section")
        untold = await read_edit_exceptions(connection, {key: seen_seq}, TOLD_MAX + 1) if known.has_exceptions else []
    exceptions, next_exception_seq = first_exceptions(untold)
    context = Context(
        recorded_seq=known.recorded_seq,
        exceptions=packed_exceptions(exceptions),
        columns=[CELL.pack(kind, item, 0)[:5] for kind, item in columns],
        heads={CELL.pack(h.kind, h.item, h.student_id): head_of_row(h) for h in known.heads},
        settled={i: Settled(ord(f.status), f.author_id, f.base) for i, f in known.found.items()},
        recorded_columns=[CELL.pack(kind, item, 0)[:5] for kind, item in known.recorded_columns],
        next_exception_seq=next_exception_seq,
    )
    return LoadedContext(context, known.found)


def is_text(value: bytes) -> bool:
    """Tell whether a value is text, as all are that were let in; one that is not is damaged."""
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
