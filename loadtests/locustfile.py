"""The rehearsal as Locust runs it: `locust -f loadtests/locustfile.py --host URL --grants grants.jsonl`.

With Locust's web interface, headless, with `--processes N`, or as master and workers on several machines. A user of
Locust is a lane of many teachers: Locust starts and stops lanes, and the engine of each process
(loadtests/rehearsal/engine.py) does the rest. `inkfast rehearse` starts this program, measures the service beside it,
audits and judges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gevent
from locust import LoadTestShape, User, constant, events, task
from locust.exception import StopTest
from locust.runners import WorkerRunner

from loadtests.rehearsal.crew import Crew
from loadtests.rehearsal.grants import GrantsError
from loadtests.rehearsal.profiles import PROFILES, SIGNING_ON, STREAMING, TYPING

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from locust.env import Environment

REFUSED = 3
SPAWN_RATE = 100
FOREVER_S = 10_000_000
_crews: dict[int, Crew] = {}
_failures: dict[int, str] = {}


@events.init_command_line_parser.add_listener
def add_options(parser: ArgumentParser) -> None:
    """Add what a rehearsal is told; the web interface shows these as well."""
    group = parser.add_argument_group("Rehearsal")
    group.add_argument("--rehearsal", choices=list(PROFILES), default="smoke", help="Profile of the rehearsal")
    group.add_argument("--teachers", type=int, default=0, help="Teachers at most; 0: as many as the profile says")
    group.add_argument("--seconds", type=float, default=0, help="Of typing; 0: as long as the profile says")
    group.add_argument("--seed", type=int, default=20141104, help="Of what is typed, and when")
    group.add_argument("--grants", default="grants.jsonl", help="Written by `inkfast rehearse prepare`")
    group.add_argument("--ledgers", default="", help="Folder for a ledger of each process")
    group.add_argument("--figures", default="", help="File for the figures of each second")
    group.add_argument("--sockets", type=int, default=256, help="Kept-alive sockets of a process, shared")
    group.add_argument("--sockets-max", type=int, default=2048, help="As many at most, while all wait for answers")
    group.add_argument("--sources", default="", help="Addresses that sockets come from, with commas")
    group.add_argument("--answer-within", type=float, default=10, help="Seconds until an answer is given up")
    group.add_argument("--drain", type=float, default=120, help="Seconds for all to be recorded after the typing")
    group.add_argument("--generators", type=int, default=1, help="Processes that share the teachers; the master knows")
    group.add_argument(
        "--write-outside-rehearsal-sections",
        choices=("no", "yes"),
        default="no",
        help="yes: type into any section of the grants, real ones too",
    )


class Lane(User):
    """Many teachers who come and go together."""

    abstract = True
    wait_time = constant(0)
    _numbers = range(0)

    def on_start(self) -> None:
        """Let the teachers of the lane arrive."""
        crew = _crews.get(id(self.environment))
        if crew is None:
            raise StopTest(_failures.get(id(self.environment), "no rehearsal has begun"))
        self._numbers = crew.take_lane()
        crew.seat(self._numbers)

    @task
    def be_there(self) -> None:
        """Be there; the engine of the process does the work."""
        gevent.sleep(FOREVER_S)

    def on_stop(self) -> None:
        """Send the teachers of the lane home."""
        crew = _crews.get(id(self.environment))
        if crew is not None:
            crew.dismiss(self._numbers)


class GradebookLane(Lane):
    """Teachers who type."""


class SignOnLane(Lane):
    """Teachers who sign on with a password, and then type a little."""


class StreamLane(Lane):
    """Browsers that are open, each with a stream of events."""


LANES: dict[str, type[User]] = {TYPING: GradebookLane, SIGNING_ON: SignOnLane, STREAMING: StreamLane}


class RehearsalShape(LoadTestShape):
    """Follows the curve of the profile; ends when everything that was typed is recorded."""

    def tick(self) -> tuple[int, float, list[type[User]]] | None:
        """Return how many lanes are open, how fast they may come, and of which kind."""
        assert self.runner is not None  # noqa: S101 -- Locust sets it
        crew = _crews.get(id(self.runner.environment))
        if id(self.runner.environment) in _failures:
            return None
        if crew is None:
            profile = PROFILES[self.runner.environment.parsed_options.rehearsal]  # type: ignore[union-attr]  # Locust has read them
            return 1, SPAWN_RATE, [LANES[profile.work]]
        lanes = crew.lanes_at(self.get_run_time())
        return None if lanes is None else (lanes, SPAWN_RATE, [LANES[crew.profile.work]])


@events.test_start.add_listener
def begin(environment: Environment, **_: Any) -> None:
    """Make what this process runs the rehearsal with; a file or an address that cannot be used ends the test."""
    try:
        _crews[id(environment)] = Crew(environment)
    except (GrantsError, OSError, ValueError) as error:
        _failures[id(environment)] = str(error)


@events.test_stop.add_listener
def stop(environment: Environment, **_: Any) -> None:
    """End it; a run that had to be refused says so in its exit status."""
    crew = _crews.get(id(environment))
    if crew is None:
        print(f"refused: {_failures.get(id(environment), 'no rehearsal has begun')}", flush=True)
        environment.process_exit_code = REFUSED
        return
    crew.end()
    refusal = crew.collector.refusal or (crew.engine.refusal if crew.engine is not None else None)
    if refusal is not None:
        print(f"refused: {refusal}", flush=True)
    environment.process_exit_code = REFUSED if refusal is not None else 0


@events.quitting.add_listener
def quit_(environment: Environment, **_: Any) -> None:
    """Close the file of figures, once the last worker has reported."""
    crew = _crews.pop(id(environment), None)
    if crew is not None and not isinstance(environment.runner, WorkerRunner):
        crew.collector.close()
