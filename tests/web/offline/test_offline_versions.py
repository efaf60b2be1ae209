"""A new version of the pages: taken whole, offered, and never mixed with the one that is open."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browsing import chromium, new_window
from tests.web.laptop import until_page, wait_for_worker
from tests.web.web_copy import build, copy_web, manifest_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WEB = Path(__file__).parents[3] / "app" / "web"
PAGES = {
    "/app/": "home",
    "/app/receipts": "receipts",
    "/app/compatibility": "compatibility",
    "/app/sections/0": "gradebook",
    "/app/sections/0/attendance": "attendance",
}
AT_WORK = """async () => {
  const { installing, waiting, active } = await navigator.serviceWorker.ready;
  return !installing && !waiting && active === navigator.serviceWorker.controller && active.state === "activated";
}"""
GIVEN_UP = """async () => {
  const { installing } = await navigator.serviceWorker.register("/app/sw.js", { scope: "/app/" });
  await new Promise((done) => {
    const look = () => { if (installing === null || installing.state === "redundant") done(); };
    installing?.addEventListener("statechange", look);
    look();
  });
}"""
TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}


class Shelf:
    """Serves one version of the pages, and nothing else; files that are of another version are not there."""

    def __init__(self) -> None:
        self.version = Path()
        self.asked: list[str] = []
        self.missing: list[str] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close."""
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        self.asked.append(path)
        name = f"{PAGES[path]}.html" if path in PAGES else path.removeprefix("/app/")
        found = self.version / name
        if path == "/app/icon.svg":
            found = WEB / "plain" / "icon.svg"
        if path == "/app/manifest.webmanifest":
            found = WEB / "manifest.webmanifest"
        is_there = found.is_file()
        if not is_there and path.startswith("/app/assets/"):
            self.missing.append(path)
        body = found.read_bytes() if is_there else b""
        kind = TYPES.get(found.suffix, "application/octet-stream")
        status = "200 OK" if is_there else "404 Not Found"
        fields = f"content-type: {kind}\r\ncontent-length: {len(body)}\r\ncache-control: no-cache\r\nconnection: close"
        writer.write(f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def serving(shelf: Shelf) -> AsyncIterator[str]:
    server = await asyncio.start_server(shelf.answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The pages as they are, and as they would be with another sentence."""
    folder = tmp_path_factory.mktemp("versions")
    web = copy_web(folder)
    words = web / "words" / "en" / "compatibility.json"
    made = []
    for name in ("old", "new"):
        build(web)
        made.append(folder / name)
        shutil.copytree(web / "dist", made[-1])
        for kept in manifest_of(made[-1])["kept"]:
            (made[-1] / kept).unlink()
        words.write_text(words.read_text().replace("Tried just now, on this computer.", "Tried by the new version."))
    return made[0], made[1]


async def test_a_new_version_is_taken_whole_and_a_page_that_is_open_keeps_its_own(
    versions: tuple[Path, Path],
) -> None:
    shelf = Shelf()
    old, new = versions
    async with serving(shelf) as url, chromium() as browser:
        shelf.version = old
        window = await new_window(browser, base_url=url)
        page = await window.new_page()
        await page.goto("/app/compatibility")
        await wait_for_worker(page)
        await page.reload()
        await expect(page.get_by_text("Tried just now")).to_be_visible()
        await expect(page.get_by_text("A new version of this page is there.")).to_have_count(0)

        shelf.version = new
        await page.evaluate("navigator.serviceWorker.ready.then((registration) => registration.update())")
        await expect(page.get_by_text("A new version of this page is there.")).to_be_visible()
        await expect(page.get_by_text("Tried just now")).to_be_visible()
        # Another page is opened, of the new version, while the first one stays.
        await until_page(page, AT_WORK)
        for _ in range(2):
            other = await window.new_page()
            await other.goto("/app/compatibility")
            await expect(other.get_by_text("Tried by the new version.")).to_be_visible()
            await other.close()
        # What the open page still loads is of its own version, which the service does not have any more.
        scripts = await page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
        for script in [name for name in scripts if name.endswith(".js") and "/assets/" in name]:
            assert await page.evaluate("async (name) => (await fetch(name)).ok", script), script

        await page.get_by_role("button", name="Load it").click()
        await expect(page.get_by_text("Tried by the new version.")).to_be_visible()
        await expect(page.get_by_text("A new version of this page is there.")).to_have_count(0)
        assert shelf.missing == []

        # The old one goes when no page is open.
        await page.close()
        page = await window.new_page()
        await page.goto("/app/compatibility")
        await expect(page.get_by_text("Tried by the new version.")).to_be_visible()
        await until_page(
            page, "async () => (await caches.keys()).filter((name) => name.startsWith('inkfast-shell-')).length === 1"
        )
        await window.close()


async def test_a_page_that_the_worker_did_not_serve_asks_it_to(versions: tuple[Path, Path]) -> None:
    """As one that was on its way while the worker became active; here it is loaded past the worker."""
    shelf = Shelf()
    shelf.version = versions[0]
    async with serving(shelf) as url, chromium() as browser:
        window = await new_window(browser, base_url=url)
        page = await window.new_page()
        await page.goto("/app/compatibility")
        await wait_for_worker(page)
        before = shelf.asked.count("/app/compatibility")
        browser_side = await window.new_cdp_session(page)
        async with page.expect_navigation():
            await browser_side.send("Page.reload", {"ignoreCache": True})
        assert shelf.asked.count("/app/compatibility") == before + 1
        await wait_for_worker(page)
        await expect(page.get_by_text("A new version of this page is there.")).to_have_count(0)
        await window.close()


async def test_pages_of_a_service_that_is_being_replaced_are_not_taken_in_parts(versions: tuple[Path, Path]) -> None:
    shelf = Shelf()
    old, new = versions
    mixed = old.parent / "mixed"
    shutil.copytree(old, mixed)
    shutil.copy(new / "compatibility.html", mixed / "compatibility.html")
    async with serving(shelf) as url, chromium() as browser:
        shelf.version = mixed
        window = await new_window(browser, base_url=url)
        page = await window.new_page()
        await page.goto("/app/icon.svg")  # a page of ours would try for itself, at a moment of its own
        await page.evaluate(GIVEN_UP)
        assert "/app/compatibility" in shelf.asked
        kept = await page.evaluate("async () => (await caches.keys()).filter((name) => name.startsWith('inkfast-'))")
        assert kept == []
        await window.close()
