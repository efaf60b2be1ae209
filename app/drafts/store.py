"""Everything about the journal that is not a save: reading sections, reading and draining streams, upkeep."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from app.drafts.codec import (
    APPLIED,
    PROVISIONAL,
    Entry,
    Head,
    UnknownFormatError,
    section_of_entry,
    unpack_entry,
    unpack_head,
)
from app.drafts.connection import Reply, ReplyError, pack_command
from app.drafts.doctor import CLOSED_BYTES
from app.drafts.keys import (
    EVENTS,
    INCARNATION,
    MAINTENANCE,
    PARTITIONS,
    REVOCATIONS,
    STREAM,
    partition_of,
    section_key,
    section_key_pattern,
    section_of_key,
)
from app.drafts.topology import DRAIN, EVICT, Node, Topology
from app.errors import JournalUnavailableError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

UNBOUND = ""  # in the place of an incarnation: what is recorded of this partition is not known to be true any more
DRAINS_PER_CALL_MAX = 100  # a script blocks the server: 100 entries are about 5 ms
SCAN_COUNT = 500
# Of a partition: what comes behind is left to the flusher. A page of the largest saves is 6 MB.
PENDING_ENTRIES_MAX, PENDING_PAGE_ENTRIES, PENDING_BYTES_MAX = 1_000, 100, 8_000_000


class SectionDrafts(NamedTuple):
    """A section in the journal: heads by cell (codec.CELL), and how many of its edits are un-recorded.

    `chained`: those of them that stand in their cells, or did until the next one; `unjudged`: those that do not, as
    PostgreSQL has yet to say whether they do.
    `incarnation`: the database of which recorded heads are copies; UNBOUND while they are dropped, None if unknown.
    """

    heads: dict[bytes, Head]
    unrecorded: int
    incarnation: str | None = None
    chained: frozenset[bytes] = frozenset()
    unjudged: frozenset[bytes] = frozenset()


class StreamEntry(NamedTuple):
    """One raw entry of a partition's stream."""

    partition: int
    stream_id: bytes
    raw: bytes


class Incarnation(NamedTuple):
    """The history of the database that a partition was written against (docs/architecture.md).

    Entries up to `relink_until` were journaled before a restored database was noticed: their bases may be gone.
    """

    incarnation: str
    relink_until: tuple[int, int]


