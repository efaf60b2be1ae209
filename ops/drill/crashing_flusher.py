"""`python -m ops.drill.crashing_flusher`: a flusher that dies between its commit and its drain, as by kill -9."""

from __future__ import annotations

import asyncio
import os
from typing import Any, NoReturn

from app.drafts.store import DraftStore
from app.drafts.topology import Topology
from app.settings import Settings
from ops.environment import environment
from workers.flusher import Flusher

KILLED_STATUS = 137


class _DyingStore(DraftStore):
    """A journal out of which nothing is taken any more: whoever tries is gone."""

    async def drain(self, settled: Any) -> NoReturn:  # noqa: ARG002 -- the journal's own signature
        """End the process at once: nothing of it is closed, given back or flushed."""
        os._exit(KILLED_STATUS)


async def run(settings: Settings) -> None:
    """Flush until the first batch is committed."""
    topology = Topology(settings.redis_url)
    await topology.learn()
    await Flusher(settings, _DyingStore(topology)).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(run(Settings.from_env(environment())))
