"""A Valkey in memory with `appendfsync always`: the commands that the product sends, and what a crash leaves of them.

As in the real one, everything that has arrived is executed together, then appended and fsynced once, and no reply
leaves before that. A crash in between keeps as much of the appended file as the seed says, whole commands each.
"""

from __future__ import annotations

from copy import deepcopy
from hashlib import sha1
from typing import TYPE_CHECKING, Any

import hiredis

from app.drafts.topology import EVICT
from tests.simulation.clock import Process, current
from tests.simulation.scripts import scripts

if TYPE_CHECKING:
    import asyncio
    import random
    from collections.abc import Callable

    from tests.simulation.clock import Loop
    from tests.simulation.network import Network

ADDRESS = "journal:6379"
WRITES_MEMORY = frozenset({b"HSET", b"XADD", b"SET"})
OOM = "OOM command not allowed when used memory > 'maxmemory'."
Effect = tuple[bytes, ...]
Patches = tuple[tuple[str, str, str], ...]  # a phrase of the script, old, new


class Refusal(Exception):  # noqa: N818 -- what the server answers, not a failure here
    """An error reply."""


class Data:
    """The keys: hashes, strings, and streams as dicts of id to value, in order."""

    def __init__(self) -> None:
        self.hashes: dict[bytes, dict[bytes, bytes]] = {}
        self.strings: dict[bytes, bytes] = {}
        self.streams: dict[bytes, dict[tuple[int, int], bytes]] = {}
        self.last_ids: dict[bytes, tuple[int, int]] = {}

    def apply(self, effect: Effect) -> None:
        """Replay one line of the appended file."""
        name, key = effect[:2]
        if name == b"HSET":
            self.hashes.setdefault(key, {}).update(zip(effect[2::2], effect[3::2], strict=True))
        elif name == b"HDEL":
            kept = self.hashes.get(key, {})
            for field in effect[2:]:
                kept.pop(field, None)
            if not kept:
                self.hashes.pop(key, None)
        elif name == b"SET":
            self.strings[key] = effect[2]
        elif name == b"XADD":
            at = stream_id(effect[2])
            self.streams.setdefault(key, {})[at] = effect[4]
            self.last_ids[key] = at
        else:
            assert name == b"XDEL"
            entries = self.streams.get(key, {})
            for raw in effect[2:]:
                entries.pop(stream_id(raw), None)


def stream_id(raw: bytes) -> tuple[int, int]:
    ms, _, sequence = raw.partition(b"-")
    return int(ms), int(sequence or 0)


class Session:
    """One connection, at the server."""

    def __init__(self, protocol: asyncio.BaseProtocol, process: Process) -> None:
        self.protocol = protocol
        self.process = process
        self.reader = hiredis.Reader()
        self.is_open = True


class _Transport:
    """What the product writes to."""

    def __init__(self, journal: Journal, session: Session) -> None:
        self._journal = journal
        self._session = session

    def write(self, data: bytes) -> None:
        self._journal.written(self._session, data)

    def abort(self) -> None:
        self._journal.cut(self._session)

    close = abort

    def is_closing(self) -> bool:
        return not self._session.is_open


