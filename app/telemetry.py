"""Every metric and every log event by name, the request meter, and JSON logging. Nothing here knows what was typed.

Each process keeps its own figures: with several API workers behind one socket, scrape each at its own port
(`--own-port`), for a scrape of the shared one meets any of them. The label `worker` says which one answered.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
import traceback
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from app.errors import InkfastError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping

    from prometheus_client.metrics_core import Metric

    Message = MutableMapping[str, Any]
    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Any]]
    Send = Callable[[Any], Awaitable[None]]
    Application = Callable[[Any, Any, Any], Awaitable[None]]

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

# Upper bounds in seconds. 0.1 is the budget of a save's answer, 5 the longest wait before a 503.
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

SIGN_INS: Final = Counter(
    "inkfast_sign_ins", "Sign-ins by password, by what came of them.", ["outcome"], registry=REGISTRY
)
LOGIN_RENEWALS: Final = Counter(
    "inkfast_login_renewals", "Renewals of login sessions; `reused` ended one: somebody had an old token.",
    ["outcome"], registry=REGISTRY,
)  # fmt: skip
PASSWORD_QUEUE: Final = Gauge(
    "inkfast_password_queue", "Passwords waiting to be hashed or being hashed.", registry=REGISTRY
)
REVOCATIONS_AGE: Final = Gauge(
    "inkfast_revocations_age_seconds",
    "Since the set of revoked grants was last read from PostgreSQL.",
    registry=REGISTRY,
)
GRANTS_IN_GRACE: Final = Counter(
    "inkfast_grants_in_grace", "Requests served past a grant's term because PostgreSQL was away.", registry=REGISTRY
)
UNEXPECTED_ERRORS: Final = Counter(
    "inkfast_unexpected_errors", "Requests answered 500, by exception.", ["type"], registry=REGISTRY
)
JOURNAL_IS_WRITABLE: Final = Gauge(
    "inkfast_journal_is_writable", "1 if this process last found the journal safe and writable.", registry=REGISTRY
)
JOURNAL_AWAY: Final = Gauge(
    "inkfast_journal_servers_away", "Servers of the journal that this process takes for away.", registry=REGISTRY
)
RECORDS_SILENT: Final = Gauge(
    "inkfast_records_silent", "1 while saves of this process do not wait for PostgreSQL's answers.", registry=REGISTRY
)
DIRECT_EDITS: Final = Counter(
    "inkfast_direct_edits", "Edits written to PostgreSQL directly, past the journal.", registry=REGISTRY
)
JOURNAL_UNRECORDED: Final = Gauge(
    "inkfast_journal_unrecorded", "Saves in the journal that are not in PostgreSQL yet.", registry=REGISTRY
)
JOURNAL_OLDEST: Final = Gauge(
    "inkfast_journal_oldest_unrecorded_seconds", "Age of the oldest of them; 0 without any.", registry=REGISTRY
)
JOURNAL_SHRINKS: Final = Gauge(
    "inkfast_journal_shrinks_per_second",
    "Saves by which the journal got shorter a second, between two looks; below 0 while it grows.",
    registry=REGISTRY,
)
JOURNAL_MEMORY: Final = Gauge(
    "inkfast_journal_memory_ratio", "Share of its maxmemory that the journal's fullest server uses.", registry=REGISTRY
)
SNAPSHOT_CACHE: Final = Counter(
    "inkfast_snapshot_cache", "Uses of the snapshot cache: kept, refused, hit, miss, damaged, away.",
    ["outcome"], registry=REGISTRY,
)  # fmt: skip
COMMIT_SAVES: Final = Histogram(
    "inkfast_commit_saves", "Saves that one pipeline, and so one fsync, carried.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256), registry=REGISTRY,
)  # fmt: skip
PRESSURE: Final = Gauge(
    "inkfast_load_pressure", "Load of this process as a multiple of what is good; above 1 clients save less often.",
    registry=REGISTRY,
)  # fmt: skip
SAVE_WINDOW: Final = Gauge(
    "inkfast_save_window_seconds", "How long clients collect edits, by this process's load.", registry=REGISTRY
)
REFUSED: Final = Counter(
    "inkfast_refused",
    "Requests refused because of the load, by kind of work; `all`: for want of any connection to PostgreSQL.",
    ["work"],
    registry=REGISTRY,
)
POOL_WAITING: Final = Gauge(
    "inkfast_pool_waiting", "Requests that wait for a connection to PostgreSQL, by kind of work.", ["work"],
    registry=REGISTRY,
)  # fmt: skip
EVENT_STREAMS: Final = Gauge("inkfast_event_streams", "Open streams of events.", registry=REGISTRY)
EVENT_LOOP_LAG: Final = Histogram(
    "inkfast_event_loop_lag_seconds", "How late a timer fired: what every request had to wait.",
    buckets=SECONDS, registry=REGISTRY,
)  # fmt: skip


def _cumulated(bounds: Iterable[float], shares: Iterable[float]) -> list[tuple[str, float]]:
    """Return buckets as Prometheus wants them: each with all that is below it, the last without bound."""
    count, buckets = 0.0, []
    for bound, share in zip((*map(str, bounds), "+Inf"), shares, strict=True):
        count += share
        buckets.append((bound, count))
    return buckets


class MeasureEdits(Collector):
    """Counts what was answered of edits, in plain numbers of one event loop: the library takes a lock for each."""

    AGES: Final = (1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 14400.0)

    def __init__(self) -> None:
        self.outcomes = dict.fromkeys(("drafted", "recorded", "conflict", "rejected"), 0)
        self._age_sum = 0.0
        self._ages = [0] * (len(self.AGES) + 1)

    def answered(self, outcomes: Iterable[str], oldest_s: float) -> None:
        """Count a save's outcomes, and the age that its oldest edit had when it was sent, by its client's clock."""
        counts = self.outcomes
        for outcome in outcomes:
            counts[outcome] += 1
        self._age_sum += oldest_s
        self._ages[bisect_left(self.AGES, oldest_s)] += 1

    def collect(self) -> Iterator[Metric]:
        """Yield edits by outcome, and the ages."""
        edits = CounterMetricFamily("inkfast_edits", "Edits answered, by outcome.", labels=["outcome"])
        for outcome, count in self.outcomes.items():
            edits.add_metric([outcome], count)
        yield edits
        help_ = "Age of a save's oldest edit when it was sent, by the client's own clock."
        ages = HistogramMetricFamily("inkfast_edit_age_seconds", help_)
        ages.add_metric([], _cumulated(self.AGES, self._ages), self._age_sum)
        yield ages


EDITS: Final = MeasureEdits()
REGISTRY.register(EDITS)


class Event:
    """Names of log events. `fields` beside them are identifiers, counts and durations, never what was typed."""

    SERVICE_STARTED = "service.started"
    SERVICE_REFUSED = "service.refused"
    SERVICE_STOPPED = "service.stopped"
    WEB_NOT_BUILT = "web.not_built"
    WEB_STALE = "web.stale"
    REQUEST_FAILED = "request.failed"
    SIGN_IN_REFUSED = "sign_in.refused"
    LOGIN_SESSION_STARTED = "login_session.started"
    LOGIN_SESSION_ENDED = "login_session.ended"
    LOGIN_SESSION_REUSED = "login_session.reused"
    PASSWORD_POOL_BROKEN = "password_pool.broken"  # noqa: S105 -- the name of an event
    REVOCATIONS_STALE = "revocations.stale"
    REVOCATIONS_FRESH = "revocations.fresh"
    JOURNAL_AWAY = "journal.away"
    JOURNAL_BACK = "journal.back"
    DIRECT_WRITE_FAILED = "direct_write.failed"
    MEMORY_RUNG_CHANGED = "memory_rung.changed"
    SNAPSHOT_CACHE_AWAY = "snapshot_cache.away"
    MAINTENANCE_CHANGED = "maintenance.changed"
    JOURNAL_CLOSED = "journal.closed"
    JOURNAL_OPENED = "journal.opened"
    JOURNAL_REWRITTEN = "journal.rewritten"
    BALLAST_FREED = "ballast.freed"
    BALLAST_MADE = "ballast.made"
    DISK_GUARD_FAILED = "disk_guard.failed"
    FLUSH_FAILED = "flush.failed"
    RECORDS_SILENT = "records.silent"
    RECORDS_ANSWER = "records.answer"
    RECORDS_BACK = "records.back"
    CAUGHT_UP = "records.caught_up"
    PARTITION_HELD = "partition.held"
    EDIT_QUARANTINED = "edit.quarantined"
    INCARNATION_CHANGED = "incarnation.changed"
    CLEAN_HEADS_EVICTED = "clean_heads.evicted"


_logger = logging.getLogger("inkfast")
_encode = msgspec.json.Encoder(enc_hook=str).encode

# Messages of these say what the program or the machine did. Others (a number that could not be parsed, a row that
# PostgreSQL refused) quote what was typed, so that only their type and where they arose are logged.
_QUOTABLE: Final = (InkfastError, OSError, RuntimeError, TypeError, AttributeError, NameError, ImportError)


def log(event: str, *, level: int = logging.INFO, error: BaseException | None = None, **fields: Any) -> None:
    """Write one line of JSON; never raises, never quotes an exception that may hold a grade."""
    if error is not None:
        fields["error"] = describe(error)
    _logger.log(level, event, extra={"fields": fields})


def describe(error: BaseException) -> dict[str, Any]:
    """Return the type of an exception, where it arose, and its message where that cannot hold what was typed."""
    described: dict[str, Any] = {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "frames": [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)[-12:]],
    }
    if isinstance(error, _QUOTABLE):
        described["message"] = str(error)[:500]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and cause is not error:
        described["cause"] = type(cause).__qualname__
    return described


class JsonFormatter(logging.Formatter):
    """One JSON object a line. Tracebacks of foreign loggers are reduced like our own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        if record.name != _logger.name:
            line["logger"] = record.name
        line.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = describe(record.exc_info[1])
        return _encode(line).decode()


