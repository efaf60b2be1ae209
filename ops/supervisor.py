"""Keeps the processes of one installation running, stops them in order, and leaves none behind.

One thread and no busy loop: it sleeps until a child ends, a beat or a signal comes, or something is due.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from app.heartbeat import BEAT_S
from ops.processes import Process, ServerError, waits_for_disk
from ops.pulse import BeatPulse
from ops.watched import Service, Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import FrameType, TracebackType

    from ops.installation import Installation

ROOT = Path(__file__).resolve().parent.parent
GUARDIAN = Path(__file__).with_name("guardian.py")
RESTART_S_MAX = 5.0
SERVER_RESTART_S_MAX = 1.0  # everything waits for a server, and a start that fails at once costs little
LATE_S = 0.3  # a look that comes so much later than planned: the supervisor itself was frozen, or the whole machine
STOP_S_MAX = 20.0
OPEN_FILES_MAX = 65_536


class PythonService:
    """A process of the application: `python -m MODULE ARGUMENTS`, from the repository, logging to a file."""

    def __init__(
        self,
        name: str,
        log_dir: Path,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.process = Process(name, log_dir / f"{name}.log")
        self._arguments = list(arguments)
        self._environment = dict(environment)
        self._pass_fds = tuple(pass_fds)
        self._log_dir = log_dir
        self._beats: int | None = None

    def another(self) -> PythonService:
        """Return the same service, to be run by another process."""
        return PythonService(self.process.name, self._log_dir, self._arguments, self._environment, self._pass_fds)

    def spawn(self) -> None:
        """Start it without waiting."""
        reading, writing = os.pipe()
        try:
            self.process.spawn(
                [sys.executable, "-m", *self._arguments],
                environment={**self._environment, "INKFAST_HEARTBEAT_FD": str(writing)},
                pass_fds=(*self._pass_fds, writing),
                cwd=ROOT,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._beats = reading

    def pulse(self) -> BeatPulse | None:
        """Return the beats of the process that was just spawned."""
        beats, self._beats = self._beats, None
        return None if beats is None else BeatPulse(beats)

    def stop(self) -> None:
        """Let it finish what it has accepted, and end."""
        self.process.stop(signal.SIGTERM, timeout_s=STOP_S_MAX)


class Attendant(Protocol):
    """Something else that the supervisor's thread does in between, never waiting."""

    def descriptors(self) -> list[int]:
        """Return what becomes readable when there is something to do."""

    def look(self, now: float) -> float | None:
        """Do what can be done now; return when to come again at the latest (monotonic), if not only for a signal."""


def _raise_open_files_limit() -> None:
    # Every browser that is signed on keeps a connection open; the usual limit is 1,024.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class StopRequestedError(Exception):
    """Ctrl-C or SIGTERM came before everything was running."""


