"""A browser window with the grid alone on a bare page: no service, no network."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from playwright.async_api import Page

WEB = Path(__file__).resolve().parents[2] / "app" / "web"
PAGE = WEB / "grid" / "test"


def build_page(out: Path) -> str:
    """Bundle the bare page into `out`; return its address."""
    program = [str(WEB / "node_modules" / ".bin" / "esbuild"), str(PAGE / "page.ts"), str(PAGE / "page.css")]
    flags = ["--bundle", "--minify", "--target=chrome87,firefox91,safari15", "--log-level=warning", f"--outdir={out}"]
    subprocess.run([*program, *flags], check=True)
    shutil.copy(PAGE / "page.html", out)
    return (out / "page.html").as_uri()


async def stop_clock(page: Page) -> None:
    """Let time pass only when the test says so: else what is typed is entered in any pause of two seconds.

    Frames are drawn all the same.
    """
    await page.clock.install(time=0)
    await page.clock.pause_at(60_000)


async def throttle(page: Page, rate: int) -> None:
    """Slow the page's processor down by this factor."""
    client = await page.context.new_cdp_session(page)
    await client.send("Emulation.setCPUThrottlingRate", {"rate": rate})


class ProcessorTime:
    """How long the page's main thread had the processor; what other programs do on the machine does not count."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.ms = 0.0

    async def __aenter__(self) -> Self:
        self.client = await self.page.context.new_cdp_session(self.page)
        await self.client.send("Performance.enable", {"timeDomain": "threadTicks"})
        self.before = await self._task_ms()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.ms = await self._task_ms() - self.before
        await self.client.detach()

    async def _task_ms(self) -> float:
        found = await self.client.send("Performance.getMetrics")
        return next(metric["value"] * 1000 for metric in found["metrics"] if metric["name"] == "TaskDuration")
