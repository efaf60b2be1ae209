"""What happens in the journal, as it happens: fed by sharded pub/sub from accept.lua, drain.lua and the direct path.

Lossy by contract: a listener that falls behind, or a connection that breaks, loses events and is told so once; polling
repairs what was missed. One process holds one subscribing connection to each server, however many browsers listen.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from app.drafts.codec import APPLIED, Head, UnknownFormatError, unpack_entry
from app.drafts.connection import JournalProtocol, pack_command
from app.drafts.keys import EVENTS, PARTITIONS, PRESENT, partition_of
from app.drafts.presence import PresenceBoard, Present
from app.errors import JournalUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.drafts.codec import Entry
    from app.drafts.topology import Node, Topology

EVENTS_WAITING_MAX = 256  # of one listener; above it the oldest are dropped
RECONNECT_S = 0.5
_EVENTS_AT = {channel: partition for partition, channel in enumerate(EVENTS)}
_PRESENT_AT = {channel: partition for partition, channel in enumerate(PRESENT)}
_RECORDED = 255  # an entry, which is the other event, begins with its format


class Drafted(NamedTuple):
    """Edits of one save were journaled; `heads` are those that now stand in their cells."""

    section_id: int
    author_id: int
    client_id: UUID
    heads: list[tuple[bytes, Head]]


class Recorded(NamedTuple):
    """A client's edits up to `recorded_seq` are settled in PostgreSQL."""

    section_id: int
    user_id: int
    client_id: UUID
    recorded_seq: int


class Missed(NamedTuple):
    """Events may have been lost: read the sections again."""


Event = Drafted | Recorded | Missed | Present


class Listener:
    """The events of some sections, for one browser."""

    def __init__(self, hub: EventHub, sections: frozenset[int]) -> None:
        self.sections = sections
        self.here: int | None = None  # the section that its user has open
        self._hub = hub
        self._waiting: deque[Event] = deque()
        self._arrived = asyncio.Event()

    def put(self, event: Event) -> None:
        """Queue an event; where too many wait, they are replaced by one Missed."""
        if len(self._waiting) >= EVENTS_WAITING_MAX:
            self._waiting.clear()
            event = Missed()
        self._waiting.append(event)
        self._arrived.set()

    async def subscribed(self, wait_s: float) -> None:
        """Return when all that happens from now on is heard; after `wait_s` also before, and then it is told Missed."""
        await self._hub.subscribed(self, wait_s)

    async def get(self, wait_s: float) -> Event | None:
        """Return the next event, or None if none came within `wait_s`."""
        if not self._waiting:
            self._arrived.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._arrived.wait()
            except TimeoutError:
                return None
        return self._waiting.popleft()

    def close(self) -> None:
        """Stop listening."""
        self._hub.remove(self)


