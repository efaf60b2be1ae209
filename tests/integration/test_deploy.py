"""The supervisor replaces a process by one from the code on disk, or keeps the old one and says why."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import ops.deploy
import ops.supervisor
from ops.deploy import Deploys, order_deploy
from ops.environment import environment
from ops.installation import Installation
from ops.processes import ServerError, alive
from ops.supervisor import PythonService, Supervisor
from tests.until import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RELEASE = """
import asyncio, os, pathlib, sys
from app.heartbeat import beat
pathlib.Path("served-by").write_text("{name}")
pathlib.Path(f"served-by-{{os.getpid()}}").touch()
asyncio.run(beat(int(os.environ["INKFAST_HEARTBEAT_FD"]), lambda: {is_ready}))
"""


class Site:
    """A folder with a release of one file, run by two processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.installation = Installation(folder / "data")
        self.installation.run_dir.mkdir(parents=True)
        self.said: list[str] = []

    def release(self, name: str, *, is_ready: bool = True) -> None:
        (self.folder / "service.py").write_text(RELEASE.format(name=name, is_ready=is_ready))

    def pids(self) -> list[int]:
        return [int(self.installation.pid_path(name).read_text()) for name in ("one", "two")]

    def serves(self, name: str) -> bool:
        path = self.folder / "served-by"
        return path.exists() and path.read_text() == name

    def has_begun(self) -> bool:
        """Whether both run the first release: who has not read its code yet would find the next one."""
        try:
            return all((self.folder / f"served-by-{pid}").exists() for pid in self.pids())
        except FileNotFoundError:
            return False  # not started yet

    def run(self, meddle: Callable[[], None]) -> None:
        """Supervise in this thread; `meddle` in another, and stop when it has done. What it raises is raised."""
        raised: list[BaseException] = []

        def meddle_and_stop() -> None:
            try:
                until(self.has_begun, timeout_s=20, what="the first release")
                meddle()
            except BaseException as error:  # noqa: BLE001 -- raised again below
                raised.append(error)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        given = {**environment(), "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        with (
            (self.folder / "lock").open("w") as lock,
            Supervisor(self.installation, self.said.append, lock=lock.fileno()) as supervisor,
        ):
            services = [(name, PythonService(name, self.folder, ["service"], given)) for name in ("one", "two")]
            supervisor.start(services, layer=0)
            deploys = Deploys(supervisor, self.installation)
            supervisor.attend(deploys)
            meddler = threading.Thread(target=meddle_and_stop)
            meddler.start()
            supervisor.run()
            meddler.join()
            deploys.close()
        for error in raised:
            raise error


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(ops.supervisor, "ROOT", tmp_path)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
    before = {number: signal.getsignal(number) for number in numbers}
    site = Site(tmp_path)
    site.release("first")
    yield site
    for number, handler in before.items():
        signal.signal(number, handler)


def test_each_process_is_replaced_by_the_code_on_disk(site: Site) -> None:
    def meddle() -> None:
        before = site.pids()
        site.release("second")
        assert list(order_deploy(site.installation))[-1] == "done"
        assert site.serves("second")
        assert not set(before) & set(site.pids())
        assert not any(alive(pid) for pid in before)
        replaced = site.pids()[0]
        os.kill(replaced, signal.SIGKILL)
        until(lambda: _other_than(site, replaced), timeout_s=60, what="the new process to be kept running")

    site.run(meddle)


def _other_than(site: Site, pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):  # it is gone while nobody runs
        return site.pids()[0] != pid
    return False


@pytest.mark.parametrize("fault", ["does not start", "is never ready"])
def test_a_release_that_is_not_ready_replaces_nothing(site: Site, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops.deploy, "READY_S_MAX", 3.0)

    def meddle() -> None:
        before = site.pids()
        site.release("second", is_ready=False)
        if fault == "does not start":
            (site.folder / "service.py").write_text("import nothing_of_this_name")
        with pytest.raises(ServerError, match=r"the new one (ended|was not ready within 3 s)"):
            list(order_deploy(site.installation))
        assert site.pids() == before
        assert all(alive(pid) for pid in before)

    site.run(meddle)


def test_one_deploy_at_a_time(site: Site) -> None:
    def meddle() -> None:
        first = order_deploy(site.installation)
        assert next(first).startswith("one: process ")  # the second process is still to be replaced
        with pytest.raises(ServerError, match="another deploy"):
            list(order_deploy(site.installation))
        assert list(first)[-1] == "done"

    site.run(meddle)
