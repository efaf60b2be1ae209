"""What tests of pages stand on: a window leaves nothing to the next test, a port is kept, and no day ends."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from tests.browsing import Service, new_window
from tests.plain_school import quiet_zone
from tests.web.conftest import forget_routes

if TYPE_CHECKING:
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


async def test_a_page_that_goes_while_its_window_is_put_away_is_no_error(browser: Browser) -> None:
    for _ in range(8):  # one is gone before it is asked, another in the midst of it
        window = await new_window(browser)
        page = await window.new_page()
        await page.route("**/*", lambda route: route.continue_())
        await page.close(run_before_unload=True)
        await forget_routes(window)
        await window.close()


def test_the_port_of_a_service_that_is_stopped_is_given_to_nobody_else() -> None:
    service = Service("postgresql://nobody/asks", "unix:///nobody/asks")
    try:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", service.port))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", service.port))
        with socket.create_server(("127.0.0.1", service.port)):  # as it does when it starts
            socket.create_connection(("127.0.0.1", service.port)).close()
    finally:
        service.close()


def test_no_day_ends_in_a_school_while_a_test_runs() -> None:
    for hour in range(366 * 24):
        now = dt.datetime(2026, 9, 1, 0, 59, 59, tzinfo=dt.UTC) + dt.timedelta(hours=hour)
        zone = ZoneInfo(quiet_zone(now))
        assert now.astimezone(zone).date() == (now + dt.timedelta(minutes=59)).astimezone(zone).date()
