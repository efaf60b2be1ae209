"""Teachers: they type, save in windows, look at what others wrote, decide conflicts, and open their tabs anew."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any

from app.model.grants import Grant
from loadtests.outbox import Outbox
from tests.simulation.clock import Process
from tests.simulation.statements import ITEMS, STUDENTS

if TYPE_CHECKING:
    import random

    from tests.simulation.district import District

SCORES = ("0", "7", "12.5", "20", "18", "3")
TOO_HIGH, POISON = "999", "13.13"


def id_maker(rng: random.Random) -> str:
    """A UUID version 7 in form; its order means nothing here."""
    text = f"{rng.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-7{text[13:16]}-8{text[17:20]}-{text[20:]}"


class Tab:
    """One open gradebook."""

    def __init__(self, district: District, number: int, user_id: int, section_id: int, rng: random.Random) -> None:
        self.name = f"tab{number}"
        self.process = Process(district.loop, self.name)
        self._d = district
        self._rng = rng
        self._section_id = section_id
        self._grant = Grant(f"g{user_id}", user_id, None, ("teacher",), (1,), frozenset({section_id}), 0, 2**40, "A")
        self.outbox = Outbox(
            user_id,
            section_id,
            district.book,
            lambda: id_maker(rng),
            edits_max=rng.choice((2, 5, 200)),  # type: ignore[arg-type]  # a ledger in memory
        )
        own = 200 + number  # a cell that nobody else types into
        self._cells = [(item, student) for item in ITEMS for student in (*STUDENTS, own)]
        self._window_s = rng.choice((0.05, 0.2, 0.5, 1.0))
        self._edits_per_s = rng.choice((0.5, 1.0, 2.0))
        self._refused = rng.choice((0.0, 0.1))
        self._poison = rng.choice((0.0, 0.0, 0.0, 0.1))
        self._reopens = rng.choice((0.0, 0.0, 0.05))
        self.polls_left = 3
        self.is_typing = True

    @property
    def is_done(self) -> bool:
        return not self.is_typing and self.polls_left <= 0

    def give_up(self) -> None:
        self.is_typing, self.polls_left = False, 0

    async def run(self) -> None:
        save_at, type_at = 0.0, self._rng.expovariate(self._edits_per_s)
        loop = self._d.loop
        while not self.is_done:
            now = loop.time()
            if self.is_typing and now >= type_at:
                self._type()
                type_at = now + self._rng.expovariate(self._edits_per_s)
                continue
            if now >= save_at:
                save_at = loop.time() + (await self._save() if self._has_to_send() else self._window_s)
                continue
            await asyncio.sleep(max(0.001, min(save_at, type_at if self.is_typing else save_at) - now))

    def _has_to_send(self) -> bool:
        """Nothing is asked where nothing is kept, until the end."""
        return bool(self.outbox.unrecorded) or not self.is_typing

    def _type(self) -> None:
        rng, outbox = self._rng, self.outbox
        item, student = rng.choice(self._cells)
        cell = ("score", item, student)
        if rng.random() < 0.5:
            self._look(cell)
        if rng.random() < self._reopens:
            outbox.renumber()
        chance = rng.random()
        score = TOO_HIGH if chance < self._refused else POISON if chance > 1 - self._poison else rng.choice(SCORES)
        edit = outbox.type(cell, {"score": score}, entered_at=_moment(self.process))
        self._note(edit)

    def _note(self, edit: dict[str, Any]) -> None:
        cell = edit["item"], edit["student"]
        self._d.book.edits[bytes.fromhex(edit["edit_id"].replace("-", ""))].tab = self
        self._d.note(
            *(self.name, "types", self._section_id, edit["edit_id"][:8], edit["seq"], cell, edit["value"]["score"]),
            *("on", (edit["base"] or "nothing")[:8]),
        )

    def _look(self, cell: tuple[str, int, int]) -> None:
        if any((e["kind"], e["item"], e["student"]) == cell for e in self.outbox._kept):
            return
        shown = self._d.shown(self._section_id, cell[1], cell[2])
        if shown is None:
            self.outbox.seen.pop(cell, None)
        else:
            self.outbox.seen[cell] = shown

    async def _save(self) -> float:
        """Send what is due, or poll; return how long to wait then."""
        outbox = self.outbox
        save = outbox.next_save()
        api = self._rng.choice(self._d.apis)
        answer = await api.post(self._grant, self._section_id, save.body)
        if answer.status == 409:
            outbox.gap(save, answer.body["params"]["expected_seq"])
            return 0.01
        if answer.status != 200:
            outbox.failed(save, answer.status, answer.body.get("code", ""))
            return self._rng.uniform(0.05, 0.5)
        outbox.answered(save, answer.body)
        while outbox.conflicts:
            conflict = outbox.conflicts.popleft()
            if self.is_typing and self._rng.random() < 0.6:
                settled = outbox.settle(conflict, keep_mine=self._rng.random() < 0.5)
                if settled is not None:
                    self._note(settled)
        if not self.is_typing:
            if not outbox.unrecorded:
                self.polls_left -= 1
            return 0.1
        return self._window_s


def _moment(process: Process) -> str:
    return dt.datetime.fromtimestamp(process.wall_s(), dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
