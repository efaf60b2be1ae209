"""One generator process: the timer wheel, the sockets, the ledger and the figures of all its teachers.

One greenlet turns it. It wakes when a socket is ready or the next tick has come, lets what is due happen, hands the
ledger's lines to the operating system, and only then sends. Everything that makes the generator late is measured as it
happens: how late each timer fired, its CPU, requests that waited for a socket.
"""

from __future__ import annotations

import datetime as dt
import gc
import random
import time
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple

import gevent
from gevent.hub import Waiter

from loadtests.rehearsal.figures import Second
from loadtests.rehearsal.ledger import CompactLedger
from loadtests.rehearsal.profiles import STREAMING
from loadtests.rehearsal.sockets import Poller, Pool, Reply, address_of
from loadtests.rehearsal.streams import Stream
from loadtests.rehearsal.teacher import Teacher
from loadtests.rehearsal.wheel import TICK_S, TimerWheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loadtests.rehearsal.desk import SectionFacts
    from loadtests.rehearsal.grants import Grant, Grants
    from loadtests.rehearsal.outbox import Heard
    from loadtests.rehearsal.profiles import Profile

REHEARSAL = "Rehearsal"  # the title of every section that `inkfast rehearse prepare` makes begins with it
BACKOFF_S_MIN, BACKOFF_S_MAX = 1.0, 60.0
SWEEP_S = 0.5
READ_WATCHER = 1
IDLE_S_MAX = 0.02  # by so much a teacher may arrive late whom Locust sends while nothing is due
# Only the youngest objects are looked at, for a millisecond or two. What is typed is alive until it is recorded: a look
# at what has survived frees nothing, and with two million edits in the outboxes it took half a second.
GC_THRESHOLDS = (50_000, 1_000_000, 1_000)


class Wanted(NamedTuple):
    """What one process is told. `process`: its number among the generator's processes."""

    host: str
    profile: Profile
    duration_s: float
    seed: int
    process: int
    ledger: Path | None
    sockets: int
    sockets_max: int
    timeout_s: float
    sources: tuple[str, ...]
    may_write_anywhere: bool


