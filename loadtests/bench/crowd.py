"""A district over a few sockets: many teachers take turns at a fixed pace, in one process.

`python -m loadtests.bench.crowd` reads a plan from its standard input, sends the first save of every teacher, and says
"ready". At each "go" it runs one turn, goes on where the turn before has ended, answers with what it saw, makes the
requests of the next turn, and says "ready" again. So the work of a turn is the same however many teachers there are.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import select
import sys
import time
from array import array
from collections import deque
from typing import TYPE_CHECKING

from loadtests.bench.generator import ANSWER_S_MAX, WARM_UP_WAVE, Connection, LoadError
from loadtests.bench.plan import GO, READY, CrowdPlan, CrowdResult, decode_crowd, encode
from loadtests.bench.saves import requests_of

if TYPE_CHECKING:
    from collections.abc import Sequence

Save = tuple[int, bytes]  # number of the socket, request


class Crowd:
    """The teachers of one plan, each with a place in line that turns do not change."""

    def __init__(self, plan: CrowdPlan) -> None:
        self._plan = plan
        self._saves_per_s = plan.saves_per_s or 1.0
        self._saves = plan.saves or 0
        self._poll = select.epoll()
        self._sockets: list[Connection] = []
        self._by_descriptor: dict[int, Connection] = {}
        self._teachers = [
            (number % plan.sockets, itertools.chain.from_iterable(requests_of(plan, teacher, number)))
            for number, teacher in enumerate(plan.teachers)
        ]
        self._line = itertools.cycle(self._teachers)
        self._made: list[Save] = []

    def _connect(self) -> None:
        """Open every socket anew: between two turns the service may have closed what was idle for too long."""
        self._disconnect()
        ports = self._plan.ports
        self._sockets = [
            Connection((self._plan.host, ports[n % len(ports)]), iter(())) for n in range(self._plan.sockets)
        ]
        self._by_descriptor = {each.socket.fileno(): each for each in self._sockets}
        for descriptor in self._by_descriptor:
            self._poll.register(descriptor, select.EPOLLIN)

    def _disconnect(self) -> None:
        for connection in self._sockets:
            connection.socket.close()

    def warm_up(self) -> None:
        """Send every teacher's first save, a few at a time; return when all are answered."""
        self._connect()
        wave = min(WARM_UP_WAVE, len(self._sockets))
        for first in range(0, len(self._teachers), wave):
            waiting = 0
            for number, saves in self._teachers[first : first + wave]:
                self._sockets[number].put(next(saves))
                waiting += 1
            while waiting:
                ready = self._poll.poll(ANSWER_S_MAX)
                if not ready:
                    raise LoadError(f"no answer within {ANSWER_S_MAX:.0f} s")
                waiting -= sum(self._by_descriptor[descriptor].receive() for descriptor, _ in ready)
        gc.collect()
        gc.freeze()

    def make(self) -> None:
        """Make the requests of the next turn, one of each teacher in line."""
        turn = itertools.islice(self._line, self._saves)
        self._made = [(number, request) for number, saves in turn if (request := next(saves, None))]

    def measure(self) -> CrowdResult:
        """Run one turn; LoadError when anything but acknowledgements came, or when there were too few cells."""
        if len(self._made) < self._saves:
            raise LoadError("the plan has too few cells for so many turns")
        self._connect()
        cpu_s = time.process_time()
        times, elapsed_s = self._run(self._made)
        cpu_s = time.process_time() - cpu_s
        in_order = sorted(times)
        return CrowdResult(
            len(in_order),
            0,
            elapsed_s,
            in_order[len(in_order) // 2] * 1000,
            in_order[len(in_order) * 99 // 100] * 1000,
            in_order[-1] * 1000,
            cpu_s,
            sent_bytes=sum(each.sent_bytes for each in self._sockets),
            received_bytes=sum(each.received_bytes for each in self._sockets),
        )

    def _run(self, saves: Sequence[Save]) -> tuple[array[float], float]:
        """Send each save when it is due, or once its socket is free; return (times since it was due, seconds)."""
        clock, gap_s = time.perf_counter, 1 / self._saves_per_s
        lines: dict[Connection, deque[tuple[float, bytes]]] = {each: deque() for each in self._sockets}
        times = array("d")
        at, began = 0, clock()
        last = began
        while len(times) < len(saves):
            while at < len(saves) and began + at * gap_s <= clock():
                number, request = saves[at]
                connection = self._sockets[number]
                line = lines[connection]
                line.append((began + at * gap_s, request))
                if len(line) == 1:
                    connection.put(request)
                at += 1
            is_all_due = at == len(saves)
            ready = self._poll.poll(ANSWER_S_MAX if is_all_due else max(0.0, began + at * gap_s - clock()))
            if not ready and is_all_due:
                raise LoadError(f"no answer within {ANSWER_S_MAX:.0f} s")
            for descriptor, _ in ready:
                connection = self._by_descriptor[descriptor]
                if connection.receive():
                    last = clock()
                    line = lines[connection]
                    times.append(last - line.popleft()[0])
                    if line:
                        connection.put(line[0][1])
        return times, last - began

    def close(self) -> None:
        """Close every socket."""
        self._disconnect()
        self._poll.close()


def converse(crowd: Crowd) -> None:
    """Run a turn at each "go", until something else is said."""
    crowd.warm_up()
    while True:
        crowd.make()
        sys.stdout.buffer.write(READY)
        sys.stdout.buffer.flush()
        if sys.stdin.buffer.readline() != GO:
            return
        sys.stdout.buffer.write(encode(crowd.measure()) + b"\n")
        sys.stdout.buffer.flush()


def main() -> int:
    """Obey the plan on standard input; exit status 1 and a sentence on standard error when a turn cannot count."""
    try:
        with contextlib.closing(Crowd(decode_crowd(sys.stdin.buffer.readline()))) as crowd:
            converse(crowd)
    except (LoadError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
