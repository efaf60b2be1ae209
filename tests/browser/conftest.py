"""The real service and Debian's browser, for the plain page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browsing import Service, chromium, screenshots

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from playwright.async_api import Browser

    from ops.servers import ValkeyServer


@pytest.fixture(scope="module")
def service(module_database_url: str, valkey: ValkeyServer) -> Iterator[Service]:
    """One API process for the tests of a file; no flusher, so that a test decides when drafts are recorded."""
    service = Service(module_database_url, valkey.url)
    try:
        service.start()
        yield service
    finally:
        service.close()


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def screenshot_dir() -> Path:
    return screenshots()
