"""The load of a drill: teachers who type, in a process of their own, with a ledger."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from ops.drill.installation import HEAL_S_MAX, START_S_MAX, wait_until
from ops.processes import ServerError

if TYPE_CHECKING:
    from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent.parent
RECORD_S_MAX = 60.0  # for everything to be recorded after the last typing


class Size(NamedTuple):
    """How much is typed: over all teachers, edits per second."""

    teachers: int
    rate: float
    seed: int


class Habits(NamedTuple):
    """How the clients behave: how long they collect edits at most, and how often a tab is opened anew."""

    window_ms_max: int = 500
    reopen_every_s: float = 5.0


HURRIED = Habits()


class Road(NamedTuple):
    """How clients reach the service: the address, and what their program is started with."""

    url: str
    prefix: tuple[str, ...] = ()


class Load:
    """Use as a context: teachers who type until it is left, and then go on until everything is recorded."""

    def __init__(
        self,
        road: Road,
        tokens: Path,
        ledger: Path,
        size: Size,
        habits: Habits = HURRIED,
        *,
        record_s_max: float = RECORD_S_MAX,
    ) -> None:
        self._record_s_max = record_s_max
        self._log = ledger.with_suffix(".out")
        self.ledger = ledger
        self._command = [*road.prefix, sys.executable, "-m", "loadtests.client", "--host", road.url]
        self._command += ["--tokens", str(tokens), "--ledger", str(ledger)]
        self._command += ["--rate", str(size.rate), "--teachers", str(size.teachers), "--seed", str(size.seed)]
        self._command += ["--duration", "86400", "--deadline", str(record_s_max)]
        self._command += ["--window-ms-max", str(habits.window_ms_max)]
        self._command += ["--reopen-every", str(habits.reopen_every_s), "--timeout", "8"]
        self._client: subprocess.Popen[bytes] | None = None
        self.all_recorded = False

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._client = subprocess.Popen(self._command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until(self.is_typing, START_S_MAX, "the load")
        except BaseException:
            self._client.kill()
            self._client.wait()
            raise
        return self

    def is_typing(self) -> bool:
        """Whether it has begun; ServerError when it has ended."""
        if self._client is None or self._client.poll() is not None:
            raise ServerError(f"the load ended: {self._log.read_text().strip().splitlines()[-1:]}")
        return "typing:" in self._log.read_text()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is None:
            return
        if kind is None and self._client.poll() is None:
            self._client.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.all_recorded = self._client.wait(self._record_s_max + HEAL_S_MAX) == 0
        self._client.kill()
        self._client.wait()