class Journal:
    """The server; `data` is what it holds, `durable` what a crash would leave."""

    def __init__(self, loop: Loop, rng: random.Random, network: Network, patches: Patches) -> None:
        self.process = Process(loop, "journal")
        self._loop = loop
        self._rng = rng
        self._network = network
        self._patches = patches
        self.data = Data()
        self.durable = Data()
        self.ever_durable: set[bytes] = set()  # ids of edits
        self.is_up = True
        self.is_full = False
        self.has_lost = False
        self.has_evicted = False
        self._clock_stands_at_ms = 0
        self._life = 0
        self._known: dict[bytes, bytes] = {}
        self._sessions: list[Session] = []
        self._arrived: list[tuple[Session, list[bytes]]] = []
        self._effects: list[list[Effect]] = []  # executed and not fsynced, by command
        self._is_busy = False
        self.commands = 0
        loop.servers[ADDRESS] = self._connect

    # Connections

    async def _connect(self, protocol: asyncio.BaseProtocol) -> None:
        process = current()
        if not await self._network.reaches(process, self.process) or not self.is_up:
            raise ConnectionRefusedError
        session = Session(protocol, process)
        self._sessions.append(session)
        protocol.connection_made(_Transport(self, session))  # type: ignore[arg-type]  # as much of one as is used

    def cut(self, session: Session) -> None:
        """Close a connection; its client hears of it."""
        if session.is_open:
            session.is_open = False
            self._sessions.remove(session)
            session.process.call_at(self._loop.time(), session.protocol.connection_lost, None)

    def cut_all_of(self, process: Process) -> None:
        for session in [s for s in self._sessions if s.process is process]:
            self.cut(session)

    def cut_some(self) -> None:
        for session in list(self._sessions):
            if self._rng.random() < 0.5:
                self.cut(session)

    def written(self, session: Session, data: bytes) -> None:
        if not session.is_open:
            return
        fate = self._network.fate()
        if fate == "lost before":
            self._loop.call_soon(self.cut, session, context=session.process.context)
            return
        self._network.later(session, "in", self.process, self._receive, session, data, fate == "lost after", self._life)

    def _receive(self, session: Session, data: bytes, cuts: bool, life: int) -> None:  # noqa: FBT001 -- a callback's
        if life != self._life:
            return
        session.reader.feed(data)
        while (command := session.reader.gets()) is not False:
            self._arrived.append((session, command))
        if cuts:
            self.cut(session)
        self._turn()

    # The server's cycle

    def _turn(self) -> None:
        if self._is_busy or not self._arrived:
            return
        arrived, self._arrived = self._arrived, []
        replies: dict[Session, list[bytes]] = {}
        for session, command in arrived:
            self.commands += 1
            effects: list[Effect] = []
            reply = _encode(self._execute(command, effects))
            if effects:
                self._effects.append(effects)
            replies.setdefault(session, []).append(reply)
        self._is_busy = True
        fsync_s = self._rng.uniform(0.0005, 0.006) if self._effects else 0.0
        self.process.call_at(self._loop.time() + fsync_s, self._synced, replies, self._life)

    def _synced(self, replies: dict[Session, list[bytes]], life: int) -> None:
        if life != self._life:
            return
        for effects in self._effects:
            self._keep(effects)
        self._effects = []
        self._is_busy = False
        for session, parts in replies.items():
            if session.is_open:
                self._network.later(session, "out", session.process, self._answer, session, b"".join(parts))
        self._turn()

    def _keep(self, effects: list[Effect]) -> None:
        for effect in effects:
            self.durable.apply(effect)
            if effect[0] == b"HSET":
                self.ever_durable.update(field[1:] for field in effect[2::2] if field[:1] == b"u")

    def _answer(self, session: Session, data: bytes) -> None:
        if session.is_open:
            session.protocol.data_received(data)  # type: ignore[attr-defined]  # a Protocol

    # Faults

    def crash(self) -> None:
        """Die as by SIGKILL or without power."""
        self._life += 1
        self.is_up = self._is_busy = False
        for effects in self._effects[: self._rng.randint(0, len(self._effects))]:
            self._keep(effects)
        self._effects, self._arrived, self._known = [], [], {}
        for session in list(self._sessions):
            self.cut(session)

    def restart(self) -> None:
        """Come back with what the appended file holds."""
        self.data = deepcopy(self.durable)
        self.is_up = True

    def lose_directory(self) -> None:
        """Everything is gone: another disk, an empty one. Only while it is down."""
        oldest = min((at[0] for entries in self.durable.streams.values() for at in entries), default=0)
        if oldest and self._rng.random() < 0.7:  # another machine, whose clock is behind: ids come again
            self._clock_stands_at_ms = oldest
        self.durable = Data()
        self.has_lost = True

    # Commands

    def _execute(self, command: list[bytes], effects: list[Effect]) -> Any:
        name = command[0].upper()
        try:
            if name in WRITES_MEMORY and self.is_full:
                return Refusal(OOM)
            if name == b"EVALSHA":
                return self._run(command, effects)
            return self._call(effects, name, *command[1:])
        except Refusal as refusal:
            return refusal

    def _run(self, command: list[bytes], effects: list[Effect]) -> Any:
        text = self._known.get(command[1])
        if text is None:
            raise Refusal("NOSCRIPT No matching script. Please use EVAL.")
        if self.is_full and b"allow-oom" not in text.partition(b"\n")[0]:
            raise Refusal(OOM)
        count = int(command[2])
        self.has_evicted |= command[1] == EVICT.digest
        keys, argv = command[3 : 3 + count], command[3 + count :]
        try:
            return scripts().run(text, keys, argv, lambda *call: self._call(effects, *call))
        except RuntimeError as error:
            raise Refusal(f"ERR {error} script: {command[1].decode()}") from None

    def _call(self, effects: list[Effect], *call: Any) -> Any:
        command = [part if isinstance(part, bytes) else b"%d" % part for part in call]
        do: Callable[..., Any] | None = getattr(self, f"_do_{command[0].decode().lower()}", None)
        if do is None:
            raise AssertionError(f"the simulated journal does not know {command[0]!r}")
        return do(effects, *command[1:])

    def _do(self, effects: list[Effect], *effect: bytes) -> None:
        self.data.apply(effect)
        effects.append(effect)

    def _do_ping(self, _: list[Effect]) -> Any:
        return "PONG"

    def _do_role(self, _: list[Effect]) -> Any:
        return [b"master", 0, []]

    def _do_info(self, _: list[Effect], topic: bytes) -> bytes:
        if topic == b"memory":
            return b"used_memory:%d\r\nmaxmemory:1000\r\n" % (1000 if self.is_full else 100)
        return b"role:master\r\naof_last_write_status:ok\r\nloading:0\r\n"

    def _do_script(self, _: list[Effect], verb: bytes, text: bytes) -> bytes:
        assert verb.upper() == b"LOAD"
        digest = sha1(text, usedforsecurity=False).hexdigest().encode()
        self._known[digest] = patched(text, self._patches)
        return digest

    def _do_get(self, _: list[Effect], key: bytes) -> Any:
        return self.data.strings.get(key)

    def _do_set(self, effects: list[Effect], key: bytes, value: bytes) -> Any:
        self._do(effects, b"SET", key, value)
        return "OK"

    def _do_hget(self, _: list[Effect], key: bytes, field: bytes) -> Any:
        return self.data.hashes.get(key, {}).get(field)

    def _do_hmget(self, _: list[Effect], key: bytes, *fields: bytes) -> Any:
        kept = self.data.hashes.get(key, {})
        return [kept.get(field) for field in fields]

    def _do_hgetall(self, _: list[Effect], key: bytes) -> Any:
        return [part for pair in self.data.hashes.get(key, {}).items() for part in pair]

    def _do_hset(self, effects: list[Effect], key: bytes, *pairs: bytes) -> int:
        new = len(set(pairs[::2]) - self.data.hashes.get(key, {}).keys())
        self._do(effects, b"HSET", key, *pairs)
        return new

    def _do_hdel(self, effects: list[Effect], key: bytes, *fields: bytes) -> int:
        gone = sum(field in self.data.hashes.get(key, {}) for field in dict.fromkeys(fields))
        if gone:
            self._do(effects, b"HDEL", key, *fields)
        return gone

    def _do_xadd(self, effects: list[Effect], key: bytes, asked: bytes, *pair: bytes) -> bytes:
        assert asked == b"*"
        ms = self._clock_stands_at_ms or int(self.process.wall_s() * 1000)
        now, last = (ms, 0), self.data.last_ids.get(key, (0, 0))
        at = b"%d-%d" % (now if now > last else (last[0], last[1] + 1))
        self._do(effects, b"XADD", key, at, *pair)
        return at

    def _do_xdel(self, effects: list[Effect], key: bytes, *ids: bytes) -> int:
        gone = sum(stream_id(raw) in self.data.streams.get(key, {}) for raw in dict.fromkeys(ids))
        if gone:
            self._do(effects, b"XDEL", key, *ids)
        return gone

    def _do_xlen(self, _: list[Effect], key: bytes) -> int:
        return len(self.data.streams.get(key, ()))

    def _do_xrange(self, _: list[Effect], key: bytes, low: bytes, high: bytes, *more: bytes) -> Any:
        entries = self.data.streams.get(key, {})
        least = (0, 0) if low == b"-" else stream_id(low.lstrip(b"("))
        most = (1 << 63, 0) if high == b"+" else stream_id(high)
        count = int(more[1]) if more else len(entries)
        found = [
            (at, raw) for at, raw in entries.items() if least <= at <= most and not (low[:1] == b"(" and at == least)
        ]
        return [[b"%d-%d" % at, [b"d", raw]] for at, raw in found[:count]]

    def _do_xrevrange(self, effects: list[Effect], key: bytes, high: bytes, low: bytes, *more: bytes) -> Any:
        found = self._do_xrange(effects, key, low, high)[::-1]
        return found[: int(more[1])] if more else found

    def _do_scan(self, _: list[Effect], cursor: bytes, *options: bytes) -> Any:
        assert cursor == b"0"
        prefix = options[1].rstrip(b"*")
        return [b"0", [key for key in self.data.hashes if key.startswith(prefix)]]

    def _do_object(self, _: list[Effect], *_what: bytes) -> int:
        return 0

    def _do_spublish(self, _: list[Effect], *_what: bytes) -> int:
        return 0


def patched(text: bytes, patches: Patches) -> bytes:
    """A script with bugs planted in it; each patch has to fit."""
    for script, old, new in patches:
        if script.encode() in text:
            assert old.encode() in text, f"the planted bug does not fit any more: {old}"
            text = text.replace(old.encode(), new.encode())
    return text


def _encode(reply: Any) -> bytes:
    if isinstance(reply, bytes):
        return b"$%d\r\n%b\r\n" % (len(reply), reply)
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, Refusal):
        return b"-%b\r\n" % str(reply).replace("\n", " ").encode()
    if isinstance(reply, str):
        return b"+%b\r\n" % reply.encode()
    return b"*%d\r\n%b" % (len(reply), b"".join(map(_encode, reply)))