class Supervisor:
    """Use as a context: on leaving it, everything that was started has ended, the highest layer first."""

    def __init__(self, installation: Installation, say: Callable[[str], None], *, lock: int) -> None:
        self._installation = installation
        self.say = say
        self._lock = lock
        self._layers: dict[int, list[Watched]] = {}
        self._wake_read, self._wake_write = socket.socketpair()
        self._stop_requests = 0
        self._starting = True
        self._guardian: subprocess.Popen[bytes] | None = None
        self._attendants: list[Attendant] = []
        self._wake_at: float | None = None

    def __enter__(self) -> Self:
        self._wake_read.settimeout(0)
        self._wake_write.settimeout(0)
        _raise_open_files_limit()
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._request_stop)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        self._guardian = subprocess.Popen(
            [sys.executable, "-I", "-S", GUARDIAN],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(self._lock,),
            cwd="/",
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._starting = False
        for layer in sorted(self._layers, reverse=True):
            self._stop(self._layers[layer])
        if self._guardian is not None and self._guardian.stdin is not None:
            self._guardian.stdin.close()
            self._guardian.wait()
        signal.set_wakeup_fd(-1)
        self._wake_read.close()
        self._wake_write.close()

    def _request_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_requests += 1
        if self._starting:
            self._starting = False
            raise StopRequestedError
        if self._stop_requests > 1:  # the person does not want to wait; the edits are in the journal
            for watched in self._all():
                if isinstance(watched.service, PythonService):
                    watched.service.process.send(signal.SIGKILL)

    def _all(self) -> list[Watched]:
        return [watched for layer in self._layers.values() for watched in layer]

    def start(self, services: Iterable[tuple[str, Service]], *, layer: int) -> None:
        """Start these and watch them from now on; returns at once. A layer is stopped before the layers under it."""
        for name, service in services:
            watched = Watched(name, service)
            self._layers.setdefault(layer, []).append(watched)
            service.spawn()
            self._note_start(watched)

    def attend(self, attendant: Attendant) -> None:
        """Look after this too, once everything runs."""
        self._attendants.append(attendant)

    def run(self) -> None:
        """Start again whatever ends, and whatever is silent for too long; return when asked to stop.

        The wait before a start doubles up to 5 s (1 s for a server) while runs are short.
        """
        self._starting = False
        for watched in self._all():
            watched.spare(time.monotonic())  # until now nobody has listened
        while self._stop_requests == 0:
            now = time.monotonic()
            is_late = self._wake_at is not None and now > self._wake_at + LATE_S
            for watched in self._all():
                if is_late:
                    watched.spare(now)
                self._look_after(watched, now)
            times = [attendant.look(now) for attendant in self._attendants]
            self._sleep([at for at in times if at is not None])

    def _sleep(self, times: list[float]) -> None:
        now = time.monotonic()
        descriptors: list[int] = [self._wake_read.fileno()]
        for attendant in self._attendants:
            descriptors += attendant.descriptors()
        for watched in self._all():
            due = [watched.due_at, watched.alarm_at(now)]
            if watched.pulse is not None:
                descriptors += watched.pulse.descriptors()
                due += [watched.pulse.look_at(), now + BEAT_S]  # only short sleeps show that one was frozen oneself
            times += [at for at in due if at is not None]
        self._wake_at = min(times, default=None)
        select.select(descriptors, [], [], None if self._wake_at is None else max(0.0, self._wake_at - now))
        with contextlib.suppress(BlockingIOError):
            self._wake_read.recv(4096)

    def kept(self) -> list[Watched]:
        """Return what is started again whenever it ends, the highest layer first."""
        return [watched for layer in sorted(self._layers, reverse=True) for watched in self._layers[layer]]

    def start_beside(self, old: Watched, service: Service) -> Watched:
        """Start another process for the same service, not yet kept; OSError or ServerError when it cannot start."""
        new = Watched(old.name, service, is_kept=False)
        service.spawn()
        next(layer for layer in self._layers.values() if old in layer).append(new)
        self._note_start(new)
        return new

    def put_in_place(self, old: Watched, new: Watched) -> None:
        """Keep `new` from now on, and let `old` finish its work; see `let_go` for its end."""
        old.is_kept, old.due_at, new.is_kept = False, None, True
        new.spare(time.monotonic())
        self._write_pid(new)
        if old.service.process.running:
            old.service.process.send(signal.SIGTERM)

    def let_go(self, watched: Watched) -> None:
        """Forget one that is not kept; what is left of it is killed."""
        watched.service.process.stop()
        self._note_end(watched)
        for layer in self._layers.values():
            if watched in layer:
                layer.remove(watched)

    def _stop(self, layer: list[Watched]) -> None:
        for watched in layer:
            if isinstance(watched.service, PythonService):
                watched.service.process.send(signal.SIGTERM)  # all are asked before one is waited for
        for watched in layer:
            watched.service.stop()
            self._note_end(watched)

    def _look_after(self, watched: Watched, now: float) -> None:
        process = watched.service.process
        watched.look(now)
        if not watched.is_kept:
            return
        if watched.due_at is None:
            if process.running:
                self._listen_to(watched, now)
            if process.running:
                return
            process.kill_session()
            watched.end(now)
            self._note_end(watched)
            self.say(f"{watched.name} ended ({process.complaint()}); starting it again in {watched.wait_s:.1f} s")
            self._postpone(watched, now)
        elif watched.due_at <= now:
            watched.due_at = None
            try:
                watched.service.spawn()
            except (ServerError, OSError) as error:
                self.say(f"{watched.name}: {error}; trying again in {watched.wait_s:.1f} s")
                self._postpone(watched, now)
            else:
                self._note_start(watched)

    def _listen_to(self, watched: Watched, now: float) -> None:
        alarm_at = watched.alarm_at(now)
        if alarm_at is None or now < alarm_at:
            return
        process, silent_s = watched.service.process, watched.silent_s(now)
        if waits_for_disk(process.pid):
            watched.spare(now)
            return
        # Who was ready and got no core is not frozen. Only that time is forgiven: one that runs in a circle is killed.
        if (starved_s := watched.starved_s()) > 0:
            watched.spare(now - silent_s + starved_s)
            if now < (watched.alarm_at(now) or now):
                return
        self.say(f"{watched.name} was silent for {silent_s:.1f} s: killed")
        process.kill_with_descendants()
        process.wait(BEAT_S)

    @staticmethod
    def _postpone(watched: Watched, now: float) -> None:
        longest_s = RESTART_S_MAX if isinstance(watched.service, PythonService) else SERVER_RESTART_S_MAX
        watched.due_at = now + watched.wait_s
        watched.wait_s = min(longest_s, watched.wait_s * 2)

    def _note_start(self, watched: Watched) -> None:
        watched.group = watched.service.process.pid
        watched.started_at = time.monotonic()
        watched.pulse = watched.service.pulse()
        self._tell_guardian(f"+{watched.group}\n")
        if watched.is_kept:
            self._write_pid(watched)

    def _write_pid(self, watched: Watched) -> None:
        with contextlib.suppress(OSError):  # a full disk must not end the one who starts the journal's server again
            path = self._installation.pid_path(watched.name)
            path.with_suffix(".new").write_text(f"{watched.group}\n")
            path.with_suffix(".new").replace(path)  # whoever reads it finds a whole number, or the one before

    def _note_end(self, watched: Watched) -> None:
        if watched.pulse is not None:
            watched.pulse.close()
            watched.pulse = None
        if watched.group is not None:
            self._tell_guardian(f"-{watched.group}\n")
            watched.group = None
        if watched.is_kept:
            with contextlib.suppress(OSError):
                self._installation.pid_path(watched.name).unlink(missing_ok=True)

    def _tell_guardian(self, line: str) -> None:
        if self._guardian is not None and self._guardian.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._guardian.stdin.write(line.encode())
                self._guardian.stdin.flush()
