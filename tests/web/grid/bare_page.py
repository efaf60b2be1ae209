"""A browser window with the grid alone on a bare page: no service, no network."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from app.api.web_files import WEB

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Page

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
