"""A teacher at her desk: the load client's own outbox, over the save path of a process in this one."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from app.errors import InkfastError, SeqGapError
from loadtests.outbox import Outbox, Save
from ops.audit.checks import Report, audit_stores
from tests.world import QUIZ, SECTION, STUDENTS, TEACHER, Process, grant

if TYPE_CHECKING:
    from pathlib import Path

    from app.settings import Settings
    from loadtests.ledger import Ledger

PAUSE_S = 0.01


class Desk:
    """Types into one section, saves, and keeps on until everything is recorded."""

    def __init__(
        self, process: Process, ledger: Ledger, user_id: int = TEACHER, section_id: int = SECTION, **options: Any
    ) -> None:
        self.process = process
        self.user_id = user_id
        self.section_id = section_id
        self.outbox = Outbox(user_id, section_id, ledger, **options)
        self.refusals: list[str] = []

    def type(self, score: float, student: int = STUDENTS[0], item: int = QUIZ, **more: Any) -> dict[str, Any]:
        return self.outbox.type(("score", item, student), {"score": str(score)}, **more)

    async def send(self, save: Save) -> dict[str, Any]:
        """One request, whose answer nobody has looked at yet."""
        at = self.process.edit_cells
        answer: dict[str, Any] = json.loads(
            await at.save(grant(self.user_id, self.section_id), self.section_id, save.body)
        )
        return answer

    async def save(self, *, lose_answer: bool = False) -> dict[str, Any] | None:
        """Send what is unacknowledged and take the answer; None where there was none."""
        save = self.outbox.next_save()
        try:
            answer = await self.send(save)
        except SeqGapError as gap:
            self.outbox.gap(save, gap.params["expected_seq"])
            return None
        except InkfastError as error:
            self.refusals.append(error.code)
            self.outbox.failed(save, error.status, error.code)
            return None
        if lose_answer:
            self.outbox.failed(save, 0, "ConnectionResetError")
            return None
        self.outbox.answered(save, answer)
        return answer

    async def until_drafted(self, seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while self.outbox.unsent:
                await self.save()
                await asyncio.sleep(PAUSE_S)

    async def until_recorded(self, seconds: float = 60) -> None:
        """Save and poll until nothing is kept here."""
        async with asyncio.timeout(seconds):
            while self.outbox.unrecorded:
                await self.save()
                await asyncio.sleep(PAUSE_S)


async def audited(settings: Settings, *ledgers: Path, wait_s: float = 5) -> Report:
    return await audit_stores(settings, ledgers, wait_s, lambda _: None)


async def assert_all_is_well(settings: Settings, *ledgers: Path) -> Report:
    report = await audited(settings, *ledgers)
    broken = [(v.name, dict(v.violations), v.offending) for v in report.verdicts if not v.holds]
    assert not broken, broken
    return report
