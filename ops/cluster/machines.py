"""Each server stands for a machine of its own: one that has died stays away for a while before it comes back."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Protocol

from ops.processes import ServerError

if TYPE_CHECKING:
    from ops.processes import Process

BUS_OFFSET = 10_000  # a Cluster's node talks to the others at its port and so much
PORT_MAX = 32_000  # above it are the ports that the kernel gives to clients


class Server(Protocol):
    """What runs on a machine."""

    process: Process

    def spawn(self) -> None:
        """Start it without waiting; ServerError when it cannot be started now."""

    def stop(self) -> None:
        """Ask it to end, and return when it has."""


class Machine:
    """A service for the supervisor. A supervisor starts what dies within 0.1 s, before anybody could take over."""

    def __init__(self, server: Server, away_s: float) -> None:
        self.server = server
        self.process = server.process
        self._away_s = away_s
        self._back_at: float | None = None
        self._was_started = False

    def spawn(self) -> None:
        """Start it without waiting; ServerError while its machine is away."""
        now = time.monotonic()
        if self._was_started:
            self._back_at = self._back_at or now + self._away_s
            if now < self._back_at:
                raise ServerError(f"its machine is away for another {self._back_at - now:.0f} s")
        self.server.spawn()
        self._was_started, self._back_at = True, None

    def pulse(self) -> None:
        """Nobody listens to it here: the other servers do."""

    def stop(self) -> None:
        """Ask it to end, and return when it has."""
        self.server.stop()


def free_port() -> int:
    """Return a loopback port that is free, as is the one 10,000 above."""
    for _ in range(1_000):
        port = 15_000 + int.from_bytes(os.urandom(2)) % (PORT_MAX - 15_000)
        with socket.socket() as low, socket.socket() as high:
            try:
                low.bind(("127.0.0.1", port))
                high.bind(("127.0.0.1", port + BUS_OFFSET))
            except OSError:
                continue
            return port
    raise ServerError("no free port on 127.0.0.1")
