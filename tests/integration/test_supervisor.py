"""The supervisor keeps what it watches running, also when it cannot write a byte."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import ops.supervisor
from ops.installation import Installation
from ops.processes import Process, ServerError, waited_for_core_s
from ops.pulse import BeatPulse
from ops.supervisor import Supervisor
from ops.watched import Watched
from tests.awake import Awake
from tests.until import until


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

    def pulse(self) -> None:
        """Nothing is heard of it."""

    def await_start(self, number: int) -> None:
        until(lambda: self.starts == number, timeout_s=60, what=f"start {number}")

    def stop(self) -> None:
        self.process.stop(signal.SIGTERM)


# Beats until it is told to block its loop.
BEATING = """
import asyncio, signal, sys, threading
from app.heartbeat import beat
async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, threading.Event().wait)
    await beat(int(sys.argv[1]))
asyncio.run(main())
"""


class Beater(Sleeper):
    """A service that beats."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.pulses: list[BeatPulse] = []

    def spawn(self, **_options: Any) -> None:
        reading, writing = os.pipe()
        command = [sys.executable, "-c", BEATING, str(writing)]
        self.process.spawn(command, pass_fds=[writing], cwd=ops.supervisor.ROOT)
        os.close(writing)
        self.pulses.append(BeatPulse(reading))
        self.starts += 1

    def pulse(self) -> BeatPulse:
        return self.pulses[-1]

    def await_beat(self, start: int, after: float = 0.0) -> None:
        self.await_start(start)
        until(lambda: (self.pulses[-1].heard_at or 0.0) > after, timeout_s=60, what="a beat")


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
        until(lambda: sleeper.starts == 2 and sleeper.process.running, timeout_s=60, what="the second start")

    _supervise(tmp_path, sleeper, said, meddle)
    assert not sleeper.process.running
    assert ["killed by SIGKILL" in said[0], "No space left" in said[1], "in use" in said[2]] == [True, True, True]


def test_waits_between_starts_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.watched.RESTART_S_MIN", 0.02)
    monkeypatch.setattr("ops.watched.STEADY_S", 3600.0)  # no run is a long one because the machine stood still
    sleeper, said = Sleeper(tmp_path), list[str]()

    def meddle() -> None:
        for start in (1, 2, 3):
            sleeper.await_start(start)
            sleeper.process.send(signal.SIGKILL)
        sleeper.await_start(4)

    _supervise(tmp_path, sleeper, said, meddle)
    assert [line.rsplit(" in ")[1] for line in said] == ["0.0 s", "0.0 s", "0.1 s"]


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGUSR1], ids=["frozen", "blocked"])
def test_what_falls_silent_is_killed_and_started_at_once(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    beater, said, took = Beater(tmp_path), list[str](), Awake()
    spare = Watched.spare

    def spare_anew(watched: Watched, since: float) -> None:
        took.seconds = 0.0  # whoever looks late has stood still, and counts the silence from there
        spare(watched, since)

    monkeypatch.setattr(Watched, "spare", spare_anew)

    def meddle() -> None:
        beater.await_beat(1)
        with took:
            beater.process.send(number)
            beater.await_start(2)
        beater.await_beat(2)

    _supervise(tmp_path, beater, said, meddle)
    assert re.fullmatch(r"sleeper was silent for \d+\.\d s: killed", said[0])
    assert "killed by SIGKILL" in said[1]
    assert len(said) == 2
    assert took.seconds < 3.0


def test_what_starts_slowly_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BeatPulse, "silent_s_max", 0.2)  # less than a start takes, and less than a beat
    beater, said = Beater(tmp_path), list[str]()

    def meddle() -> None:
        beater.await_start(2)

    _supervise(tmp_path, beater, said, meddle)
    assert beater.pulses[0].heard_at, "it was killed after its first beat, not before"
    assert "silent" in said[0]


class Clock:
    """A clock that can jump, as it does for one who was frozen."""

    def __init__(self) -> None:
        self.jumped_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.jumped_s


