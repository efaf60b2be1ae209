"""Who else has a section open: told from process to process through the journal's server, and kept by nobody.

Whoever comes says hello once its process hears the others; those who are there answer. While it knows of nobody else a
process says nothing more, so that 26,000 teachers who are alone in their sections cost one message each. Lossy like all
events: whoever is not heard of for a while is taken to have left, and is back with the next word.
"""

from __future__ import annotations

import asyncio
import secrets
import struct
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from app.drafts.keys import partition_of
from app.jitter import jittered

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.drafts.events import Listener

ANNOUNCE_S: Final = 60.0
FORGET_S: Final = 150.0
NAME_BYTES_MAX: Final = 400
OTHERS_MAX: Final = 100  # of one section; those who come later are not shown
HELLO, HERE, BYE = b"?", b"!", b"-"
_WORD: Final = struct.Struct(">cI8sI")  # verb, section, process, user; then the name


class Present(NamedTuple):
    """These people have the section open now, by id, with their names; nobody when there are not two of them."""

    section_id: int
    users: tuple[tuple[int, str], ...]


class _Room:
    """One section, as this process knows it."""

    __slots__ = ("listeners", "names", "others", "told", "unsaid")

    def __init__(self) -> None:
        self.listeners: dict[Listener, int] = {}  # the user of each
        self.names: dict[int, str] = {}
        self.unsaid: set[int] = set()  # users of ours who have not said hello
        self.others: dict[tuple[bytes, int], tuple[str, float]] = {}  # by process and user: name, when last heard
        self.told: tuple[tuple[int, str], ...] = ()

    def users(self) -> tuple[tuple[int, str], ...]:
        names = {user: name for (_, user), (name, _) in self.others.items()} | self.names
        return tuple(sorted(names.items())) if len(names) > 1 else ()


class PresenceBoard:
    """Who is where, for the listeners of one process. `publish(partition, word)` returns at once and never raises."""

    def __init__(self, publish: Callable[[int, bytes], None], *, now: Callable[[], float] = time.monotonic) -> None:
        self._publish = publish
        self._now = now
        self._process = secrets.token_bytes(8)
        self._rooms: dict[int, _Room] = {}
        self._heard: set[int] = set()  # partitions whose words reach this process
        self._announcing: asyncio.Task[None] | None = None

    def partitions(self) -> set[int]:
        """Return the partitions whose words are wanted."""
        return {partition_of(section) for section in self._rooms}

    def enter(self, listener: Listener, section_id: int, user_id: int, name: str) -> None:
        """Have a listener's user be in a section: the others are told, and it is told of them."""
        room = self._rooms.setdefault(section_id, _Room())
        room.listeners[listener] = user_id
        if user_id not in room.names or not room.others:  # a hello may have been lost
            room.names[user_id] = name
            room.unsaid.add(user_id)
            self._say_hello(section_id, room)
        if not self._tell(section_id, room) and room.told:
            listener.put(Present(section_id, room.told))

    def leave(self, listener: Listener, section_id: int) -> None:
        """Have a listener be gone; its user too, unless another listener of this process is theirs."""
        room = self._rooms.get(section_id)
        if room is None or listener not in room.listeners:
            return
        user_id = room.listeners.pop(listener)
        if user_id not in room.listeners.values():
            name = room.names.pop(user_id)
            room.unsaid.discard(user_id)
            if room.others:
                self._say(BYE, section_id, user_id, name)
        if room.listeners:
            self._tell(section_id, room)
        else:
            del self._rooms[section_id]

    def subscribed(self, partition: int) -> None:
        """Begin to say hello in a partition: the answers will be heard. Again, where somebody was known before."""
        self._heard.add(partition)
        for section_id, room in self._rooms.items():
            if partition_of(section_id) == partition:
                if room.others:
                    room.unsaid.update(room.names)
                self._say_hello(section_id, room)

    def lost(self, partitions: set[int]) -> None:
        """Say no hello in these until their words are heard again."""
        self._heard -= partitions

    def hears(self, partition: int) -> bool:
        """Whether the words of a partition reach this process."""
        return partition in self._heard

    def hear(self, raw: bytes) -> None:
        """Take in a word of some process; our own, and what is not understood, changes nothing."""
        if len(raw) < _WORD.size:
            return
        verb, section_id, process, user_id = _WORD.unpack_from(raw)
        room = self._rooms.get(section_id)
        if room is None or process == self._process:
            return
        if verb == BYE:
            room.others.pop((process, user_id), None)
        elif verb in {HELLO, HERE}:
            if len(room.others) < OTHERS_MAX or (process, user_id) in room.others:
                name = raw[_WORD.size :].decode(errors="replace")
                room.others[process, user_id] = (name, self._now())
            if verb == HELLO:
                self._announce(section_id, room)
            if self._announcing is None:
                self._announcing = asyncio.get_running_loop().create_task(self._keep_announcing())
        self._tell(section_id, room)

    def close(self) -> None:
        """Announce nobody any more."""
        if self._announcing is not None:
            self._announcing.cancel()

    def _say_hello(self, section_id: int, room: _Room) -> None:
        if room.unsaid and self.hears(partition_of(section_id)):
            self._announce(section_id, room)
            room.unsaid.clear()

    def _announce(self, section_id: int, room: _Room) -> None:
        for user_id, name in room.names.items():
            self._say(HELLO if user_id in room.unsaid else HERE, section_id, user_id, name)

    def _say(self, verb: bytes, section_id: int, user_id: int, name: str) -> None:
        word = _WORD.pack(verb, section_id, self._process, user_id) + name.encode()[:NAME_BYTES_MAX]
        self._publish(partition_of(section_id), word)

    def _tell(self, section_id: int, room: _Room) -> bool:
        """Tell every listener who is there if that has changed; whether it has."""
        users = room.users()
        if users == room.told:
            return False
        room.told = users
        for listener in room.listeners:
            listener.put(Present(section_id, users))
        return True

    async def _keep_announcing(self) -> None:
        """While somebody else is known to be in a room of ours: say that we are there, and forget who is silent."""
        try:
            while any(room.others for room in self._rooms.values()):
                await asyncio.sleep(jittered(ANNOUNCE_S, 0.8, 1.2))
                self.look()
        finally:
            self._announcing = None

    def look(self) -> None:
        """Forget who has been silent for too long; tell the others that we are there."""
        silent_since = self._now() - FORGET_S
        for section_id, room in list(self._rooms.items()):
            if not room.others:
                continue
            room.others = {key: heard for key, heard in room.others.items() if heard[1] > silent_since}
            self._announce(section_id, room)
            self._tell(section_id, room)
