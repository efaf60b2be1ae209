"""One round of `inkfast bench`: every contestant in turn on the same stand, its CPU read beside its requests."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import redis

from app.drafts.keys import STREAM
from loadtests.bench.plan import EDITS_PER_SAVE, Plan, decode_recorded, decode_result, encode
from ops.bench.stand import COLUMNS, BenchError, Dialogue, Served, Stand, cells_of, cpu_s
from ops.environment import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from loadtests.bench.plan import Teacher

RATE_MAX = 12_000  # saves a second that a cell has cells to type for
CELLS_PER_SECTION = 24 * COLUMNS  # of the smallest section
SAVES_PER_CLIENT = 30  # 90 edits in one opening of the outbox
SECTIONS_PER_TEACHER = 16  # so that few teachers fill the journal: each of them asks PostgreSQL now and then
CELLS_PER_SECTION_MEAN = 600  # sections as they are filled for the measurement of memory: 30 students, 20 columns

Meters = dict[str, "Callable[[], float]"]


class Measured(msgspec.Struct):
    """One contestant in one round. CPU in seconds per 1,000 requests or rows, by process."""

    name: str
    per_second: float
    cpu: dict[str, float]
    p50_ms: float | None = None
    p99_ms: float | None = None
    generator_share: float | None = None

    @property
    def cpu_sum(self) -> float:
        """CPU-seconds of all processes that serve, per 1,000."""
        return sum(self.cpu.values())


class Memory(NamedTuple):
    """What the journal's server needs for drafted edits of new cells, in bytes for each edit."""

    edits: int
    without_positions: float
    with_positions: float
    stream: float
    clients: int


class Contestants(NamedTuple):
    """The programs under load."""

    noop: Served
    save: Served
    direct: Served


def sections_needed(rounds: int, seconds: float, connections: Sequence[int], memory_edits: int) -> int:
    """Return how large a district all of it takes."""
    per_round = sum(3 * count * sections_each(seconds, count) for count in connections)
    with_flusher = connections[0] * sections_each(seconds, connections[0])
    return rounds * (per_round + with_flusher) + memory_edits // 400 + 100


def sections_each(seconds: float, connections: int) -> int:
    """Return how many sections a teacher needs so that none runs out of empty cells."""
    return int(RATE_MAX * seconds * EDITS_PER_SAVE / connections / CELLS_PER_SECTION) + 2


@contextlib.contextmanager
def contestants(stand: Stand) -> Iterator[Contestants]:
    """Start the service's API and the two plain handlers, each one process behind the same ASGI server."""
    plain = ("loadtests.bench.serve",)
    found = Contestants(
        stand.serve("noop", *plain, "noop", "--fd", "{fd}"),
        stand.serve("api", "app.main", "--fd", "{fd}"),
        stand.serve("direct", *plain, "direct", "--fd", "{fd}"),
    )
    for served, path in ((found.noop, "/"), (found.direct, "/"), (found.save, "/readyz")):
        served.wait_ready(path)
    yield found


