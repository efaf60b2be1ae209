"""Kill the browser, again and again, while somebody types and the network fails; then look for every value.

`.venv/bin/python -m tests.web.rounds --rounds 1000 --seed 7`. A round: an outbox opens in a tab, with what the round
before left on the disk, somebody types, and every process of the browser is killed at a random moment. To start a
browser takes longer than all else, so five outboxes that know nothing of each other go through each kill, in one page,
and count as five rounds.

Every value that was said to be on this computer has to be in PostgreSQL exactly once, or a later one of the same cell
has taken its place before it was sent; and those of a cell in the order in which they were typed. Where an outbox says
that it has no disk and keeps a value in memory, nothing is promised: how many these were is told.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from ops.drill.chaos_proxy import NO_FAULT, ChaosProxy, Fault, Kind
from ops.environment import environment
from tests.web.laptop import until_page
from tests.web.outbox_page import open_page, until_true
from tests.world import fetch

if TYPE_CHECKING:
    from playwright.async_api import Page

    from app.settings import Settings
    from tests.gradebook_school import GradebookSchool
    from tests.web.outbox_page import Laptop

KILL_S_MAX = 0.4
OUTBOXES = 5  # a kill
SHARE_TOLD = 0.7  # of the kills come after something is on the disk
LAST_S_MAX = 120.0
FAULTS = (
    *[NO_FAULT] * 4,
    *[Fault(Kind.CUT, share=0.5)] * 3,
    Fault(Kind.CUT),
    Fault(Kind.REFUSE),
    Fault(Kind.DELAY, delay_s=0.1),
)


HAVE_DISKS = "window.desks.every(({ outbox }) => outbox.status().storage !== 'memory')"
# Whatever lies on the disk has been seen, and is recorded.
ALL_SETTLED = """() => window.desks.every(({ outbox }) => {
  const { storage, storing, queued, sending, drafted } = outbox.status();
  outbox.flush();
  return storage !== "memory" && storing + queued + sending + drafted === 0;
})"""


class Report(NamedTuple):
    """What the rounds came to."""

    rounds: int
    stored: int
    in_memory_only: int
    recorded: int
    replaced: int
    lost: list[dict[str, Any]]
    doubled: list[str]
    disordered: list[str]
    clues: list[str]  # where what is lost may be: in quarantine, or as a card in the browser

    @property
    def is_whole(self) -> bool:
        """Whether nothing is lost, doubled or out of order."""
        return not (self.lost or self.doubled or self.disordered)

    def __str__(self) -> str:
        """All of it, and a line for each value that is lost."""
        counts = ", ".join(f"{name} {value}" for name, value in self._asdict().items() if isinstance(value, int))
        lost = [f"lost: {edit}" for edit in self.lost]
        return "\n".join([counts, *lost, *self.clues, f"doubled: {self.doubled}, out of order: {self.disordered}"])


async def play(
    laptop: Laptop,
    proxy: ChaosProxy,
    school: GradebookSchool,
    token: str,
    settings: Settings,
    *,
    rounds: int,
    seed: int,
) -> Report:
    """Play `rounds` rounds and one in which everything works, and compare with PostgreSQL. Says how each went."""
    chance = random.Random(seed)
    url = f"http://127.0.0.1:{proxy.port}"
    for number in range(0, rounds, OUTBOXES):
        began, before = time.monotonic(), len(laptop.stored)
        await proxy.set(NO_FAULT)
        page = await _open_all(laptop, url, school, token)
        fault = chance.choice(FAULTS)
        await proxy.set(fault)
        cells = [[[item, student] for student in school.students] for item in school.columns[:OUTBOXES]]
        without_disk = await page.evaluate(
            """([cells, round]) => {
              window.desks.forEach((desk, i) => void desk.type(cells[i], `r${round}`));
              return window.desks.filter(({ outbox }) => outbox.status().storage === "memory").length;
            }""",
            [cells, number],
        )
        if chance.random() < SHARE_TOLD:  # however slow the disk is
            await _until_told(laptop, before + OUTBOXES)
        await asyncio.sleep(chance.random() * KILL_S_MAX)  # the moment is the experiment
        laptop.kill()
        said = f"{without_disk} of {OUTBOXES} without a disk, {len(laptop.stored) - before} values told"
        sys.stdout.write(f"r{number}: {said}, {fault.kind.name.lower()}, {time.monotonic() - began:.1f} s\n")
        sys.stdout.flush()
    await proxy.set(NO_FAULT)
    page = await _open_all(laptop, url, school, token)
    await until_page(page, ALL_SETTLED, timeout_s=LAST_S_MAX)
    cards = await page.evaluate("window.desks.flatMap(({ outbox }) => outbox.kept())")
    laptop.kill()
    report = await compare(laptop.stored, school, settings, rounds)
    return report if report.is_whole else report._replace(clues=await _clues(report, cards, settings))


async def _clues(report: Report, cards: list[dict[str, Any]], settings: Settings) -> list[str]:
    lost = [edit["edit_id"] for edit in report.lost]
    quarantined = await fetch(settings, "SELECT * FROM edit_quarantine WHERE edit_id::text = ANY($1::text[])", lost)
    return [
        *(f"quarantined: {dict(row)}" for row in quarantined),
        *(f"a card in the browser: {card}" for card in cards if card["edit_id"] in lost),
    ]


async def _until_told(laptop: Laptop, count: int) -> None:
    await until_true(lambda: len(laptop.stored) >= count, f"{count} values are told", LAST_S_MAX)


async def _open_all(laptop: Laptop, url: str, school: GradebookSchool, token: str) -> Page:
    """Return a page with all outboxes open; each has its disk, and knows what stands in its cells."""
    window = await laptop.start()
    page = await open_page(window, url, school.teacher, token, school.section, name="page")
    await page.evaluate(
        """async (count) => {
          window.desks = Array.from({ length: count }, (_, i) => window.openDesk(`desk${i}`));
          await Promise.all(window.desks.map(({ opened }) => opened));
        }""",
        OUTBOXES,
    )
    await until_page(page, HAVE_DISKS, timeout_s=LAST_S_MAX)
    await until_page(page, "Promise.all(window.desks.map((desk) => desk.look())).then((all) => all.every(Boolean))")
    return page


async def compare(told: list[dict[str, Any]], school: GradebookSchool, settings: Settings, rounds: int) -> Report:
    """Look in the history for every value that was told to be on the disk."""
    rows = await fetch(
        settings,
        """SELECT edit_id::text, status::text, item, student_id AS student, value::jsonb->>'text' AS text
           FROM edit_log WHERE section_id = $1 AND author_id = $2 ORDER BY cell_version""",
        school.section,
        school.teacher,
    )
    known = Counter(row["edit_id"] for row in rows)
    last: dict[tuple[int, int], tuple[int, int]] = {}
    last_of_round: dict[tuple[int, int, int], tuple[int, int]] = {}
    disordered = []
    for row in rows:
        when = _when(row)
        if row["status"] == "A" and when < last.get(_cell(row), (0, 0)):
            disordered.append(row["text"])
        last[_cell(row)] = max(when, last.get(_cell(row), (0, 0)))
        of = (*_cell(row), when[0])
        last_of_round[of] = max(when, last_of_round.get(of, (0, 0)))
    stored = [edit for edit in told if edit["storage"] != "memory"]
    missing = [edit for edit in stored if edit["edit_id"] not in known]
    # What a round left on the disk is not replaced by what is typed in the next.
    replaced = [edit for edit in missing if last_of_round.get((*_cell(edit), _when(edit)[0]), (0, 0)) > _when(edit)]
    return Report(
        rounds,
        len(stored),
        len(told) - len(stored),
        len(stored) - len(missing),
        len(replaced),
        [edit for edit in missing if edit not in replaced],
        [edit_id for edit_id, count in known.items() if count > 1],
        disordered,
        [],
    )


def _when(edit: Any) -> tuple[int, int]:
    """When it was typed: the round, and which one of it."""
    kill, typed = edit["text"].removeprefix("r").split(".")
    return int(kill), int(typed)


def _cell(edit: Any) -> tuple[int, int]:
    return edit["item"], edit["student"]


def main() -> int:
    """Play them by hand, with servers of their own."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.web.rounds", description="Kill the browser, again and again."
    )
    parser.add_argument("--rounds", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=7)
    wanted = parser.parse_args()
    given = {**environment(), "INKFAST_ROUNDS": str(wanted.rounds), "INKFAST_ROUNDS_SEED": str(wanted.seed)}
    rounds = "tests/web/offline/test_outbox_rounds.py"
    test = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", rounds]
    return subprocess.run(test, env=given, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
