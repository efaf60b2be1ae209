"""How long a page keeps the processor busy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from playwright.async_api import Page


class ProcessorTime:
    """How long the page's main thread had the processor; what other programs take does not count."""

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
