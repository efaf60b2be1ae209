"""Child processes that cannot outlive this one, the user they run as, and the lock on what they own."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pwd
import signal as signals
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

LAUNCH = Path(__file__).with_name("launch.py")
SOCKET_PATH_BYTES_MAX = 100  # the kernel's limit is 107; PostgreSQL adds ".lock" to its own
POLL_S = 0.005


class ServerError(Exception):
    """A server cannot be started or used; the message is one sentence for a person."""


class Identity(NamedTuple):
    """Who a server runs as. `reach`: it needs a capability to get through folders closed to others."""

    uid: int | None
    gid: int | None
    reach: bool = False

    def owns(self, path: Path) -> None:
        """Give `path` and all in it to this user, when it is not so already."""
        if self.uid is None or self.gid is None or path.stat().st_uid == self.uid:
            return
        for entry in (path, *path.rglob("*")):
            os.chown(entry, self.uid, self.gid, follow_symlinks=False)


SAME_USER = Identity(None, None)


def choose_identity(data_dir: Path, *, also: Sequence[Path] = ()) -> Identity:
    """Root's servers run as the data's owner, or as `nobody` (PostgreSQL refuses root); others as themselves.

    Where `nobody` cannot walk to the data or to `also` (binaries), the server gets a capability for just that.
    """
    if os.geteuid() != 0:
        return SAME_USER
    user = None
    if data_dir.exists() and data_dir.stat().st_uid != 0:
        # Without an entry in passwd PostgreSQL cannot look itself up; then the data go to nobody.
        with contextlib.suppress(KeyError):
            user = pwd.getpwuid(data_dir.stat().st_uid)
    try:
        user = user or pwd.getpwnam("nobody")
    except KeyError:
        raise ServerError(
            "PostgreSQL refuses to run as root, and there is no user `nobody`: start as another user"
        ) from None
    open_to_all = all(_is_open_to_all(path) for path in (data_dir, *also))
    return Identity(user.pw_uid, user.pw_gid, reach=not open_to_all)


def _is_open_to_all(path: Path) -> bool:
    parents = [parent for parent in path.resolve().parents if parent.exists()]
    return all(parent.stat().st_mode & 0o001 for parent in parents)


@contextlib.contextmanager
def locked(path: Path, *, wait_s: float, in_use: str) -> Iterator[int]:
    """Yield the descriptor of an exclusive lock on `path`; ServerError(in_use) when another keeps it for `wait_s`.

    A child that inherits the descriptor keeps the lock until it and all its children are gone, whatever happens here.
    """
    with path.open("w") as file:
        deadline = time.monotonic() + wait_s
        while not _try_lock(file):
            if time.monotonic() > deadline:
                raise ServerError(in_use)
            time.sleep(POLL_S * 10)
        yield file.fileno()


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def socket_dir(run_dir: Path, identity: Identity) -> Path:
    """Make and return a private folder for sockets: `run_dir`, or one under /tmp when that path is too long.

    The folder belongs to the server's user and is closed to all others: its sockets ask for no password.
    """
    folder = run_dir
    if len(bytes(run_dir)) + len("/.s.PGSQL.5432.lock") > SOCKET_PATH_BYTES_MAX:
        name = hashlib.sha256(bytes(run_dir.resolve())).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"inkfast-{os.geteuid()}-{name}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid not in {os.geteuid(), identity.uid}:
        raise ServerError(f"{folder} belongs to somebody else; it cannot hold the servers' sockets")
    folder.chmod(0o700)
    identity.owns(folder)
    return folder


def alive(pid: int) -> bool:
    """Whether the process exists and has not ended; one that nobody has waited for yet has ended."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat").read_text()
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    except FileNotFoundError:
        return not Path("/proc/self").exists()  # it ended between the two lines, or this is no Linux
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def waits_for_disk(pid: int) -> bool:
    """Whether the process sleeps in the kernel until a disk has answered (Linux): it is busy, and cannot be killed."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "D"
    return False


def waited_for_core_s(pid: int) -> float:
    """Return how long the process's first thread was ready and had no core; 0 where nobody counts it (Linux does)."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    return 0.0