class EventHub:
    """Every listener of one process."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._listeners: dict[int, set[Listener]] = {}  # by section
        self._tasks: dict[Node, asyncio.Task[None]] = {}
        self._connections: dict[Node, JournalProtocol] = {}
        self._heard: set[int] = set()  # partitions of which the servers have confirmed the subscription
        self._confirmed = asyncio.Event()  # another one for each confirmation
        self._late: set[Listener] = set()  # they go on without it
        self._board = PresenceBoard(self._publish_presence)
        self._is_closed = False

    def listen(self, sections: Iterable[int]) -> Listener:
        """Return a listener for these sections; events flow once the journal's servers have been subscribed to."""
        listener = Listener(self, frozenset(sections))
        for section in listener.sections:
            self._listeners.setdefault(section, set()).add(listener)
            self._want(partition_of(section))
        return listener

    async def subscribed(self, listener: Listener, wait_s: float) -> None:
        """Return when the servers have confirmed that a listener's sections are listened to, or after `wait_s`."""
        wanted = {partition_of(section) for section in listener.sections}
        try:
            async with asyncio.timeout(wait_s):
                while not wanted <= self._heard:
                    await self._confirmed.wait()
        except TimeoutError:
            self._late.add(listener)

    def enter(self, listener: Listener, section: int, user_id: int, name: str) -> None:
        """Have the user of a listener be in one of its sections, until it closes: others who are there are told."""
        listener.here = section
        self._board.enter(listener, section, user_id, name)
        partition = partition_of(section)
        connection = self._connections.get(self._topology.node(partition))
        if connection is not None and connection.is_open and not self._board.hears(partition):
            connection.write_only(b"SSUBSCRIBE", PRESENT[partition])

    def remove(self, listener: Listener) -> None:
        """Forget a listener."""
        self._late.discard(listener)
        if listener.here is not None:
            self._board.leave(listener, listener.here)
        for section in listener.sections:
            of_section = self._listeners.get(section)
            if of_section is not None:
                of_section.discard(listener)
                if not of_section:
                    del self._listeners[section]

    def _partitions(self, node: Node) -> set[int]:
        wanted = {partition_of(section) for section in self._listeners}
        return {p for p in wanted if self._topology.node(p) is node}

    def _want(self, partition: int) -> None:
        node = self._topology.node(partition)
        connection = self._connections.get(node)
        if connection is not None and connection.is_open:
            connection.write_only(b"SSUBSCRIBE", EVENTS[partition])
        elif node not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._subscribe(node))
            self._tasks[node] = task
            task.add_done_callback(lambda _: self._tasks.pop(node, None))

    async def _subscribe(self, node: Node) -> None:
        """Hold the subscription to one server for as long as anybody listens to its sections."""
        is_again = False
        while not self._is_closed and self._partitions(node):
            connection = JournalProtocol(on_push=self._pushed)
            try:
                await node.address.open(connection)
            except JournalUnavailableError:
                await asyncio.sleep(RECONNECT_S)
                is_again = True
                continue
            self._connections[node] = connection
            partitions = self._partitions(node)
            for partition in partitions:
                connection.write_only(b"SSUBSCRIBE", EVENTS[partition])
            for partition in partitions & self._board.partitions():
                connection.write_only(b"SSUBSCRIBE", PRESENT[partition])
            if is_again:
                self._tell_missed(node)
            await connection.lost.wait()
            lost = {p for p in range(PARTITIONS) if self._topology.node(p) is node}
            self._heard -= lost
            self._board.lost(lost)
            is_again = True
        self._connections.pop(node, None)

    def _tell_missed(self, node: Node) -> None:
        partitions = self._partitions(node)
        listeners = {
            listener
            for section, of_section in self._listeners.items()
            if partition_of(section) in partitions
            for listener in of_section
        }
        for listener in listeners:
            listener.put(Missed())

    def _pushed(self, push: Any) -> None:
        if not isinstance(push, list) or push[0] != b"smessage":
            if isinstance(push, list) and push[0] == b"ssubscribe":
                self._note_subscribed(push[1])
            return
        raw: bytes = push[2]
        if push[1] in _PRESENT_AT:
            self._board.hear(raw)
            return
        if raw[0] != _RECORDED:
            # The section stands at a fixed place: nothing is decoded for sections that nobody watches.
            listeners = self._listeners.get(int.from_bytes(raw[1:5], "big"))
            event: Event | None = _drafted(raw) if listeners else None
        else:
            digits, _, rest = raw[1:].partition(b":")
            listeners = self._listeners.get(int(digits))
            event = _recorded(int(digits), rest) if listeners else None
        if event is not None:
            for listener in listeners or ():
                listener.put(event)

    def _note_subscribed(self, channel: bytes) -> None:
        if channel in _PRESENT_AT:
            self._board.subscribed(_PRESENT_AT[channel])
        elif channel in _EVENTS_AT:
            self._heard.add(_EVENTS_AT[channel])
            confirmed, self._confirmed = self._confirmed, asyncio.Event()
            confirmed.set()
            for listener in {one for one in self._late if {*map(partition_of, one.sections)} <= self._heard}:
                self._late.discard(listener)
                listener.put(Missed())

    def _publish_presence(self, partition: int, word: bytes) -> None:
        node = self._topology.node(partition)
        connection = node.opened()
        if connection is not None and not node.is_away:
            sent = connection.send([pack_command((b"SPUBLISH", PRESENT[partition], word))])
            sent.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody waits for it

    async def close(self) -> None:
        """Close every subscription."""
        self._is_closed = True
        self._board.close()
        for connection in self._connections.values():
            connection.close()
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=RECONNECT_S * 2)


def publish_direct(topology: Topology, entry: Entry, heads: Mapping[bytes, Head], recorded_seq: int) -> None:
    """Tell listeners of edits that went past the journal, if its server can be reached; returns at once, never raises.

    `heads` are what stands in the cells of `entry` now: an edit that does not stand there is no news. While the server
    is away nobody can be told; when it is back, every listener hears that something was missed.
    """
    partition = partition_of(entry.section_id)
    node = topology.node(partition)
    connection = node.opened()
    if connection is None or node.is_away:
        return
    standing = [(e, head) for e in entry.edits if (head := heads.get(e.cell)) and head.edit_id == e.edit_id]
    channel, messages = EVENTS[partition], []
    if standing:
        edits = [bytes((APPLIED,)) + head.cell_version.to_bytes(4, "big") + e.raw[5:] for e, head in standing]
        messages.append(entry.header[:-1] + bytes((len(edits),)) + b"".join(edits))
    section = str(entry.section_id).encode()
    messages.append(bytes((_RECORDED,)) + section + b":" + entry.client + recorded_seq.to_bytes(4, "big"))
    sent = connection.send([pack_command((b"SPUBLISH", channel, message)) for message in messages])
    sent.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody waits for it


def _drafted(raw: bytes) -> Drafted | None:
    try:
        entry = unpack_entry(b"", raw)
    except (UnknownFormatError, ValueError):
        return None  # of another release, beside this one while it is deployed
    author = entry.user_id
    heads = [
        (edit.cell, Head(edit.cell_version, edit.edit_id, author, edit.entered_ms, edit.value, is_drafted=True))
        for edit in entry.edits
        if edit.accepted == APPLIED
    ]
    return Drafted(entry.section_id, author, entry.client_id, heads)


def _recorded(section_id: int, rest: bytes) -> Recorded:
    return Recorded(
        section_id,
        int.from_bytes(rest[:4], "big"),
        UUID(bytes=rest[4:20]),
        int.from_bytes(rest[20:24], "big"),
    )
