"""A simulated teacher: types into a few sections, saves in windows, settles conflicts, looks at snapshots."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from loadtests.connection import Connection
from loadtests.outbox import Conflict, Outbox

if TYPE_CHECKING:
    import random

    from loadtests.ledger import Ledger

BACKOFF_S_MIN, BACKOFF_S_MAX = 1.0, 60.0
PAUSE_S = 0.02
STUDENTS_PER_SECTION, ITEMS_PER_SECTION = 12, 2  # few cells, so that chains grow long and co-teachers meet
OK, CONFLICT_409, TOO_LARGE, TOO_MANY, UNAVAILABLE = 200, 409, 413, 429, 503


class Grant(NamedTuple):
    """A line of the tokens file: who it is, the bearer token, and the sections to type into."""

    user: int
    token: str
    sections: tuple[int, ...]


class Habits(NamedTuple):
    """How a teacher types; shares are of edits, times in seconds."""

    edits_per_s: float
    read_every_s: float = 5.0
    reopen_every_s: float = 60.0  # a tab that is closed and opened again
    refused_share: float = 0.01  # a score that is too high
    settle_share: float = 0.7  # conflicts about which somebody decides; the others stay open
    window_ms_max: int = 60_000  # the server's window, but not longer than this
    timeout_s: float = 10.0


class Figures:
    """What happened, over all teachers."""

    def __init__(self) -> None:
        self.typed = self.saves = self.polls = self.reads = self.conflicts = self.rejected = self.exceptions = 0
        self.refused: dict[str, int] = {}
        self.saved_at = time.monotonic()
        self.saving_gap_s = 0.0
        self.slowest_save_s = 0.0

    def refuse(self, what: str) -> None:
        """Count a request that was refused as a whole, or not answered."""
        self.refused[what] = self.refused.get(what, 0) + 1

    def saved(self, began: float) -> None:
        """Count a save that was acknowledged, which was first tried at `began`."""
        now = time.monotonic()
        self.saves += 1
        self.saving_gap_s = max(self.saving_gap_s, now - max(self.saved_at, began))
        self.slowest_save_s = max(self.slowest_save_s, now - began)
        self.saved_at = now


class _Section:
    """One section of a teacher: its outbox, what can be typed into, and when it is to be saved."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.students: list[int] = []
        self.line_items: list[tuple[int, float, bool]] = []
        self.due_at: float | None = None
        self.retries = 0
        self.tried_at: float | None = None
        self.is_closed = False

    @property
    def is_settled(self) -> bool:
        return self.outbox.unrecorded == 0 or self.is_closed

    def plan(self, seconds: float) -> None:
        """Save in so many seconds, unless it is planned earlier."""
        at = time.monotonic() + seconds
        self.due_at = at if self.due_at is None else min(self.due_at, at)


