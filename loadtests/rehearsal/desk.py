"""A teacher's desk: one open section, its cells as the teacher sees them, its outbox, and when that is sent.

Open at the edit, closed at the save: edits come when they are due, whatever the service does; of a section there is
one save on its way. An edit's age counts from the moment it was due to be typed, so no stall of service or generator
hides it.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from loadtests.rehearsal.outbox import Answer, Edit, Save, SlimOutbox, decode_answer

if TYPE_CHECKING:
    from loadtests.rehearsal.engine import Engine
    from loadtests.rehearsal.grants import Grant
    from loadtests.rehearsal.sockets import Reply

KINDS = {"score": 1, "comment": 2, "attendance": 3, "line_item": 4, "roll_taken": 5}  # for keys in here only
BACKOFF_S_MIN, BACKOFF_S_MAX = 1.0, 60.0
POLL_S_MAX = 60.0
OK, GAP, TOO_LARGE, TOO_MANY, UNAVAILABLE = 200, 409, 413, 429, 503


class SectionFacts(Struct):
    """Of a snapshot: which section it is."""

    section_id: int
    title: str
    org_name: str
    today: str


class Student(Struct):
    """Of a snapshot: one student."""

    student_id: int
    is_active: bool = True


class LineItem(Struct):
    """Of a snapshot: one column."""

    line_item_id: int
    result_value_max: str
    is_hidden: bool = False


class Cells(Struct):
    """Of a snapshot: what stands in the cells, as columns of equal length."""

    kind: list[str]
    item: list[int]
    student: list[int]
    edit_id: list[str]


class Snapshot(Struct):
    """A section as it stands, as far as a teacher of a rehearsal looks."""

    section: SectionFacts
    students: list[Student]
    line_items: list[LineItem]
    cells: Cells
    next_save_ms: int


class Problem(Struct):
    """A request that was refused as a whole."""

    code: str = "unreadable"
    params: dict[str, int | str | list[dict[str, str]]] = {}


decode_snapshot = msgspec.json.Decoder(Snapshot).decode
_decode_problem = msgspec.json.Decoder(Problem).decode


def problem_of(reply: Reply) -> Problem:
    """Return the problem of a reply; one that a proxy has made says only that it is unreadable."""
    try:
        return _decode_problem(reply.body)
    except msgspec.MsgspecError:
        return Problem()


def cell_key(kind: int, item: int, student: int) -> int:
    """Return one number for a cell."""
    return kind << 64 | item << 32 | student


class Desk:
    """Used by one teacher; sends by the timer wheel of the engine."""

    __slots__ = (
        "_engine",
        "_grant",
        "_is_in_flight",
        "_polls",
        "_retries",
        "_save",
        "_send_at",
        "column",
        "day_item",
        "heads",
        "is_closed",
        "items",
        "outbox",
        "students",
        "window_s",
    )

    def __init__(self, engine: Engine, grant: Grant, section_id: int, snapshot: Snapshot) -> None:
        self._engine = engine
        self._grant = grant
        self.outbox = SlimOutbox(grant.user, section_id, engine.ledger, engine.new_id)
        self._is_in_flight = False
        self._save: Save | None = None
        self._send_at = 0.0  # 0: not planned
        self._retries = 0
        self._polls = 0  # in a row
        self.is_closed = False
        self.column = -1
        self.students: array[int] = array("L")
        self.items: array[int] = array("L")
        self.heads: dict[int, bytes] = {}
        self.take(snapshot)

    def take(self, snapshot: Snapshot) -> None:
        """See a snapshot; the outbox lies over it, so cells with an edit under way stay as they are."""
        self.students = array("L", [s.student_id for s in snapshot.students if s.is_active])
        self.items = array("L", [c.line_item_id for c in snapshot.line_items if not c.is_hidden])
        self.day_item = int(snapshot.section.today.replace("-", "")) * 100
        self.window_s = snapshot.next_save_ms / 1000
        if not self.outbox.unrecorded:
            self.heads.clear()
        cells = snapshot.cells
        for kind, item, student, edit_id in zip(cells.kind, cells.item, cells.student, cells.edit_id, strict=True):
            self.heads.setdefault(cell_key(KINDS[kind], item, student), edit_id.encode())

    @property
    def has_cells(self) -> bool:
        """Whether there is anything to type into."""
        return bool(self.students and self.items)

    def put(self, due: float, kind: str, item: int, student: int, value: bytes, entered_at: bytes) -> None:
        """Type one value into one cell, at the moment that it was due."""
        cell = cell_key(KINDS[kind], item, student)
        base = self.heads.get(cell)
        fields = b'"kind":"%b","item":%d,"student":%d,"base":%b,"value":%b,"entered_at":"%b"' % (
            kind.encode(),
            item,
            student,
            b'"%b"' % base if base is not None else b"null",
            value,
            entered_at,
        )
        edit_id = self._engine.new_id()
        self.heads[cell] = edit_id
        self.outbox.add(Edit(due, edit_id, fields, cell, base))
        self._engine.typed()

    def plan(self, at: float) -> None:
        """Send at that moment, unless that is planned earlier, or a save is on its way."""
        if self.is_closed or self._is_in_flight or (self._send_at and self._send_at <= at):
            return
        self._send_at = at
        self._engine.wheel.add(at, self.send)

    def plan_save(self, due: float) -> None:
        """Save when the window that began with the first edit is over."""
        self.plan(due + self.window_s)

    def send_now(self, now: float) -> None:
        """Send what is not sent yet without waiting for the window: the page is hidden, or a gesture was large."""
        if self.outbox.unsent and not self._retries:
            self.plan(now)

    def send(self, due: float) -> None:
        """Send a save, or poll; a timer that was overtaken does nothing."""
        if due != self._send_at or self._is_in_flight or self.is_closed:
            return
        self._send_at = 0.0
        if not self.outbox.unrecorded:
            return
        engine = self._engine
        self._save = save = self.outbox.next_save(engine.now, engine.stamp(engine.now))
        self._is_in_flight = True
        path = b"/api/v1/sections/%d/edits" % self.outbox.section_id
        engine.pool.ask(engine.post(path, self._grant, save.body), self._replied, engine.now, is_save=True)

    def _replied(self, reply: Reply, now: float) -> None:
        save = self._save
        self._is_in_flight = False
        assert save is not None  # noqa: S101 -- a reply to what was sent
        self._engine.requested("save" if save.last_seq else "poll", reply)
        if reply.status == OK:
            self._retries = 0
            self._accepted(save, decode_answer(reply.body), now)
        elif reply.status == 0:
            self.outbox.failed(now, 0, reply.body.decode())
            self._retry(None, now)
        else:
            self._refused(reply, now)

    def _accepted(self, save: Save, answer: Answer, now: float) -> None:
        heard = self.outbox.answered(now, save, answer)
        self._engine.heard(heard, now)
        self.window_s = answer.next_save_ms / 1000
        self._polls = 0 if save.last_seq else self._polls + 1
        for edit in heard.refused:
            if self.heads.get(edit.cell) == edit.edit_id:
                if edit.base is None:
                    del self.heads[edit.cell]
                else:
                    self.heads[edit.cell] = edit.base
        if self.outbox.unsent:
            self.plan(max(now, self.outbox.oldest_unsent_at() + self.window_s))
        elif self.outbox.unrecorded:
            self.plan(now + min(self.window_s + POLL_S_MAX, self.window_s * 2 ** min(self._polls, 16)))

    def _refused(self, reply: Reply, now: float) -> None:
        problem = problem_of(reply)
        if reply.status == GAP and isinstance(problem.params.get("expected_seq"), int):
            self.outbox.gap(now, int(problem.params["expected_seq"]))  # type: ignore[arg-type]  # looked at above
            self.plan(now)
            return
        self.outbox.failed(now, reply.status, problem.code)
        if reply.status in {TOO_MANY, UNAVAILABLE}:
            self._retry(reply.header(b"retry-after"), now)
        elif reply.status >= 500:
            self._retry(None, now)
        elif reply.status == TOO_LARGE:
            self.outbox.smaller()
            self.plan(now)
        else:
            self.is_closed = True  # not signed in, not permitted, or a mistake here: kept, and not tried in a loop
            self._engine.gave_up(f"{reply.status} {problem.code}")

    def _retry(self, retry_after: bytes | None, now: float) -> None:
        self._retries += 1
        self.plan(now + self._engine.backoff_s(retry_after, self._retries))
