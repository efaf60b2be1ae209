"""An installation of a drill's own: started as anybody would, in a folder that is thrown away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Self

from app.drafts.store import DraftStore
from app.drafts.topology import Topology
from app.errors import RecordsUnavailableError
from app.model.grants import Grant, derive_grant_key, mint
from app.records.pool import connect
from app.settings import Settings
from ops.environment import environment
from ops.installation import Installation, settings_environment
from ops.processes import ServerError, alive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from ops.drill.stores import DrillStores

ROOT = Path(__file__).resolve().parent.parent.parent
START_S_MAX = 240.0
HEAL_S_MAX = 60.0
STOP_S_MAX = 60.0
POLL_S = 0.01
GRANT_HOURS = 24
SECTIONS_PER_TEACHER = 2
STORES = ("postgres", "valkey")
_TEACHERS = Path(__file__).parent / "sql" / "teachers.sql"


class DrillInstallation:
    """Use as a context: `inkfast up` with every durable setting, two API processes, and a small demo district.

    `root`: the folder whose code it runs, this one unless it is set before the start.
    """

    root = ROOT

    def __init__(
        self,
        data_dir: Path,
        teachers: int,
        settings: Mapping[str, str] | None = None,
        stores: DrillStores | None = None,
        *,
        workers: int = 2,
    ) -> None:
        self.data_dir = data_dir
        self.installation = Installation(data_dir)
        self.output = data_dir.with_suffix(".out")
        self._teachers = teachers
        self._workers = workers
        self.stores = stores
        self._given = dict(settings or {}) | (stores.proxied() if stores is not None else {})
        self._up: subprocess.Popen[bytes] | None = None
        self.url = ""

    @property
    def own_stores(self) -> DrillStores:
        """The stores that were given to it; ServerError where `inkfast up` has brought its own."""
        if self.stores is None:
            raise ServerError("the stores of this installation are those of its supervisor")
        return self.stores

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Return when it serves; after the first time on the same port."""
        port = self.url.rpartition(":")[2] or "0"
        command = [sys.executable, "-m", "ops.cli", "up", "--data-dir", str(self.data_dir), "--port", port]
        command += ["--demo-teachers", str(self._teachers), "--workers", str(self._workers)]
        with self.output.open("wb") as output:
            self._up = subprocess.Popen(
                command, cwd=self.root, env=self._environment(), stdout=output, stderr=subprocess.STDOUT
            )
        try:
            wait_until(self._is_ready, START_S_MAX, "the installation")
        except BaseException:
            self.stop()
            raise

    def _environment(self) -> dict[str, str]:
        own = {"DATABASE_URL", "REDIS_URL", "INKFAST_SECRET_KEY", "INKFAST_PUBLIC_URL"}
        return {key: value for key, value in environment().items() if key not in own} | self._given

    def worker_environment(self) -> dict[str, str]:
        """Return what a further worker of this installation is started with."""
        written = self.installation.read()
        urls = {"DATABASE_URL": written["database_url"], "REDIS_URL": written["redis_url"]}
        return self._environment() | urls | {"INKFAST_SECRET_KEY": self.installation.secret_key()}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Let it end as with Ctrl-C."""
        if self._up is not None and self._up.poll() is None:
            self._up.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._up.wait(STOP_S_MAX)
            self._up.kill()
            self._up.wait()

    def _is_ready(self) -> bool:
        said = self.output.read_text()
        if self._up is None or self._up.poll() is not None:
            raise ServerError(f"the drill's installation did not start: {said.strip().splitlines()[-1:]}")
        found = re.search(r"running at (http://\S+)", said)
        self.url = found.group(1) if found else self.url
        return bool(found) and "ready in" in said

    @property
    def settings(self) -> Settings:
        """Where its stores are, past any proxy."""
        given = {k: v for k, v in settings_environment(self.data_dir).items() if k not in {"DATABASE_URL", "REDIS_URL"}}
        written = self.installation.read()
        return Settings.from_env(
            given
            | self._given
            | {"DATABASE_URL": written["database_url"], "REDIS_URL": written["redis_url"]}
            | (self.stores.direct() if self.stores is not None else {})
            | {"INKFAST_SECRET_KEY": self.installation.secret_key()}
        )

    def pid(self, name: str) -> int | None:
        """Return the process id of one of its processes; None while it is away."""
        with contextlib.suppress(OSError, ValueError):
            return int(self.installation.pid_path(name).read_text())
        return None

    def kill(self, name: str) -> None:
        """SIGKILL one process; return when another, started in its place, does its work."""
        wait_until(lambda: _lives(self.pid(name)), HEAL_S_MAX, f"{name} before it is killed")
        killed, starts = self.pid(name), self._starts(name)
        self.kill_now(name)
        wait_until(lambda: self._is_back(name, killed, starts), HEAL_S_MAX, f"another {name}")
        wait_until(self.is_serving, HEAL_S_MAX, f"readiness after {name} was killed")

    def kill_now(self, name: str) -> None:
        """SIGKILL one process, if it is there, and wait for nothing."""
        pid = self.pid(name)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _is_back(self, name: str, killed: int | None, starts: int) -> bool:
        pid = self.pid(name)
        if pid in {None, killed} or not _lives(pid):
            return False
        return asyncio.run(_answers(self.settings, name)) if name in STORES else self._starts(name) > starts

    def _starts(self, name: str) -> int:
        """Return how often a process of the application has said that it is up."""
        if name in STORES:
            return 0
        return (self.installation.log_dir / f"{name}.log").read_text(errors="replace").count('"service.started"')

    def is_serving(self) -> bool:
        """Whether the service says that it is ready."""
        try:
            with urllib.request.urlopen(self.url + "/readyz", timeout=2) as answer:  # noqa: S310 -- our own address
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def write_tokens(self, path: Path) -> int:
        """Write a grant a line, each with sections of one's own and one of a neighbour's; return how many."""
        settings = self.settings
        key, now = derive_grant_key(settings.secret_key), int(time.time())
        teachers = asyncio.run(_sections_of_teachers(settings, self._teachers))
        lines = []
        for at, (user_id, own) in enumerate(teachers):
            shared = teachers[at ^ 1][1][:1] if at ^ 1 < len(teachers) else []
            sections = list(dict.fromkeys(own[:SECTIONS_PER_TEACHER] + shared))
            until = now + GRANT_HOURS * 3600
            grant = Grant(f"drill-{user_id}", user_id, None, ("teacher",), (), frozenset(sections), now, until, "drill")
            lines.append(json.dumps({"user": user_id, "token": mint(grant, key), "sections": sections}) + "\n")
        path.write_text("".join(lines))
        path.chmod(0o600)
        return len(lines)


async def _sections_of_teachers(settings: Settings, count: int) -> list[tuple[int, list[int]]]:
    connection = await connect(settings.database_url, application_name="inkfast-drill")
    try:
        return [(row[0], list(row[1])) for row in await connection.fetch(_TEACHERS.read_text(), count)]
    finally:
        await connection.close()


async def _answers(settings: Settings, store: str) -> bool:
    if store == "valkey":
        topology = Topology(settings.redis_url)
        try:
            return await DraftStore(topology).is_writable()
        finally:
            topology.close()
    try:
        connection = await connect(settings.database_url, application_name="inkfast-drill")
    except RecordsUnavailableError:
        return False
    await connection.close()
    return True


def _lives(pid: int | None) -> bool:
    return pid is not None and alive(pid)


def wait_until(condition: Callable[[], bool], seconds: float, what: str, *, pause_s: float = POLL_S) -> None:
    """Return once `condition` is true; ServerError naming `what` when it is not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ServerError(f"not within {seconds:.0f} s: {what}")
        time.sleep(pause_s)
