"""What opening sections costs, of two checkouts: CPU-seconds for 1,000 openings.

While a district arrives, 110,000 sections are opened in ten minutes (docs/rehearsals/index.md). Each side has servers
of its own, with its own schema, and one client who opens its sections in turn, as fast as they come; both at the same
time, so that what else the machine does slows both alike. What is opened: 24 to 36 students, 28 of 30 columns recorded,
and in every other section the last two drafted.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import time
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadtests.bench.plan import Section, Teacher
from ops.bench.rounds import fill, read, spent
from ops.bench.stand import READY_S_MAX, ROOT, BenchError
from ops.bench.steady import CheckoutStand, Comparison, on_cpu_s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Barrier

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
        fill(self._api, [_last_columns_of(teacher) for teacher in self._teachers[::2]])

    def turn(self, seconds: float, both: Barrier) -> Turn:
        """Open sections for so long when `both` are ready, and return what that took."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._api.port, timeout=READY_S_MAX)) as client:
            client.connect()
            meters = {"API": lambda: on_cpu_s(self._api.pid), **self._stand.meters()}
            both.wait(READY_S_MAX)
            before, until = read(meters), time.monotonic() + seconds
            line, count = itertools.cycle(self._teachers), 0
            while time.monotonic() < until:
                teacher = next(line)
                path = f"/api/v1/sections/{teacher.sections[0].section_id}"
                client.request("GET", path, headers=_GET | {"Authorization": f"Bearer {teacher.token}"})
                answer = client.getresponse()
                answer.read()
                if answer.status != HTTPStatus.OK:
                    raise BenchError(f"GET {path} was answered {answer.status}")
                count += 1
            return spent(before, read(meters), count)


def _last_columns_of(teacher: Teacher) -> Teacher:
    """Return who types into the columns of which nothing is recorded."""
    last = [Section(s.section_id, s.students, s.items[-DRAFTED_COLUMNS:]) for s in teacher.sections]
    return Teacher(teacher.token, last)


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
        return OPENINGS.of_pairs(partial(one.turn, seconds), partial(other.turn, seconds), rounds, say)