def descendants(pid: int) -> list[int]:
    """Return the living children of a process, and theirs, wherever they have put themselves (Linux)."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found[1:]


class Process:
    """One child program in a session of its own, with its output in a log file."""

    def __init__(self, name: str, log_path: Path) -> None:
        self.name = name
        self.log_path = log_path
        self._popen: subprocess.Popen[bytes] | None = None
        self._log_offset = 0
        self._sent: signals.Signals | None = None

    @property
    def pid(self) -> int:
        """Process id of the program; ServerError when it was never started."""
        if self._popen is None:
            raise ServerError(f"{self.name} was not started")
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """Exit status, negative for a signal; None while it runs, or when it was never started."""
        return None if self._popen is None else self._popen.poll()

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    def spawn(
        self,
        argv: Sequence[str | Path],
        *,
        identity: Identity = SAME_USER,
        parent_death_signal: signals.Signals = signals.SIGTERM,
        environment: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        cwd: Path | str = "/",
        standard_input: IO[bytes] | None = None,
    ) -> None:
        """Start it; it gets `parent_death_signal` when this process dies, however it dies (Linux)."""
        user = ("-", "-") if identity.uid is None else (str(identity.uid), str(identity.gid))
        launch: list[str | Path] = [
            sys.executable,
            "-I",
            "-S",
            LAUNCH,
            str(os.getpid()),
            str(int(parent_death_signal)),
            *user,
        ]
        launch.append("reach" if identity.reach else "-")
        with self.log_path.open("ab") as log:
            self._log_offset = log.tell()
            self._sent = None
            self._popen = subprocess.Popen(
                [*launch, *argv],
                stdin=subprocess.DEVNULL if standard_input is None else standard_input,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                pass_fds=tuple(pass_fds),
                cwd=cwd,
                start_new_session=True,
            )

    def wait_until(self, ready: Callable[[], bool], *, timeout_s: float) -> None:
        """Return once `ready()`; ServerError with the last line of the log when it ends or takes too long."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.running:
                raise ServerError(f"{self.name} did not start: {self.complaint()} (log: {self.log_path})")
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name} was not ready within {timeout_s:.0f} s (log: {self.log_path})")
            time.sleep(POLL_S)

    def send(self, number: signals.Signals) -> None:
        """Send a signal, if it still runs."""
        if self._popen is not None:
            self._sent = number
            self._popen.send_signal(number)

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; whether it ended in time."""
        if self._popen is not None:
            try:
                self._popen.wait(timeout_s)
            except subprocess.TimeoutExpired:
                return False
        return True

    def stop(self, *numbers: signals.Signals, timeout_s: float = 20.0) -> None:
        """Send each signal in turn until it has ended, SIGKILL last; nothing of its session is left."""
        for number in (*numbers, signals.SIGKILL):
            if number != self._sent:  # a second SIGTERM means "hurry" to some
                self.send(number)
            if self.wait(timeout_s):
                break
        self.kill_session()

    def kill_session(self) -> None:
        """Kill whatever the program left behind in its process group (pool workers of a killed API process)."""
        if self._popen is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signals.SIGKILL)

    def kill_with_descendants(self) -> None:
        """SIGKILL it and all its children, also those with a session of their own (PostgreSQL's), frozen or not."""
        children = descendants(self.pid)
        self.send(signals.SIGKILL)
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signals.SIGKILL)

    def complaint(self) -> str:
        """Return the line of this run's output that says best why it ended."""
        status = self.returncode
        if status in {-signals.SIGKILL, -signals.SIGTERM, -signals.SIGINT}:
            return f"killed by {signals.Signals(-status).name}"
        with self.log_path.open("rb") as log:
            log.seek(self._log_offset)
            lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
        for mark in ("PANIC: ", "FATAL: ", "Error", "error"):
            for line in reversed(lines):
                if mark in line:
                    return line[line.index(mark) :] if mark.isupper() else line
        return lines[-1] if lines else f"exit status {status}"
