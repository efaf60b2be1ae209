"""What one Locust process runs a rehearsal with: made when a test starts, ended when it stops."""

from __future__ import annotations

import contextlib
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
from locust.runners import MasterRunner, WorkerRunner

from loadtests.rehearsal.collector import Collector
from loadtests.rehearsal.engine import Engine, Wanted
from loadtests.rehearsal.grants import Grants
from loadtests.rehearsal.profiles import PROFILES

if TYPE_CHECKING:
    from argparse import Namespace

    from locust.env import Environment

    from loadtests.rehearsal.profiles import Profile

LANES_PER_PROCESS = 256
# Lanes are opened and closed so far apart. A worker of Locust stands still for 80 ms whenever its master tells it
# another number of them (it makes its parser of options anew each time), so several processes are told less often.
STEP_S, STEP_S_MAX, STEPS_MIN = 1.0, 5.0, 20
LATER_S = 2.0  # workers begin, and so end, after their master
METHODS = {"save": "POST", "poll": "POST", "sign on": "POST"}


class Crew:
    """The lanes of one process share its engine; a master has none and only collects."""

    def __init__(self, environment: Environment) -> None:
        options = environment.parsed_options
        assert options is not None  # noqa: S101 -- Locust has read them
        self.environment = environment
        self.profile = profile_of(options)
        self.teachers = teachers_of(options)
        self.duration_s = duration_of(options)
        self.drain_s = float(options.drain)
        self.generators = generators_of(environment, options)
        is_alone = not isinstance(environment.runner, MasterRunner | WorkerRunner)
        self.step_s = STEP_S if is_alone else min(STEP_S_MAX, max(STEP_S, self.duration_s / STEPS_MIN))
        self.lanes = min(self.teachers, LANES_PER_PROCESS * self.generators)
        is_worker = isinstance(environment.runner, WorkerRunner)
        figures = Path(options.figures) if options.figures else None
        self.collector = Collector(figures, is_worker=is_worker)
        self.engine: Engine | None = None
        self._began_at = time.time()
        self._next_lane = 0
        if is_worker:
            environment.events.report_to_master.add_listener(self.collector.report_to_master)
        if isinstance(environment.runner, MasterRunner):
            environment.events.worker_report.add_listener(self.collector.worker_report)
            options.generators = self.generators
        else:
            self.engine = self._make_engine(options)
            self._greenlet = gevent.spawn(self.engine.run)
            self._greenlet.link_exception(self._failed)

    def _make_engine(self, options: Namespace) -> Engine:
        process = max(0, getattr(self.environment.runner, "worker_index", 0))
        ledger = None
        if options.ledgers:
            folder = Path(options.ledgers)
            folder.mkdir(parents=True, exist_ok=True)
            ledger = folder / f"generator-{process}.jsonl"
        wanted = Wanted(
            host=self.environment.host or options.host or "",
            profile=self.profile,
            duration_s=self.duration_s,
            seed=int(options.seed),
            process=process,
            ledger=ledger,
            sockets=min(int(options.sockets), math.ceil(self.teachers / self.generators)),
            sockets_max=int(options.sockets_max),
            timeout_s=float(options.answer_within),
            sources=tuple(filter(None, (options.sources or "").split(","))),
            may_write_anywhere=options.write_outside_rehearsal_sections == "yes",
        )
        return Engine(wanted, Grants(Path(options.grants)), self._report, self.collector.take)

    def _failed(self, greenlet: gevent.Greenlet) -> None:
        """Say that the engine has died of a fault of its own."""
        assert self.engine is not None  # noqa: S101 -- it is the engine's greenlet
        self.engine.refusal = f"the generator failed: {greenlet.exception!r}"
        self.engine.close_second(time.monotonic())  # a worker's word reaches the master with its seconds

    def _report(self, name: str, milliseconds: float, size: int, error: str | None) -> None:
        self.environment.events.request.fire(
            request_type=METHODS.get(name, "GET"),
            name=name,
            response_time=milliseconds,
            response_length=size,
            exception=ConnectionError(error) if error is not None else None,
            context={},
        )

    def take_lane(self) -> range:
        """Return the numbers of the teachers in the next lane of this process."""
        assert self.engine is not None  # noqa: S101 -- a master runs no users
        lane = self._next_lane * self.generators + self.engine.wanted.process
        self._next_lane += 1
        return range(lane % self.lanes, self.teachers, self.lanes)

    def seat(self, numbers: range) -> None:
        """Let the teachers of a lane arrive, one after the other."""
        if self.engine is not None:
            for at, number in enumerate(numbers):
                self.engine.add_teacher(number, at * self.step_s / len(numbers))

    def dismiss(self, numbers: range) -> None:
        """Send the teachers of a lane home."""
        if self.engine is not None and self.engine.is_running:
            for number in numbers:
                self.engine.send_home(number)

    def lanes_at(self, seconds: float) -> int | None:
        """Return how many lanes are open so long after the start; None once all is over.

        After the last typing all stay until everything is recorded, or the time for that is over.
        """
        if self.collector.refusal is not None:
            return None
        if seconds < self.duration_s:
            share = self.profile.active_share(seconds // self.step_s * self.step_s / self.duration_s)
            return max(1, math.ceil(share * self.lanes))
        if seconds > self.duration_s + self.drain_s or self._all_is_recorded():
            return None
        return max(1, math.ceil(self.profile.active_share(1.0) * self.lanes))

    def _all_is_recorded(self) -> bool:
        if self.engine is not None:
            return self.engine.unrecorded == 0
        # A master knows only what was reported: it waits for word of a second in which nobody typed any more.
        last = self._began_at + self.duration_s + LATER_S
        return self.collector.has_heard_of(last, self.generators) and not self.collector.sum_of("unrecorded")

    def end(self) -> None:
        """Close what is open; the last figures are handed on."""
        if self.engine is not None and self.engine.is_running:
            self.engine.stop()
            with contextlib.suppress(Exception):
                self._greenlet.kill(timeout=1)
        if not isinstance(self.environment.runner, MasterRunner):
            self.collector.close()


def profile_of(options: Any) -> Profile:
    """Return the profile that was asked for; SystemExit with its name where there is none."""
    if options.rehearsal not in PROFILES:
        raise SystemExit(f"no such profile: {options.rehearsal} (there are: {', '.join(PROFILES)})")
    return PROFILES[options.rehearsal]


def teachers_of(options: Any) -> int:
    """Return how many teachers there are at most."""
    return int(options.teachers) or profile_of(options).teachers


def duration_of(options: Any) -> float:
    """Return for how many seconds is typed."""
    return float(options.seconds) or profile_of(options).duration_s


def generators_of(environment: Environment, options: Any) -> int:
    """Return how many processes share the teachers."""
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        return max(1, runner.worker_count)
    return max(1, int(options.generators)) if isinstance(runner, WorkerRunner) else 1