class DraftStore:
    """The journal, apart from saving."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology

    async def read_section(self, section_id: int) -> SectionDrafts:
        """Return the heads of a section, drafted and recorded, or raise JournalUnavailableError."""
        partition = partition_of(section_id)
        fields, bound = await self.topology.pipeline(
            partition, [(b"HGETALL", section_key(partition, section_id)), (b"GET", INCARNATION[partition])]
        )
        heads: dict[bytes, Head] = {}
        unrecorded = 0
        ids: dict[int, list[bytes]] = {APPLIED: [], PROVISIONAL: []}
        for i in range(0, len(fields), 2):
            letter = fields[i][:1]
            if letter == b"h":
                heads[fields[i][1:]] = unpack_head(fields[i + 1])
            elif letter == b"u":
                unrecorded += 1
                if (of_status := ids.get(fields[i + 1][0])) is not None:
                    of_status.append(fields[i][1:])
        incarnation = bound.split(b":", 1)[0].decode() if bound is not None else None
        return SectionDrafts(heads, unrecorded, incarnation, frozenset(ids[APPLIED]), frozenset(ids[PROVISIONAL]))

    async def read_heads(self, section_id: int, cells: Sequence[bytes]) -> dict[bytes, Head]:
        """Return the heads of some cells, where the journal has them."""
        return (await self.read_heads_of({section_id: cells}))[section_id]

    async def read_heads_of(self, wanted: Mapping[int, Sequence[bytes]]) -> dict[int, dict[bytes, Head]]:
        """Return the heads of some cells of each of these sections, where the journal has them."""
        replies = await self.topology.scatter(
            [_heads_command(section_id, cells) for section_id, cells in wanted.items()]
        )
        return {
            section_id: {cell: unpack_head(raw) for cell, raw in zip(cells, values, strict=True) if raw is not None}
            for (section_id, cells), values in zip(wanted.items(), replies, strict=True)
        }

    async def read_entries(
        self, partitions: Iterable[int], entries_max: int, after: Mapping[int, bytes] | None = None
    ) -> list[StreamEntry]:
        """Return un-recorded entries of these partitions, in stream order: the oldest, or those `after` one.

        At most `entries_max` of each partition.
        """
        starts = {p: b"(" + stream_id for p, stream_id in (after or {}).items()}
        count = str(entries_max)
        calls = [
            (p, pack_command((b"XRANGE", STREAM[p], starts.get(p, b"-"), b"+", b"COUNT", count))) for p in partitions
        ]
        replies = await self.topology.scatter(calls)
        return [
            StreamEntry(partition, stream_id, fields[1])
            for (partition, _), reply in zip(calls, replies, strict=True)
            for stream_id, fields in reply
        ]

    async def read_pending(self, sections: Collection[int], wanted: Collection[bytes] | None = None) -> list[Entry]:
        """Return un-recorded entries of these sections, as far as they are among the oldest of their partitions.

        With `wanted`, only until all edits of these ids are among them. What is damaged is left out, and what comes
        after an entry that only a newer release can read.
        """
        left = {partition_of(section_id): b"-" for section_id in sections}
        missing = None if wanted is None else set(wanted)
        entries: list[Entry] = []
        size = 0
        for _ in range(PENDING_ENTRIES_MAX // PENDING_PAGE_ENTRIES):
            after = {partition: last for partition, last in left.items() if last != b"-"}
            page = await self.read_entries(left, PENDING_PAGE_ENTRIES, after)
            left = {raw.partition: raw.stream_id for raw in page}
            for raw in page:
                size += len(raw.raw)
                if raw.partition not in left:
                    continue
                try:
                    if section_of_entry(raw.raw) in sections:
                        entries.append(unpack_entry(raw.stream_id, raw.raw))
                        if missing is not None:
                            missing -= {edit.edit_id for edit in entries[-1].edits}
                except UnknownFormatError:
                    del left[raw.partition]  # nothing behind it may pass
                except ValueError:
                    pass  # damaged: the flusher sets it aside
            if not left or missing == set() or size > PENDING_BYTES_MAX:
                break
        return entries

    async def lengths(self, partitions: Sequence[int]) -> list[int]:
        """Return how many un-recorded entries each of these partitions holds."""
        return await self.topology.scatter([(p, pack_command((b"XLEN", STREAM[p]))) for p in partitions])

    async def _send(self, node: Node, packed: list[bytes]) -> list[Reply]:
        return await self.topology.exchange(node, packed)

    async def drain(self, settled: Mapping[int, Sequence[tuple[int, bytes]]]) -> int:
        """Take settled entries (section id, packed verdicts) out of the journal; return how many were there.

        Several partitions travel together, so that they share an fsync, but not more entries than may block the server.
        """
        removed = 0
        calls: list[tuple[int, bytes]] = []
        entries = 0
        for partition, of_partition in settled.items():
            for start in range(0, len(of_partition), DRAINS_PER_CALL_MAX):
                part = of_partition[start : start + DRAINS_PER_CALL_MAX]
                if entries + len(part) > DRAINS_PER_CALL_MAX:
                    removed += sum(await self.topology.scatter(calls))
                    calls, entries = [], 0
                calls.append((partition, pack_command(_drain_command(partition, part))))
                entries += len(part)
        return removed + sum(await self.topology.scatter(calls))

    async def remove_unreadable(self, entry: StreamEntry) -> None:
        """Delete one entry that was quarantined whole, if it is still the same bytes."""
        now = await self.topology.call(
            entry.partition, b"XRANGE", STREAM[entry.partition], entry.stream_id, entry.stream_id
        )
        if now and now[0][1][1] == entry.raw:
            await self.topology.call(entry.partition, b"XDEL", STREAM[entry.partition], entry.stream_id)

    async def backlog(self, partitions: Iterable[int] | None = None) -> tuple[int, int | None]:
        """Return (un-recorded entries, the oldest one's time in ms or None) over these partitions, else all of them."""
        chosen = range(PARTITIONS) if partitions is None else partitions
        calls = [
            (p, pack_command(command))
            for p in chosen
            for command in ((b"XLEN", STREAM[p]), (b"XRANGE", STREAM[p], b"-", b"+", b"COUNT", b"1"))
        ]
        replies = await self.topology.scatter(calls)
        firsts = [int(first[0][0].split(b"-")[0]) for first in replies[1::2] if first]
        return sum(replies[0::2]), min(firsts, default=None)

    async def read_incarnation(self, partition: int) -> Incarnation | None:
        """Return what the partition was written against, or None for a new partition."""
        raw = await self.topology.call(partition, b"GET", INCARNATION[partition])
        if raw is None:
            return None
        incarnation, ms, sequence = raw.decode().split(":")
        return Incarnation(incarnation, (int(ms), int(sequence)))

    async def write_incarnation(self, partition: int, incarnation: str, *, is_new: bool) -> Incarnation:
        """Bind the partition to a database. After a restored one, what is in the stream now may be linked anew."""
        until = (0, 0)
        if not is_new:
            last = await self.topology.call(partition, b"XREVRANGE", STREAM[partition], b"+", b"-", b"COUNT", b"1")
            if last:
                ms, sequence = last[0][0].split(b"-")
                until = (int(ms), int(sequence))
        value = f"{incarnation}:{until[0]}:{until[1]}"
        await self.topology.call(partition, b"SET", INCARNATION[partition], value)
        return Incarnation(incarnation, until)

    async def sections(self, partition: int) -> list[int]:
        """Return every section of which the partition holds something."""
        found: set[int] = set()
        cursor = b"0"
        node, pattern = self.topology.node(partition), section_key_pattern(partition)
        while True:
            scan = pack_command((b"SCAN", cursor, b"MATCH", pattern, b"COUNT", str(SCAN_COUNT)))
            reply = (await self._send(node, [scan]))[0]
            if isinstance(reply, ReplyError):
                raise JournalUnavailableError(str(reply))
            cursor, keys = reply
            found.update(section_of_key(key) for key in keys)
            if cursor == b"0":
                return sorted(found)

    async def evict(self, partition: int, sections: Sequence[int], *, keep_positions: bool = False) -> int:
        """Forget the clean heads of these sections; drafted edits stay. Returns the number of fields removed."""
        removed = 0
        for start in range(0, len(sections), 20):
            keys = [section_key(partition, section) for section in sections[start : start + 20]]
            removed += await self.topology.call(
                partition, b"EVALSHA", EVICT.digest, str(len(keys)), *keys, b"1" if keep_positions else b"0"
            )
        return removed

    async def idle_seconds(self, partition: int, sections: Sequence[int]) -> list[tuple[int, int]]:
        """Return (seconds since it was last touched, section), longest first."""
        commands = [(b"OBJECT", b"IDLETIME", section_key(partition, section)) for section in sections]
        idle = await self.topology.pipeline(partition, commands) if commands else []
        return sorted(((i or 0, s) for i, s in zip(idle, sections, strict=True)), reverse=True)

    async def memory(self, partition: int) -> tuple[int, int]:
        """Return (used bytes without replication and AOF buffers, maxmemory) of the server of a partition."""
        return _used_and_limit(await self._info(self.topology.node(partition), "memory"))

    async def fullest(self) -> tuple[int, int]:
        """Return the same of the server with the least room left; JournalUnavailableError if one does not answer."""
        sizes = [_used_and_limit(await self._info(node, "memory")) for node in self.topology.nodes()]
        return max(sizes, key=lambda size: size[0] / size[1] if size[1] else 0.0)

    async def _info(self, node: Node, topic: str) -> dict[str, str]:
        reply = (await self._send(node, [pack_command((b"INFO", topic))]))[0]
        if isinstance(reply, ReplyError):
            raise JournalUnavailableError(str(reply))
        return dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)

    async def is_writable(self) -> bool:
        """Tell whether every server answers and its last write to the append-only file succeeded."""
        try:
            async with asyncio.timeout(1):
                infos = [await self._info(n, "persistence") for n in self.topology.nodes()]
        except (JournalUnavailableError, TimeoutError):
            return False
        return all(i.get("aof_last_write_status") == "ok" and i.get("loading") == "0" for i in infos)

    async def mirror_revocations(self, revoked: dict[str, int]) -> None:
        """Write the revocation set (subject → unix seconds until which it matters) beside the journal."""
        pairs = [part for subject, until in revoked.items() for part in (subject, str(until))]
        if pairs:
            await self.topology.call(0, b"HSET", REVOCATIONS, *pairs)

    async def read_revocations(self) -> dict[str, int]:
        """Return the revocation set, for when PostgreSQL is away."""
        fields = await self.topology.call(0, b"HGETALL", REVOCATIONS)
        return {fields[i].decode(): int(fields[i + 1]) for i in range(0, len(fields), 2)}

    async def mirror_maintenance(self, announced: bytes) -> None:
        """Write the announcement of maintenance beside the journal."""
        await self.topology.call(0, b"SET", MAINTENANCE, announced)

    async def read_maintenance(self) -> bytes | None:
        """Return the announcement of maintenance as it was written last."""
        raw: bytes | None = await self.topology.call(0, b"GET", MAINTENANCE)
        return raw

    async def forget_revocations(self, subjects: Sequence[str]) -> None:
        """Remove subjects whose grants have all expired."""
        if subjects:
            await self.topology.call(0, b"HDEL", REVOCATIONS, *subjects)


def _heads_command(section_id: int, cells: Sequence[bytes]) -> tuple[int, bytes]:
    partition = partition_of(section_id)
    return partition, pack_command((b"HMGET", section_key(partition, section_id), *(b"h" + cell for cell in cells)))


def _drain_command(partition: int, settled: Sequence[tuple[int, bytes]]) -> tuple[bytes | str, ...]:
    return (
        b"EVALSHA",
        DRAIN.digest,
        str(len(settled) + 1),
        STREAM[partition],
        *[section_key(partition, section_id) for section_id, _ in settled],
        EVENTS[partition],
        *[packed for _, packed in settled],
    )


def _used_and_limit(info: dict[str, str]) -> tuple[int, int]:
    used, limit = int(info["used_memory"]) - int(info.get("mem_not_counted_for_evict", "0")), int(info["maxmemory"])
    return used, limit if limit != CLOSED_BYTES else 0  # closed for its disk: no memory is short
