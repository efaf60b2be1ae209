"""Reads the whole journal into the audit's tables, and looks again at what seems to be wrong while the service runs."""

from __future__ import annotations

import asyncio
import struct
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

from app.drafts.codec import CELL, CLIENT, POSITION, UnknownFormatError, unpack_entry, unpack_head
from app.drafts.keys import PARTITIONS, STREAM, partition_of, section_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from app.drafts.codec import Entry
    from app.drafts.store import DraftStore
    from app.records.pool import Connection

ENTRIES_PER_READ = 500
SECTIONS_PER_READ = 50
ROWS_PER_COPY = 10_000
POLL_S = 0.05
Row = tuple[Any, ...]


class JournalReader:
    """One look at the journal. Section hashes are read before streams: what is in neither was drained in between."""

    def __init__(self, store: DraftStore, connection: Connection) -> None:
        self._store = store
        self._connection = connection
        self.entries = 0
        self.edits = 0
        self.unknown_format = 0
        self.damaged = 0
        self.cells = 0

    async def wait_at_rest(self, seconds: float) -> int:
        """Wait until everything journaled before this call has left the journal; return how many entries have not."""
        until = [await self._last_id(partition) for partition in range(PARTITIONS)]
        deadline = time.monotonic() + seconds
        while True:
            left = sum([await self._count_up_to(p, last) for p, last in enumerate(until) if last is not None])
            if not left or time.monotonic() > deadline:
                return left
            await asyncio.sleep(POLL_S)

    async def _last_id(self, partition: int) -> bytes | None:
        last = await self._store.topology.call(partition, b"XREVRANGE", STREAM[partition], b"+", b"-", b"COUNT", b"1")
        return last[0][0] if last else None

    async def _count_up_to(self, partition: int, last: bytes) -> int:
        # The oldest entries leave first: as long as one up to `last` is there, so is the first.
        first = await self._store.topology.call(partition, b"XRANGE", STREAM[partition], b"-", last, b"COUNT", b"1000")
        return len(first)

    async def load(self) -> None:
        """Copy marks, heads and positions of every section, then every entry of every stream."""
        for partition in range(PARTITIONS):
            sections = await self._store.sections(partition)
            for start in range(0, len(sections), SECTIONS_PER_READ):
                await self._load_sections(partition, sections[start : start + SECTIONS_PER_READ])
        for partition in range(PARTITIONS):
            rows: list[Row] = []
            async for stream_id, entry in self._entries(partition):
                rows += _edit_rows(partition, stream_id, entry)
                if len(rows) >= ROWS_PER_COPY:
                    await self._copy("audit_journal_edit", rows)
            await self._copy("audit_journal_edit", rows)

    async def _copy(self, table: str, rows: list[Row]) -> None:
        await self._connection.copy_records_to_table(table, records=rows)
        rows.clear()

    async def _load_sections(self, partition: int, sections: Sequence[int]) -> None:
        commands: list[tuple[bytes | str, ...]] = [(b"HGETALL", section_key(partition, s)) for s in sections]
        marks: list[Row] = []
        heads: list[Row] = []
        clients: list[Row] = []
        replies = await self._store.topology.pipeline(partition, commands)
        for section, fields in zip(sections, replies, strict=True):
            for name, value in zip(fields[::2], fields[1::2], strict=True):
                letter, key = name[:1], name[1:]
                if letter == b"u":
                    marks.append((section, UUID(bytes=key)))
                elif letter == b"h":
                    head = unpack_head(value)
                    heads.append(
                        (section, *CELL.unpack(key), UUID(bytes=head.edit_id), head.cell_version, head.is_drafted)
                    )
                elif letter == b"c":
                    user, client = CLIENT.unpack(key)
                    _, drafted, recorded = POSITION.unpack(value)
                    clients.append((section, user, UUID(bytes=client), drafted, recorded))
        self.cells += len(heads)
        await self._copy("audit_journal_mark", marks)
        await self._copy("audit_journal_head", heads)
        await self._copy("audit_journal_client", clients)

    async def _entries(self, partition: int) -> AsyncIterator[tuple[bytes, Entry]]:
        async for stream_id, raw in read_stream(self._store, partition):
            self.entries += 1
            try:
                entry = unpack_entry(stream_id, raw)
            except UnknownFormatError:
                self.unknown_format += 1
                continue
            except ValueError:
                self.damaged += 1
                continue
            self.edits += len(entry.edits)
            yield stream_id, entry

    async def still_marked(self, section_id: int, edit_id: UUID) -> bool:
        """Whether the edit is marked as drafted even now."""
        return await self._field(section_id, b"u" + edit_id.bytes) is not None

    async def still_drafted_head(self, section_id: int, edit_id: UUID, cell: tuple[int, int, int]) -> bool:
        """Whether the edit stands in its cell as drafted even now."""
        raw = await self._field(section_id, b"h" + CELL.pack(*cell))
        if raw is None:
            return False
        head = unpack_head(raw)
        return head.is_drafted and head.edit_id == edit_id.bytes

    async def still_at(self, section_id: int, user_id: int, client_id: UUID, position: tuple[int, int]) -> bool:
        """Whether the client's position (drafted, recorded) is the same even now."""
        raw = await self._field(section_id, b"c" + CLIENT.pack(user_id, client_id.bytes))
        return raw is not None and POSITION.unpack(raw)[1:] == position

    async def _field(self, section_id: int, name: bytes) -> bytes | None:
        partition = partition_of(section_id)
        raw: bytes | None = await self._store.topology.call(
            partition, b"HGET", section_key(partition, section_id), name
        )
        return raw


async def read_stream(store: DraftStore, partition: int) -> AsyncIterator[tuple[bytes, bytes]]:
    """Yield every entry of a partition's stream as it is: its id, and its bytes."""
    start = b"-"
    while True:
        found = await store.topology.call(
            partition, b"XRANGE", STREAM[partition], start, b"+", b"COUNT", str(ENTRIES_PER_READ)
        )
        for stream_id, fields in found:
            yield stream_id, fields[1]
        if len(found) < ENTRIES_PER_READ:
            return
        start = b"(" + found[-1][0]


def _edit_rows(partition: int, stream_id: bytes, entry: Entry) -> list[Row]:
    rows: list[Row] = []
    for edit in entry.edits:
        try:
            kind, item, student = CELL.unpack(edit.cell)
        except struct.error:
            continue
        value = edit.value.decode("utf-8", "replace").replace("\x00", "\ufffd")
        edit_id, client = UUID(bytes=edit.edit_id), entry.client_id
        rows.append(
            (
                *(partition, stream_id.decode(), entry.section_id, edit_id, entry.user_id, client, edit.seq),
                *(kind, item, student, value),
            )
        )
    return rows
