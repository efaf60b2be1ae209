"""Sections that are typed into without end, through processes that go on while a replica takes over."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import TYPE_CHECKING, Self

from app.drafts import codec
from app.drafts.committer import Committer
from app.drafts.keys import partition_of
from app.drafts.store import DraftStore
from app.drafts.topology import Topology
from app.errors import JournalUnavailableError
from tests.integration.test_committer import save_of

if TYPE_CHECKING:
    from collections.abc import Sequence

PAUSE_S = 0.01


class Writers:
    """Use as a context: one process that saves (`topology`), and one that only reads (`store`)."""

    def __init__(self, url: str, sections: Sequence[int]) -> None:
        self.topology, self._reading = Topology(url), Topology(url)
        self.store = DraftStore(self._reading)
        self._sections = sections
        self._committers = [
            Committer(self.topology, queue_edits_max=1_000, wait_ms_max=1_000, replicas_min=n) for n in (1, 0)
        ]
        self._committer = self._committers[0]
        self._acknowledged: list[tuple[int, int]] = []
        self._enough = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.topology.learn()
        await self._reading.learn()
        self._typing = [asyncio.create_task(self._type(section)) for section in self._sections]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._typing:
            task.cancel()
        self.topology.close()
        self._reading.close()
        for committer in self._committers:
            await committer.close()

    async def _type(self, section: int) -> None:
        client, partition = section.to_bytes(16, "big"), partition_of(section)
        for seq in itertools.count(1):
            save = save_of(section, seq=seq, client=client, student=seq)
            while True:
                with contextlib.suppress(JournalUnavailableError):
                    reply = await self._committer.commit(partition, section, save, 1)
                    assert reply[:1] == b"O"
                    self._acknowledged.append((section, seq))
                    break
                await asyncio.sleep(PAUSE_S)
            if self._enough.is_set():
                return

    async def more(self, count: int) -> None:
        """Wait until so many more edits are acknowledged."""
        goal = len(self._acknowledged) + count
        while len(self._acknowledged) < goal:
            await asyncio.sleep(PAUSE_S)

    def need_no_replica(self) -> None:
        """From now on the acknowledgement of one server does: the one that took over has no replica yet."""
        self._committer = self._committers[1]

    async def read(self) -> None:
        """Read what waits in all sections, in the process that only reads."""
        await self.store.backlog([partition_of(section) for section in self._sections])

    async def finish(self) -> None:
        """Stop typing; every acknowledged edit is in the journal once, and no other is."""
        self._enough.set()
        await asyncio.gather(*self._typing)
        with contextlib.suppress(JournalUnavailableError):  # who only reads fails once, and finds its way
            await self.read()
        found: list[tuple[int, int]] = []
        for raw in await self.store.read_entries({partition_of(s) for s in self._sections}, 100_000):
            entry = codec.unpack_entry(raw.stream_id, raw.raw)
            found += [(entry.section_id, edit.seq) for edit in entry.edits]
        assert sorted(found) == sorted(self._acknowledged)