def log_to_stderr(process: str, *, level: int = logging.INFO) -> None:
    """From here on this process logs JSON lines to stderr, each with the name of the process."""
    formatter = JsonFormatter()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(lambda record: _name_process(record, process))
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _name_process(record: logging.LogRecord, process: str) -> bool:
    record.fields = {"process": process, **getattr(record, "fields", {})}
    return True


class MeasureRequests:
    """ASGI middleware: counts and times every request on every way out, and adds the headers every answer has.

    Labels are route templates (no series per section) and known methods (no series per scanner). A request that was
    cancelled, or whose client left before an answer, is 499, not 200 after 0 seconds. It runs on one event loop, so
    that its figures are plain numbers without locks; tests/api/test_health.py bounds its cost.
    """

    __slots__ = ("_headers", "app", "in_progress", "series")

    METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

    def __init__(self, app: Application, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self.app = app
        self.in_progress = 0
        # (route, method, status) -> [seconds, count per bucket…]; the last bucket is without bound.
        self.series: dict[tuple[str, str, int], list[float]] = {}
        self._headers = tuple(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, and measure it whatever becomes of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 499
        started = time.perf_counter()
        self.in_progress += 1

        # Not a coroutine of its own: it hands back the server's.
        def measured_send(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *self._headers]
            return send(message)

        try:
            await self.app(scope, receive, measured_send)
        except asyncio.CancelledError:
            status = 499
            raise
        except BaseException:
            status = 500
            raise
        finally:
            self.in_progress -= 1
            seconds = time.perf_counter() - started
            key = (scope.get("path_template", "unmatched"), scope["method"], status)
            entry = self.series.get(key) or self._entry(key)
            entry[0] += seconds
            entry[1 + bisect_left(SECONDS, seconds)] += 1

    def _entry(self, key: tuple[str, str, int]) -> list[float]:
        route, method, status = key
        known = (route, method if method in self.METHODS else "other", status)
        return self.series.setdefault(known, [0.0] * (len(SECONDS) + 2))


class RequestCollector(Collector):
    """Shows a meter's figures to Prometheus."""

    def __init__(self, meter: MeasureRequests) -> None:
        self._meter = meter

    def collect(self) -> Iterator[Metric]:
        """Yield requests by route, method and status, their durations by route and method, and those in progress."""
        requests = CounterMetricFamily("inkfast_http_requests", "Requests.", labels=["route", "method", "status"])
        seconds = HistogramMetricFamily("inkfast_http_request_seconds", "Durations.", labels=["route", "method"])
        durations: dict[tuple[str, str], list[float]] = {}
        for (route, method, status), entry in self._meter.series.items():
            requests.add_metric([route, method, str(status)], sum(entry[1:]))
            sums = durations.get((route, method))
            durations[route, method] = [a + b for a, b in zip(sums, entry, strict=True)] if sums else entry
        for (route, method), entry in durations.items():
            seconds.add_metric([route, method], _cumulated(SECONDS, entry[1:]), entry[0])
        yield requests
        yield seconds
        in_progress = GaugeMetricFamily("inkfast_http_requests_in_progress", "Requests being served.")
        in_progress.add_metric([], self._meter.in_progress)
        yield in_progress


class _Labelled(Collector):
    def __init__(self, sources: Iterable[Collector], worker: str) -> None:
        self._sources = tuple(sources)
        self._worker = worker

    def collect(self) -> Iterator[Metric]:
        for source in self._sources:
            for metric in source.collect():
                metric.samples = [s._replace(labels={**s.labels, "worker": self._worker}) for s in metric.samples]
                yield metric


def exposition(worker: str, *more: Collector) -> bytes:
    """Return all figures of this process in Prometheus' text format, each with the label `worker`."""
    registry = CollectorRegistry()
    registry.register(_Labelled((REGISTRY, *more), worker))
    return generate_latest(registry)


async def watch_event_loop(interval_s: float = 0.5) -> None:
    """Measure for ever how late timers fire."""
    clock = asyncio.get_running_loop().time
    while True:
        due = clock() + interval_s
        await asyncio.sleep(interval_s)
        EVENT_LOOP_LAG.observe(max(0.0, clock() - due))
