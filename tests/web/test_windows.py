"""What a test leaves behind when it closes its windows: nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.browsing import new_window
from tests.web.conftest import forget_routes

if TYPE_CHECKING:
    import pytest
    from playwright.async_api import Browser, Route


async def test_an_answer_that_is_being_fetched_when_a_window_closes_is_no_error_of_the_next_test(
    browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    asked, ended = asyncio.Event(), asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            asked.set()
        writer.close()

    async def fetch(route: Route) -> None:
        try:
            await route.fulfill(response=await route.fetch())
        finally:
            ended.set()

    async with await asyncio.start_server(never_answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        window = await new_window(browser)
        page = await window.new_page()
        await page.route("**/*", fetch)
        await page.evaluate("url => void fetch(url).catch(() => 0)", url)
        await asyncio.wait_for(asked.wait(), 60)
        await forget_routes(window)
        await window.close()
        await asyncio.wait_for(ended.wait(), 60)
        await (await new_window(browser)).close()
    assert "event listener" not in caplog.text  # what Playwright logs it tells whoever asks it next