def test_who_was_frozen_itself_kills_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("ops.supervisor.time", clock)
    beater, said = Beater(tmp_path), list[str]()

    def meddle() -> None:
        beater.await_beat(1)
        for _ in range(3):
            clock.jumped_s += 100.0
            beater.await_beat(1, after=clock.monotonic())

    _supervise(tmp_path, beater, said, meddle)
    assert said == []
    assert beater.starts == 1


def test_a_server_waits_a_second_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.watched.RESTART_S_MIN", 0.9)
    monkeypatch.setattr("ops.watched.STEADY_S", 3600.0)
    sleeper, said = Sleeper(tmp_path), list[str]()

    def meddle() -> None:
        for start in (1, 2, 3):
            sleeper.await_start(start)
            sleeper.process.send(signal.SIGKILL)
        until(lambda: len(said) == 3, timeout_s=60, what="the third end")

    _supervise(tmp_path, sleeper, said, meddle)
    assert [line.rsplit(" in ")[1] for line in said] == ["0.9 s", "1.0 s", "1.0 s"]


def test_who_waits_for_a_disk_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BeatPulse, "silent_s_max", 0.7)
    beater, said, asked = Beater(tmp_path), list[str](), list[int]()

    def waits_for_disk(pid: int) -> bool:
        asked.append(pid)
        return len(asked) < 3

    monkeypatch.setattr("ops.supervisor.waits_for_disk", waits_for_disk)
    # What it has waited for a core on top of that is forgiven in further, shorter periods.
    monkeypatch.setattr("ops.watched.waited_for_core_s", lambda _pid: 0.0)

    def meddle() -> None:
        beater.await_beat(1)
        beater.process.send(signal.SIGSTOP)
        beater.await_start(2)

    _supervise(tmp_path, beater, said, meddle)
    assert len(asked) == 3, "it was given two more periods"
    assert "silent" in said[0]


def test_who_gets_no_core_is_not_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killing what an overloaded machine does not let run makes more work, and it would be silent again."""
    monkeypatch.setattr(BeatPulse, "silent_s_max", 0.7)
    beater, said, waited = Beater(tmp_path), list[str](), [0.0]

    def waited_for_core_s(_pid: int) -> float:
        if len(waited) < 8:  # all the time, for a few looks; then never again
            waited.append(waited[-1] + 0.7)
        return waited[-1]

    monkeypatch.setattr("ops.watched.waited_for_core_s", waited_for_core_s)

    def meddle() -> None:
        beater.await_beat(1)
        beater.process.send(signal.SIGSTOP)
        beater.await_start(2)

    _supervise(tmp_path, beater, said, meddle)
    assert len(waited) == 8
    silent_s = float(re.fullmatch(r"sleeper was silent for (\d+\.\d) s: killed", said[0])[1])  # type: ignore[index]  # it says so
    assert silent_s < 1.4, "what was forgiven does not count"


def test_a_wait_for_a_core_is_counted() -> None:
    """Two that run in a circle on one core: each waits for the other. One that is stopped waits for nothing."""
    core = min(os.sched_getaffinity(0))
    circle = [sys.executable, "-c", f"import os\nos.sched_setaffinity(0, {{{core}}})\nwhile True: pass"]
    one, other = subprocess.Popen(circle), subprocess.Popen(circle)
    try:
        until(lambda: waited_for_core_s(one.pid) > 0.2, timeout_s=60, what="a wait for the core")
        one.send_signal(signal.SIGSTOP)
        until(
            lambda: "T" in Path(f"/proc/{one.pid}/stat").read_text().rpartition(")")[2][:3], timeout_s=60, what="stop"
        )
        stopped_s, ran = waited_for_core_s(one.pid), Path(f"/proc/{other.pid}/schedstat")
        ran_ns = int(ran.read_text().split()[0])
        until(lambda: int(ran.read_text().split()[0]) > ran_ns + 2e8, timeout_s=60, what="a run of the other")
        assert waited_for_core_s(one.pid) == stopped_s
    finally:
        for process in (one, other):
            process.kill()
            process.wait()
    assert waited_for_core_s(one.pid) == 0.0
