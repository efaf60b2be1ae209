"""The snapshot cache: a Valkey or Redis of its own that may lose everything at any time, and nobody waits for it.

It holds what can be read again from PostgreSQL, for the hours in which that is away. So no failure of it is an error:
what it does not answer within a fifth of a second it does not have, and after a failure it is left alone for a second.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from app import telemetry
from app.drafts.connection import Address, JournalProtocol, Reply, ReplyError
from app.drafts.keys import kept_lately_key
from app.errors import JournalUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

ANSWER_S_MAX: Final = 0.2
AVOID_S: Final = 1.0
# KEYS: values, and as many marks of theirs. ARGV: how long nobody writes them again, in seconds.
_FORGET: Final = b"""
for i = 1, #KEYS / 2 do
  redis.call('DEL', KEYS[i])
  redis.call('SET', KEYS[i + #KEYS / 2], '', 'EX', ARGV[1])
end"""


class CacheFigures(NamedTuple):
    """How the cache's server stands; a limit of 0 bytes is none."""

    used_bytes: int
    bytes_max: int
    keys: int
    evicted: int
    policy: str


class SnapshotCache:
    """One connection to the cache, opened when it is needed. Without a URL there is no cache, and never an answer."""

    def __init__(self, url: str, *, answer_s_max: float = ANSWER_S_MAX) -> None:
        self._address = Address(url) if url else None
        self._answer_s_max = answer_s_max
        self._protocol: JournalProtocol | None = None
        self._opening = asyncio.Lock()
        self._avoid_until = 0.0
        self._is_noted = False

    @property
    def is_there(self) -> bool:
        """Whether there is a cache at all; it may still be away."""
        return self._address is not None

    async def get(self, key: bytes) -> bytes | None:
        """Return a value; None if there is none, or if the cache does not answer in time."""
        reply = await self._call(b"GET", key)
        return reply if isinstance(reply, bytes) else None

    async def put(self, key: bytes, value: bytes, keep_s: int) -> bool:
        """Keep a value for a while; return whether the cache has taken it."""
        return bool(await self._call(b"SET", key, value, b"EX", b"%d" % keep_s) == b"OK")

    async def claim(self, key: bytes, pause_s: int) -> bool:
        """Return True to one process of all that ask about this key within `pause_s`: to write its value."""
        return bool(await self._call(b"SET", kept_lately_key(key), b"", b"NX", b"EX", b"%d" % pause_s) == b"OK")

    async def forget(self, keys: Sequence[bytes], pause_s: int) -> None:
        """Forget values; nobody is to write them again within `pause_s`, as it may have read them before."""
        lately = [kept_lately_key(key) for key in keys]
        await self._call(b"EVAL", _FORGET, b"%d" % (2 * len(keys)), *keys, *lately, b"%d" % pause_s)

    async def figures(self) -> CacheFigures | None:
        """Return how the server stands, or None if it does not answer."""
        if (memory := await self._info(b"memory")) is None or (stats := await self._info(b"stats")) is None:
            return None
        return CacheFigures(
            int(memory["used_memory"]),
            int(memory["maxmemory"]),
            int(await self._call(b"DBSIZE") or 0),
            int(stats["evicted_keys"]),
            memory["maxmemory_policy"],
        )

    async def _info(self, topic: bytes) -> dict[str, str] | None:
        reply = await self._call(b"INFO", topic)
        if not isinstance(reply, bytes):
            return None
        return dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)

    async def _call(self, *command: bytes) -> Reply:
        """Return a reply, or None for every kind of failure; then the connection is closed, and rests."""
        loop = asyncio.get_running_loop()
        if self._address is None or loop.time() < self._avoid_until:
            return None
        try:
            async with asyncio.timeout(self._answer_s_max):
                reply = await self._run(self._address, command)
        except (TimeoutError, OSError, JournalUnavailableError) as error:
            self.close()
            self._avoid_until = loop.time() + AVOID_S
            telemetry.SNAPSHOT_CACHE.labels("away").inc()
            if not self._is_noted:  # once, not at every try
                telemetry.log(telemetry.Event.SNAPSHOT_CACHE_AWAY, error=error)
            self._is_noted = True
            return None
        self._is_noted = False
        return None if isinstance(reply, ReplyError) else reply

    async def _run(self, address: Address, command: Sequence[bytes]) -> Reply:
        async with self._opening:
            protocol = self._protocol
            if protocol is None or not protocol.is_open:
                protocol = JournalProtocol()
                try:
                    await address.open(protocol)
                except BaseException:  # too late, or whoever asked has left: half open it is of no use
                    protocol.close()
                    raise
                self._protocol = protocol
        return await protocol.call(*command)

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._protocol is not None:
            self._protocol.close()
            self._protocol = None