class Teacher:
    """One teacher with one connection; a request at a time."""

    def __init__(
        self, base_url: str, grant: Grant, habits: Habits, ledger: Ledger, figures: Figures, rng: random.Random
    ) -> None:
        self._http = Connection(base_url, grant.token, timeout_s=habits.timeout_s)
        self._habits = habits
        self._ledger = ledger
        self._figures = figures
        self._rng = rng
        self._sections = [_Section(Outbox(grant.user, section, ledger)) for section in grant.sections]
        self._is_typing = True

    @property
    def unrecorded(self) -> int:
        """Edits that PostgreSQL does not have yet, as far as the teacher knows."""
        return sum(section.outbox.unrecorded for section in self._sections)

    @property
    def is_settled(self) -> bool:
        """Whether everything typed is recorded."""
        return all(section.is_settled for section in self._sections)

    def stop_typing(self) -> None:
        """Go on until everything is recorded, without typing more."""
        self._is_typing = False

    async def open_sections(self) -> None:
        """Read every section once, however long it takes: without it nothing can be typed."""
        for section in self._sections:
            while not await self._read(section):  # noqa: ASYNC110 -- the service is another process
                await asyncio.sleep(self._rng.uniform(0, BACKOFF_S_MIN))

    async def run(self, until: float) -> None:
        """Type, save and poll until everything is recorded, or the monotonic clock says `until`."""
        now = time.monotonic()
        type_at, read_at = now + self._gap(), now + self._rng.uniform(0, self._habits.read_every_s)
        reopen_at = now + self._rng.expovariate(1 / self._habits.reopen_every_s)
        while time.monotonic() < until and (self._is_typing or not self.is_settled):
            now = time.monotonic()
            if self._is_typing and now >= type_at:
                self._type(self._rng.choice(self._sections))
                type_at = max(type_at + self._gap(), now - 1)
                continue
            if now >= read_at:
                await self._read(self._rng.choice(self._sections))
                read_at = time.monotonic() + self._habits.read_every_s
            if self._is_typing and now >= reopen_at:
                self._reopen(self._rng.choice(self._sections))
                reopen_at = now + self._rng.expovariate(1 / self._habits.reopen_every_s)
            due = [s for s in self._sections if s.due_at is not None and s.due_at <= now and not s.is_closed]
            if due:
                await self._save(min(due, key=lambda s: s.due_at or 0.0))
            else:
                await asyncio.sleep(max(0.0, min(PAUSE_S, type_at - now)) if self._is_typing else PAUSE_S)
        self._http.close()

    def _gap(self) -> float:
        return self._rng.expovariate(self._habits.edits_per_s)

    def _type(self, section: _Section) -> None:
        if not section.students or not section.line_items or section.is_closed:
            return
        item, high, is_extra_credit = self._rng.choice(section.line_items)
        number = self._rng.randint(0, int(high * 4)) / 4
        if self._rng.random() < self._habits.refused_share and not is_extra_credit:
            number = high + 1
        section.outbox.type(("score", item, self._rng.choice(section.students)), {"score": f"{number:g}"})
        self._figures.typed += 1
        section.plan(self._window_s(section))

    def _window_s(self, section: _Section) -> float:
        return min(section.outbox.next_save_ms, self._habits.window_ms_max) / 1000

    def _reopen(self, section: _Section) -> None:
        if section.outbox.unrecorded and not section.is_closed:
            section.outbox.renumber()
            section.plan(0)

    async def _save(self, section: _Section) -> None:
        section.due_at = None
        save = section.outbox.next_save()
        if section.tried_at is None:
            section.tried_at = time.monotonic()
        try:
            answer = await self._http.post(f"/api/v1/sections/{section.outbox.client.section_id}/edits", save.body)
        except OSError as error:
            section.outbox.failed(save, 0, type(error).__name__)
            self._figures.refuse("no answer")
            self._retry(section, None)
            return
        if answer.status == OK:
            self._take(section, save, json.loads(answer.body))
            return
        problem = json.loads(answer.body)
        self._figures.refuse(f"{answer.status} {problem['code']}")
        if answer.status == CONFLICT_409:
            section.outbox.gap(save, problem["params"]["expected_seq"])
            section.plan(0)
            return
        section.outbox.failed(save, answer.status, problem["code"])
        if answer.status in {TOO_MANY, UNAVAILABLE}:
            self._retry(section, float(answer.headers["retry-after"]))
        elif answer.status >= 500:
            self._retry(section, None)
        elif answer.status == TOO_LARGE:
            section.outbox.smaller()
            section.plan(0)
        else:
            section.is_closed = True  # not signed in, not permitted, or a mistake here: kept, and not tried in a loop

    def _retry(self, section: _Section, retry_after_s: float | None) -> None:
        """Wait as long as was asked for, else full jitter: a random part of a span that doubles."""
        section.retries += 1
        span_s = min(BACKOFF_S_MAX, BACKOFF_S_MIN * 2 ** (section.retries - 1))
        section.plan(self._rng.uniform(0, span_s) if retry_after_s is None else retry_after_s)

    def _take(self, section: _Section, save: Any, answer: dict[str, Any]) -> None:
        section.retries = 0
        section.outbox.answered(save, answer)
        if save.edits:
            self._figures.saved(section.tried_at or time.monotonic())
            self._figures.rejected += sum(o["outcome"] == "rejected" for o in answer["outcomes"])
        else:
            self._figures.polls += 1
        self._figures.exceptions += len(answer["exceptions"])
        section.tried_at = None
        while section.outbox.conflicts:
            self._decide(section, section.outbox.conflicts.popleft())
        if section.outbox.unrecorded:
            section.plan(self._window_s(section))

    def _decide(self, section: _Section, conflict: Conflict) -> None:
        self._figures.conflicts += 1
        if self._rng.random() < self._habits.settle_share:
            edit = section.outbox.settle(conflict, keep_mine=self._rng.random() < 0.5)
            self._figures.typed += edit is not None

    async def _read(self, section: _Section) -> bool:
        asked_at = self._ledger.now()
        try:
            answer = await self._http.get(f"/api/v1/sections/{section.outbox.client.section_id}")
        except OSError:
            self._figures.refuse("no answer")
            return False
        if answer.status != OK:
            self._figures.refuse(f"{answer.status} read")
            return False
        snapshot = json.loads(answer.body)
        if snapshot["records_are_away"]:  # then it shows what was recorded at that moment, and says so
            asked_at = min(asked_at, int(dt.datetime.fromisoformat(snapshot["as_of"]).timestamp() * 1_000_000))
        section.outbox.shown(asked_at, snapshot["cells"])
        section.outbox.next_save_ms = snapshot["next_save_ms"]
        section.students = [s["student_id"] for s in snapshot["students"]][:STUDENTS_PER_SECTION]
        section.line_items = [
            (c["line_item_id"], float(c["result_value_max"]), bool(c.get("is_extra_credit")))
            for c in snapshot["line_items"][:ITEMS_PER_SECTION]
        ]
        self._figures.reads += 1
        return True