class Engine:
    """`report(name, milliseconds, bytes, error)` is told of every request; `second_over(plain)` of every second."""

    def __init__(
        self,
        wanted: Wanted,
        grants: Grants,
        report: Callable[[str, float, int, str | None], None],
        second_over: Callable[[dict[str, Any]], None],
    ) -> None:
        self.wanted = wanted
        self.habits = wanted.profile.habits
        self.seed = wanted.seed
        self.now = time.monotonic()
        self.address = address_of(wanted.host)
        self.wheel = TimerWheel(self.now)
        self.poller = Poller()
        self.pool = Pool(
            self.address,
            self.poller,
            size=wanted.sockets,
            size_max=wanted.sockets_max,
            timeout_s=wanted.timeout_s,
            sources=wanted.sources,
        )
        self.ledger = CompactLedger(wanted.ledger)
        self.grants = grants
        self.second = Second()
        self.unrecorded = self.unacknowledged = 0
        self.streams_open = 0
        self._sent: set[int] = set()
        self._there: set[int] = set()
        self.refusal: str | None = None  # why the run must not go on
        self.gave_ups: dict[str, int] = {}
        self.is_running = False
        self._report = report
        self._second_over = second_over
        self._rng = random.Random(wanted.seed * 977 + wanted.process)
        self._begin_clock()
        self._teachers: dict[int, Teacher] = {}
        self._left: list[Teacher] = []  # who have come back as somebody new; what they typed is still on its way
        self._streams: dict[int, Stream] = {}
        self._head = b" HTTP/1.1\r\nHost: " + self.address.header + b"\r\nAccept: application/json\r\n"
        self._stamped_second, self._stamp = -1, b""
        self._second_at = int(self.now + self.ledger.offset_s)
        self._swept_at = self.now

    # -- what teachers and desks ask for

    def get(self, path: bytes, grant: Grant) -> bytes:
        """Return a GET request."""
        return b"GET %b%bAuthorization: Bearer %b\r\n\r\n" % (path, self._head, grant.token.encode())

    def post(self, path: bytes, grant: Grant | None, body: bytes) -> bytes:
        """Return a POST request of JSON."""
        who = b"Authorization: Bearer %b\r\n" % grant.token.encode() if grant is not None else b""
        about = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        return b"POST %b%b%b%b%b" % (path, self._head, who, about, body)

    def new_id(self) -> bytes:
        """Return a UUID that sorts by the time it was made (RFC 9562)."""
        bits = self._rng.getrandbits(74)
        ms = int((self.now + self.ledger.offset_s) * 1000)
        text = b"%012x7%03x%04x%012x" % (ms, bits & 0xFFF, 0x8000 | bits >> 12 & 0x3FFF, bits >> 26)
        return b"%b-%b-%b-%b-%b" % (text[:8], text[8:12], text[12:16], text[16:20], text[20:])

    def stamp(self, moment: float) -> bytes:
        """Return a moment of the monotonic clock as the protocol writes it."""
        ms = int((moment + self.ledger.offset_s) * 1000)
        second, rest = divmod(ms, 1000)
        if second != self._stamped_second:
            self._stamped_second = second
            self._stamp = dt.datetime.fromtimestamp(second, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
        return b"%b.%03dZ" % (self._stamp, rest)

    def backoff_s(self, retry_after: bytes | None, tries: int) -> float:
        """Return how long to wait: as long as was asked for, else full jitter of a span that doubles."""
        if retry_after:
            try:
                return float(retry_after)
            except ValueError:
                pass
        return self._rng.uniform(0, min(BACKOFF_S_MAX, BACKOFF_S_MIN * 2 ** (tries - 1)))

    def types_at(self, due: float) -> bool:
        """Whether anybody types at that moment."""
        return self.is_running and due < self._typing_until

    def may_type_into(self, section: SectionFacts) -> bool:
        """Keep all writing inside the sections of the rehearsal; the whole run ends where that cannot be kept."""
        if self.wanted.may_write_anywhere or section.title.startswith(REHEARSAL):
            return True
        which = f"section {section.section_id} ({section.title})"
        self.refusal = f"{which} is no section of a rehearsal: nothing was typed into it"
        return False

    # -- what they tell

    def count(self, what: str, number: int = 1) -> None:
        """Count something in this second."""
        self.second.counts[what] += number

    def typed(self) -> None:
        """Count an edit that has come."""
        self.second.counts["offered"] += 1
        self.unrecorded += 1
        self.unacknowledged += 1

    def arrived(self, number: int) -> None:
        """Count a teacher who is in: who can type, or whose stream is open; once, however often they come back."""
        self._there.add(number)

    def gave_up(self, why: str) -> None:
        """Count somebody who cannot go on."""
        self.gave_ups[why] = self.gave_ups.get(why, 0) + 1
        self.second.errors[f"gave up: {why}"] += 1

    def heard(self, heard: Heard, now: float) -> None:
        """Take the ages of edits that were acknowledged and of those that are recorded, as their teacher learns now."""
        second = self.second
        if heard.acknowledged:
            record = second.drafted.record
            for edit in heard.acknowledged:
                record(now - edit.typed_at)
            second.counts["drafted"] += len(heard.acknowledged)
            self.unacknowledged -= len(heard.acknowledged)
        if heard.recorded:
            record = second.told.record
            for edit in heard.recorded:
                record(now - edit.typed_at)
            second.counts["recorded"] += len(heard.recorded)
            self.unrecorded -= len(heard.recorded)
        if heard.refused or heard.exceptions:
            second.counts["refused_edits"] += len(heard.refused) + heard.exceptions

    def requested(self, name: str, reply: Reply) -> None:
        """Count a request that was answered, or was not."""
        second = self.second
        second.counts["requests"] += 1
        second.counts[name] += 1
        error = None
        if reply.status == 0:
            error = reply.body.decode(errors="replace")
        elif reply.status >= 400:
            error = str(reply.status)
        if error is None or (reply.status == 0 and reply.seconds >= self.wanted.timeout_s):
            # Who was given up waited for at least so long: left out, a service that hangs would look quick.
            second.requests[name].record(reply.seconds)
        if error is not None:
            second.errors[f"{name}: {error}"] += 1
        self._report(name, reply.seconds * 1000, len(reply.body), error)

    # -- teachers come and go

    def add_teacher(self, number: int, after_s: float) -> None:
        """Let one arrive after so many seconds."""
        grant = self.grants.of(number)
        self._sent.add(number)
        due = time.monotonic() + after_s
        if self.wanted.profile.work == STREAMING:
            stream = self._streams[number] = Stream(self, grant)
            self.wheel.add(due, stream.arrive)
            return
        share = self.wanted.profile.password_share
        with_password = bool(grant.password) and (number * 2_654_435_761 % 1000) < share * 1000
        if number in self._teachers:
            self._left.append(self._teachers[number])
        teacher = self._teachers[number] = Teacher(self, number, grant, with_password=with_password)
        self.wheel.add(due, teacher.arrive)

    def send_home(self, number: int) -> None:
        """Let one leave; what is not recorded yet is still sent."""
        for person in (self._teachers.get(number), self._streams.get(number)):
            if person is not None:
                person.leave()

    # -- running

    def run(self) -> None:
        """Turn until `stop`; to be spawned as a greenlet."""
        self.is_running = True
        self.ledger.run(process=self.wanted.process, profile=self.wanted.profile.name, seed=self.seed)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        hub = gevent.get_hub()
        io = hub.loop.io(self.poller.fileno(), READ_WATCHER)
        self._begin_clock()
        try:
            while self.is_running:
                waiter: Any = Waiter(hub)
                timer = hub.loop.timer(self.wheel.idle_s(time.monotonic(), IDLE_S_MAX))
                io.start(waiter.switch, None)
                timer.start(waiter.switch, None)
                waiter.get()
                io.stop()
                timer.close()
                self.turn()
        finally:
            io.stop()
            io.close()

    def _begin_clock(self) -> None:
        now = time.monotonic()
        self.typing_from = now + self.wanted.duration_s * self.wanted.profile.typing_from
        self._typing_until = now + self.wanted.duration_s
        self._cpu_s = time.process_time()

    def turn(self) -> None:
        """Let happen what is due and what has arrived; write the ledger; send."""
        self.now = now = time.monotonic()
        try:
            self.poller.turn(now)
            lag = self.second.lag
            for _, due, call in self.wheel.due(now):
                lag.record(now - due)
                call(due)
            if now - self._swept_at > SWEEP_S:
                self._swept_at = now
                self.pool.sweep(now)
                for stream in self._streams.values():
                    stream.sweep(now)
            self.ledger.write()
            self.pool.flush(now)
        except Exception as error:  # noqa: BLE001 -- a fault in here makes the run invalid; it must not hide as silence
            self.refusal = f"the generator failed: {type(error).__name__} {error}"
            self.is_running = False
            traceback.print_exc()
        if int(now + self.ledger.offset_s) != self._second_at:
            self.close_second(now)

    def close_second(self, now: float, *, is_last: bool = False) -> None:
        """Hand the figures of the second that is over to whoever collects them.

        `is_last`: this process has come to its end; who reads no such second knows that the process was cut off.
        """
        cpu_s, second = time.process_time(), self.second
        second.gauges = {
            "cpu": round(cpu_s - self._cpu_s, 3),
            "teachers": len(self._there),
            "teachers_wanted": len(self._sent),
            "unrecorded": self.unrecorded,
            "gave_up": sum(self.gave_ups.values()),
            "unacknowledged": self.unacknowledged,
            "sockets": self.pool.count,
            "in_flight": self.pool.in_flight,
            "waiting": self.pool.waiting,
            "socket_wait_ms": round(self.pool.waited_s_max * 1000, 1),
            "streams": self.streams_open,
            "timers": self.wheel.pending,
        }
        self.pool.waited_s_max = 0.0
        self._cpu_s = cpu_s
        at, self._second_at = self._second_at, int(now + self.ledger.offset_s)
        self.second = Second()
        plain = second.as_plain(at, self.wanted.process)
        if self.refusal is not None:
            plain["refusal"] = self.refusal
        if is_last:
            plain["is_last"] = True
        self._second_over(plain)

    def stop(self) -> None:
        """End: ages of what was never acknowledged are taken as they are now; the ledger is closed."""
        self.is_running = False
        now = time.monotonic()
        for teacher in (*self._left, *self._teachers.values()):
            for desk in teacher.desks():
                for edit in desk.outbox.unacknowledged():
                    self.second.drafted.record(now - edit.typed_at)
                    self.second.counts["never_acknowledged"] += 1
        self.second.counts["dropped"] += self.wheel.overdue(min(now - TICK_S * 4, self._typing_until))
        self.ledger.end(unrecorded=self.unrecorded, unacknowledged=self.unacknowledged)
        self.ledger.close()
        self.close_second(now, is_last=True)
        for stream in self._streams.values():
            stream.leave()
        self.pool.close()
        self.poller.close()
