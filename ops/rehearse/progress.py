"""What the terminal shows while a rehearsal runs: a table that is drawn anew, or a line now and then in a log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

if TYPE_CHECKING:
    from types import TracebackType

    from ops.rehearse.sampler import Sampler
    from ops.rehearse.series import Series

LOG_EVERY_S = 10.0


class Progress:
    """Use as a context."""

    def __init__(self, title: str, duration_s: float, *, quiet: bool) -> None:
        self._title = title
        self._duration_s = duration_s
        self._console = Console(stderr=True)
        self._live: Live | None = None
        self._quiet = quiet
        self._said_at = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._quiet:
            self._live = Live(console=self._console, refresh_per_second=2, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def look(self, series: Series, sampler: Sampler) -> None:
        """Show how far it is."""
        figures = self._figures(series, sampler)
        if self._live is not None:
            self._live.update(self._table(figures))
        elif not self._quiet and time.monotonic() - self._said_at >= LOG_EVERY_S:
            self._said_at = time.monotonic()
            self._console.print("  ".join(f"{name} {value}" for name, value in figures), soft_wrap=True)

    def _figures(self, series: Series, sampler: Sampler) -> list[tuple[str, str]]:
        last, whole = series.last, series.whole
        if last is None:
            return [("waiting", "for the generator")]
        sample = sampler.rows[max(sampler.rows)] if sampler.rows else {}
        seconds = max(0.0, time.time() - (series.first or time.time()))
        left = self._duration_s - seconds
        drafted, request = whole.histograms["drafted"], whole.histograms["request"]
        return [
            ("", f"{seconds:.0f} s, {left:.0f} s to go" if left > 0 else f"{seconds:.0f} s, nobody types any more"),
            ("teachers", f"{last.gauges['teachers']:,.0f}"),
            ("edits/s", f"{last.counts['offered']:,} typed, {last.counts['drafted']:,} drafted"),
            ("age p50, p99", f"{_ms(drafted.percentile_ms(50))}, {_ms(drafted.percentile_ms(99))}"),
            ("request p50, p99", f"{_ms(request.percentile_ms(50))}, {_ms(request.percentile_ms(99))}"),
            ("requests/s", f"{last.counts['requests']:,}"),
            ("failed", f"{sum(whole.errors.values()):,}"),
            ("not recorded", f"{last.gauges['unrecorded']:,.0f}, oldest {sample.get('oldest_unrecorded_s', 0):.1f} s"),
            ("journal", f"{sample.get('journal_depth', 0):,.0f} entries"),
            ("cores", ", ".join(f"{k[4:]} {v:.2f}" for k, v in sample.items() if k.startswith("cpu_"))),
            ("generator late p99", _ms(whole.histograms["lag"].percentile_ms(99))),
        ]

    def _table(self, figures: list[tuple[str, str]]) -> Table:
        table = Table(title=self._title, show_header=False, box=None, title_justify="left")
        table.add_column(style="dim")
        table.add_column()
        for name, value in figures:
            table.add_row(name, value)
        return table


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f} ms"
