"""Shows how far a long roster command is: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.rosters.importer import Progress as ProgressSink

LINE_EVERY_S = 10.0


class LineProgress:
    """A line when a step begins, and one every ten seconds while it lasts."""

    def __init__(self) -> None:
        self._what, self._total, self._said_at = "", 0, 0.0

    def begin(self, what: str, total: int) -> None:
        """Say what begins."""
        self._what, self._total, self._said_at = what, total, time.monotonic()
        click.echo(f"{what} …", err=True)

    def advance(self, done: int) -> None:
        """Say how far it is, now and then."""
        if time.monotonic() - self._said_at >= LINE_EVERY_S and self._total:
            self._said_at = time.monotonic()
            click.echo(f"{self._what}: {100 * done / self._total:.0f} %", err=True)


class BarProgress:
    """One bar for each step."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def begin(self, what: str, total: int) -> None:
        """Finish the bar before, and begin one; it only pulses where the total is not known."""
        if self._task is not None:
            self._bars.update(self._task, total=1, completed=1)
        self._task = self._bars.add_task(what, total=total or None)

    def advance(self, done: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.update(self._task, completed=done)


@contextmanager
def shown_progress() -> Iterator[ProgressSink]:
    """Show progress on stderr while the block runs, in the way that suits it."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield LineProgress()
        return
    columns = (TextColumn("{task.description:<36}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        yield BarProgress(bars)
