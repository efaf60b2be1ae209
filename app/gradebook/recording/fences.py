"""First statement of each transaction that records edits: who may write now, and who has to wait.

A partition's row in PostgreSQL is the only lock that the edit path needs. A flusher holds the rows of all its leases,
the direct path those of the sections that it writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from app.records.leases import hold_partitions, touch_leases

if TYPE_CHECKING:
    from uuid import UUID

    from app.gradebook.recording.batches import Batch
    from app.records.leases import Epochs, Held
    from app.records.pool import Connection


class LeaseLostError(Exception):
    """Somebody else holds some of the partitions; nothing was written."""

    def __init__(self, partitions: set[int]) -> None:
        super().__init__(f"lost {sorted(partitions)}")
        self.partitions = partitions


class IncarnationChangedError(Exception):
    """The database was restored since the partitions were bound to it; nothing was written."""


class Fence(Protocol):
    """Locks what a batch writes to, or raises, and then nothing is to be written."""

    async def hold(self, connection: Connection, batch: Batch) -> Held:
        """Return what is held until the transaction ends."""


class LeaseFence:
    """A flusher's: every partition that it has a lease of, in one statement that renews them."""

    def __init__(self, owner: UUID, lease_ms: int) -> None:
        self._owner = owner
        self._lease_ms = lease_ms
        self.epochs: Epochs = {}
        self.incarnation = ""

    async def hold(self, connection: Connection, batch: Batch) -> Held:
        """Raise LeaseLostError or IncarnationChangedError where the flusher is no longer who it was."""
        held = await touch_leases(connection, self._owner, self.epochs, self._lease_ms, batch.rows_by_partition)
        if held.partitions != set(self.epochs):
            raise LeaseLostError(set(self.epochs) - held.partitions)
        if held.incarnation != self.incarnation:
            raise IncarnationChangedError
        return held


class DirectFence:
    """The direct path's: the partitions that the batch writes to; a flusher of theirs waits, or is waited for."""

    async def hold(self, connection: Connection, batch: Batch) -> Held:
        """Lock them, in order."""
        return await hold_partitions(connection, batch.rows_by_partition)
