"""`inkfast deploy`: replace the processes of a running installation by new ones from the code on disk, one by one.

The supervisor does it, in its one thread: `Deploys` is asked over a socket in the data directory and answers with a
line for each step. New and old run side by side until the new one is ready; only then is the old one asked to end.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING

import click

from ops.build_web import WebBuildError, build_web
from ops.installation import Installation, data_dir_option, settings_environment
from ops.migrate import apply_migrations
from ops.processes import SAME_USER, ServerError, socket_dir
from ops.supervisor import STOP_S_MAX, PythonService

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ops.supervisor import Supervisor
    from ops.watched import Watched

READY_S_MAX = 30.0  # a start takes two seconds; what is not ready by then has found something wrong
DONE = "done"
FAILED = "failed: "


def door_path(installation: Installation) -> Path:
    """Return the socket at which the supervisor of this installation takes orders; made private on the way."""
    return socket_dir(installation.run_dir / "supervisor", SAME_USER) / "orders.sock"


class Deploys:
    """Takes orders to deploy, one at a time; the supervisor's thread calls `look` whenever something happens."""

    def __init__(self, supervisor: Supervisor, installation: Installation) -> None:
        self._supervisor = supervisor
        path = door_path(installation)
        path.unlink(missing_ok=True)
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(path))
        self._door.listen(8)
        self._door.settimeout(0)
        self._client: socket.socket | None = None
        self._steps: Iterator[float] | None = None

    def descriptors(self) -> list[int]:
        """Return the door."""
        return [self._door.fileno()]

    def look(self, now: float) -> float | None:  # noqa: ARG002 -- the deploy measures its own time
        """Begin what is asked for, go on with what has begun; return when to come again."""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            client, _ = self._door.accept()
            client.settimeout(0)
            if self._steps is None:
                self._client, self._steps = client, self._deploy()
            else:
                _send(client, f"{FAILED}another deploy is going on")
                client.close()
        if self._steps is None:
            return None
        try:
            return next(self._steps)
        except StopIteration:
            self._finish(DONE)
        except (ServerError, OSError) as error:
            self._finish(f"{FAILED}{error}")
        return None

    def close(self) -> None:
        """Take no more orders."""
        self._door.close()

    def _finish(self, line: str) -> None:
        self._tell(line)
        if self._client is not None:
            self._client.close()
        self._client = self._steps = None

    def _tell(self, line: str) -> None:
        self._supervisor.say(f"deploy: {line}")
        if self._client is not None:
            _send(self._client, line)

    def _deploy(self) -> Iterator[float]:
        # The highest layer first, as in a stop: the new API may write what the old flusher reads, by two releases' rule
        # (docs/adr/0010), and a release that cannot serve is found before the flusher is touched.
        for old in self._supervisor.kept():
            if isinstance(old.service, PythonService):
                began = time.monotonic()
                new = self._supervisor.start_beside(old, old.service.another())
                yield from self._until_ready(new)
                former = old.service.process.pid
                self._supervisor.put_in_place(old, new)
                yield from self._until_ended(old)
                took_s = time.monotonic() - began
                self._tell(f"{old.name}: process {new.service.process.pid} for {former}, in {took_s:.1f} s")

    def _until_ready(self, new: Watched) -> Iterator[float]:
        deadline = time.monotonic() + READY_S_MAX
        while not new.is_ready:
            process = new.service.process
            problem = f"was not ready within {READY_S_MAX:.0f} s"
            if not process.running:
                problem = f"ended ({process.complaint()})"
            elif time.monotonic() < deadline:
                yield deadline
                continue
            self._supervisor.let_go(new)
            raise ServerError(
                f"the new {new.name} {problem}; the one before it serves on, and so do those after it"
                f" (log: {process.log_path})"
            )

    def _until_ended(self, old: Watched) -> Iterator[float]:
        deadline = time.monotonic() + STOP_S_MAX
        while old.service.process.running and time.monotonic() < deadline:
            yield deadline
        self._supervisor.let_go(old)


def _send(client: socket.socket, line: str) -> None:
    with contextlib.suppress(OSError):  # whoever asked may have left; the deploy goes on
        client.send(f"{line}\n".encode())


@click.command()
@data_dir_option
def deploy(data_dir: Path) -> None:
    """Replace API processes, flusher and housekeeping of a running `inkfast up`, one by one, by the code on disk.

    First the gradebook is built, and the database brought to the newest schema. Then each process gets a successor: it
    is started, waited for until it is ready, and only then the old one is asked to end; it finishes what it has begun.
    Nobody is refused.
    Exit status 1 when a new process does not get ready: it is removed again, and those before it stay.
    """
    try:
        build_web(click.echo)
    except WebBuildError as error:
        click.echo(f"{error}; the gradebook stays as it is")
    apply_migrations(settings_environment(data_dir)["DATABASE_URL"])
    for line in order_deploy(Installation(data_dir)):
        click.echo(line)


def order_deploy(installation: Installation) -> Iterator[str]:
    """Ask the supervisor for a deploy and yield a line for each step; ServerError when it fails, or nobody is there."""
    with socket.socket(socket.AF_UNIX) as supervisor:
        try:
            supervisor.connect(str(door_path(installation)))
        except OSError:
            raise ServerError(f"no `inkfast up` is running in {installation.data_dir}") from None
        last = ""
        with supervisor.makefile() as lines:
            for line in lines:
                last = line.strip()
                if last.startswith(FAILED):
                    raise ServerError(last.removeprefix(FAILED))
                yield last
    if last != DONE:
        raise ServerError("the supervisor ended in the middle of the deploy")
