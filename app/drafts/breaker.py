"""Circuit breaker of one server of the journal: closed while it takes edits, open while saves had better go elsewhere.

It opens when the server cannot be reached, stays silent, or refuses to write, and closes when a probe was written and
made durable as an edit would be. Half-open is the probe alone: no teacher's save is risked on a server in doubt.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from app import telemetry
from app.drafts.connection import ReplyError, pack_command
from app.drafts.keys import PARTITIONS, PROBE
from app.errors import JournalUnavailableError
from app.jitter import jittered

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]

    from app.drafts.topology import Node, Topology

PROBE_S_MIN, PROBE_S_MAX = 0.05, 1.0
ANSWER_S_MAX = 2.5  # a replica that is not asked says what it has once a second
_WAITAOF_MS = "1500"


class Breaker:
    """Of one server; `spawn` runs a coroutine in the background."""

    def __init__(self, topology: Topology, node: Node, replicas_min: int, spawn: Spawn) -> None:
        self._topology = topology
        self._node = node
        self._replicas_min = replicas_min
        self._spawn = spawn
        self._probing: asyncio.Task[None] | None = None
        self.is_open = False

    def trip(self, reason: str, *, is_readable: bool = False) -> None:
        """Open, and begin to probe. `is_readable`: the server answers, it is only edits that it does not take."""
        self._node.is_away |= not is_readable
        if not self.is_open:
            self.is_open = True
            telemetry.JOURNAL_AWAY.inc()
            telemetry.log(
                telemetry.Event.JOURNAL_AWAY, level=logging.WARNING, server=self._node.address.name, reason=reason
            )
            self._probing = self._spawn(self._probe_until_back())

    def close(self) -> None:
        """Stop probing."""
        if self._probing is not None:
            self._probing.cancel()

    async def _probe_until_back(self) -> None:
        began, pause_s = asyncio.get_running_loop().time(), PROBE_S_MIN
        while not await self._is_back():
            await asyncio.sleep(jittered(pause_s, 0.5, 1.0))
            pause_s = min(PROBE_S_MAX, pause_s * 2)
        self.is_open = self._node.is_away = False
        telemetry.JOURNAL_AWAY.dec()
        away_s = round(asyncio.get_running_loop().time() - began, 3)
        telemetry.log(telemetry.Event.JOURNAL_BACK, server=self._node.address.name, away_s=away_s)

    async def _is_back(self) -> bool:
        """Whether the server takes a durable write, or has no partition left that one could go to."""
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                with contextlib.suppress(JournalUnavailableError):
                    await self._topology.learn(without=self._node)
                own = [p for p in range(PARTITIONS) if self._topology.node(p) is self._node]
                if not own:
                    return True
                return await self._takes_a_write(own[0])
        except TimeoutError:
            self._node.close()  # whatever answers late on this connection, nobody waits for it
        except (JournalUnavailableError, OSError):
            pass
        return False

    async def _takes_a_write(self, partition: int) -> bool:
        commands = [pack_command(("SET", PROBE[partition], "1"))]
        if self._replicas_min:
            commands.append(pack_command(("WAITAOF", "1", str(self._replicas_min), _WAITAOF_MS)))
        written, *reached = await (await self._node.connection()).send(commands)
        return not isinstance(written, ReplyError) and not any(is_short(r, self._replicas_min) for r in reached)


def is_short(reached: object, replicas_min: int) -> bool:
    """Tell whether a WAITAOF reply reports too few fsyncs, here or on the replicas."""
    return not isinstance(reached, list) or reached[0] < 1 or reached[1] < replicas_min
