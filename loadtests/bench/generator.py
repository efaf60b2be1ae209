"""The load: one process, one loop, keep-alive connections with one save in flight each, requests made beforehand.

`python -m loadtests.bench.generator` reads a plan from its standard input, warms up, says "ready", waits for "go", and
answers with what it saw. Plain epoll instead of asyncio, so that on a small machine the server is measured and not
this; its own share of a core stands beside every figure. An answer that is not 200 with all edits drafted ends the run.
"""

from __future__ import annotations

import itertools
import select
import socket
import sys
import time
from array import array
from collections import deque
from typing import TYPE_CHECKING

from loadtests.bench.plan import EDITS_PER_SAVE, GO, READY, Plan, Result, decode_plan, encode
from loadtests.bench.saves import requests_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER_S_MAX = 30.0
WARM_UP_WAVE = 16
SAVES_PER_SECOND_MADE = 9_000  # as many are made before the clock starts; a faster server makes more as it goes
_LENGTH = b"content-length: "


class LoadError(Exception):
    """The round cannot be counted; the message says what came instead of an acknowledgement."""


class Connection:
    """One teacher's keep-alive connection."""

    __slots__ = ("_answer", "_needed", "received_bytes", "requests", "sent_at", "sent_bytes", "socket")

    def __init__(self, address: tuple[str, int], requests: Iterator[bytes]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests = requests
        self.sent_at = 0.0
        self.sent_bytes = self.received_bytes = 0
        self._answer = b""
        self._needed = 0

    def send(self) -> bool:
        """Send the next save; False when every cell has been typed."""
        request = next(self.requests, None)
        if request is None:
            return False
        self.put(request)
        return True

    def put(self, request: bytes) -> None:
        """Send this save."""
        self.sent_at = time.perf_counter()
        self.sent_bytes += len(request)
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Take what has arrived; True when that completes an answer. LoadError when it is not what it should be."""
        part = self.socket.recv(65_536)
        if not part:
            raise LoadError("the server closed a connection")
        self.received_bytes += len(part)
        answer = self._answer + part if self._answer else part
        if not self._needed:
            end = answer.find(b"\r\n\r\n")
            if end < 0:
                self._answer = answer
                return False
            at = answer[:end].lower().find(_LENGTH) + len(_LENGTH)
            self._needed = end + 4 + int(answer[at : answer.find(b"\r", at)])
        if len(answer) < self._needed:
            self._answer = answer
            return False
        if answer[9:12] != b"200" or answer.count(b'"outcome":"drafted"') != EDITS_PER_SAVE:
            raise LoadError(f"not an acknowledgement: {answer[:600].decode('latin-1')}")
        self._answer, self._needed = b"", 0
        return True


class Generator:
    """Drives the connections of one plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._connections: dict[int, Connection] = {}
        self._poll = select.epoll()
        self._times = array("d")
        self._warm: list[list[bytes]] = []
        made = self._made_per_teacher()
        for number, teacher in enumerate(plan.teachers):
            sections = requests_of(plan, teacher, number)
            self._warm.append([r for s in sections for r in itertools.islice(s, plan.warm_up_saves)])
            rest = itertools.chain.from_iterable(sections)
            requests = itertools.chain(list(itertools.islice(rest, made)), rest)
            connection = Connection((plan.host, plan.port), requests)
            self._connections[connection.socket.fileno()] = connection
            self._poll.register(connection.socket, select.EPOLLIN)

    def _made_per_teacher(self) -> int:
        saves = self._plan.saves if self._plan.seconds is None else int(SAVES_PER_SECOND_MADE * self._plan.seconds)
        return (saves or 0) // len(self._plan.teachers) + 1

    def warm_up(self) -> None:
        """Send the first saves of every section; return when all are answered.

        In waves: the first save of a section asks PostgreSQL, and all of them at once would be a storm, not a warm-up.
        """
        for first in range(0, len(self._warm), WARM_UP_WAVE):
            wave = dict(itertools.islice(self._connections.items(), first, first + WARM_UP_WAVE))
            later = [connection.requests for connection in wave.values()]
            for connection, saves in zip(wave.values(), self._warm[first:], strict=False):
                connection.requests = iter(saves)
            self._run(wave, None, None)
            for connection, requests in zip(wave.values(), later, strict=True):
                connection.requests = requests

    def measure(self) -> Result:
        """Run the plan; LoadError when anything but acknowledgements came, or when it ran out of cells."""
        self._times = array("d")
        cpu_s = time.process_time()
        if self._plan.saves_per_s is None:
            answered, late, elapsed_s, is_dry = self._run(self._connections, self._plan.seconds, self._plan.saves)
        else:
            answered, late, elapsed_s, is_dry = self._run_paced(self._plan.saves_per_s, self._plan.saves or 0)
        cpu_s = time.process_time() - cpu_s
        if is_dry and (self._plan.seconds, self._plan.saves) != (None, None):
            raise LoadError("the plan has too few cells for this server")
        times = sorted(self._times)
        return Result(
            answered,
            late,
            elapsed_s,
            times[len(times) // 2] * 1000,
            times[len(times) * 99 // 100] * 1000,
            times[-1] * 1000,
            cpu_s,
        )

    def _run(
        self, connections: dict[int, Connection], seconds: float | None, saves: int | None
    ) -> tuple[int, int, float, bool]:
        """Return (answers in time, answers after it, seconds, whether a connection had nothing left to send)."""
        clock, times = time.perf_counter, self._times
        began = clock()
        end = began + seconds if seconds is not None else began + 1e9
        budget = saves if saves is not None else sys.maxsize
        answered = late = in_flight = 0
        is_dry, last = False, began
        for connection in connections.values():
            if connection.send():
                in_flight += 1
        sent = in_flight
        while in_flight:
            ready = self._poll.poll(ANSWER_S_MAX)
            if not ready:
                raise LoadError(f"no answer within {ANSWER_S_MAX:.0f} s")
            for descriptor, _ in ready:
                connection = connections[descriptor]
                if not connection.receive():
                    continue
                now = clock()
                in_flight -= 1
                if now > end:
                    late += 1
                    continue
                answered += 1
                last = now
                times.append(now - connection.sent_at)
                if sent < budget:
                    if connection.send():
                        sent += 1
                        in_flight += 1
                    else:
                        is_dry = True
        return answered, late, (seconds if seconds is not None else last - began), is_dry

    def _run_paced(self, saves_per_s: float, saves: int) -> tuple[int, int, float, bool]:
        """Send each save when it is due, over the connection that has been idle for longest; return as `_run`."""
        clock, idle = time.perf_counter, deque(self._connections.values())
        began = last = clock()
        sent = answered = 0
        while answered < saves:
            wait_s = ANSWER_S_MAX
            if sent < saves and idle:
                wait_s = max(0.0, began + sent / saves_per_s - clock())
            ready = self._poll.poll(wait_s)
            if not ready and wait_s == ANSWER_S_MAX:
                raise LoadError(f"no answer within {ANSWER_S_MAX:.0f} s")
            for descriptor, _ in ready:
                connection = self._connections[descriptor]
                if connection.receive():
                    last = clock()
                    answered += 1
                    self._times.append(last - connection.sent_at)
                    idle.append(connection)
            while idle and sent < saves and began + sent / saves_per_s <= clock():
                if not idle.popleft().send():
                    return answered, 0, clock() - began, True
                sent += 1
        return answered, 0, last - began, False

    def close(self) -> None:
        """Close every connection."""
        for connection in self._connections.values():
            connection.socket.close()
        self._poll.close()


def main() -> int:
    """Obey the plan on standard input; exit status 1 and a sentence on standard error when the round cannot count."""
    generator = Generator(decode_plan(sys.stdin.buffer.readline()))
    try:
        generator.warm_up()
        sys.stdout.buffer.write(READY)
        sys.stdout.buffer.flush()
        if sys.stdin.buffer.readline() != GO:
            return 1
        sys.stdout.buffer.write(encode(generator.measure()) + b"\n")
        sys.stdout.buffer.flush()
        sys.stdin.buffer.readline()  # whoever asked still wants to see the servers as they are
    except (LoadError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        generator.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
