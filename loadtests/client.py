"""Simulated teachers over HTTP, each with a ledger of what was sent and answered.

`python -m loadtests.client --host http://127.0.0.1:8000 --tokens FILE --ledger FILE --teachers 20 --rate 300`

The tokens file holds a grant a line: {"user": 11, "token": "ikg1…", "sections": [4001, 4002]}. Teachers beyond its
lines use them again, as a second tab of one person. Goes on after --duration until everything is recorded, or until the
--deadline. Exit status 0 when everything was recorded, 3 when something was not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from loadtests.ledger import Ledger
from loadtests.teacher import Figures, Grant, Habits, Teacher

if TYPE_CHECKING:
    from collections.abc import Sequence

NOT_ALL_RECORDED = 3
REPORT_EVERY_S = 5.0


def read_grants(path: Path) -> list[Grant]:
    """Return the grants of a tokens file."""
    grants = []
    for line in path.read_text().splitlines():
        fields = json.loads(line)
        grants.append(Grant(int(fields["user"]), fields["token"], tuple(fields["sections"])))
    return grants


async def run(options: argparse.Namespace) -> bool:
    """Simulate until everything is recorded (True), or the deadline."""
    rng = random.Random(options.seed)
    figures = Figures()
    habits = Habits(
        edits_per_s=options.rate / options.teachers,
        read_every_s=options.read_every,
        reopen_every_s=options.reopen_every,
        window_ms_max=options.window_ms_max,
        timeout_s=options.timeout,
    )
    grants = read_grants(options.tokens)
    with Ledger(options.ledger) as ledger:
        ledger.run(**{k: str(v) if isinstance(v, Path) else v for k, v in vars(options).items()})
        teachers = [
            Teacher(options.host, grants[i % len(grants)], habits, ledger, figures, random.Random(rng.random()))
            for i in range(options.teachers)
        ]
        await asyncio.gather(*(teacher.open_sections() for teacher in teachers))
        print(f"typing: {len(teachers)} teachers, {options.rate} edits/s", flush=True)
        stop = asyncio.create_task(_stop_typing(teachers, options.duration))
        report = asyncio.create_task(_report(teachers, figures))
        until = time.monotonic() + options.duration + options.deadline
        await asyncio.gather(*(teacher.run(until) for teacher in teachers))
        stop.cancel()
        report.cancel()
        left = sum(teacher.unrecorded for teacher in teachers)
        ledger.end(unrecorded=left, **_figures(figures))
    print(json.dumps({"unrecorded": left, **_figures(figures)}), flush=True)
    return left == 0


async def _stop_typing(teachers: Sequence[Teacher], seconds: float) -> None:
    """Stop typing after so many seconds, or at SIGTERM or SIGINT."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asked.wait(), seconds)
    for teacher in teachers:
        teacher.stop_typing()


async def _report(teachers: Sequence[Teacher], figures: Figures) -> None:
    while True:
        await asyncio.sleep(REPORT_EVERY_S)
        left = sum(teacher.unrecorded for teacher in teachers)
        print(f"typed {figures.typed}, saves {figures.saves}, not yet recorded {left}, {figures.refused}", flush=True)


def _figures(figures: Figures) -> dict[str, object]:
    return {
        "typed": figures.typed,
        "saves": figures.saves,
        "polls": figures.polls,
        "reads": figures.reads,
        "conflicts": figures.conflicts,
        "rejected": figures.rejected,
        "exceptions": figures.exceptions,
        "refused": figures.refused,
        "longest_without_a_save_s": round(figures.saving_gap_s, 3),
        "slowest_save_s": round(figures.slowest_save_s, 3),
    }


def main(argv: Sequence[str]) -> int:
    """Simulate as the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.client", description="Simulated teachers.")
    parser.add_argument("--host", required=True, help="address of the service, such as http://127.0.0.1:8000")
    parser.add_argument("--tokens", required=True, type=Path, help="a grant a line: user, token, sections")
    parser.add_argument("--ledger", required=True, type=Path, help="written (appended) as docs/ledger.md says")
    parser.add_argument("--teachers", type=int, default=20)
    parser.add_argument("--rate", type=float, default=100.0, help="edits per second, over all teachers")
    parser.add_argument("--duration", type=float, default=30.0, help="seconds of typing")
    parser.add_argument(
        "--deadline", type=float, default=120.0, help="seconds for everything to be recorded after that"
    )
    parser.add_argument("--window-ms-max", type=int, default=60_000, help="save at least this often")
    parser.add_argument("--read-every", type=float, default=5.0, help="seconds between snapshots of a teacher")
    parser.add_argument("--reopen-every", type=float, default=60.0, help="mean seconds until a tab is opened anew")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds that a request may take")
    parser.add_argument("--seed", type=int, default=1)
    return 0 if asyncio.run(run(parser.parse_args(argv))) else NOT_ALL_RECORDED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
