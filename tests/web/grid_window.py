"""A browser window with the grid alone on a bare page: no service, no network."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.async_api import async_playwright

from ops.environment import environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page

WEB = Path(__file__).resolve().parents[2] / "app" / "web"
PAGE = WEB / "grid" / "test"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]


def build_page(out: Path) -> str:
    """Bundle the bare page into `out`; return its address."""
    program = [str(WEB / "node_modules" / ".bin" / "esbuild"), str(PAGE / "page.ts"), str(PAGE / "page.css")]
    flags = ["--bundle", "--minify", "--target=chrome87,firefox91,safari15", "--log-level=warning", f"--outdir={out}"]
    subprocess.run([*program, *flags], check=True)
    shutil.copy(PAGE / "page.html", out)
    return (out / "page.html").as_uri()


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, closed at the end."""
    async with async_playwright() as playwright:
        path = environment().get("INKFAST_CHROMIUM", "/usr/bin/chromium")
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        await browser.close()


async def throttle(page: Page, rate: int) -> None:
    """Slow the page's processor down by this factor."""
    client = await page.context.new_cdp_session(page)
    await client.send("Emulation.setCPUThrottlingRate", {"rate": rate})
