"""Faults of a rehearsal: those of the drills that make sense under a district's load, at a moment of one's choice.

`NAME@T` or `NAME@T+D`: T after the typing begins, D how long it stays broken, each as Locust writes it (90s, 2m).
"""

from __future__ import annotations

import random
import re
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from app.errors import InkfastError
from ops.drill.catalogue import DRILLS
from ops.drill.faults.processes import family, frozen
from ops.drill.scene import Scene
from ops.processes import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ops.drill.installation import DrillInstallation

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")
DOWN_S = 0.5


class FaultAt(NamedTuple):
    """One fault: when, counted from the start of the typing, and for how long. In seconds."""

    name: str
    at_s: float
    hold_s: float


class FaultMark(NamedTuple):
    """A fault as it happened. `until` 0: it has not healed; `complaint`: what went wrong with it."""

    name: str
    began: float  # seconds since 1970
    until: float
    complaint: str


def _kill_valkey(scene: Scene) -> None:
    scene.stores.valkey.kill()
    time.sleep(DOWN_S)
    scene.stores.valkey.start()


def _kill_postgres(scene: Scene) -> None:
    scene.stores.postgres.kill()
    time.sleep(DOWN_S)
    scene.stores.postgres.start()


def _freeze_valkey(scene: Scene) -> None:
    frozen([scene.stores.valkey.pid], scene.hold_s)


def _freeze_postgres(scene: Scene) -> None:
    frozen(family(scene.stores.postgres.pid), scene.hold_s)


# Drills whose means are a process of the application or a store of the rehearsal's own; the others need their stand.
_OF_DRILLS = (
    *("kill-api", "kill-all-api", "kill-flusher", "freeze-api", "freeze-flusher", "freeze-flusher-past-lease"),
    *("two-flushers", "stop-postgres", "stop-valkey", "freeze-both", "stores-in-turn", "journal-out-of-memory"),
)
FAULTS: Mapping[str, Callable[[Scene], None]] = {name: DRILLS[name].inject for name in _OF_DRILLS} | {
    "kill-valkey": _kill_valkey,
    "kill-postgres": _kill_postgres,
    "freeze-valkey": _freeze_valkey,
    "freeze-postgres": _freeze_postgres,
}
HOLD_S = {name: DRILLS[name].hold_s if name in DRILLS else 0.0 for name in FAULTS}


def seconds_of(text: str) -> float:
    """Return a duration as Locust writes it: 90, 90s, 10m, 1h30m. ValueError for anything else."""
    found = _DURATION.fullmatch(text.strip())
    if not text.strip() or found is None:
        raise ValueError(f"{text!r} is no duration: 90s, 10m, 1h30m")
    hours, minutes, seconds = found.groups(default="0")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def parse_fault(text: str) -> FaultAt:
    """Return what `NAME@T` or `NAME@T+D` asks for; ValueError with a sentence where it asks for nothing known."""
    name, found, moment = text.partition("@")
    if name not in FAULTS:
        raise ValueError(f"no such fault: {name} (there are: {', '.join(sorted(FAULTS))})")
    if not found:
        raise ValueError(f"{text}: when? {name}@60s")
    at, longer, hold = moment.partition("+")
    return FaultAt(name, seconds_of(at), seconds_of(hold) if longer else HOLD_S[name])


def not_under_load(faults: Sequence[FaultAt], marks: Sequence[FaultMark], began: float, duration_s: float) -> list[str]:
    """Say which faults the load never met: a run without them is not the one that was asked for.

    They are made one after the other, so that a long one may leave the next no time. `began`: seconds since 1970.
    """
    found = []
    for at, fault in enumerate(sorted(faults, key=_moment)):
        if at >= len(marks):
            found.append(f"{fault.name}@{fault.at_s:g}s was never made")
        elif marks[at].began >= began + duration_s:
            found.append(f"{fault.name}@{fault.at_s:g}s came after the typing: the fault before it took so long")
    return found


def _moment(fault: FaultAt) -> float:
    return fault.at_s


class Breaker(threading.Thread):
    """Makes the faults when their time has come, one after the other; `marks` says what happened.

    The thread lives as long as the program: a server that it has started again ends with it (ops/launch.py).
    """

    def __init__(
        self, installation: DrillInstallation, faults: Sequence[FaultAt], folder: Path, grants: Path, seed: int
    ) -> None:
        super().__init__(name="faults", daemon=True)
        self._installation = installation
        self._faults = sorted(faults, key=_moment)
        self._folder = folder
        self._grants = grants
        self._rng = random.Random(seed)  # noqa: S311 -- which of two processes is killed
        self._no_more = threading.Event()
        self._idle = threading.Event()
        self.marks: list[FaultMark] = []

    def run(self) -> None:
        """Wait for each moment and break; what goes wrong is noted, and the next fault still comes."""
        began = time.monotonic()
        for fault in self._faults:
            if self._no_more.wait(max(0.0, began + fault.at_s - time.monotonic())):
                break
            self._make(fault)
        self._idle.set()
        threading.Event().wait()

    def _make(self, fault: FaultAt) -> None:
        mark = FaultMark(fault.name, time.time(), 0.0, "it has not healed")
        self.marks.append(mark)
        scene = Scene(self._installation, self._folder, self._grants, hold_s=fault.hold_s, rng=self._rng)
        try:
            FAULTS[fault.name](scene)
        except (InkfastError, ServerError, OSError) as error:
            scene.complaints.append(str(error))
        self.marks[-1] = mark._replace(until=time.time(), complaint="; ".join(scene.complaints))

    def end(self, seconds: float) -> None:
        """Make no further fault; wait for the one that is under way to heal."""
        self._no_more.set()
        self._idle.wait(seconds)
