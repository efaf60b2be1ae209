"""The supervisor keeps what it watches running, also when it cannot write a byte."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from ops.installation import Installation
from ops.processes import Process, ServerError
from ops.supervisor import Supervisor
from tests.until import until

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Sleeper:
    """A service that does nothing; its start can be made to fail."""

    def __init__(self, folder: Path) -> None:
        self.process = Process("sleeper", folder / "sleeper.log")
        self.refusals: list[Exception] = []
        self.starts = 0

    def spawn(self, **_options: Any) -> None:
        if self.refusals:
            raise self.refusals.pop()
        self.process.spawn(["/bin/sleep", "60"])
        self.starts += 1

    def await_start(self, number: int) -> None:
        until(lambda: self.starts == number, timeout_s=10, what=f"start {number}")

    def stop(self) -> None:
        self.process.stop(signal.SIGTERM)


def _supervise(folder: Path, sleeper: Sleeper, said: list[str], meddle: Any) -> None:
    """Supervise in this thread (signals come to it); `meddle` in another, and stop when it has done."""

    def meddle_and_stop() -> None:
        try:
            meddle()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        with (
            (folder / "lock").open("w") as lock,
            Supervisor(Installation(folder / "no" / "room"), said.append, lock=lock.fileno()) as supervisor,
        ):
            supervisor.start([("sleeper", sleeper)], layer=0)
            meddler = threading.Thread(target=meddle_and_stop)
            meddler.start()
            supervisor.run()
            meddler.join()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_full_disk_does_not_end_it(tmp_path: Path) -> None:
    sleeper, said = Sleeper(tmp_path), list[str]()

    def meddle() -> None:
        sleeper.refusals = [ServerError("in use"), OSError(28, "No space left on device")]
        sleeper.process.send(signal.SIGKILL)
        until(lambda: sleeper.starts == 2 and sleeper.process.running, timeout_s=10, what="the second start")

    _supervise(tmp_path, sleeper, said, meddle)
    assert not sleeper.process.running
    assert ["killed by SIGKILL" in said[0], "No space left" in said[1], "in use" in said[2]] == [True, True, True]


def test_waits_between_starts_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.supervisor.RESTART_S_MIN", 0.02)
    sleeper, said = Sleeper(tmp_path), list[str]()

    def meddle() -> None:
        for start in (1, 2, 3):
            sleeper.await_start(start)
            sleeper.process.send(signal.SIGKILL)
        sleeper.await_start(4)

    _supervise(tmp_path, sleeper, said, meddle)
    assert [line.rsplit(" in ")[1] for line in said] == ["0.0 s", "0.0 s", "0.1 s"]
