"""What opening sections costs, of two checkouts: CPU-seconds for 1,000 openings.

Openings are half of what the API does at a deadline (docs/rehearsals/index.md). Each side has servers of its own, with
its own schema, and one client who opens its sections in turn, as fast as they come; both at the same time, so that what
else the machine does slows both alike. What is opened: 24 to 36 students, nearly all of 30 columns recorded, and in
every other section also a page of drafts.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING, Final

from loadtests.bench.plan import Plan, Section, Teacher
from loadtests.bench.saves import requests_of
from ops.bench.rounds import read, spent
from ops.bench.stand import READY_S_MAX, ROOT, BenchError, Served, children_of
from ops.bench.steady import CheckoutStand, Comparison, on_cpu_s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ops.bench.rounds import Meters
    from ops.bench.steady import Turn

OPENINGS: Final = Comparison("openings", ("API", "PostgreSQL"))
SECTIONS: Final = 48
COLUMNS: Final = 30
DRAFTED_COLUMNS: Final = 2  # of which nothing is recorded
_FILL: Final = Path(__file__).with_name("openings.sql")
_GET: Final = {"Accept-Encoding": "gzip"}


class Side:
    """One checkout while it serves. Nothing records what is drafted: it stays so."""

    def __init__(self, stand: CheckoutStand) -> None:
        self._stand = stand
        self._teachers = stand.teachers(SECTIONS, 1, columns=COLUMNS)
        stand.psql("-f", str(_FILL), "-v", f"columns={COLUMNS - DRAFTED_COLUMNS}")
        self._api = stand.serve("api", "app.main", "--fd", "{fd}")
        self._api.wait_ready("/readyz")
        for number, teacher in enumerate(self._teachers[::2]):
            _type(self._api, number, teacher)

    def turn(self, seconds: float, both: Barrier) -> Turn:
        """Open sections for so long when `both` are ready, and return what that took."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._api.port, timeout=READY_S_MAX)) as client:
            client.connect()
            meters = self._meters()
            both.wait(READY_S_MAX)
            before, until = read(meters), time.monotonic() + seconds
            for count, teacher in enumerate(itertools.cycle(self._teachers), 1):
                path = f"/api/v1/sections/{teacher.sections[0].section_id}"
                client.request("GET", path, headers=_GET | {"Authorization": f"Bearer {teacher.token}"})
                answer = client.getresponse()
                answer.read()
                if answer.status != HTTPStatus.OK:
                    raise BenchError(f"GET {path} was answered {answer.status}")
                if time.monotonic() > until:
                    return spent(before, read(meters), count)
        raise AssertionError("the line of teachers has no end")

    def _meters(self) -> Meters:
        postgres = self._stand.postgres.pid
        return {
            "API": lambda: on_cpu_s(self._api.pid),
            "PostgreSQL": lambda: sum(on_cpu_s(pid) for pid in (postgres, *children_of(postgres))),
            "journal": lambda: on_cpu_s(self._stand.valkey.pid),
        }


def _type(api: Served, number: int, teacher: Teacher) -> None:
    """Fill the columns of which nothing is recorded, as the load of the other benchmarks types."""
    section = teacher.sections[0]
    typed = Teacher(teacher.token, [Section(section.section_id, section.students, section.items[-DRAFTED_COLUMNS:])])
    for saves in requests_of(Plan("127.0.0.1", api.port, 1, [typed]), typed, number):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", api.port, timeout=READY_S_MAX)) as client:
            for request in saves:
                head, _, body = request.partition(b"\r\n\r\n")
                method, path, _ = head.split(b" ", 2)
                headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
                client.request(method.decode(), path.decode(), body, headers)
                answer = client.getresponse()
                if answer.status != HTTPStatus.OK or b'"drafted"' not in answer.read():
                    raise BenchError(f"a save was answered {answer.status}")


@contextlib.contextmanager
def _side(root: Path, folder: Path | None) -> Iterator[Side]:
    stand = CheckoutStand(SECTIONS, flush_rows=1, folder=folder, columns=COLUMNS)
    stand.root = root
    with stand:
        yield Side(stand)


def compare_openings(
    before: Path, rounds: int, seconds: float, *, folder: Path | None, say: Callable[[str], None]
) -> list[str]:
    """Measure this checkout against the one at `before`; return the parts whose CPU has risen by more than 5 %."""
    say(f"{SECTIONS} sections of 24 to 36 students by {COLUMNS} columns, {seconds:g} s a turn, {rounds} pairs")
    with _side(before.resolve(), folder) as one, _side(ROOT, folder) as other:

        def pair() -> tuple[Turn, Turn]:
            both = Barrier(2)
            with ThreadPoolExecutor(2) as threads:
                turns = [threads.submit(side.turn, seconds, both) for side in (one, other)]
                return turns[0].result(), turns[1].result()

        return OPENINGS.of_pairs(pair, rounds, say)