class Round:
    """The cells of one round; what the saves have journaled is what the flusher then records."""

    def __init__(self, stand: Stand, number: int, seconds: float) -> None:
        self._stand = stand
        self._number = number
        self._seconds = seconds
        self._first_section = stand.last_section + 1
        self._acknowledged = 0

    def prepare(self) -> None:
        """Empty the journal: every cell of this round is new to it and to the database."""
        self._stand.settle(empty_journal=True)

    def _meters(self, **more: int) -> Meters:
        meters: Meters = {name: lambda pid=pid: cpu_s(pid, with_children=True) for name, pid in more.items()}  # type: ignore[misc]
        return meters | self._stand.meters()

    def load(self, name: str, port: int, pid: int, connections: int, *, is_save: bool = False, **more: int) -> Measured:
        """Put one program under load. `is_save`: it is the service, and what it acknowledges is counted."""
        teachers = self._stand.teachers(connections, sections_each(self._seconds, connections), columns=COLUMNS)
        plan = Plan("127.0.0.1", port, self._number, teachers, seconds=self._seconds)
        dialogue = Dialogue("loadtests.bench.generator", environment=self._stand.environment, plan=encode(plan) + b"\n")
        meters = self._meters(handler=pid, **more)
        before = read(meters)
        result = decode_result(dialogue.go())
        cpu = spent(before, read(meters), result.answered + result.late)
        dialogue.close()
        if is_save:
            warm_up = sum(len(teacher.sections) for teacher in teachers)
            self._acknowledged += EDITS_PER_SAVE * (result.answered + result.late + warm_up)
        return Measured(name, result.per_second, cpu, result.p50_ms, result.p99_ms, result.cpu_share)

    def flush(self, name: str, *, lanes: int | None = None) -> Measured:
        """Record what the saves have left in the journal, and count: nothing acknowledged may be missing.

        By one process, with as many lanes as it has by default unless `lanes` says otherwise.
        """
        self._stand.settle(empty_journal=False)
        given = self._stand.environment | ({"INKFAST_FLUSH_LANES": str(lanes)} if lanes else {})
        dialogue = Dialogue("ops.bench.flusher", environment=given)
        meters = self._meters()
        before = read(meters)
        recorded = decode_recorded(dialogue.go())
        cpu = spent(before, read(meters), recorded.rows)
        dialogue.close()
        self._audit()
        cpu = {"handler": recorded.cpu_s * 1000 / recorded.rows, **cpu}
        return Measured(name, recorded.rows / recorded.elapsed_s, cpu)

    def load_and_record(self, name: str, save: Served, connections: int) -> Measured:
        """Put the service under load while a flusher records; nothing acknowledged may be missing."""
        self._stand.settle(empty_journal=True)
        self._first_section, self._acknowledged = self._stand.last_section + 1, 0
        flusher = self._stand.start_flusher()
        try:
            measured = self.load(name, save.port, save.pid, connections, is_save=True, flusher=flusher.process.pid)
        finally:
            flusher.stop()  # it records what is there first
        self._audit()
        return measured

    def copy(self) -> Measured:
        """Write the same rows by a bare COPY and an upsert."""
        self._stand.settle(empty_journal=False)
        span = (str(self._first_section), str(self._stand.last_section), str(self._stand.flush_rows))
        dialogue = Dialogue("loadtests.bench.copying", *span, environment=self._stand.environment)
        meters = self._meters()
        before = read(meters)
        recorded = decode_recorded(dialogue.go())
        cpu = spent(before, read(meters), recorded.rows)
        dialogue.close()
        cpu = {"handler": recorded.cpu_s * 1000 / recorded.rows, **cpu}
        return Measured("copy", recorded.rows / recorded.elapsed_s, cpu)

    def _audit(self) -> None:
        """Raise BenchError unless every acknowledged edit of this round is in the history or still in the journal."""
        statement = (
            "SELECT status, count(*) FROM edit_log WHERE section_id "  # noqa: S608 -- two of our own integers
            f"BETWEEN {self._first_section} AND {self._stand.last_section} GROUP BY status"
        )
        found = dict(line.split("|") for line in self._stand.psql("-c", statement).splitlines())
        with redis.Redis.from_url(self._stand.valkey.url) as client:
            left = EDITS_PER_SAVE * sum(client.xlen(key) for key in STREAM)
        if found.keys() - {"A"} or int(found.get("A", 0)) + left != self._acknowledged:
            raise BenchError(
                f"{self._acknowledged} edits were acknowledged; the history has {found}, and the journal {left}"
            )


def read(meters: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """Return what every meter shows now."""
    return {name: meter() for name, meter in meters.items()}


def spent(before: Mapping[str, float], after: Mapping[str, float], count: int) -> dict[str, float]:
    """Return CPU-seconds per 1,000 of `count`."""
    return {name: (after[name] - before[name]) * 1000 / count for name in before}


def measure_memory(stand: Stand, served: Served, edits: int) -> Memory:
    """Fill the journal with drafted edits of new cells through the service; return what they occupy in its server."""
    count = max(1, edits // (SECTIONS_PER_TEACHER * CELLS_PER_SECTION_MEAN))
    teachers = stand.teachers(count, SECTIONS_PER_TEACHER)
    stand.settle(empty_journal=True)
    with redis.Redis.from_url(stand.valkey.url) as client:
        empty = used_bytes(client)
        fill(served, teachers)
        full = used_bytes(client)
        streams = sum(client.memory_usage(key, samples=0) or 0 for key in STREAM)
        positions = _drop_positions(client)
        without = used_bytes(client)
    typed = sum(cells_of(teacher) for teacher in teachers)
    return Memory(typed, (without - empty) / typed, (full - empty) / typed, streams / typed, positions)


def fill(served: Served, teachers: list[Teacher]) -> None:
    """Type every cell of these teachers' sections, or raise BenchError. The load is this checkout's, whoever serves."""
    plan = Plan("127.0.0.1", served.port, 0, teachers, saves_per_client=SAVES_PER_CLIENT)
    dialogue = Dialogue("loadtests.bench.generator", environment=dict(environment()), plan=encode(plan) + b"\n")
    result = decode_result(dialogue.go())
    dialogue.close()
    typed = sum(cells_of(teacher) for teacher in teachers)
    filled = EDITS_PER_SAVE * (result.answered + sum(len(teacher.sections) for teacher in teachers))
    if filled != typed:
        raise BenchError(f"{filled} of {typed} cells were filled")


def used_bytes(client: redis.Redis) -> int:
    """Return the bytes in use for data: connections' buffers and the append-only file's are not."""
    info = client.info("memory")
    return int(info["used_memory"] - info["mem_not_counted_for_evict"] - info["mem_clients_normal"])


def _drop_positions(client: redis.Redis) -> int:
    """Remove the clients' positions from the section hashes; return how many there were."""
    removed = 0
    for key in list(client.scan_iter(match="{p*}:s:*", count=1000)):
        fields = [field for field, _ in client.hscan_iter(key, match="c*", count=1000)]
        if fields:
            removed += client.hdel(key, *fields)
    return removed
