"""Keeps the processes of one installation running, stops them in order, and leaves none behind.

One thread and no busy loop: it sleeps until a child ends, a signal comes, or a restart is due.
"""

from __future__ import annotations

import contextlib
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from ops.processes import Process, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import FrameType, TracebackType

    from ops.installation import Installation

ROOT = Path(__file__).resolve().parent.parent
GUARDIAN = Path(__file__).with_name("guardian.py")
RESTART_S_MIN = 0.1
RESTART_S_MAX = 5.0
STEADY_S = 5.0  # having run this long, a service starts again without the wait earned by earlier ends
STOP_S_MAX = 20.0
OPEN_FILES_MAX = 65_536


class Service(Protocol):
    """Something that can be started again: an embedded server, or a process of the application."""

    process: Process

    def spawn(self, *, lock_wait_s: float = 0.0) -> None:
        """Start it without waiting; ServerError when it cannot be started now."""

    def stop(self) -> None:
        """Ask it to end, and return when it has."""


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

    def spawn(self, *, lock_wait_s: float = 0.0) -> None:  # noqa: ARG002 -- it holds no lock
        """Start it without waiting."""
        self.process.spawn(
            [sys.executable, "-m", *self._arguments],
            environment=self._environment,
            pass_fds=self._pass_fds,
            cwd=ROOT,
        )

    def stop(self) -> None:
        """Let it finish what it has accepted, and end."""
        self.process.stop(signal.SIGTERM, timeout_s=STOP_S_MAX)


class _Watched:
    def __init__(self, name: str, service: Service) -> None:
        self.name = name
        self.service = service
        self.group: int | None = None
        self.started_at = 0.0
        self.wait_s = RESTART_S_MIN
        self.due_at: float | None = None


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
        self._say = say
        self._lock = lock
        self._layers: dict[int, list[_Watched]] = {}
        self._wake_read, self._wake_write = socket.socketpair()
        self._stop_requests = 0
        self._starting = True
        self._guardian: subprocess.Popen[bytes] | None = None

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

    def _all(self) -> list[_Watched]:
        return [watched for layer in self._layers.values() for watched in layer]

    def start(self, services: Iterable[tuple[str, Service]], *, layer: int, lock_wait_s: float = 0.0) -> None:
        """Start these and watch them from now on; returns at once. A layer is stopped before the layers under it."""
        for name, service in services:
            watched = _Watched(name, service)
            self._layers.setdefault(layer, []).append(watched)
            service.spawn(lock_wait_s=lock_wait_s)
            self._note_start(watched)

    def run(self) -> None:
        """Start again whatever ends, after a wait that doubles up to 5 s; return when asked to stop."""
        self._starting = False
        while self._stop_requests == 0:
            now = time.monotonic()
            for watched in self._all():
                self._look_after(watched, now)
            due = [watched.due_at for watched in self._all() if watched.due_at is not None]
            timeout_s = max(0.0, min(due) - time.monotonic()) if due else None
            select.select([self._wake_read], [], [], timeout_s)
            with contextlib.suppress(BlockingIOError):
                self._wake_read.recv(4096)

    def _stop(self, layer: list[_Watched]) -> None:
        for watched in layer:
            if isinstance(watched.service, PythonService):
                watched.service.process.send(signal.SIGTERM)  # all are asked before one is waited for
        for watched in layer:
            watched.service.stop()
            self._note_end(watched)

    def _look_after(self, watched: _Watched, now: float) -> None:
        process = watched.service.process
        if watched.due_at is None:
            if process.running:
                return
            process.kill_session()
            self._note_end(watched)
            if now - watched.started_at > STEADY_S:
                watched.wait_s = RESTART_S_MIN
            self._say(f"{watched.name} ended ({process.complaint()}); starting it again in {watched.wait_s:.1f} s")
            self._postpone(watched, now)
        elif watched.due_at <= now:
            watched.due_at = None
            try:
                watched.service.spawn()
            except (ServerError, OSError) as error:
                self._say(f"{watched.name}: {error}; trying again in {watched.wait_s:.1f} s")
                self._postpone(watched, now)
            else:
                self._note_start(watched)

    @staticmethod
    def _postpone(watched: _Watched, now: float) -> None:
        watched.due_at = now + watched.wait_s
        watched.wait_s = min(RESTART_S_MAX, watched.wait_s * 2)

    def _note_start(self, watched: _Watched) -> None:
        watched.group = watched.service.process.pid
        watched.started_at = time.monotonic()
        self._tell_guardian(f"+{watched.group}\n")
        with contextlib.suppress(OSError):  # a full disk must not end the one who starts the journal's server again
            path = self._installation.pid_path(watched.name)
            path.with_suffix(".new").write_text(f"{watched.group}\n")
            path.with_suffix(".new").replace(path)  # whoever reads it finds a whole number, or the one before

    def _note_end(self, watched: _Watched) -> None:
        if watched.group is not None:
            self._tell_guardian(f"-{watched.group}\n")
            watched.group = None
        with contextlib.suppress(OSError):
            self._installation.pid_path(watched.name).unlink(missing_ok=True)

    def _tell_guardian(self, line: str) -> None:
        if self._guardian is not None and self._guardian.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._guardian.stdin.write(line.encode())
                self._guardian.stdin.flush()
