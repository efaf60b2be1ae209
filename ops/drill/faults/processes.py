"""Processes that die, freeze, come twice, or are started again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ops.drill.installation import HEAL_S_MAX, wait_until
from ops.drill.scene import AS_QUIET, FROZEN, FROZEN_RECORDS, KILLED, NOTHING_CAN_BE_SAVED, Drill, Limit, Scene
from ops.drill.statements import ask
from ops.processes import ServerError, alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[3]
APIS = ("api-1", "api-2")
EVERYTHING = (*APIS, "flusher", "valkey", "postgres")
# Nobody answers until one of them is up again (2 s), and a client tries again at random moments.
ALL_KILLED = Limit(6.0)
CRASH_S_MAX = 30.0
ASK_EVERY_S = 0.2  # each time it is a connection to PostgreSQL


def _kill(*names: str) -> Callable[[Scene], None]:
    """Kill one of these, and wait until another does its work."""

    def inject(scene: Scene) -> None:
        scene.installation.kill(scene.rng.choice(names))

    return inject


def _kill_all_api(scene: Scene) -> None:
    for name in APIS:
        scene.installation.kill_now(name)
    wait_until(scene.installation.is_serving, HEAL_S_MAX, "readiness after all API processes were killed")


def _kill_several(scene: Scene) -> None:
    """One to five at a time, and again while that heals."""
    for _ in range(2):
        for name in scene.rng.sample(EVERYTHING, scene.rng.choice((2, 3, len(EVERYTHING)))):
            scene.installation.kill_now(name)
        time.sleep(scene.rng.uniform(0.3, 1.5))
    wait_until(scene.installation.is_serving, HEAL_S_MAX, "readiness after several were killed")


def _kill_backend(scene: Scene) -> None:
    """Kill -9 the PostgreSQL process that works for the flusher: PostgreSQL then ends all others, and recovers."""
    for pid in ask(scene.installation.settings, "backends", "inkfast-flusher")[:1]:
        os.kill(int(pid), signal.SIGKILL)
    wait_until(scene.installation.is_serving, HEAL_S_MAX, "readiness after a backend was killed")


def family(pid: int) -> list[int]:
    """Return a process and its children."""
    pids = [pid]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                pids.append(int(stat.parent.name))
    return pids


def frozen(pids: list[int], seconds: float) -> None:
    """Stop these for so long, and let them go on where they still are."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and alive(pids[0]):
            time.sleep(0.05)
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _freeze(*names: str) -> Callable[[Scene], None]:
    def inject(scene: Scene) -> None:
        pid = scene.installation.pid(scene.rng.choice(names))
        if pid is None:
            raise ServerError(f"{' and '.join(names)}: not running")
        frozen(family(pid), scene.hold_s)
        wait_until(scene.installation.is_serving, HEAL_S_MAX, "readiness after freezing")

    return inject


@contextlib.contextmanager
def _further_flusher(scene: Scene, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a flusher beside the installation's own, once it holds partitions; its lane count is two, as theirs."""
    settings = scene.installation.settings
    before = len(ask(settings, "owners"))
    log = scene.folder / "further-flusher.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *(arguments or ("workers.main", "flusher"))],
            cwd=ROOT,
            env=scene.installation.worker_environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(
            lambda: process.poll() is not None or len(ask(settings, "owners")) > before,
            HEAL_S_MAX,
            "a further flusher that holds partitions",
            pause_s=ASK_EVERY_S,
        )
        yield process
    finally:
        process.terminate()
        try:
            process.wait(HEAL_S_MAX)
        finally:
            process.kill()


def _freeze_flusher_past_lease(scene: Scene) -> None:
    """Freeze a flusher that no supervisor looks after until others have its partitions; then let it go on."""
    with _further_flusher(scene) as process:
        lease_s = scene.installation.settings.lease_ms / 1000
        frozen([process.pid], lease_s * 1.5)
        time.sleep(1.0)  # it finds its lease gone, and takes others


def _two_flushers(scene: Scene) -> None:
    with _further_flusher(scene):
        scene.hold()


def _crash_between_commit_and_drain(scene: Scene) -> None:
    with _further_flusher(scene, "ops.drill.crashing_flusher") as process:
        wait_until(lambda: process.poll() is not None, CRASH_S_MAX, "the crash of the further flusher")
        scene.expect(
            process.returncode == 137, f"the further flusher ended with {process.returncode}, not in its drain"
        )
    lease_s = scene.installation.settings.lease_ms / 1000
    time.sleep(lease_s)  # only then may another take over what it held


def _restart_everything(scene: Scene) -> None:
    scene.installation.stop()
    scene.installation.start()


def _quiet(scene: Scene) -> None:
    scene.hold()


DRILLS = (
    Drill("quiet", "nothing", _quiet, Limit(2.0, failed_saves_max=0)),
    Drill("kill-api", "one API process, kill -9", _kill(*APIS), KILLED),
    Drill("kill-all-api", "every API process at once, kill -9", _kill_all_api, ALL_KILLED),
    Drill("kill-flusher", "the flusher, kill -9", _kill("flusher"), AS_QUIET),
    Drill(
        "kill-flusher-between-commit-and-drain",
        "a flusher that has committed and not yet drained",
        _crash_between_commit_and_drain,
    ),
    Drill("kill-valkey", "Valkey, kill -9", _kill("valkey"), KILLED),
    Drill("kill-postgres", "PostgreSQL's first process, kill -9", _kill("postgres"), AS_QUIET),
    Drill("kill-backend", "the PostgreSQL process of a flusher, kill -9", _kill_backend, AS_QUIET),
    Drill("kill-several", "two to five processes at a time, again while they heal", _kill_several, Limit(10.0)),
    Drill("freeze-api", "one API process is stopped (SIGSTOP)", _freeze(*APIS), FROZEN),
    Drill("freeze-flusher", "the flusher is stopped (SIGSTOP)", _freeze("flusher"), AS_QUIET),
    Drill(
        "freeze-flusher-past-lease",
        "a flusher is stopped until others have its partitions, and goes on",
        _freeze_flusher_past_lease,
    ),
    Drill("freeze-valkey", "Valkey is stopped (SIGSTOP)", _freeze("valkey"), FROZEN),
    Drill("freeze-postgres", "PostgreSQL, all its processes (SIGSTOP)", _freeze("postgres"), FROZEN_RECORDS),
    Drill("two-flushers", "a second flusher claims partitions, and gives them back", _two_flushers),
    Drill("restart-everything", "`inkfast up` is ended and started again", _restart_everything, NOTHING_CAN_BE_SAVED),
)
