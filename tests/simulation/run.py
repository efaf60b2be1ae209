"""One seed: a few seconds of teaching under faults, then healing, settling, and the audit."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import logging
import random
import uuid
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple
from unittest import mock

import asyncpg

from app import patience
from app.core_time import CoreSeconds
from app.drafts.codec import with_records_away
from app.gradebook import context, edit_cells
from app.gradebook.recording import direct, recorder
from app.telemetry import _logger
from tests.simulation.audit import Audit
from tests.simulation.clients import Tab
from tests.simulation.clock import StuckError, Time
from tests.simulation.district import PARTITIONS, SECTIONS, District
from tests.simulation.schedule import Schedule
from workers import flusher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.planted import Bug

SETTLE_S_MAX = 90.0
SETTLES = "everything settles"
# Exceptions in one answer: fewer than there are, now and then. In the real service it takes an outage.
TOLD_MAX = 2
FEW_TOLD = (
    ("queued -> drafted", "local TOLD_MAX = 200", f"local TOLD_MAX = {TOLD_MAX}"),
    ("After PostgreSQL has committed", "local EXCEPTIONS_MAX = 16384", "local EXCEPTIONS_MAX = 500"),
)
TEACHERS = (11, 12)


class Outcome(NamedTuple):
    """What a seed showed."""

    seed: int
    violations: list[tuple[str, str]]
    trace: list[str]
    digest: str
    edits: int
    answers: int
    simulated_s: float


class _EnoughCores:
    """The time of the simulation knows no machine, and no wait for it."""

    counts_waiting = True

    def look(self) -> CoreSeconds:
        return CoreSeconds(0.0, 0.0)

    def close(self) -> None:
        pass


class _Errors(logging.Handler):
    """What the product itself calls an error."""

    def __init__(self, district: District) -> None:
        super().__init__(logging.ERROR)
        self._district = district

    def emit(self, record: logging.LogRecord) -> None:
        fields = getattr(record, "fields", {})
        if fields.get("error", {}).get("type", "").endswith("UnknownOutcomeError"):
            return  # the standby is doubtful: said aloud on purpose
        self._district.violated("no unexpected errors", f"{record.getMessage()} {fields}")


@contextmanager
def _controlled(district: District) -> Iterator[None]:
    """Put everything that is not a function of the seed under the seed's rule, in this process, for this simulation."""
    owners = itertools.count(1)

    def noted(save: bytes) -> bytes:
        district.has_saved_without_records = True
        return with_records_away(save)

    time, errors, state = Time(), _Errors(district), random.getstate()
    random.seed(district.seed)
    _logger.addHandler(errors)
    was, _logger.propagate = _logger.propagate, False
    try:
        with ExitStack() as stack:
            for target, name, value in (
                (flusher, "time", time),
                (flusher, "PARTITIONS", PARTITIONS),
                (flusher, "POLL_S", 0.1),
                (flusher, "uuid4", lambda: uuid.UUID(int=next(owners))),
                (recorder, "time", time),
                (edit_cells, "with_records_away", noted),
                (patience, "CoreTime", _EnoughCores),
                (context, "TOLD_MAX", TOLD_MAX),
                (direct, "TOLD_MAX", TOLD_MAX),
                (asyncpg, "connect", district.records.connect),
                (asyncpg, "create_pool", district.records.create_pool),
            ):
                stack.enter_context(mock.patch.object(target, name, value))
            yield
    finally:
        _logger.removeHandler(errors)
        _logger.propagate = was
        random.setstate(state)


def simulate(seed: int, bug: Bug | None = None) -> Outcome:
    """Run one seed; with a bug planted where one is given."""
    with ExitStack() as stack:
        district = District(seed, (*FEW_TOLD, *(bug.patches if bug else ())))
        stack.enter_context(_controlled(district))
        if bug is not None:
            stack.enter_context(bug.planted())
        try:
            _play(district)
        finally:
            district.loop.end()
    digest = hashlib.blake2b("\n".join(district.trace).encode(), digest_size=8).hexdigest()
    return Outcome(
        seed,
        district.violations,
        district.trace,
        digest,
        len(district.book.edits),
        district.book.answers,
        district.loop.time(),
    )


def _play(district: District) -> None:
    rng = random.Random(district.rng.random())
    duration_s = rng.uniform(3.0, 8.0)
    sections = list(SECTIONS[: rng.randint(1, 2)])
    district.begin(sections)
    schedule = Schedule(district, random.Random(rng.random()), duration_s)
    tabs = [
        Tab(district, i, rng.choice(TEACHERS), rng.choice(sections), random.Random(rng.random()))
        for i in range(rng.randint(2, 4))
    ]
    for tab in tabs:
        tab.process.spawn(_guarded(district, tab))
    try:
        _run_until(district, lambda: district.loop.time() >= duration_s, duration_s + 1)
        schedule.heal()
        for tab in tabs:
            tab.is_typing = False
        is_settled = _run_until(
            district, lambda: all(tab.is_done for tab in tabs) and district.is_at_rest(), duration_s + SETTLE_S_MAX
        )
    except StuckError:
        is_settled = False
    if not is_settled:
        waiting = [(tab.name, tab.outbox.unrecorded) for tab in tabs if not tab.is_done]
        district.violated(SETTLES, f"still waiting: {waiting}")
    Audit(district).run()


async def _guarded(district: District, tab: Tab) -> None:
    try:
        await tab.run()
    except asyncio.CancelledError:
        raise
    except Exception as error:  # noqa: BLE001 -- an answer that the protocol does not allow
        district.violated("answers follow the protocol", f"{tab.name}: {error!r}")
        tab.give_up()


def _run_until(district: District, is_done: Callable[[], bool], until_s: float) -> bool:
    """Run on virtual time, looking every 50 ms; False where it is not done in time."""
    loop = district.loop

    async def look() -> bool:
        while not is_done():
            if loop.time() > until_s:
                return False
            await asyncio.sleep(0.05)
        return True

    done: bool = loop.run_until_complete(district.network_process.spawn(look()))
    return done
