"""A teacher as in life: signs on, opens a section, types in bursts, pastes, takes the roll, reads, switches, leaves.

A state of some hundred bytes and one timer; no greenlet, no connection of its own.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec

from loadtests.rehearsal.desk import OK, TOO_MANY, UNAVAILABLE, Desk, decode_snapshot, problem_of
from loadtests.rehearsal.habits import Burst, draw_burst, meet

if TYPE_CHECKING:
    from loadtests.rehearsal.engine import Engine
    from loadtests.rehearsal.grants import Grant
    from loadtests.rehearsal.sockets import Reply

SCORES = tuple(b'{"score":"%b"}' % f"{quarters / 4:g}".encode() for quarters in range(81))
ABSENCES = tuple(
    b'{"category":"%b"}' % name
    for name in (b"unexcused_absence", b"excused_absence", b"tardy", b"unexcused_absence", b"tardy")
)
ROLL_TAKEN = b'{"taken":true}'
BACKLOG_MIN = 20
BACKLOG_S_MAX = 7_200.0


class Teacher:
    """One person; `number` is theirs in the whole rehearsal, over all processes."""

    __slots__ = (
        "_at",
        "_burst",
        "_burst_number",
        "_desk",
        "_engine",
        "_grant",
        "_is_leaving",
        "_retries",
        "_section_at",
        "number",
        "old_desks",
        "with_password",
    )

    def __init__(self, engine: Engine, number: int, grant: Grant, *, with_password: bool) -> None:
        self._engine = engine
        self.number = number
        self._grant = grant
        self.with_password = with_password
        self._desk: Desk | None = None
        self.old_desks: list[Desk] = []
        self._section_at = number % len(grant.sections)
        self._burst: Burst | None = None
        self._burst_number = 0
        self._at = 0
        self._retries = 0
        self._is_leaving = False

    def desks(self) -> list[Desk]:
        """Return every desk on which something may lie."""
        return [*self.old_desks, *([self._desk] if self._desk is not None else [])]

    def leave(self) -> None:
        """Go home: what is typed is sent at once, as when a page is hidden, and kept until it is recorded."""
        self._is_leaving = True
        for desk in self.desks():
            desk.send_now(self._engine.now)

    # -- signing on, opening

    def arrive(self, _due: float) -> None:
        """Sign on: with a password, or with the grant of an earlier sign-on, as who has the page open."""
        engine, grant = self._engine, self._grant
        if self._is_leaving:
            return
        if self.with_password:
            body = msgspec.json.encode({"username": grant.username, "password": grant.password})
            engine.pool.ask(engine.post(b"/api/v1/session", None, body), self._signed_on, engine.now)
        else:
            engine.pool.ask(engine.get(b"/api/v1/sections", grant), self._signed_on, engine.now)

    def _signed_on(self, reply: Reply, now: float) -> None:
        self._engine.requested("sign on" if self.with_password else "list sections", reply)
        if reply.status == OK:
            self._retries = 0
            self._open(now)
        else:
            self._again(reply, self.arrive, now)

    def _again(self, reply: Reply, what: object, now: float) -> None:
        """Try again what was refused for the moment; give up what is refused for good."""
        if reply.status not in {0, TOO_MANY, UNAVAILABLE} and reply.status < 500:
            self._engine.gave_up(f"{reply.status} {problem_of(reply).code}")
            return
        self._retries += 1
        retry_after = reply.header(b"retry-after") if reply.status in {TOO_MANY, UNAVAILABLE} else None
        self._engine.wheel.add(now + self._engine.backoff_s(retry_after, self._retries), what)  # type: ignore[arg-type]  # a method of this class

    def _open(self, _due: float) -> None:
        engine = self._engine
        section = self._grant.sections[self._section_at]
        engine.pool.ask(engine.get(b"/api/v1/sections/%d" % section, self._grant), self._opened, engine.now)

    def _opened(self, reply: Reply, now: float) -> None:
        engine = self._engine
        engine.requested("open section", reply)
        if reply.status != OK:
            self._again(reply, self._open, now)
            return
        self._retries = 0
        snapshot = decode_snapshot(reply.body)
        if not engine.may_type_into(snapshot.section):
            return
        opened = snapshot.section.section_id
        if self._desk is not None and self._desk.outbox.section_id == opened:
            self._desk.take(snapshot)
            return
        is_first = self._desk is None
        engine.arrived(self.number)  # not before: who is signed on and cannot open the section types nothing
        kept = [desk for desk in self.old_desks if desk.outbox.unrecorded and not desk.is_closed]
        # Where the outbox still holds something of this section, it goes on: a new one would not know of it.
        again = next((desk for desk in kept if desk.outbox.section_id == opened), None)
        self.old_desks = [desk for desk in kept if desk is not again]
        if self._desk is not None:
            self._desk.send_now(now)
            self.old_desks.append(self._desk)
        if again is not None:
            again.take(snapshot)
        self._desk = again or Desk(engine, self._grant, opened, snapshot)
        if is_first:
            self._begin(now)

    def _begin(self, now: float) -> None:
        habits = self._engine.habits
        rng = random.Random(self._engine.seed * 31 + self.number)
        look_s = rng.lognormvariate(0, 0.5) * habits.first_look_s
        if habits.begins_midway:
            look_s += rng.uniform(0, habits.pause_s)
        if habits.backlog_max:
            self._bring_backlog(now, rng)
        if now + look_s < self._engine.typing_from:
            self._wait_until_all_type(rng)
        else:
            self._engine.wheel.add(now + look_s, self._start_burst)

    def _wait_until_all_type(self, rng: random.Random) -> None:
        """Be met, when it is time, with a page that is open for long and a column half typed, or about to be begun."""
        engine, desk = self._engine, self._desk
        if desk is None or not (engine.habits.begins_midway and desk.has_cells):
            engine.wheel.add(engine.typing_from, self._start_burst)
            return
        met = meet(engine.habits, engine.seed, self.number, len(desk.students), rng)
        self._burst_number, self._burst, self._at, until_s = met
        engine.wheel.add(engine.typing_from + until_s, self._type)

    def _bring_backlog(self, now: float, rng: random.Random) -> None:
        """Come with what was typed while the service was away; its age counts from the return."""
        desk, engine = self._desk, self._engine
        if desk is None or not desk.has_cells:
            return
        ratio = engine.habits.backlog_max / BACKLOG_MIN
        for at in range(int(BACKLOG_MIN * ratio ** rng.random())):
            item = desk.items[at // len(desk.students) % len(desk.items)]
            student = desk.students[at % len(desk.students)]
            entered = engine.stamp(now - rng.uniform(0, BACKLOG_S_MAX))
            desk.put(now, "score", item, student, SCORES[rng.randrange(len(SCORES))], entered)
        desk.plan(now + rng.uniform(0, desk.window_s))

    # -- typing

    def _start_burst(self, due: float) -> None:
        engine, desk = self._engine, self._desk
        if desk is None or self._is_leaving or desk.is_closed or not engine.types_at(due):
            return
        if not desk.has_cells:
            engine.gave_up("nothing to type into")
            return
        habits = engine.habits
        self._burst_number += 1
        self._burst = draw_burst(habits, engine.seed, self.number, self._burst_number, len(desk.students))
        self._at = 0
        if self._burst.numbers[0] % 1000 < habits.roll_share * 1000:
            self._take_roll(due)
            return
        desk.column = (desk.column + 1) % len(desk.items)
        engine.wheel.add(due + self._burst.gaps_s[0], self._type)

    def _type(self, due: float) -> None:
        """Type the next cell of the column, and all that come at the same moment."""
        engine, desk, burst = self._engine, self._desk, self._burst
        if desk is None or burst is None or self._is_leaving or desk.is_closed or not engine.types_at(due):
            return
        entered_at = engine.stamp(due)
        item, students = desk.items[desk.column], desk.students
        while True:
            number, row = burst.numbers[self._at], self._at
            if row and number % 1000 < engine.habits.correction_share * 1000:
                row -= 1
            desk.put(due, "score", item, students[row % len(students)], SCORES[(number >> 10) % 81], entered_at)
            self._at += 1
            if self._at == len(burst.numbers):
                break
            if not burst.is_paste:
                desk.plan_save(due)
                engine.wheel.add(due + burst.gaps_s[self._at], self._type)
                return
        if burst.is_paste:
            desk.send_now(due)
        desk.plan_save(due)
        self._pause(due)

    def _take_roll(self, due: float) -> None:
        """All present but a few: the exceptions and the mark that the roll is taken go out as one gesture."""
        engine, desk, burst = self._engine, self._desk, self._burst
        if desk is None or burst is None:
            return
        entered_at = engine.stamp(due)
        for student, number in zip(desk.students, burst.numbers, strict=False):
            if (number >> 10) % 1000 < engine.habits.exceptions_share * 1000:
                desk.put(due, "attendance", desk.day_item, student, ABSENCES[number % len(ABSENCES)], entered_at)
        desk.put(due, "roll_taken", desk.day_item, 0, ROLL_TAKEN, entered_at)
        desk.send_now(due)
        desk.plan_save(due)
        self._pause(due)

    def _pause(self, due: float) -> None:
        """Between two columns: open another section, look anew, leave, or only pause."""
        habits, burst = self._engine.habits, self._burst
        if burst is None:
            return
        if habits.leave_after_bursts and self._burst_number >= habits.leave_after_bursts:
            self.leave()
            return
        in_between = due + burst.pause_s * 0.6
        if burst.then < habits.switch_share and len(self._grant.sections) > 1:
            self._engine.wheel.add(in_between, self._switch)
        elif burst.then < habits.switch_share + habits.read_share:
            self._engine.wheel.add(in_between, self._look_anew)
        self._engine.wheel.add(due + burst.pause_s, self._start_burst)

    def _switch(self, due: float) -> None:
        if not self._is_leaving and self._engine.types_at(due):
            self._section_at = (self._section_at + 1) % len(self._grant.sections)
            self._open(due)

    def _look_anew(self, due: float) -> None:
        if not self._is_leaving and self._desk is not None and self._engine.types_at(due):
            self._open(due)
